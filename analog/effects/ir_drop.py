"""Wires that have resistance, so that far cells see less voltage and deliver less of it.

First-order model of a crossbar of pairs: drivers at the first row, amplifiers (virtual ground) at the first
column, one wire resistance between neighbouring cells. With the mean conductance g of a cell in place of
each cell's own, and a = resistance * g:
- along an output line the potential rises by a * sum over k of min(j, k) x_k at column j (two running sums),
  and differently along the two lines of a pair, by their weights: a factor 1 - a * sum over k of min(j, k);
- along an input line, which feeds both cells of each pair, the drive has fallen by 2 a * sum over k of
  min(i, k) at row i (a fixed factor for each output).
Exact to first order in a for equal cells (tested against the whole resistor network); unequal cells differ
from it by the spread of their conductances around the mean.

Guess: 1 ohm a cell and .3 uS. Valid while the largest drops, a * cols^2 and a * rows^2, stay within .3;
raises beyond (split the layer with `Tiled`).
"""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from ..device import Device, S
from ..randomness import Fabrication, Noise
from ..settings import setting
from .effect import StatelessEffect

WORST = 0.3  # relative drop up to which the first order is good for about a tenth of it


@dataclass(frozen=True)
class IRDrop(StatelessEffect[S]):
    """Any device behind wires with resistance."""

    one_way = True

    device: Device[S]
    resistance: float = setting(1.0, "of the wire between neighboring cells", unit="ohm", range=(0, inf))
    conductance: float = setting(0.3e-6, "mean of a cell", unit="S", range=(0, inf))

    @property
    def relative_drop(self) -> float:
        """Relative drop over one wire segment that carries one mean cell's current."""
        return self.resistance * self.conductance

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> S:
        """Make the cells of the wrapped device.

        Raises:
            ValueError: wires of this length drop more of the voltage than the first order is good for.
        """
        worst = self.relative_drop * max(cols, rows) ** 2
        if worst > WORST:
            raise ValueError(
                f"IRDrop: {rows} x {cols} cells drop {worst:.2g} of the voltage, valid up to {WORST}; "
                "lower the resistance or the conductance, or split the layer with Tiled"
            )
        return super().fabricate(rows, cols, birth)

    def collect(self, cells: S, x: Tensor, noise: Noise) -> Tensor:
        run = x.cumsum(-1)
        onwards = torch.add(x, run[..., -1:] - run)  # sum over columns from here to the last
        scaled = x * (1 - self.relative_drop * summed_distances(x))
        driven = torch.add(scaled, onwards.cumsum(-1), alpha=-self.relative_drop)
        u = self.device.collect(cells, driven, noise)
        return u * (1 - 2 * self.relative_drop * summed_distances(u))


def summed_distances(like: Tensor) -> Tensor:
    """The sum over k of min(j, k) for each place j, both counted from 1: (..., count) -> (count,)."""
    count = like.shape[-1]
    j = torch.arange(1, count + 1, dtype=like.dtype, device=like.device)
    return j * count - j * (j - 1) / 2
