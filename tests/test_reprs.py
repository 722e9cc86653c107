"""What is looked at most in a notebook says in one short line what it is."""

import pytest
import torch

from analog import Chip, Mismatched, Probe, mlp, stream
from learners import (
    Batch,
    BinaryCrossEntropy,
    CrossEntropy,
    Descent,
    Feedback,
    NodePerturbation,
    SquaredError,
    WeightPerturbation,
    adam,
    fit,
    gaussian,
    rademacher,
    sgd,
)

CHIP = Chip(Mismatched(severity=0.5), mlp(64, 16, 10), range(100))
LEARNER = Descent(NodePerturbation(0.1), adam(1e-2), CrossEntropy(), control_variate=Feedback())
X = torch.zeros(8, 64)
((STATE, STEP),) = fit(LEARNER, CHIP.port(), [(X, torch.zeros(8).long())], stream(0))
EXPECTED = {
    "port": (CHIP.port(), "Port(64-16-10 x 100 chips, shows spans with node probes, float32 on cpu)"),
    "reading": (STEP.baseline, "Reading(taps (100, 8, 16), (100, 8, 10))"),
    "batch": (Batch(X), "Batch(x (8, 64) float32, target None)"),
    "labeled": (Batch(X, X[0].long()), "Batch(x (8, 64) float32, target (64,) int64)"),
    "targets": (Batch(X, (X, 3)), "Batch(x (8, 64) float32, target [(8, 64) float32, int])"),
    "probe": (Probe(nodes=(None, X)), "Probe(nodes None, (8, 64))"),
    "no probe": (Probe(), "Probe()"),
}
SHORT = [
    *(CHIP, STEP, LEARNER, Feedback(), NodePerturbation(0.1), WeightPerturbation(0.1), gaussian, rademacher),
    *(CrossEntropy(), BinaryCrossEntropy(), SquaredError(), sgd(0.1), adam(0.1, tuned_by=sgd(0.1))),
]


@pytest.mark.parametrize("name", EXPECTED)
def test_shapes_and_units_are_shown_and_no_values(name: str) -> None:
    thing, words = EXPECTED[name]
    assert repr(thing) == words


@pytest.mark.parametrize("thing", SHORT, ids=lambda thing: type(thing).__name__)
def test_a_repr_is_one_line_without_addresses(thing: object) -> None:
    words = repr(thing)
    assert "\n" not in words and " at 0x" not in words and "tensor(" not in words and len(words) < 400
