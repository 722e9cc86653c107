"""What is said to be equal is equal."""

import torch

from analog import xray
from learners.data import load_data
from studies.local_learning import depth


def test_every_method_gets_the_same_reads() -> None:
    """Vectors through layers, as booked by the ledger, up to one step; the reference gets plain's steps."""
    args = depth.Args(chips=1, hidden=4, epochs=1.0)
    for layers in (1, 2, 5):
        spent, steps = {}, {}
        for method in depth.METHODS:
            trial = depth.Trial(args, method, layers)
            training = depth.Training(trial, load_data("digits"), [0], torch.ones(1))
            training.continue_to(training.steps)
            spent[method], steps[method] = sum(training.ledger.reads), training.steps
        plain = "node perturbation"
        assert spent.pop("exact gradient") * 5 == spent[plain] and steps["exact gradient"] == steps[plain]
        assert spent.pop("measured feedback") < spent[plain]
        a_step = spent["in turn"] / steps["in turn"]
        assert all(abs(v - spent[plain]) <= a_step / 2 for v in spent.values()), spent


def test_one_layer_in_turn_is_all_at_once() -> None:
    args = depth.Args(chips=1, hidden=4, epochs=0.2)
    ends = []
    for method in ("node perturbation", "in turn"):
        trial = depth.Trial(args, method, 1)
        training = depth.Training(trial, load_data("digits"), [0], torch.full((1,), 0.01))
        training.continue_to(training.steps)
        ends.append(xray.knobs(training.chip))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
