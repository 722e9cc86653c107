"""Weights that are written into chips through their wires, and corrected by what is read of them.

This needs single layers, probes at their nodes, and the source read the same way.
"""

from collections.abc import Sequence
from math import erf, exp, pi, sqrt
from typing import Final, NamedTuple

import torch
from torch import Tensor

from analog import Knobs, Port

from .layer_meter import LayerMeter, Lines, MeasuredLayer

SMALLEST_PULSE: Final = 0.05  # full scale, from which on a pulse says something of the slope of its cell
NORMAL_MEDIAN: Final = 0.6745  # of the size of a standard normal number


def write_and_verify(
    port: Port,
    source: tuple[MeasuredLayer, ...],
    knobs: Knobs,
    rounds: int,
    meter: LayerMeter = LayerMeter(),
    scale: float = 1.0,
    lines: Sequence[Lines | None] | None = None,
) -> None:
    """Write the measured weights of a source into fresh chips, correcting what each round of reading shows.

    The slope of each cell, what a pulse does to its weight, is learned from what the pulses before did, for
    pulses of either sign. How far a pulse misses is seen as well, and a cell is pulsed again only if it is
    farther off than the best that the pulses that are left can be expected to do, see `patience`.

    Args:
        port: a chip or a fleet of dense layers with biases, one tile each.
        source: its layers, as they were measured.
        knobs: what is programmed first, (*fleet, tiles, rows, cols) each.
        rounds: of reading and correcting.
        meter: how the chips are read.
        scale: of the source's weights; below 1 more cells can reach them.
        lines: what lights the lines of each layer; None where they are its inputs.
    """
    port.program(knobs)
    lines = (None,) * len(knobs) if lines is None else lines
    source = tuple(layer._replace(weights=scale * layer.weights) for layer in source)
    layers = [_Writing.begin(meter.measure(port, i, lines[i]), k.squeeze(-3)) for i, k in enumerate(knobs)]
    for number in range(rounds):
        if number:
            layers = [layer.seen(meter.measure(port, i, lines[i])) for i, layer in enumerate(layers)]
        bar = patience(rounds - number)
        layers = [layer.corrected(wanted, bar) for layer, wanted in zip(layers, source, strict=True)]
        port.pulse(tuple(layer.sent.unsqueeze(-3) for layer in layers))


def patience(left: int) -> float:
    """How far off a cell may be left alone, in units of what a pulse misses by, if so many may still be sent.

    Pulses miss by normal errors that are independent of what was before, so this is a problem of optimal
    stopping: with k pulses left the mean square error can be brought down to V(k) = E[min(z^2, V(k - 1))].

    Args:
        left: pulses, from 1.
    """
    bar = 1.0
    for _ in range(left - 1):
        density = exp(-(bar**2) / 2) / sqrt(2 * pi)
        within = erf(bar / sqrt(2))
        bar = sqrt(within - 2 * bar * density + bar**2 * (1 - within))
    return bar


class _Writing(NamedTuple):
    """One layer while it is written: what was found last, what was sent since, and what a pulse does."""

    found: MeasuredLayer
    sent: Tensor  # (*fleet, rows, cols)
    slopes: Tensor  # V of weight for a pulse of 1, down and up, (2, *fleet, rows, cols) but for the bias
    miss: Tensor  # V, of a weight by a pulse, standard deviation, (*fleet, 1, 1)

    @classmethod
    def begin(cls, found: MeasuredLayer, programmed: Tensor) -> "_Writing":
        """After the first writing all cells are held to have the mean slope."""
        sent = programmed[..., :-1]
        mean = (found.weights * sent).sum((-1, -2), keepdim=True) / sent.square().sum((-1, -2), keepdim=True)
        slopes = mean.clamp_min(1e-2).expand_as(found.weights)
        return cls(found, programmed, torch.stack((slopes, slopes)), torch.zeros_like(mean))

    def seen(self, found: MeasuredLayer) -> "_Writing":
        """With how far pulses missed, and the slopes of those cells that pulses moved by more than that."""
        moved, sent = found.weights - self.found.weights, self.sent[..., :-1]
        off = (moved - self.slope * sent).abs().where(sent != 0, torch.nan)
        seen = off.flatten(-2).nanmedian(-1).values[..., None, None] / NORMAL_MEDIAN
        miss = torch.where(seen.isnan(), self.miss, seen)
        down, up = (
            torch.where(self._visible(sign * sent, slope, miss), moved / sent, slope).clamp(
                0.3 * slope, 3 * slope
            )
            for sign, slope in zip((-1, 1), self.slopes, strict=True)
        )
        return _Writing(found, self.sent, torch.stack((down, up)), miss)

    @staticmethod
    def _visible(sent: Tensor, slope: Tensor, miss: Tensor) -> Tensor:
        """Whether a pulse tells more of its cell's slope than of how far it missed."""
        return (sent > SMALLEST_PULSE) & (sent * slope > miss)

    @property
    def slope(self) -> Tensor:
        """Of the pulses that were sent."""
        down, up = self.slopes
        return torch.where(self.sent[..., :-1] > 0, up, down)

    def corrected(self, wanted: MeasuredLayer, patience: float) -> "_Writing":
        """With the pulses that should bring the weights to those of the source, where that is worth it."""
        weights, bias = self.found.targets(wanted)
        off = weights - self.found.weights
        down, up = self.slopes
        drive = off / torch.where(off > 0, up, down)
        drive = torch.where(off.abs() > patience * self.miss, drive, 0.0)
        sent = torch.cat((drive, (bias / self.slopes.mean((0, -1))).unsqueeze(-1)), -1)
        return self._replace(sent=sent.clamp(-1, 1))
