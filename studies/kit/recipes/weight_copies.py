"""Weights copied from one chip to a fleet: blindly, trimmed, or written and verified by reading.

What each way needs: blind copies the true knobs of the source, which no wire shows; a trim some inputs
and what the source answers to them at every tap; write and verify single layers, probes at their nodes,
and the source read the same way. All of them need chips of the same layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, exp, pi, sqrt
from typing import Final, NamedTuple

import torch
from torch import Tensor

from analog import Knobs, Layer, Port, Probe, Reading
from analog.port import rewired

SMALLEST_PULSE: Final = 0.05  # full scale, from which on a pulse says something of the slope of its cell
NORMAL_MEDIAN: Final = 0.6745  # of the size of a standard normal number


def repeat_knobs(knobs: Knobs, count: int) -> Knobs:
    """The same knobs for each chip of a fleet."""
    return tuple(k.expand(count, *k.shape).clone() for k in knobs)


class MeasuredLayer(NamedTuple):
    """What was read of one dense layer through the wires, each node's in volts at its own summing node."""

    weights: Tensor  # V for an input of 1, without the bias, (*fleet, features, features_in)
    levels: Tensor  # V, what the probe added at every node in a sweep without input, (levels,)
    sweep: Tensor  # the taps meanwhile, rising, (*fleet, features, levels)

    def voltage(self, taps: Tensor) -> Tensor:
        """What the probe would have to add, without input, for such taps: (*fleet, features, any)."""
        right = torch.searchsorted(self.sweep, taps.contiguous()).clamp(1, len(self.levels) - 1)
        low, high = self.sweep.gather(-1, right - 1), self.sweep.gather(-1, right)
        share = ((taps - low) / (high - low)).clamp(0, 1)
        return torch.lerp(self.levels[right - 1], self.levels[right], share)

    def targets(self, source: "MeasuredLayer") -> tuple[Tensor, Tensor]:
        """The weights and the change of bias by which this layer would answer as the source does.

        Returns:
            (*fleet, features, features_in) and (*fleet, features).
        """
        low = torch.maximum(self.sweep[..., :1], source.sweep[..., :1])
        high = torch.minimum(self.sweep[..., -1:], source.sweep[..., -1:])
        taps = low + (high - low) * torch.linspace(0.1, 0.9, 17).to(low)
        here, there = self.voltage(taps), source.expand_to(self).voltage(taps)
        centred = there - there.mean(-1, keepdim=True)
        gain = (here * centred).sum(-1) / centred.square().sum(-1).clamp_min(1e-6)
        return gain.unsqueeze(-1) * source.weights, here.mean(-1) - gain * there.mean(-1)

    def expand_to(self, fleet: "MeasuredLayer") -> "MeasuredLayer":
        """The same for every chip of a fleet."""
        return self._replace(sweep=self.sweep.expand_as(fleet.sweep).contiguous())


class Lines(NamedTuple):
    """Inputs that light the lines in front of a layer: each line alone by 1 V, and none at all."""

    each: Tensor  # (lines, features_in)
    none: Tensor  # (features_in,)

    @classmethod
    def plain(cls, layer: Layer) -> "Lines":
        """Those of a layer whose inputs are its lines."""
        return cls(torch.eye(layer.features_in), torch.zeros(layer.features_in))

    @classmethod
    def of_symbols(cls, context: int, symbols: int) -> "Lines":
        """Those of a layer behind a decoder of symbols (`analog.layers.OneHot`), for which -1 is none."""
        each = torch.full((context, symbols, context), -1.0)
        place = torch.arange(context)
        each[place, :, place] = torch.arange(float(symbols))
        return cls(each.flatten(0, 1), torch.full((context,), -1.0))


@dataclass(frozen=True)
class LayerMeter:
    """How single layers are measured: each input alone, with each node pushed into its range by a probe.

    A sweep of the probe without any input shows what amplifier and neuron of each node do; undone, the
    readings are voltages at the summing nodes.
    """

    repeats: int = 16  # readings of each input
    levels: int = 65  # of the sweep
    sweeps: int = 4
    reach: float = 4.0  # V, how far the sweep goes to either side

    def measure(self, port: Port, layer: int, lines: Lines | None = None) -> MeasuredLayer:
        """Measure a dense layer of a chip or of a fleet, by its number.

        Args:
            port: a chip or a fleet.
            layer: the number.
            lines: what lights its lines; None where they are its inputs.
        """
        wiring, fleet = port.spec.layers[layer], port.spec.fleet
        lines = Lines.plain(wiring) if lines is None else lines
        each, none = (part.to(port.spec.zeros()[0]) for part in lines)
        dark = none.expand(self.sweeps, -1)
        levels = torch.linspace(-self.reach, self.reach, self.levels).to(each)
        nodes = (self.levels, *fleet, self.sweeps, wiring.features)
        added = levels.view(-1, *(1,) * (len(nodes) - 1)).expand(nodes).contiguous()
        taps = port.measure(dark, Probe(nodes=(added,)), first=layer, last=layer).out
        sweep = taps.mean(-2).movedim(0, -1).contiguous().cummax(-1).values + 1e-5 * levels
        found = MeasuredLayer(sweep, levels, sweep)
        middle = found.voltage(sweep[..., [0, -1]].mean(-1, keepdim=True))  # (*fleet, features, 1)
        pushed = middle.squeeze(-1).unsqueeze(-2).expand(self.repeats, *fleet, len(each), wiring.features)
        lit = port.measure(each, Probe(nodes=(pushed.contiguous(),)), first=layer, last=layer).out.mean(0)
        return found._replace(weights=found.voltage(lit.transpose(-1, -2)) - middle)


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


class Trim(NamedTuple):
    """A digital gain and offset behind every node of one layer, each (*fleet, 1, features)."""

    gain: Tensor
    offset: Tensor


def fit_trims(port: Port, x: Tensor, taps: tuple[Tensor, ...]) -> tuple[Trim, ...]:
    """Fit a gain and an offset behind every tap to what a source answers.

    Layer by layer: what one layer's trimmed taps are is what the next is driven with, one span at a time.

    Args:
        port: a chip or a fleet.
        x: stimuli, (examples, features_in).
        taps: what the source's taps showed for them, each (examples, features).
    """
    trims: list[Trim] = []
    for i, wanted in enumerate(taps):
        found = port.measure(x, first=i, last=i).out
        mean, goal = found.mean(-2, keepdim=True), wanted.mean(-2, keepdim=True)
        spread = (found - mean).square().mean(-2, keepdim=True)
        gain = ((found - mean) * (wanted - goal)).mean(-2, keepdim=True) / spread.clamp_min(1e-9)
        gain = torch.where(spread > 1e-9, gain, 1.0)  # a node that never fires is left alone
        trims.append(Trim(gain, goal - gain * mean))
        x = gain * found + trims[-1].offset
    return tuple(trims)


def trimmed(port: Port, trims: tuple[Trim, ...]) -> Port:
    """The port with a digital gain and offset behind every tap; its layers are driven one by one."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps: list[Tensor] = []
        for i in range(first, last + 1):
            reading = port.measure(x, probe.part(i - first, i - first), first=i, last=i)
            x = trims[i].gain * reading.out + trims[i].offset
            taps.append(x)
        return Reading(tuple(taps))

    return rewired(port, read)
