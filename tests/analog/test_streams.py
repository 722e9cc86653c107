"""Streams: a path names one generator, uniform and independent of all others."""

import math

import torch
from scipy import stats

from analog import stream


def draws(*path: str | int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2000, generator=stream(seed, *path))


def test_a_path_names_one_stream() -> None:
    assert torch.equal(draws("a", 1), draws("a", 1))
    others = [draws("a", 2), draws("b", 1), draws("a", "1"), draws("a"), draws("a", 1, seed=1), draws("a1")]
    for other in others:
        assert not torch.equal(draws("a", 1), other)


def test_more_than_32_bits_of_the_path_reach_the_generator() -> None:
    """torch's CPU generator keeps 32 bits of a seed; streams that agree in those must still differ."""
    states = [stream(0, i).get_state().view(torch.int64)[3:627] for i in range(50)]
    assert all(int(s.unique().numel()) > 600 for s in states)  # words are hashed, not grown from one
    a, b = (stream(0, i) for i in range(2))
    assert a.initial_seed() != b.initial_seed()
    plain = torch.Generator().manual_seed(a.initial_seed())
    assert not torch.equal(torch.rand(9, generator=plain), torch.rand(9, generator=a))


def test_streams_are_uniform_and_independent() -> None:
    """Kolmogorov-Smirnov and correlation over 200 streams; false-alarm rate 2 * 1e-6, seeds fixed."""
    rows = torch.stack([torch.rand(500, generator=stream(3, "ks", i)) for i in range(200)])
    assert stats.kstest(rows.flatten().numpy(), "uniform").pvalue > 1e-6
    centered = (rows - 0.5) * math.sqrt(12)
    neighbors = (centered[1:] * centered[:-1]).sum() / math.sqrt(199 * 500)
    assert abs(float(neighbors)) < 4.9  # two-sided 1e-6
