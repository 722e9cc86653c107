"""Convolutional chips have the sizes that are said, whatever the image, and read-outs fit on them."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, stream
from studies.kit.recipes.image_chips import ConvolutionalChip


def test_the_default_network_of_cifar_has_its_layers() -> None:
    """Ten million products an image: 8,192, 16,384 and 8,192 nodes of 75, 288 and 576 inputs and a bias."""
    wiring = ConvolutionalChip((3, 32, 32), (32, 64, 128))
    layers = wiring.layers()
    assert [la.features for la in layers] == [8192, 16384, 8192]
    assert [la.cols for la in layers] == [76, 289, 577]
    assert [wiring.maps(at) for at in range(3)] == [(32, 16, 16), (64, 16, 16), (128, 8, 8)]
    heads = [wiring.head(at, cells, 10) for at, cells in enumerate((4, 4, 2))]
    assert [head.core.features_in for head in heads] == [512, 1024, 512]
    products = sum(la.features * (la.cols - 1) for la in layers)
    assert 9.9e6 < products < 10.1e6


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 32, 32), (2, 12, 9)])
@pytest.mark.parametrize("stride", [1, 2])
def test_layers_fit_on_each_other_and_heads_on_layers(image: Any, stride: int) -> None:
    wiring = ConvolutionalChip(image, (4, 5, 6), stride)
    chip = Chip(Ideal(), (*wiring.layers(), wiring.head(2, 2, 3)))
    x = torch.rand(2, image[0] * image[1] * image[2], generator=stream(0, "image"))
    taps = chip.port().measure(x).taps
    for at, tap in enumerate(taps[:-1]):
        planes, height, width = wiring.maps(at)
        assert tap.shape == (2, planes * height * width)
        assert wiring.head(at, 4, 3).features_in == tap.shape[-1]
        assert wiring.standardized()[at].channels == planes
    assert taps[-1].shape == (2, 3)
