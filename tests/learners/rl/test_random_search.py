"""Augmented random search: the losses that it makes of returns."""

import pytest
import torch

from analog import Chip, Ideal, Reading, dense, stream
from learners import ProbeResult, WeightPerturbation, antithetic, sgd
from learners.rl import centered_ranks, standardized
from tests.estimates import estimated


def test_ranks_are_centered_and_shared_by_equals() -> None:
    returns = torch.tensor([[3.0, 1.0], [1.0, 1.0], [2.0, 1.0], [2.0, 5.0]], dtype=torch.float64)
    assert centered_ranks(returns)[:, 0].tolist() == pytest.approx([-0.5, 0.5, 0.0, 0.0])
    assert centered_ranks(returns).sum(0).tolist() == pytest.approx([0.0, 0.0])
    assert torch.equal(centered_ranks(returns), centered_ranks(returns.exp()))  # any rising scale of returns


def test_standardised_losses_are_the_paper_s_update() -> None:
    """Algorithm 2, line 7 of Mania et al.: alpha / (b sigma) sum over the b best of (r+ - r-) delta."""
    spec = Chip(Ideal(), (dense(3, 2, linear=True),), range(2), dtype=torch.float64).spec
    estimator, alpha = WeightPerturbation(0.2, 5, scheme=antithetic), 0.07
    blank, none = torch.zeros(1, 3, dtype=torch.float64), Reading(())
    probe, _ = estimator.ask(spec, blank, none, stream(0, "paper"))
    returns = torch.randn(10, 2, generator=stream(1, "paper"), dtype=torch.float64)
    losses = standardized(top=3)(returns)[..., None, None]
    result = ProbeResult(blank, none, torch.zeros(2, 1, 1), probe, none, losses)
    told = estimated(estimator, spec, result)
    (drive,), _ = sgd(2 * 0.2 * alpha).step(told, ())
    assert probe.knobs is not None and probe.knobs[0] is not None
    directions = probe.knobs[0][::2] / 0.2
    for chip in range(2):
        plus, minus = returns[::2, chip], returns[1::2, chip]
        best = torch.maximum(plus, minus).argsort(descending=True)[:3]
        sigma = torch.cat((plus[best], minus[best])).std(correction=0)
        wanted = sum((plus[k] - minus[k]) * directions[k, chip] for k in best) * alpha / (3 * sigma)
        assert torch.allclose(drive[chip], wanted, atol=1e-12)


def test_equal_returns_say_nothing() -> None:
    assert standardized()(torch.full((6, 2), 500.0)).abs().max() == 0
