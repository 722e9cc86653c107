"""The energy of a training in place: the chip's by its ledger, the digital side's by counting its operations.

Prices of single operations are published: Horowitz (2014), https://doi.org/10.1109/ISSCC.2014.6757323, at
45 nm, and Jouppi et al. (2021, table 2), https://doi.org/10.1109/ISCA52012.2021.00010, at 7 nm. Counted are
operations, and words moved to and from a memory beside them; control, clocks, wires and leakage are not, so
that real machines take more, on either side of a comparison. Divisions and roots count as multiplications,
losses and the drawing of probes as nothing.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from analog.costs import Costs, Energy
from analog.spec import Spec
from analog.wires.metering import Ledger


class Operations(NamedTuple):
    """Digital operations, counted."""

    multiplications: float = 0.0
    additions: float = 0.0
    words: float = 0.0  # read from memory or written to it

    def plus(self, other: "Operations") -> "Operations":
        """Both together."""
        return Operations(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count: float) -> "Operations":
        """All of it so many times."""
        return Operations(*(n * count for n in self))


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


ADAM = Operations(
    8, 4, 5
)  # of each cell: two means, a root, a division; gradient and means read, means written


def node_learning(spec: Spec, batch: int, probes: int, *, feedback: bool = False) -> Operations:
    """The digital operations of one step of node perturbation with the delta rule and Adam, of one chip.

    Args:
        spec: the datasheet of the chip, a single or a fleet's.
        batch: examples of a step.
        probes: directions of a step.
        feedback: with learned feedback: prediction, its sums, and a solve for every hidden unit.
    """
    outputs = spec.layers[-1].features
    hidden = sum(layer.features for layer in spec.layers[:-1])
    products: float = batch * macs(spec) + batch * probes * hidden
    words = batch * sum(layer.cols + layer.features for layer in spec.layers)
    if feedback:
        products += batch * hidden * (2 * probes + 2 * outputs + outputs**2)
        products += hidden * (outputs**3 / 3 + outputs**2)
        words += 2 * hidden * (outputs**2 + 2 * outputs)
    learned = ADAM.times(cells(spec))
    return Operations(products, products, words).plus(learned)


def backpropagation(spec: Spec, batch: int) -> Operations:
    """The operations of one step of backpropagation with Adam, on a digital network of the same size.

    Forward, to the weights, and to the activities of all layers but the first; weights are read once a batch
    for each way and written once.
    """
    back = sum(layer.features * layer.cols for layer in spec.layers[1:])
    products = batch * (2 * macs(spec) + back)
    words = 2 * batch * sum(layer.cols + layer.features for layer in spec.layers) + 3 * cells(spec)
    return Operations(products, products, words).plus(ADAM.times(cells(spec)))


def inference(spec: Spec, batch: int) -> Operations:
    """The operations of one pass of so many examples through a digital network of the same size."""
    words = batch * sum(layer.cols + layer.features for layer in spec.layers) + cells(spec)
    return Operations(batch * macs(spec), batch * macs(spec), words)


def macs(spec: Spec) -> int:
    """Products of one example through all layers of a chip."""
    return sum(layer.features * layer.cols for layer in spec.layers)


def cells(spec: Spec) -> int:
    """Cells of one chip."""
    return sum(layer.tiles * layer.rows * layer.cols for layer in spec.layers)


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
