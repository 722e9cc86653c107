"""Convolutions and patches wire tiles as torch does, and as LeCun did."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from analog import Chip, Ideal, Layer, conv2d, dense, patches, stream, xray
from analog.layers import Convolution


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "layers", *shape), dtype=torch.float64)


def product(layer: Layer, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return layer.scatter(layer.gather(x) @ w.mT)


@given(stride=st.integers(1, 3), border=st.integers(0, 2), padding=st.sampled_from([0.0, -1.0]))
def test_conv2d_agrees_with_torch(stride: int, border: int, padding: float) -> None:
    layer = conv2d((2, 6, 5), 3, 3, stride=stride, padding=border, padding_value=padding)
    x, w = draw(4, 60), draw(1, 3, 19)
    image = F.pad(x.view(4, 2, 6, 5), (border,) * 4, value=padding)
    wanted = F.conv2d(image, w[0, :, :18].view(3, 2, 3, 3), w[0, :, 18], stride=stride)
    torch.testing.assert_close(product(layer, x, w), wanted.flatten(1))


def test_groups_pick_their_planes_and_sites_their_biases() -> None:
    layer = conv2d((3, 4, 4), 2, 2, stride=2, biases="per-site", groups=[[0, 2], [1, 2]])
    x, w = draw(5, 48), draw(2, 1, 12)
    image = x.view(5, 3, 4, 4)
    for g, planes in enumerate([[0, 2], [1, 2]]):
        wanted = F.conv2d(image[:, planes], w[g, :, :8].view(1, 2, 2, 2), stride=2)
        wanted = wanted.flatten(2) + w[g, 0, 8:]
        torch.testing.assert_close(product(layer, x, w).view(5, 2, 4)[:, g], wanted[:, 0])


def test_patches_are_ordered_patch_by_patch() -> None:
    x = draw(3, 32)
    cut = F.unfold(x.view(3, 2, 4, 4), 2, stride=2).transpose(1, 2)  # (batch, patch, pixels)
    shared, w = patches((2, 4, 4), 2, 5), draw(1, 5, 9)
    torch.testing.assert_close(product(shared, x, w).view(3, 4, 5), cut @ w[0, :, :8].T + w[0, :, 8])
    own, w = patches((2, 4, 4), 2, 5, shared=False), draw(4, 5, 9)
    wanted = torch.einsum("npc,prc->npr", cut, w[..., :8]) + w[..., 8]
    torch.testing.assert_close(product(own, x, w).view(3, 4, 5), wanted)


def test_lecun_1989_has_9760_knobs() -> None:
    """H1 12 maps of 5x5 on 16x16 with padding value -1, H2 12 maps that see 8 of 12 planes, H3 30, 10."""
    thirds = [list(range(8)), list(range(4, 12)), [*range(4), *range(8, 12)]]
    layers = (
        conv2d((1, 16, 16), 12, 5, stride=2, padding=2, padding_value=-1.0, biases="per-site"),
        conv2d((12, 8, 8), 12, 5, stride=2, padding=2, padding_value=-1.0, biases="per-site", groups=thirds),
        dense(192, 30),
        dense(30, 10, linear=True),
    )
    chip = Chip(Ideal(), layers)
    assert [k.numel() for k in xray.knobs(chip)] == [1068, 2592, 5790, 310]
    assert sum(k.numel() for k in xray.knobs(chip)) == 9760
    taps = chip.port().measure(torch.zeros(2, 256)).taps
    assert [t.shape[-1] for t in taps] == [768, 192, 30, 10]


def test_sites_repr_is_short() -> None:
    layer = conv2d((2, 5, 4), 3, 3)
    assert isinstance(layer, Convolution) and len(repr(layer)) < 200 and len(repr(layer.layer)) < 200
