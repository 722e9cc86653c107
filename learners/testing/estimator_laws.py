"""The laws of `check_estimator` as a test class."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from analog.contract import Law, LawTests
from analog.streams import stream

from ..check.estimator import estimator_laws
from ..check.linear_chip import LinearChip


class EstimatorLaws(LawTests):
    """A test class of an estimator: `class TestMine(EstimatorLaws): estimator = Mine(1e-3)`.

    All of them together try what `check_estimator` tries, once, and cost about as much.

    Attributes:
        estimator: yours.
        tolerance: the relative error of scale that has to be found.
        variance: what you predict, as `check_estimator` takes it, in a `staticmethod`; None: not checked.
        seed: of the draws; each law has a stream of its own.
    """

    estimator: Any = None
    tolerance: float = 0.01
    variance: Callable[[LinearChip], Tensor] | None = None
    seed: int = 0

    def laws(self) -> Sequence[Law]:
        """The laws of unbiased estimates, in the order in which they are tried."""
        return estimator_laws(self.tolerance, self.variance)

    def test_law(self, law: Law) -> None:
        """Try one law on the estimator.

        Raises:
            ContractError: the estimator breaks it, or the class has none.
        """
        law.check(self.part("estimator"), stream(self.seed, "testing", law.sentence))
