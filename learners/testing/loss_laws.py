"""The laws of `check_loss` as a test class."""

from collections.abc import Sequence
from typing import Any

from analog.contract import Law, LawTests

from ..check.loss import loss_laws


class LossLaws(LawTests):
    """A test class of a loss: `class TestMine(LossLaws): loss = Mine()`.

    All of them together try what `check_loss(loss)` tries, once, and cost about as much.

    Attributes:
        loss: yours.
        target: of six examples, as `check_loss` takes it; None: made up.
        outputs: how many each example has, a multiple of the loss's parts.
    """

    loss: Any = None
    target: Any = None
    outputs: int = 6

    def laws(self) -> Sequence[Law]:
        """The laws of losses, in the order in which they are tried."""
        return loss_laws(self.target, outputs=self.outputs)

    def test_law(self, law: Law) -> None:
        """Try one law on the loss.

        Raises:
            ContractError: the loss breaks it, or the class has none.
        """
        law.check(self.part("loss"))
