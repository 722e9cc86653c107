"""The nudge that is found at the wires errs least."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, mlp, stream
from analog.devices import Hopfield
from learners import Batch, SquaredError, sgd
from learners.estimators import knob_gradients
from learners.local import EquilibriumPropagation
from learners.theory import tune_nudge


class Bent(Hopfield):
    """Neurons that bend smoothly, so that a nudge of any size is felt."""

    def fire(self, cells: Any, u: Tensor, noise: Any) -> Tensor:
        return torch.sigmoid(u)


LAYERS = mlp(6, 5, 3)
BATCH = Batch(torch.rand(24, 6, generator=stream(0, "x")), 0.4 * torch.randn(24, 3, generator=stream(0, "y")))
QUIET = {"write_noise": 0.0, "severity": 0.3, "sweeps": 30}


def gradient(learner: EquilibriumPropagation, chip: Chip[Any], e: Tensor) -> Tensor:
    found = learner.adjoints(chip.port(), BATCH.x, chip.port().measure(BATCH.x).taps, e)
    knobs = knob_gradients(chip.spec, found.gradient, (BATCH.x, *found.states[:-1]), found.states[-1])
    return torch.cat([k.flatten() for k in knobs])


@pytest.mark.parametrize("nudging", ["centered", "away"])
def test_the_tuned_nudge_errs_less_than_a_third_and_three_times_it(nudging: Any) -> None:
    noisy = Chip(Bent(read_noise=0.02, **QUIET), LAYERS, 3)  # type: ignore[arg-type]
    start = EquilibriumPropagation(sgd(1.0), SquaredError(), 0.02, nudging)
    learner, found = tune_nudge(start, noisy.port(), BATCH)
    assert learner == replace(start, nudge=found.nudge) and found.nudge > 0.02
    e = noiseless().port().measure(BATCH.x).out - BATCH.target
    exact = EquilibriumPropagation(sgd(1.0), SquaredError(), 1e-3)
    wanted = gradient(exact, noiseless(), e)

    def error(nudge: float) -> float:
        tries = [gradient(replace(learner, nudge=nudge), noisy, e) for _ in range(24)]
        return float(torch.stack(tries).sub(wanted).square().sum(-1).mean())

    errors = [error(factor * found.nudge) for factor in (1 / 3, 1, 3)]
    assert errors[1] < min(errors[0], errors[2]), errors


def noiseless() -> Chip[Any]:
    return Chip(Bent(read_noise=0.0, **QUIET), LAYERS, 3)  # type: ignore[arg-type]


def test_reads_are_counted_and_a_chip_that_goes_one_way_is_refused() -> None:
    learner, chip = EquilibriumPropagation(sgd(1.0), SquaredError()), noiseless()
    reads: list[int] = []

    def read(*args: Any, **rest: Any) -> Any:
        reading = chip.port().measure(*args, **rest)
        reads.append(chip.spec.vectors(reading.out))
        return reading

    _, found = tune_nudge(learner, chip.port()._replace(measure=read), BATCH)
    assert found.reads == sum(reads) > 0
    with pytest.raises(ValueError, match="signals go one way"):
        tune_nudge(learner, Chip(Ideal(), LAYERS, 0).port(), BATCH)
