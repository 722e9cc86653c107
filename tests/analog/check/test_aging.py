"""Tests of the laws that refuse ageing that does not run along the clock."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError, Ideal, Noise, dense
from analog.check.aging import (
    _by_chance,
    _RecordingSilence,
    _require_alike,
    _short_and_long,
    _states,
    _thirteen,
    _used,
    check_aging,
    check_aging_by_chance,
)
from analog.check.trial import Trial
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_aging,
    check_aging_by_chance,
)


@pytest.mark.parametrize("scale", [1e-6, 1.3, 1e9])
def test_many_short_waits_are_of_three_lengths_and_the_last_is_the_longest(scale: float) -> None:
    waits = _short_and_long(scale)
    assert max(waits) == waits[-1] == pytest.approx(2.2 * scale) and len(waits) == 34
    assert min(waits) == pytest.approx(scale / 1200) and sum(waits) == pytest.approx(scale * (4.2 + 1 / 60))


def test_by_chance_a_dozen_waits_come_before_a_longer_one() -> None:
    assert _thirteen(2.4) == pytest.approx([0.2] * 12 + [2.64])


def test_of_the_used_one_is_fresh_one_was_pulsed_a_little_and_one_far() -> None:
    trial = Trial(Ideal(), (dense(5, 4),))
    moved = (_used(trial).cells.knobs - trial.bench().cells.knobs).abs().mean((1, 2, 3)).tolist()
    assert moved[0] == 0 and 0.2 < moved[1] < 0.8 and 1.5 < moved[2] < 4


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_waits_differ_from_eight_standard_errors_on(sign: float) -> None:
    """T of n equal gaps is the root of n, and 8 is that of 64."""
    for chips, kept in ((63, True), (64, True), (65, False)):
        one = torch.full((chips,), 2.0, dtype=torch.float64)
        if kept:
            _require_alike(one, one + sign, "here a chip ages")
            continue
        says = rf"^here a chip ages {1.5 if sign > 0 else 0.5} times as far .* \(8 standard errors off\)"
        with pytest.raises(ContractError, match=says):
            _require_alike(one, one + sign, "here a chip ages")
    with pytest.raises(ContractError, match="ages inf times as far"):
        _require_alike(0 * one, one, "here a chip ages")
    _require_alike(one, one, "here a chip ages")


def switching(cells: IdealCells, seconds: float, noise: Noise) -> IdealCells:
    return IdealCells(cells.knobs * (noise.uniform(cells.knobs) < 2 ** (-seconds / 10)))


def test_chance_has_a_say_if_one_wait_differs_from_another() -> None:
    for age, chance in ((switching, True), (lambda c, s, n: IdealCells(c.knobs * 0.5**s), False)):
        trial = Trial(bent(Ideal(), age=age), (dense(5, 4),))
        assert _by_chance(trial, trial.bench(), 1.0) is chance
    assert not _by_chance(trial, trial.bench(), 0.0)
    once = iter([1.0, 1.0, 1.0, 2.0])
    trial = Trial(bent(Ideal(), age=lambda c, s, n: IdealCells(c.knobs * next(once))), (dense(5, 4),))
    assert _by_chance(trial, trial.bench(), 1.0)


def test_switches_that_are_thrown_by_chance_have_no_course_of_their_own() -> None:
    judge(check_aging, bent(Ideal(), age=switching))


def test_silence_remembers_whether_a_uniform_was_asked_for() -> None:
    silence, like = _RecordingSilence(), torch.zeros(3)
    assert not bool(torch.as_tensor(silence.normal(like)).any()) and not silence.uniform_asked
    assert torch.equal(torch.as_tensor(silence.uniform(like)), torch.as_tensor(Noise.none().uniform(like)))
    assert silence.uniform_asked


@pytest.mark.parametrize("stage", ["sense", "collect", "pulse", "worn_out", "noise"])
def test_what_hangs_on_the_age_shows_wherever_it_does(stage: str) -> None:
    """Knobs below 0 stand for an age that only one function looks at."""

    def late(c: IdealCells) -> Tensor:
        return (c.knobs < 0).any(-1).any(-1).any(-1)

    def share(c: IdealCells) -> Tensor:
        return 1.0 + late(c).double()[..., None, None, None]

    changes: dict[str, dict[str, Any]] = {
        "sense": {"sense": lambda c, u, n: u * share(c)},
        "collect": {"collect": lambda c, x, n: x @ c.knobs.abs().mT * share(c)},
        "pulse": {"pulse": lambda c, d, n: IdealCells(c.knobs + d * share(c))},
        "worn_out": {"worn_out": late},
        "noise": {"sense": lambda c, u, n: u + n.normal(u) * (share(c) - 1)},
    }
    aside: dict[str, Any] = {"collect": lambda c, x, n: x @ c.knobs.abs().mT, **changes[stage]}
    trial = Trial(bent(Ideal(), **aside), (dense(5, 4),))
    bench = trial.bench()
    young = IdealCells(bench.cells.knobs.abs() + 9)
    old = IdealCells(-young.knobs)
    pairs = zip(_states(trial, bench, young), _states(trial, bench, old), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)
