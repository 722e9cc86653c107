"""The laws of `check_device` as a test class: in your own suite, every law is a test of its own."""

from collections.abc import Sequence
from typing import Any

from ..check import device_laws
from ..contract import Law, LawTests


class DeviceLaws(LawTests):
    """A test class of a device: `class TestMine(DeviceLaws): device = MyDevice()`.

    All of them together try what `check_device(device)` tries, once, and cost about as much.

    Attributes:
        device: yours; a property of your class may make it.
        steps: of the lives that its chips live; 0 leaves them out.
        fresh: True for other numbers and other lives in every run.
    """

    device: Any = None
    steps: int = 200
    fresh: bool = False

    def laws(self) -> Sequence[Law]:
        """The laws of the Device protocol, in the order in which they are tried."""
        return device_laws(self.steps, fresh=self.fresh)

    def test_law(self, law: Law) -> None:
        """Try one law on the device.

        Raises:
            ContractError: the device breaks it, or the class has no device.
        """
        law.check(self.part("device"))
