"""A planner's laws: exact where they can be enumerated, by the two-stage rule where they are means."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from analog import (
    Budget,
    Chip,
    Dead,
    Ideal,
    Ledger,
    Mismatched,
    OverBudget,
    Port,
    budgeted,
    dense,
    metered,
    stream,
)
from distill import collect_until_death, plan_reads, planned_lessons, record, run_pilot, soften
from distill.read_budget import (
    STUDENT_TEMPERATURE,
    Pilot,
    best_distinct_share,
    interpolating_repeats,
    repeats_if_interpolating,
)
from learners import Batch
from tests.twostage import kept

LAYERS = (dense(8, 12), dense(12, 3, linear=True))
POOL = torch.randn(100, 8, generator=stream(0, "deadline"))
F64 = torch.float64


def spending(port: Port, readings: int) -> tuple[Pilot, Any]:
    pilot = run_pilot(port, POOL, readings, stream(0, "pilot"))
    return pilot, plan_reads(pilot, len(POOL), readings, stream(0, "plan"))


@settings(max_examples=30)
@given(readings=st.integers(2, 400), read_noise=st.sampled_from([0.0, 0.02, 3.0]))
def test_everything_left_is_spent_and_nothing_more(readings: int, read_noise: float) -> None:
    chip = Chip(Mismatched(read_noise=read_noise), LAYERS, 1)
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)
    pilot, how = spending(port, readings)
    book = record(planned_lessons(port, POOL, pilot, how))
    assert ledger.reads == [readings] * 2
    assert 2 * len(pilot.x) + int(how.counts.sum()) == readings
    assert len(book.x) == len(pilot.x) + int((how.counts > 0).sum()) == len(book.target.soft)
    used = how.counts[how.counts > 0]
    assert not how.counts[pilot.indices].any()
    assert not len(used) or int(used.max() - used.min()) <= 1  # evenly


@pytest.mark.parametrize("readings", [20, 60, 104, 300])
def test_a_quiet_teacher_is_asked_every_stimulus_before_any_is_repeated(readings: int) -> None:
    pilot, how = spending(Chip(Ideal(), LAYERS, 1).port(), readings)
    assert pilot.noise_power == 0 and interpolating_repeats(pilot.noise_power, pilot.signal_power) == 1
    others = min(len(POOL) - len(pilot.x), readings - 2 * len(pilot.x))
    assert int((how.counts > 0).sum()) == others


def test_for_heirs_by_heart_noise_that_drowns_the_answers_is_read_down() -> None:
    pilot, how = spending(Chip(Mismatched(read_noise=3.0), LAYERS, 1).port(), 400)
    assert int((how.counts > 0).sum()) == 50  # the law for those that weigh noise
    wanted = repeats_if_interpolating(pilot)
    assert wanted > 1 and wanted == interpolating_repeats(
        pilot.noise_power, pilot.signal_power + 2 * pilot.standard_error
    )
    how = plan_reads(pilot, len(POOL), 400, stream(0, "plan"), each=wanted)
    assert int(how.counts.max()) - wanted in (0, 1) and int(how.counts.sum()) == 300
    assert interpolating_repeats(2.0, 1.0) == 4 and interpolating_repeats(0.5, 1.0) == 1


def test_heirs_by_heart_lose_least_at_the_best_share() -> None:
    """The closed form against the loss itself on a grid; and its two limits."""
    for noise, knowledge, readings in itertools.product((1e-3, 0.3, 5.0), (0.5, 2.0), (30, 1000)):
        free = 200
        share = torch.linspace(1e-4, 0.9999, 100_000, dtype=F64)
        scaled = noise * free / (knowledge * readings)
        lost = 1 - share + scaled * share.square() / (1 - share)
        best = float(share[lost.argmin()])
        assert abs(best_distinct_share(noise, knowledge, free, readings) - best) < 1e-3
    assert best_distinct_share(1e-12, 1.0, 100, 100) > 0.999
    drowned = 100 / (100 * best_distinct_share(1e4, 1.0, 100, 100))
    assert interpolating_repeats(1e4, 1.0) == 20_000 and drowned == pytest.approx(20_000, rel=1e-3)


def test_what_learning_by_heart_loses_is_as_the_law_says() -> None:
    """Least squares of least norm on n < p isotropic inputs, each target read k times."""
    lessons, free, noise, times = 6, 12, 0.5, 2
    wanted = (1 - lessons / free) + noise / times * lessons / (free - lessons - 1)

    def sample(count: int, generator: Generator) -> Tensor:
        x = torch.randn(count, lessons, free, generator=generator, dtype=F64)
        true = torch.randn(count, free, 1, generator=generator, dtype=F64) / free**0.5
        read = torch.randn(count, lessons, times, generator=generator, dtype=F64).mean(-1, keepdim=True)
        found = x.mT @ torch.linalg.solve(x @ x.mT, x @ true + noise**0.5 * read)
        return (found - true).square().sum(-2)

    assert kept(sample, torch.tensor([wanted], dtype=F64), 4000, "by heart")


def test_distinct_stimuli_are_never_worse_for_heirs_that_weigh_noise() -> None:
    """All ways to draw 2 of 4 stimuli once each, against 1 of 4 read twice, at any noise: exactly."""
    inputs = torch.randn(4, 3, generator=stream(0, "inputs"), dtype=F64)
    for noise in (1e-4, 0.1, 1.0, 100.0):

        def lost(chosen: tuple[int, ...], noise: float = noise) -> float:
            known = inputs[list(chosen)]
            precision = torch.eye(3, dtype=F64) + known.T @ known / noise
            return float((inputs @ torch.linalg.inv(precision) @ inputs.T).trace())

        distinct = [lost(pair) for pair in itertools.permutations(range(4), 2)]
        twice = [lost((i, i)) for i in range(4)]
        assert sum(distinct) / len(distinct) < sum(twice) / len(twice)


def test_the_pilot_knows_noise_and_size_of_the_answers() -> None:
    """Without bias: by the two-stage rule, on made-up answers of known noise and size."""
    noise, size, count = 0.7, 2.0, 8

    def sample(n: int, generator: Generator) -> Tensor:
        out = size * torch.randn(n, count, 5, generator=generator, dtype=F64)
        first, second = (
            out + noise * torch.randn(n, count, 5, generator=generator, dtype=F64) for _ in range(2)
        )
        made = [Pilot(torch.arange(count), out[0], a, b) for a, b in zip(first, second, strict=True)]
        return torch.tensor([(p.noise_power, p.logit_power, p.signal_power) for p in made], dtype=F64)

    heard = 4 / 5  # softmax does not hear what is common to the five
    wanted = torch.tensor([noise**2, size**2, size**2], dtype=F64) * heard
    assert kept(sample, wanted, 500, "pilot")


def test_faint_answers_are_heard_at_full_voice() -> None:
    """A teacher of a thousandth of the size gives the same lessons."""
    pilot, _ = spending(Chip(Ideal(), LAYERS, 1).port(), 80)
    faint = pilot._replace(first=pilot.first / 1000, second=pilot.second / 1000)
    loud, low = (plan_reads(p, 100, 80, stream(0)).temperature for p in (pilot, faint))
    assert low == pytest.approx(loud / 1000, rel=1e-4)
    torch.testing.assert_close(soften(pilot.out, loud), soften(faint.out, low), rtol=1e-4, atol=1e-6)
    assert STUDENT_TEMPERATURE > 0


def test_a_budget_of_any_kind_is_so_many_reads() -> None:
    """By the spec's costs, and as the budget on the same wires counts them: no more, no less."""
    for budget in (Budget(seconds=0.9e-6), Budget(joules=2e-8), Budget(reads=17.0)):
        chip = Chip(Mismatched(), LAYERS, 1)
        count = budget.max_reads(chip.spec)
        port = budgeted(chip.port(), Ledger(chip.spec), budget)
        assert count > 1
        port.measure(POOL[:1].expand(count, 8))
        with pytest.raises(OverBudget):
            port.measure(POOL[:1])


