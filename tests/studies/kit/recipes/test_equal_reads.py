"""Learners stop at the same reads, whatever a step of theirs takes, and know how long they learn."""

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Port, Probe, Reading, mlp, xray
from analog.port import rewired
from learners import CrossEntropy, Descent, NodePerturbation, sgd
from learners.data import load_data
from learners.learner import Learner
from learners.losses import Loss
from studies.kit import learner_figure, learner_table, train_within_reads
from studies.kit.run.study import Row

READS = 2_000


def one_probe(loss: Loss) -> Learner:
    return Descent(NodePerturbation(0.1, 1), sgd(0.1), loss)


def trained(method: object, reads: int = READS, chips: int = 2) -> list[Row]:
    data = load_data("digits")
    chip = Chip(Ideal(), mlp(data.features, 4, data.classes), identity=range(chips))
    return [*train_within_reads(method, chip, data, reads=reads, points=3)]


def test_all_learners_use_the_same_reads_up_to_a_step() -> None:
    rows: list[Row] = []
    for method, step in ((one_probe, 128), ("node perturbation", 320), ("exact gradient", 64)):
        curve = trained(method)
        assert READS - step < curve[-1]["reads"] <= READS and curve[-1]["done"] == 1.0
        assert [r["what"] for r in curve[-2:]] == ["curve", "end"] and len(curve[-1]["accuracy"]) == 2
        rows += curve
    first, second, third = learner_table(rows)
    assert first["learner"].endswith(":one_probe") and first["less the first's"] == ""
    assert second["less the first's"] and third["access"] == "x-ray"
    assert len(learner_figure(rows).axes) == 1


def test_reads_that_do_not_pay_for_a_step_are_refused() -> None:
    with pytest.raises(ValueError, match="one_probe: a step takes about 128 reads, there are 100 in all"):
        trained(one_probe, reads=100)


def test_a_learner_of_its_own_loss_is_taken_as_it_is() -> None:
    learner = Descent(NodePerturbation(0.1, 1), sgd(0.1), CrossEntropy())
    assert trained(learner)[-1]["accuracy"] == trained(one_probe)[-1]["accuracy"]


def test_of_a_learner_that_does_not_say_rows_claim_no_access() -> None:
    class Silent:
        def __init__(self, learner: Learner) -> None:
            self.init, self.step = learner.init, learner.step

    row = trained(Silent(one_probe(CrossEntropy())), reads=300, chips=1)[-1]
    assert row["access"] == "not stated"


def test_chips_of_a_fleet_may_learn_at_rates_of_their_own_behind_wires_of_any_kind() -> None:
    data, counted = load_data("digits"), []

    def wired(port: Port) -> Port:
        def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
            counted.append(len(x))
            return port.measure(x, probe, first=first, last=last)

        return rewired(port, read)

    chip = Chip(Ideal(), mlp(data.features, 4, data.classes), (3, 3))
    before = xray.knobs(chip)
    factors = torch.tensor([0.0, 1.0])
    rows = [*train_within_reads("exact gradient", chip, data, reads=300, factors=factors, wired=wired)]
    moved = [(a - b).flatten(1).abs().amax(1) for a, b in zip(xray.knobs(chip), before, strict=True)]
    assert all(float(m[0]) == 0 and float(m[1]) > 0 for m in moved)
    assert counted.count(64) == rows[-1]["reads"] / 64 > 2
