"""Multiplexed gradient descent: its time scales say what is measured of a sample, and when knobs change."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Tape, dense, stream, taped
from learners import CrossEntropy, alternatives, fit, recipes, sgd
from tests.learners.alternatives.rule import F64, labeled

LAYERS = (dense(6, 5), dense(5, 3, linear=True))
multiplexed = alternatives.multiplexed_gradient_descent


def course(learner: Any, steps: int) -> list[Any]:
    """The events of a training on batches that are all alike."""
    chip = Chip(Ideal(), LAYERS, range(2), dtype=F64)
    tape = Tape(chip.spec)
    for _ in fit(learner, taped(chip.port(), tape), [labeled(chip)] * steps, stream(0, "mgd")):
        pass
    return tape.events


def pulses(events: list[Any]) -> list[Any]:
    return [sent for wire, sent, _ in events if wire == "pulse"]


def test_with_time_scales_of_one_it_is_weight_perturbation_by_one_probe() -> None:
    ours = pulses(course(multiplexed(CrossEntropy(), update=sgd(0.1)), 3))
    theirs = pulses(course(recipes.weight_perturbation(CrossEntropy(), probes=1, update=sgd(0.1)), 3))
    for one, other in zip(ours, theirs, strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize(("perturbations", "samples"), [(1, 3), (4, 1), (2, 3)])
def test_knobs_change_once_in_so_many_samples_of_so_many_perturbations(
    perturbations: int, samples: int
) -> None:
    learner = multiplexed(CrossEntropy(), perturbations=perturbations, samples=samples, update=sgd(0.1))
    events = course(learner, 6)
    moved = [any(bool(part.any()) for part in sent) for sent in pulses(events)]
    assert moved == [(k + 1) % samples == 0 for k in range(6)]
    probed = [len(sent[1].knobs[0]) for wire, sent, _ in events if wire == "measure" and sent[1].knobs]
    assert probed == [perturbations] * 6


def test_its_rate_falls_to_zero_over_all_samples() -> None:
    learner = multiplexed(CrossEntropy(), samples=3, learning_rate=0.1, steps=60)
    sizes = [max(float(part.abs().max()) for part in sent) for sent in pulses(course(learner, 60))]
    assert sizes[2] == pytest.approx(0.1 * (1 - 2 / 60), rel=1e-3) and 0 < sizes[-1] < 0.1 * 2 / 60


def test_time_scales_below_one_are_refused() -> None:
    for settings in ({"perturbations": 0}, {"samples": 0}):
        with pytest.raises(ValueError, match="wanted|wants|at least"):
            multiplexed(CrossEntropy(), update=sgd(0.1), **settings)
