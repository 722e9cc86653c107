"""Wiring of patch mixers: tokens mixed across patches, channels mixed within each, in groups or all together.

Ren, Kornblith, Liao and Hinton, "Scaling forward gradient with local losses" (ICLR 2023,
https://arxiv.org/abs/2210.03310), after MLP-Mixer (Tolstikhin et al. 2021, https://arxiv.org/abs/2105.01601).
Activity is ordered patch by patch, within a patch group by group. What a layer is driven with may be prepared
digitally on the way, normalized or averaged; nothing in it is learnt.

Where we differ: they normalize between a layer's sums and its neurons, which on a chip are one piece, so
only what drives a layer is normalized here. Residual connections are `learners.wiring.residual`.
"""

from .convolution import Sites, patches
from .crossbar import Dense, Layer, dense
from .preparation import Averaged, Normalized, prepared


def token_mixing(patches: int, channels: int, *, bias: bool = True, linear: bool = False) -> Sites:
    """Every patch's value of a channel drives every patch's new value; one tile serves all channels."""
    _positive("token mixing", patches, channels)
    always_on = (patches * channels,) * bias
    table = tuple(tuple(p * channels + c for p in range(patches)) + always_on for c in range(channels))
    return Sites(patches * channels, patches, (table,), linear=linear)


def channel_mixing(
    patches: int, features_in: int, features: int, groups: int = 1, *, bias: bool = True, linear: bool = False
) -> Sites | Dense:
    """Within each patch channels drive channels of their own group; one tile a group serves all patches."""
    _positive("channel mixing", patches, features_in, features, groups)
    single = Dense(features_in, features, groups, bias, linear)  # refuses groups that do not divide
    if patches == 1:
        return single
    share, one = features_in // groups, patches * features_in
    table = tuple(
        tuple(
            tuple(p * features_in + g * share + c for c in range(share)) + (one,) * bias
            for p in range(patches)
        )
        for g in range(groups)
    )
    return Sites(patches * features_in, features // groups, table, planes_first=False, linear=linear)


def local_mixer(
    image: tuple[int, int, int],  # planes, height, width
    classes: int,
    *,
    channels: int,
    side: int = 1,  # patches along each side of the image
    groups: int = 1,
    blocks: int = 1,
    normalized: bool = False,
) -> tuple[Layer, ...]:
    """The layers of Ren et al.'s LocalMixer, its last a linear read-out of the patches' mean.

    The first block has 2 layers, every other 3: over tokens, over channels, over channels in groups.

    Raises:
        ValueError: the image is not square, or patches or groups do not divide what they should.
    """
    planes, height, width = image
    if side < 1 or height != width or height % side:
        raise ValueError(f"local mixer: {side} patches a side do not divide an image of {height} x {width}")
    count = side**2

    def normalize(layer: Layer, share: int) -> Layer:
        return prepared(layer, Normalized(share)) if normalized else layer

    pixels = planes * height * width
    first = dense(pixels, channels) if side == 1 else patches(image, height // side, channels)
    grouped = normalize(channel_mixing(count, channels, channels, groups), count * groups)
    later = (
        normalize(token_mixing(count, channels), count),
        normalize(channel_mixing(count, channels, channels), count),
        grouped,
    )
    means = () if side == 1 else (Averaged(count),)
    shares = (Normalized(),) if normalized else ()
    top: Layer = dense(channels, classes, linear=True)
    return first, grouped, *later * (blocks - 1), prepared(top, *means, *shares) if means + shares else top


def _positive(name: str, *sizes: int) -> None:
    if min(sizes) < 1:
        raise ValueError(f"{name}: sizes must be at least 1, got {sizes}")
