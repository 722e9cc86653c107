"""The laws of `check_learner` as a test class."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from analog.contract import Law, LawTests
from analog.port import Port
from analog.spec import Spec
from analog.streams import stream

from ..check.learner import learner_laws
from ..learner import Batch

_BATCHES, _EXAMPLES = 4, 5


class LearnerLaws(LawTests):
    """A test class of a learner: `class TestMine(LearnerLaws): learner, port = Mine(0.01), Chip(...).port()`.

    All of them together try what `check_learner` tries, once, and cost about as much.

    Attributes:
        learner: yours.
        port: of a small chip or fleet that may be taught; a property of your class may make it.
        batches: what to learn from, a handful; None: as many numbers as the port takes, and class numbers.
        seed: of the generator that `step` is handed.
    """

    learner: Any = None
    port: Port | None = None
    batches: Iterable[Batch] | None = None
    seed: int = 0

    def laws(self) -> Sequence[Law]:
        """The laws of learners, in the order in which they are tried."""
        port: Any = self.port
        made_up = () if port is None else _made_up(port.spec)
        batches = made_up if self.batches is None else self.batches
        return learner_laws(port, batches, lambda: stream(self.seed, "testing", "learner"))

    def test_law(self, law: Law) -> None:
        """Try one law on the learner.

        Raises:
            ContractError: the learner breaks it, or the class has none, or no port.
            ReplayMismatch: it used something that did not come over its wires.
        """
        self.part("port")
        law.check(self.part("learner"))


def _made_up(spec: Spec) -> list[Batch]:
    """Examples that fit a chip, each with the number of one of its outputs."""
    generator, (first, *_, last) = stream(0, "testing", "batches"), (*spec.layers, spec.layers[-1])
    shape = (_EXAMPLES, first.features_in)
    return [
        Batch(
            torch.randn(shape, generator=generator, dtype=spec.dtype),
            torch.randint(last.features, shape[:1], generator=generator),
        )
        for _ in range(_BATCHES)
    ]
