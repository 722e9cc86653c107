"""The energy of a training in place: the chip's by its ledger, the digital side's by its operations.

Prices of single operations are published: Horowitz (2014), https://doi.org/10.1109/ISSCC.2014.6757323, at
45 nm, and Jouppi et al. (2021, table 2), https://doi.org/10.1109/ISCA52012.2021.00010, at 7 nm. What is
counted stands in `learners.operations`; control, clocks, wires and leakage are not, so that real machines
take more, on either side of a comparison.
"""

import math
from dataclasses import dataclass

from analog.costs import Costs, Energy
from analog.wires.metering import Ledger

from .operations import Operations


@dataclass(frozen=True)
class DigitalCosts:
    """The energy of digital operations; by default floats at 7 nm, in memories of 1 MB.

    Raises:
        ValueError: a price is negative or not finite.
    """

    multiply_joules: float = 1.31e-12  # J
    add_joules: float = 0.38e-12  # J
    word_joules: float = 7e-12  # J, half an access of 64 bits

    def __post_init__(self) -> None:
        if not all(0 <= price < math.inf for price in vars(self).values()):
            raise ValueError(f"prices are finite and at least 0; got {self}")

    def joules(self, operations: Operations) -> float:
        """The energy of so many operations, J."""
        prices = (self.multiply_joules, self.add_joules, self.word_joules)
        return sum(n * price for n, price in zip(operations, prices, strict=True))


CHEAP = DigitalCosts(0.2e-12, 0.03e-12, 1.75e-12)  # 8 bits: arithmetic at 45 nm, memory at 7 nm
DEAR = DigitalCosts(3.7e-12, 0.9e-12, 50e-12)  # floats at 45 nm; the word of memory is a guess


def training_energy(
    ledger: Ledger,
    operations: Operations,
    *,
    costs: Costs | None = None,
    digital: DigitalCosts = DigitalCosts(),
) -> Energy:
    """The energy of a training by where it went, J, (*fleet,) each but for the digital side.

    Args:
        ledger: what the chip was put through.
        operations: all that was computed beside it, for each chip.
        costs: the chip's prices; None: those of its datasheet.
        digital: prices of digital operations.
    """
    return ledger.energy(costs)._replace(digital=digital.joules(operations))
