"""The sequential test: how many it samples, what it refuses, and what it would have found."""

from statistics import NormalDist
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import stream
from learners import NodePerturbation, WeightPerturbation
from learners.check import LinearChip, mean_laws
from learners.check.mean_laws import plan
from learners.check.sequential import CLEARANCE, LEVEL, POWER, RUNS, Looked, sequential

F64 = torch.float64


class Given:
    """Rows around a law, off by as much as is said, half of them above and half below by a spread."""

    def __init__(self, off: float, spread: float, means: int = 2) -> None:
        self.off, self.spread, self.means, self.asked = off, spread, means, list[int]()

    def __call__(self, n: int, generator: Generator) -> Tensor:
        self.asked.append(n)
        signs = 1.0 - 2.0 * (torch.arange(n, dtype=F64) % 2)
        return (3.0 + self.off + self.spread * signs).unsqueeze(-1).expand(n, self.means)


def look(sample: Any, tolerance: float = torch.inf, **settings: Any) -> Looked:
    wanted = torch.full((2,), 3.0, dtype=F64)
    plain = {"start": 10, "chunk": 4, "most": 80, "rounding": 1e-5}
    return sequential(sample, wanted, torch.full_like(wanted, tolerance), stream(0), **{**plain, **settings})


def test_a_look_is_drawn_in_chunks_and_one_that_is_clear_is_the_last() -> None:
    sample = Given(0.0, 1.0)
    looked = look(sample)
    assert looked.kept and not looked.wide and sample.asked == [4, 4, 2]
    torch.testing.assert_close(looked.mean, torch.full((2,), 3.0, dtype=F64))
    torch.testing.assert_close(looked.error, torch.full((2,), 10**-0.5, dtype=F64))
    assert looked.z == 0 and looked.bound == NormalDist().inv_cdf(1 - LEVEL / (2 * 2 * 12))


def test_looks_double_until_the_tolerance_is_clear_or_rows_run_out() -> None:
    for tolerance, rows, wide in ((CLEARANCE / 19**0.5, 20, False), (0.01, 80, True)):
        sample = Given(0.0, 1.0)
        looked = look(sample, tolerance)
        assert looked.kept and looked.wide is wide and sum(sample.asked) == rows
    sample = Given(0.0, 1.0)
    looked = look(sample, 0.01, most=70)
    assert sum(sample.asked) == 70 and looked.wide


@pytest.mark.parametrize("errors", [4.0, 6.0])
def test_what_is_beyond_the_bound_is_refused_by_every_run(errors: float) -> None:
    """Ten rows, whose standard error is about a third."""
    sample = Given(errors / 10**0.5, 1.0)
    looked = look(sample)
    assert looked.z == pytest.approx(errors, rel=1e-3)
    assert looked.kept is (errors < looked.bound)
    assert sum(sample.asked) == (10 if looked.kept else 10 * RUNS)
    torch.testing.assert_close(looked.mean, torch.full((2,), 3.0 + errors / 10**0.5, dtype=F64))


def test_an_error_within_rounding_is_none_and_one_beyond_without_spread_is_certain() -> None:
    assert look(Given(0.9e-5, 0.0)).kept and look(Given(-0.9e-5, 0.0)).z == 0
    for off in (1.1e-5, -1.1e-5, float("nan")):
        assert not look(Given(off, 0.0)).kept


def test_a_law_that_is_kept_to_the_bit_is_clear_whatever_the_tolerance() -> None:
    sample = Given(0.0, 0.0)
    assert look(sample, 0.0).kept and sum(sample.asked) == 10


def test_rare_means_have_at_least_the_mean_error_of_all() -> None:
    def rare(n: int, generator: Generator) -> Tensor:
        noisy = 1.0 - 2.0 * (torch.arange(n, dtype=F64) % 2)
        return 3.0 + torch.stack((noisy, torch.full((n,), 0.1, dtype=F64)), -1)

    assert not look(rare).kept
    looked = look(rare, pooled=True)
    assert looked.kept
    torch.testing.assert_close(looked.error, torch.tensor([0.1, 0.05], dtype=F64).sqrt())


def test_what_would_have_been_found_is_an_error_beyond_the_bound_or_the_tolerance() -> None:
    error, tolerance = torch.tensor([0.1, 1e-4, 0.0], dtype=F64), torch.full((3,), 0.05, dtype=F64)
    looked = Looked(True, error, error, 0.0, 5.0, wide=False)
    beyond = (5.0 + POWER) * 1e-4
    assert looked.caught(tolerance, 1e-5).tolist() == pytest.approx([0.05, beyond, 1e-5])
    wide = looked._replace(wide=True).caught(tolerance, 1e-5).tolist()
    assert wide == pytest.approx([(5.0 + POWER) * 0.1, beyond, 1e-5])


@pytest.mark.parametrize("probes", [1, 3, 40, 5000])
@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
def test_fewer_chips_are_sampled_of_more_probes_and_so_many_at_once_as_memory_holds(
    kind: Any, probes: int
) -> None:
    chip = LinearChip()
    start, chunk, most = plan(kind(0.1, probes), chip, stream(0), 6000)
    size = probes * sum(g.numel() for g in chip.gradient)
    assert start == max(600, 6000 // probes)
    assert chunk == 16 or chunk * size <= mean_laws._AT_ONCE < (chunk + 1) * size
    assert most == 6000 or most * size <= mean_laws._MOST < (most + 1) * size
