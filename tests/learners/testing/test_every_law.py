"""In a user's suite every law of a learner, a loss and an update is a test of its own."""

from typing import Any

import pytest
from torch import Tensor

from analog import Chip, Mismatched, mlp
from analog.contract import ContractError, LawTests
from analog.port import Port
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    SquaredError,
    Step,
    Update,
    check_loss,
    check_update,
    sgd,
)
from learners.testing import LearnerLaws, LossLaws, UpdateLaws


class Remembers:
    """Learns nothing, and keeps what it read on its class."""

    record: Any = ()

    def init(self, spec: object) -> None:
        return None

    def step(self, port: Port, batch: Batch, state: None, generator: object) -> tuple[None, Step]:
        reading = port.measure(batch.x)
        type(self).record = (*self.record, float(reading.out.mean()))
        return None, Step(reading.out.mean(), reading)


class Half(SquaredError):
    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * super().gradient(out, target)


UPHILL = Update(lambda knobs: (), lambda gradient, state: (tuple(0.1 * g for g in gradient), state))
WIRES = {"port": Chip(Mismatched(), mlp(4, 3, 2), range(2)).port()}
CLASSES: dict[type[LawTests], tuple[str, Any, Any, str]] = {
    LearnerLaws: (
        "learner",
        Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy()),
        Remembers(),
        "Nothing of what was learned stays on a learner's class.",
    ),
    LossLaws: (
        "loss",
        SquaredError(),
        Half(),
        "The gradient, where a loss knows one, is that of central differences.",
    ),
    UpdateLaws: (
        "update",
        sgd(0.1),
        UPHILL,
        "Over many steps of one gradient the drives sum up to a way down it, and nothing runs away.",
    ),
}


def broken(suite: type[LawTests], **part: Any) -> list[str]:
    """The laws whose tests fail in a user's test class with that part."""
    tests: Any = type("TestMine", (suite,), {**WIRES, **part})()
    failed = []
    for law in tests.laws():
        try:
            tests.test_law(law)
        except ContractError:
            failed.append(law.sentence)
    return failed


@pytest.mark.parametrize("suite", CLASSES)
def test_a_sound_part_passes_and_a_broken_one_fails_under_its_law_alone(suite: type[LawTests]) -> None:
    name, sound, unsound, law = CLASSES[suite]
    assert broken(suite, **{name: sound}) == []
    assert broken(suite, **{name: unsound}) == [law]


@pytest.mark.parametrize("suite", CLASSES)
def test_each_law_has_a_sentence_and_asks_for_a_part(suite: type[LawTests]) -> None:
    tests: Any = type("TestMine", (suite,), WIRES)()
    sentences = [law.sentence for law in tests.laws()]
    assert len({*sentences}) == len(sentences) > 3 and all(s.endswith(".") for s in sentences)
    for law in tests.laws():
        with pytest.raises(ContractError, match=f"TestMine has no {CLASSES[suite][0]}; write"):
            tests.test_law(law)


def test_without_a_port_every_law_of_a_learner_asks_for_one() -> None:
    for law in LearnerLaws().laws():
        with pytest.raises(ContractError, match="LearnerLaws has no port; write port = "):
            LearnerLaws().test_law(law)


def test_the_laws_of_a_class_are_what_the_check_returns() -> None:
    assert check_loss(SquaredError()) == tuple(law.sentence for law in LossLaws().laws())
    assert check_update(sgd(0.1)) == tuple(law.sentence for law in UpdateLaws().laws())
