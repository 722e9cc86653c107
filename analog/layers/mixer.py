"""Wiring of patch mixers: tokens mixed across patches, channels mixed within each, in groups or all together.

Ren, Kornblith, Liao and Hinton, "Scaling forward gradient with local losses" (ICLR 2023,
https://arxiv.org/abs/2210.03310), after MLP-Mixer (Tolstikhin et al. 2021, https://arxiv.org/abs/2105.01601).
Activity is ordered patch by patch, within a patch group by group. What a layer is driven with may be prepared
digitally on the way, normalized or averaged; nothing in it is learnt.

Where we differ: they normalize between a layer's sums and its neurons, which on a chip are one piece, so
only what drives a layer is normalized here. Residual connections are `learners.wiring.residual`.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .convolution import Sites, patches
from .crossbar import Dense, Layer, dense
from .wrapped import Wrapped


class Preparation(Protocol):
    """A digital transformation of activity before it drives a layer."""

    def features_in(self, features: int) -> int:
        """The number of values that come in where `features` are wanted.

        Raises:
            ValueError: so many cannot be made.
        """
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Prepare activity for the layer.

        Args:
            x: (..., batch, features_in)

        Returns:
            (..., batch, features)
        """
        ...


@dataclass(frozen=True)
class Normalized:
    """Group normalization: each of `groups` equal shares comes to mean 0 and variance 1, by example.

    Wu and He, "Group normalization" (2018), https://arxiv.org/abs/1803.08494; here nothing in it is learnt.
    """

    groups: int = 1
    epsilon: float = 1e-5  # added to the variance

    def features_in(self, features: int) -> int:
        """The same number.

        Raises:
            ValueError: the groups do not divide it.
        """
        if self.groups < 1 or features % self.groups:
            raise ValueError(f"Normalized: {self.groups} groups do not divide {features} features")
        return features

    def __call__(self, x: Tensor) -> Tensor:
        shares = x.unflatten(-1, (self.groups, -1))
        centered = shares - shares.mean(-1, keepdim=True)
        return (centered * (centered.square().mean(-1, keepdim=True) + self.epsilon).rsqrt()).flatten(-2)


@dataclass(frozen=True)
class Averaged:
    """Each channel's mean over all patches."""

    patches: int

    def features_in(self, features: int) -> int:
        """That number for each patch.

        Raises:
            ValueError: there is no patch.
        """
        if self.patches < 1:
            raise ValueError(f"Averaged: patches is {self.patches}, wanted at least 1")
        return features * self.patches

    def __call__(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.patches, -1)).mean(-2)


@dataclass(frozen=True)
class Prepared(Wrapped):
    """A layer driven with what preparations make of the activity, in their order."""

    preparations: tuple[Preparation, ...]

    def __post_init__(self) -> None:
        _ = self.features_in  # refuses shares that do not divide

    @property
    def features_in(self) -> int:
        features = self.layer.features_in
        for preparation in reversed(self.preparations):
            features = preparation.features_in(features)
        return features

    def gather(self, x: Tensor) -> Tensor:
        for preparation in self.preparations:
            x = preparation(x)
        return self.layer.gather(x)

    def ungather(self, z: Tensor) -> Tensor:
        """Refuse to send anything back, (..., tiles, batch*sites, cols): preparations are digital.

        Raises:
            ValueError: always; only the first layer of a chip that relaxes may be driven through them.
        """
        raise ValueError("Prepared: signals go one way through digital preparations")


def prepared(layer: Layer, *preparations: Preparation) -> Prepared:
    """The layer, driven with activity prepared like that."""
    return Prepared(layer, preparations)


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
