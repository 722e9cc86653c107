"""Single layers of chips, measured through their wires: effective weights, and what follows each node."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from analog import Layer, Port, Probe


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
