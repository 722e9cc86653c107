"""The laws of `check_update` as a test class."""

from collections.abc import Sequence
from typing import Any

from analog.contract import Law, LawTests

from ..check.update import update_laws


class UpdateLaws(LawTests):
    """A test class of an update: `class TestMine(UpdateLaws): update = mine(1e-2)`.

    All of them together try what `check_update(update)` tries, once, and cost about as much.

    Attributes:
        update: yours.
        fleet: how many chips, for an update with numbers of its own for each.
    """

    update: Any = None
    fleet: int = 3

    def laws(self) -> Sequence[Law]:
        """The laws of updates, in the order in which they are tried."""
        return update_laws(fleet=self.fleet)

    def test_law(self, law: Law) -> None:
        """Try one law on the update.

        Raises:
            ContractError: the update breaks it, or the class has none.
        """
        law.check(self.part("update"))
