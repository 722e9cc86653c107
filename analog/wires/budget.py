"""A wrapper around wires that keeps a learner within its means: reads, pulses, joules, seconds."""

import math

from torch import Tensor

from ..port import Port, Probe, Reading, make_port, require_port
from ..rejection import Rejected
from ..spec import Budget, Knobs
from .metering import Ledger, metered


class OverBudget(Rejected, RuntimeError):
    """A request would have gone over a budget; the hardware has not seen it, and works on.

    Attributes:
        budget: which one: "reads", "pulses_per_cell", "joules" or "seconds".
    """

    def __init__(self, budget: str, stands: float, would: float, limit: float) -> None:
        super().__init__(
            f"budget of {budget}: {stands:.6g} used of {limit:.6g}, this request would make it {would:.6g}; "
            "the chip was not touched"
        )
        self.budget = budget


def budgeted(port: Port, ledger: Ledger, budget: Budget) -> Port:
    """The same wires, metered in `ledger`, refusing with `OverBudget` what would go over a limit.

    Limits are held against the whole ledger, whatever it has booked before.

    Raises:
        TypeError: it is no port.
        ValueError: the ledger was opened for another datasheet.
    """
    require_port(port, "budgeted")
    inner = metered(port, ledger)
    spec = port.spec

    def afford(would: dict[str, float]) -> None:
        for name, limit in budget.limits.items():
            if would[name] > limit * (1 + 1e-9):  # sums of floats may come out a little above
                stands = ledger.after_read(0, 0, 0)[name]
                raise OverBudget(name, stands, would[name], limit)

    def program(knobs: Knobs) -> None:
        afford(ledger.after_pulse(knobs))
        inner.program(knobs)

    def pulse(drive: Knobs) -> None:
        afford(ledger.after_pulse(drive))
        inner.pulse(drive)

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        driven = spec.span(first, last)
        vectors = math.prod(probe.lead(driven, x)) * x.shape[-2]
        afford(ledger.after_read(vectors, first, last))
        return inner.measure(x, probe, first=first, last=last)

    return make_port(spec, program, pulse, read)  # what is malformed is refused before it is priced
