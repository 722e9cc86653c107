"""Every law of an estimator is a test of its own in a user's suite."""

from dataclasses import dataclass

import pytest

from analog.contract import ContractError, Law
from analog.spec import Spec
from analog.tree import tree_map
from learners import NodePerturbation, ProbeResult
from learners.estimators.gradient import Gradient
from learners.testing import EstimatorLaws

LAWS = EstimatorLaws().laws()


@dataclass(frozen=True)
class Constant(NodePerturbation):
    """Adds what no loss tells."""

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        moved: Gradient = tree_map(lambda leaf: leaf + 1, super().tell(spec, result))
        return moved


class Sound(EstimatorLaws):
    estimator = NodePerturbation(1e-3)


class Shifted(EstimatorLaws):
    estimator = Constant(1e-3)


@pytest.mark.parametrize("law", [LAWS[0], LAWS[4], LAWS[8]], ids=lambda law: law.sentence)
def test_a_law_of_a_sound_estimator_passes(law: Law) -> None:
    Sound().test_law(law)


def test_what_is_broken_fails_under_its_law() -> None:
    with pytest.raises(ContractError, match="three times the losses give three times the estimate"):
        Shifted().test_law(LAWS[0])
    with pytest.raises(ContractError, match="EstimatorLaws has no estimator; write estimator = "):
        EstimatorLaws().test_law(LAWS[0])


def test_each_law_has_a_sentence_of_its_own() -> None:
    sentences = {law.sentence for law in LAWS}
    assert len(sentences) == len(LAWS) == 9 and all(sentence.endswith(".") for sentence in sentences)