@pytest.mark.parametrize("end", ["death", "budget"])
def test_what_was_written_survives_an_early_end(end: str) -> None:
    """Pieces of 32; the end comes within the second."""
    chip = Chip(Ideal(), LAYERS, 1)
    port = chip.port()
    pilot, how = spending(port, 100)
    whole = record(planned_lessons(port, POOL, pilot, how))
    asked = 0

    def measure(x: Tensor, *args: Any, **words: Any) -> Any:
        nonlocal asked
        asked += len(x)
        if asked > 40:
            chip.die()
        return port.measure(x, *args, **words)

    mortal = port._replace(measure=measure)
    if end == "budget":
        mortal = budgeted(port, Ledger(chip.spec), Budget(reads=40))
    book = record(collect_until_death(planned_lessons(mortal, POOL, pilot, how), OverBudget))
    assert len(book.x) == len(pilot.x) + 32
    assert torch.equal(book.target.soft, whole.target.soft[: len(book.x)])
    with pytest.raises(Dead if end == "death" else OverBudget):
        list(planned_lessons(mortal, POOL, pilot, how))


def test_bad_listening_is_named() -> None:
    with pytest.raises(ValueError, match="one teacher and 2 reads"):
        run_pilot(Chip(Ideal(), LAYERS, range(2)).port(), POOL, 10, stream(0))
    with pytest.raises(ValueError, match="one teacher and 2 reads"):
        run_pilot(Chip(Ideal(), LAYERS).port(), POOL, 1, stream(0))
    assert collect_until_death([Batch(POOL)])[0].x is POOL
