"""Mixers are what they are called: products over patches, over channels, over groups; counts as published."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Layer, dense, grouped, stream
from analog.layers import Averaged, Normalized, OneHot, channel_mixing, local_mixer, prepared, token_mixing


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "mixer", *shape), dtype=torch.float64)


def product(layer: Layer, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return layer.scatter(layer.gather(x) @ w.mT)


LAYERS = [
    token_mixing(4, 3),
    token_mixing(4, 3, bias=False),
    channel_mixing(4, 6, 9, 3),
    channel_mixing(1, 6, 9, 3),
    prepared(channel_mixing(4, 6, 6, 2), Normalized(8)),
    prepared(dense(5, 3, linear=True), Averaged(4), Normalized()),
    prepared(dense(15, 4), OneHot(5)),
    prepared(channel_mixing(3, 5, 4), OneHot(5)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_shapes_and_inverse(layer: Layer) -> None:
    sites = layer.features // (layer.tiles * layer.rows)
    gathered = layer.gather(draw(2, 5, layer.features_in))
    assert gathered.shape == (2, layer.tiles, 5 * sites, layer.cols)
    y = draw(2, 5, layer.features)
    assert torch.equal(layer.scatter(layer.unscatter(y)), y)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_examples_do_not_touch_each_other(layer: Layer) -> None:
    x, w = draw(3, layer.features_in), draw(layer.tiles, layer.rows, layer.cols)
    whole = product(layer, x, w)
    for n in range(3):
        torch.testing.assert_close(whole[n], product(layer, x[n : n + 1], w)[0])


def test_tokens_are_mixed_alike_for_every_channel() -> None:
    x, w = draw(5, 12), draw(1, 4, 5)
    wanted = torch.einsum("npc,qp->nqc", x.view(5, 4, 3), w[0, :, :4]) + w[0, :, 4:]
    torch.testing.assert_close(product(token_mixing(4, 3), x, w), wanted.flatten(1))


def test_channels_are_mixed_within_their_patch_and_group() -> None:
    x, w = draw(5, 24), draw(3, 3, 3)
    cut = x.view(5, 4, 3, 2)  # patches, groups, channels of a group
    wanted = torch.einsum("npgc,grc->npgr", cut, w[..., :2]) + w[..., 2]
    torch.testing.assert_close(product(channel_mixing(4, 6, 9, 3), x, w), wanted.flatten(1))


def test_one_patch_is_the_plain_wiring() -> None:
    assert channel_mixing(1, 6, 9) == dense(6, 9) and channel_mixing(1, 6, 9, 3) == grouped(6, 9, 3)


def test_shares_are_normalized_and_patches_averaged() -> None:
    x = 3 + 2 * draw(5, 12)
    parts = Normalized(3)(x).view(5, 3, 4)
    torch.testing.assert_close(parts.mean(-1), torch.zeros(5, 3, dtype=torch.float64), atol=1e-12, rtol=0)
    spread = x.view(5, 3, 4).var(-1, correction=0)
    torch.testing.assert_close(parts.var(-1, correction=0), spread / (spread + 1e-5))
    torch.testing.assert_close(Averaged(3)(x), (x[:, :4] + x[:, 4:8] + x[:, 8:]) / 3)
    torch.testing.assert_close(Normalized(3)(7 * x), Normalized(3)(x), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("image", "words", "knobs"),
    [
        ((1, 28, 28), {"channels": 256}, 271_892),  # S/1/1
        ((1, 28, 28), {"channels": 512, "groups": 16}, 429_076),  # M/1/16
        ((3, 32, 32), {"channels": 512, "side": 8, "groups": 16, "blocks": 4}, 918_770),  # M/8/16
    ],
    ids=["272K", "429K", "919K"],
)
@pytest.mark.parametrize("normalized", [False, True])
def test_published_networks_have_their_published_sizes(
    image: tuple[int, int, int], words: Any, knobs: int, normalized: bool
) -> None:
    """Knobs of the chip and of each block's own head; 272K, 429K and 919K by Ren et al."""
    layers = local_mixer(image, 10, **words, normalized=normalized)
    heads = words.get("blocks", 1) * (words["channels"] + 1) * 10
    assert sum(la.tiles * la.rows * la.cols for la in layers) + heads == knobs


def test_a_small_mixer_reads_out_the_mean_patch() -> None:
    """Moving the patches about leaves the first block's answer, up to rounding."""
    layers = local_mixer((1, 4, 4), 3, channels=4, side=2, groups=2)
    port = Chip(Ideal(), layers, 1, dtype=torch.float64).port()
    image = draw(5, 1, 4, 4)
    moved = torch.cat((image[..., 2:, :], image[..., :2, :]), -2)
    torch.testing.assert_close(port.measure(image.flatten(1)).out, port.measure(moved.flatten(1)).out)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: token_mixing(0, 3), "at least 1"),
        (lambda: channel_mixing(4, 6, 9, 4), "do not divide"),
        (lambda: prepared(dense(6, 3), Normalized(4)), "4 groups do not divide 6"),
        (lambda: prepared(dense(6, 3), Averaged(0)), "at least 1"),
        (lambda: local_mixer((1, 28, 28), 10, channels=4, side=3), "do not divide an image"),
    ],
)
def test_bad_wiring_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
