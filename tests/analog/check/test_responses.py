"""Tests of the laws that refuse responses that are stale, not finite, or have another gradient."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, ContractError, Ideal, Probe, dense
from analog.check import _trials, responses
from analog.check.responses import (
    _along,
    _check_gradient,
    _integral,
    _is_kink,
    _jumps,
    check_finite_readings,
    check_freshness,
    check_gradients,
    check_memory,
    check_noiseless_slopes,
    check_slopes_at_zero,
)
from analog.devices import WanRRAM
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_freshness,
    check_finite_readings,
    check_slopes_at_zero,
    check_noiseless_slopes,
    check_memory,
    check_gradients,
)


def steep(sums: Tensor) -> Tensor:
    """One of them has no slope at 0."""
    return torch.cat((sums[..., :1].abs().sqrt(), sums[..., 1:]), -1)


@pytest.mark.parametrize("stage", ["collect", "sense", "fire"])
def test_one_slope_that_is_not_finite_is_enough(stage: str) -> None:
    if stage == "collect":
        broken = bent(Ideal(), collect=lambda c, x, n: steep(x) @ c.knobs.mT)
    else:
        broken = bent(Ideal(), **{stage: lambda c, u, n: steep(u)})
    with pytest.raises(ContractError, match=f"layer .*: the gradient of {stage} is not finite at 0"):
        judge(check_slopes_at_zero, broken)


def test_along_a_line_a_reading_changes_by_the_sum_of_its_slopes() -> None:
    direction = torch.tensor([[[[2.0, 0.0, -1.0]]]], dtype=torch.float64)

    def line(offset: Tensor) -> Tensor:  # a square in the first, and a multiple of the last
        first, _, last = offset.unbind(-1)
        return first.square() + 5 * last

    change, slopes = _along(direction, line)
    assert change == pytest.approx(-5.0) and len(slopes) == 201  # from half a direction back to half one on
    t = torch.linspace(-0.5, 0.5, 201, dtype=torch.float64)
    torch.testing.assert_close(slopes, (8 * t - 5) / 200)
    assert _integral(slopes) == pytest.approx(-5.0)
    assert _integral(torch.tensor([2.0, 3.0, 5.0])) == 6.5
    flat = _along(direction, lambda offset: offset.detach().sum(-1).sign())
    assert flat[0] == 2 and not bool(flat[1].any())


@pytest.mark.parametrize(("step", "kept"), [(0.0, True), (0.001, True), (0.5, False), (-0.5, False)])
@pytest.mark.parametrize("kind", ["nodes", "knobs"])
def test_a_jump_is_one_that_slopes_do_not_tell_of(step: float, kept: bool, kind: str) -> None:
    if kind == "nodes":
        device = bent(Ideal(), sense=lambda c, u, n: u + step * u.detach().sign())
    else:
        device = bent(Ideal(), collect=lambda c, x, n: x @ (c.knobs + step * c.knobs.detach().sign()).mT)
    if kept:
        return judge(check_noiseless_slopes, device)
    with pytest.raises(ContractError, match="layer 0: without noise the read-out jumps: along probes of"):
        judge(check_noiseless_slopes, device)


def test_a_read_out_without_any_slope_is_nobodys_jump() -> None:
    judge(check_noiseless_slopes, bent(Ideal(), sense=lambda c, u, n: u.detach().sign()))


@pytest.mark.parametrize("spared", [True, False])
def test_where_all_stands_at_a_bend_there_is_no_derivative_to_ask_for(spared: bool) -> None:
    """Neurons that hear exactly nothing stand at the bend of a rectifier."""
    layers = (dense(3, 2), dense(2, 2, linear=True))
    chip = Chip(Ideal(), layers, 1, dtype=torch.float64)
    chip._cells[0].knobs.zero_()
    x, weights = torch.ones(4, 3, dtype=torch.float64), torch.ones(4, 2, dtype=torch.float64)
    nodes = torch.ones(4, 2, dtype=torch.float64)
    slope = (weights @ chip._cells[1].knobs[0, :, :-1]).sum() / 2

    def smooth(probe: Probe, expected: Tensor) -> bool:
        return _check_gradient(chip, (x, weights), probe, expected, "here", alive=True, spared=spared)

    assert smooth(Probe(nodes=(nodes.unsqueeze(0), None)), slope) is not spared
    assert smooth(Probe(nodes=(None, nodes.unsqueeze(0))), weights.sum())


def test_a_bend_is_what_is_straight_on_neither_side() -> None:
    for right, left, bent_there in ((1.0, 1.0, False), (1.0, 0.9999, True), (1.0, 0.99996, False)):
        for sign in (1.0, -1.0):
            assert _is_kink(sign * right, sign * left) is _is_kink(sign * left, sign * right) is bent_there
    assert _is_kink(1.0, -1.0) and not _is_kink(0.0, 0.0)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (lambda x: x.any() and x.shape[-1] == 5, "the exact gradient at knobs is not finite$"),
        (lambda x: x.abs().max() > 20, "the exact gradient at knobs is not finite, of inputs 20 times"),
        (lambda x: not x.any(), "the exact gradient at knobs is not finite for inputs of 0$"),
    ],
    ids=range(3),
)
def test_one_gradient_that_is_not_finite_is_enough(where: Any, says: str) -> None:
    """Of the first row alone, at some inputs; the last column of the inputs is the bias."""

    def collect(c: Any, x: Tensor, n: Any) -> Tensor:
        sums = x @ c.knobs.mT
        if not where(x[..., :-1]):
            return sums
        first = sums[..., :1]
        steep = (first - first.detach()).abs().sqrt()
        return sums + torch.cat((steep, torch.zeros_like(sums[..., 1:])), -1)

    with pytest.raises(ContractError, match=says):
        judge(check_gradients, bent(Ideal(), collect=collect))


@pytest.mark.parametrize("seed", [2, 17, 183])
def test_where_a_neuron_hears_nothing_its_bend_is_no_fault(seed: int) -> None:
    """Cells that cannot go below 0 leave a bias of exactly 0, and a neuron without input at its bend."""
    for trial in _trials(seed, WanRRAM(fit="cubic")):
        check_gradients(trial)


@pytest.mark.parametrize("bent_until", [0, 1, 9])
def test_batches_are_drawn_until_one_meets_no_bend_and_the_last_is_not_spared(
    bent_until: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def check_slopes(*given: Any, spared: bool) -> bool:
        tried.append(spared)
        return len(tried) > bent_until

    monkeypatch.setattr(responses, "_check_slopes", check_slopes)
    check_gradients(_trials(0, Ideal())[0])
    *attempts, large = tried
    assert large and len(attempts) == min(bent_until + 1, responses._ATTEMPTS)
    assert attempts == [True] * (len(attempts) - 1) + [len(attempts) < responses._ATTEMPTS]


@pytest.mark.parametrize("bend", [0, 3, 99])
def test_a_loss_is_smooth_if_it_is_so_along_every_probe(bend: int, monkeypatch: pytest.MonkeyPatch) -> None:
    count = itertools.count()
    monkeypatch.setattr(responses, "_check_gradient", lambda *given, **how: next(count) != bend)
    trial = _trials(0, Ideal())[0]
    chip, x, weights = trial.chip(5), trial.draw("x", 3, 5), trial.draw("w", 3, 3)
    assert responses._check_slopes(trial, chip, x, weights, spared=True) is (bend == 99)
    assert next(count) == 4  # knobs and nodes of two layers


def test_a_reading_jumps_if_it_changes_by_more_than_a_twentieth_of_its_slopes_beside_them() -> None:
    slopes = torch.tensor([0.0, 3.0, -3.0, 3.0, -3.0, 0.0])  # which cancel
    for sign in (1, -1):
        assert not _jumps(sign * 0.59, slopes) and _jumps(sign * 0.61, slopes)
    slopes = slopes.abs()
    assert not _jumps(12.6, slopes) and _jumps(12.7, slopes) and _jumps(11.3, slopes)
    assert not _jumps(0.9e-9, 0 * slopes) and _jumps(1.1e-9, 0 * slopes)


def test_a_read_out_that_jumps_is_refused_where_it_rectifies_too() -> None:
    device = bent(Ideal(), sense=lambda c, u, n: u.relu() + 0.5 * (u.detach() > 0.5))
    with pytest.raises(ContractError, match="without noise the read-out jumps"):
        judge(check_noiseless_slopes, device)


def test_a_bend_beside_the_point_alarms_nobody() -> None:
    """Neurons that hear a millionth stand beside their bend, within the longer of two steps."""
    chip = Chip(Ideal(), (dense(3, 2), dense(2, 2, linear=True)), 1, dtype=torch.float64)
    chip._cells[0].knobs.zero_()[..., -1] = 1e-6
    x, weights = torch.ones(4, 3, dtype=torch.float64), torch.ones(4, 2, dtype=torch.float64)
    slope = (weights @ chip._cells[1].knobs[0, :, :-1]).sum()
    probe = Probe(nodes=(torch.ones(1, 4, 2, dtype=torch.float64), None))
    assert _check_gradient(chip, (x, weights), probe, slope, "here", alive=True, spared=True)
    with pytest.raises(ContractError, match="here: differs by"):
        _check_gradient(chip, (x, weights), probe, 1.01 * slope, "here", alive=True, spared=True)
