"""Restarts: every start is counted, each chip goes on with its best, and comes back to where that was."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Ideal, Mismatched, Port, Tape, dense, replayed, stream, taped, xray
from analog.spec import Knobs, Spec
from learners import WeightPerturbation, adam, antithetic
from learners.rl import (
    Argmax,
    AugmentedRandomSearch,
    ObservationNormalizer,
    Progress,
    Restarts,
    Round,
    train_policy,
)
from tests.learners.rl.toy_envs import signs

ESTIMATOR = WeightPerturbation(0.3, 2, scheme=antithetic)
SEARCH = AugmentedRandomSearch(ESTIMATOR, adam(0.1), Argmax(), max_env_steps=400)


class ClimbState(NamedTuple):
    progress: Progress
    begun_at: Tensor  # (*fleet,), V, the output that this start began with
    rounds: int


@dataclass(frozen=True)
class Climb:
    """A learner that takes a chip's output for its return and adds 0.25 to every knob, at 10 steps a round.

    steps: of a round, chip by chip.
    """

    steps: tuple[int, ...] = (10, 10)
    max_env_steps: int = 200

    def init(self, spec: Spec) -> ClimbState:
        begun = Progress.start(spec, ObservationNormalizer.empty(spec))
        return ClimbState(begun, torch.zeros(spec.fleet, dtype=torch.float64), 0)

    def step(self, port: Port, env: Any, state: ClimbState, generator: Generator) -> tuple[ClimbState, Round]:
        del env, generator  # nothing is played or drawn
        active = state.progress.active(self.max_env_steps)
        out = port.measure(torch.ones(1, 1, dtype=port.spec.dtype)).out[..., 0].double()  # (*fleet, 1)
        port.pulse(
            tuple(0.25 * active[:, None, None, None].to(k) * torch.ones_like(k) for k in port.spec.zeros())
        )
        finished = Round(out, torch.tensor(self.steps) * active)
        progress = state.progress._replace(steps=state.progress.steps + finished.steps)
        begun_at = out[..., 0] if state.rounds == 0 else state.begun_at
        return ClimbState(progress, begun_at, state.rounds + 1), finished


def starts_at(*values: tuple[float, ...]) -> Any:
    """A draw that gives chip c of start k the weight values[k][c], and no bias."""
    coming: Iterator[tuple[float, ...]] = iter(values)

    def draw(spec: Spec, generator: Generator) -> Knobs:
        del generator  # written down
        (knobs,) = (k.clone() for k in spec.zeros())
        knobs[..., 0, 0, 0] = torch.tensor(next(coming), dtype=spec.dtype)
        return (knobs,)

    return draw


def exact_chips() -> Chip:
    return Chip(Ideal(), (dense(1, 1, linear=True),), range(2), dtype=torch.float64)


def test_each_chip_goes_on_from_where_its_best_start_was() -> None:
    """Three rounds a trial: a start at w is at w + 0.75 when it is judged."""
    chip = exact_chips()
    learner = Restarts(Climb(), 3, 30, starts_at((-1.0, 2.0), (3.0, 1.0), (0.0, 0.5)))
    run = train_policy(learner, chip.port(), signs(1), stream(0))
    for _ in range(9):
        state, _ = next(run)
    (knobs,) = xray.knobs(chip)
    assert knobs[:, 0, 0].tolist() == [[3.75, 0.75], [2.75, 0.75]]
    assert state.present.learner.begun_at.tolist() == [3.0, 2.0]  # its own state as well, chip by chip
    assert state.progress.steps.tolist() == [90, 90] == state.present.learner.progress.steps.tolist()
    next(run)
    assert torch.equal(xray.knobs(chip)[0], knobs + 0.25)


def test_a_chip_through_with_its_trial_waits_for_the_others() -> None:
    """Its steps and knobs stand still; what it was sent is what it holds."""
    chip = exact_chips()
    learner = Restarts(Climb((10, 15)), 2, 30, starts_at((5.0, 5.0), (0.0, 0.0)))
    rounds = [finished for _, finished in train_policy(learner, chip.port(), signs(1), stream(0))]
    assert [r.steps.tolist() for r in rounds[:6]] == [[10, 15], [10, 15], [10, 0]] * 2
    kept = [1 + (200 - 60 - 1) // steps for steps in (10, 15)]  # rounds that begin with steps left
    assert xray.knobs(chip)[0][:, 0, 0, 0].tolist() == [5.75 + 0.25 * kept[0], 5.5 + 0.25 * kept[1]]


def test_steps_of_all_starts_count_against_one_limit() -> None:
    chip = Chip(Mismatched(), (dense(1, 2, linear=True),), range(2))
    learner = Restarts(SEARCH, 3, 60, random_knobs)
    run = list(train_policy(learner, chip.port(), signs(16), stream(0)))
    total = torch.stack([finished.steps for _, finished in run]).sum(0)
    assert torch.equal(total, run[-1][0].progress.steps)
    assert all(400 <= t < 400 + 32 for t in total.tolist())  # the last round begins with steps left


def random_knobs(spec: Spec, generator: Generator) -> Knobs:
    return tuple(torch.randn(k.shape, generator=generator, dtype=k.dtype) for k in spec.zeros())


def test_a_learner_with_restarts_is_a_function_of_what_it_measured() -> None:
    chip = Chip(Mismatched(), (dense(1, 2, linear=True),), range(2))

    def live(port: Port) -> list[Tensor]:
        run = train_policy(Restarts(SEARCH, 2, 60, random_knobs), port, signs(16), stream(0, "probes"))
        return [finished.returns for _, finished in run]

    recording, again = Tape(chip.spec), Tape(chip.spec)
    first = live(taped(chip.port(), recording))
    second = live(taped(replayed(recording), again))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len(recording.events) == len(again.events)
    assert [e[0] for e in recording.events].count("program") == 3  # two starts, and the better one again


def test_without_starts_it_is_the_learner_itself() -> None:
    def trained(learner: Any) -> tuple[Tensor, ...]:
        chip = Chip(Mismatched(), (dense(1, 2, linear=True),), range(2))
        list(train_policy(learner, chip.port(), signs(16), stream(0)))
        return xray.knobs(chip)

    restarted = trained(Restarts(SEARCH, 0, 60, random_knobs))
    assert all(torch.equal(a, b) for a, b in zip(restarted, trained(SEARCH), strict=True))


def test_one_chip_restarts_as_a_fleet_does() -> None:
    chip = Chip(Mismatched(), (dense(1, 2, linear=True),))
    *_, (state, _) = train_policy(Restarts(SEARCH, 2, 60, random_knobs), chip.port(), signs(8), stream(0))
    assert state.tried == 2 and state.progress.steps.shape == ()


def test_restarts_that_leave_no_steps_are_refused() -> None:
    for starts, steps, limit in ((-1, 10, 400), (2, 0, 400), (2, 10, None), (4, 100, 400)):
        with pytest.raises(ValueError, match="Restarts"):
            Restarts(replace(SEARCH, max_env_steps=limit), starts, steps, random_knobs)
