"""The residual networks of He et al.: their sizes, and their shortcuts."""

import torch

from analog import stream
from studies.kit.digital.residual_network import ResidualNetwork


def network(channels: tuple[int, ...] = (16, 32, 64), blocks: int = 3) -> ResidualNetwork:
    return ResidualNetwork(3, channels, blocks, 10, stream(0, "residual network"))


def test_resnet_20_has_the_published_number_of_parameters() -> None:
    """.27 million in table 6 of the source."""
    parameters = [*network().parameters()]
    assert sum(p.numel() for p in parameters) == 269_722
    assert sum(p.ndim in (2, 4) for p in parameters) == 20  # layers


def test_weights_have_the_variance_of_the_source_and_come_from_the_generator() -> None:
    one, other = network(), network()
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert mine.equal(its)
        if mine.ndim == 4 and mine.numel() > 9000:
            assert 0.9 < float(mine.detach().var()) * mine[0].numel() / 2 < 1.1  # 6 standard errors of 9000


def test_a_block_that_adds_nothing_passes_every_other_pixel_and_zeros_for_new_planes() -> None:
    block = network((4, 6), 1).parts[4]
    with torch.no_grad():
        for weights in block.parameters():
            weights.zero_()
    x = torch.rand(2, 4, 8, 8, generator=stream(0, "residual network", "x"))
    out = block(x)
    assert out.shape == (2, 6, 4, 4)
    assert out[:, :4].equal(x[..., ::2, ::2]) and not out[:, 4:].any()
