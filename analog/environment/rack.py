"""Chips that stand side by side and live apart, worked in one batched product.

A fleet is one `Chip`: it shares wires, generator, clock and death. In a rack every place holds a chip with a
generator
and an end of its own, and a fresh chip may take any place at any time. Law: what a place shows is bitwise
what the same chip would show in a rack of its own, whoever stands beside it.
"""

from collections.abc import Sequence
from typing import Any
from typing import Generic

import torch
from torch import Generator
from torch import Tensor

from ..chip import propagate
from ..device import Device
from ..device import S
from ..layers.crossbar import Layer
from ..port import Probe
from ..port import Reading
from ..randomness import Fabrication
from ..randomness import Noise
from ..spec import Knobs
from ..spec import Spec
from ..streams import stream
from ..tree import tree_map


class Rack(Generic[S]):
    """Room for chips of one technology and one wiring; empty until `insert` has filled every place.

    Args:
        device: the technology.
        layers: the wiring, input side first.
        places: how many chips there is room for.
        on: where tensors live, e.g. "cpu" or "cuda".
    """

    def __init__(self, device: Device[S], layers: Sequence[Layer], places: int, *, on: str = "cpu") -> None:
        self.device = device
        self.spec = Spec(tuple(layers), device.costs, (places,), on=on)
        self.dead = torch.zeros(places, dtype=torch.bool, device=on)  # chips that have come to their end
        self._generators: list[Generator] = [stream(0, "noise", on=on)] * places
        self._cells: list[S] = []

    def insert(self, places: Sequence[int], identities: Sequence[int], noise_seeds: Sequence[int]) -> None:
        """Put a fresh chip into each of these places; each has its identity and a run of the chips' noise."""
        fresh = [
            self.device.fabricate(
                layer.rows,
                layer.cols,
                Fabrication(tuple(identities), (len(identities),), number, layer.tiles, self._blank),
            )
            for number, layer in enumerate(self.spec.layers)
        ]
        for place, who, run in zip(places, identities, noise_seeds, strict=True):
            self._generators[place] = stream(run, "noise", who, on=self.spec.on)
        if not self._cells:
            if list(places) != list(range(len(self._generators))):
                raise ValueError(
                    f"rack: got chips for places {list(places)}; first fill all {len(self._generators)}"
                )
            self._cells = fresh
        else:
            at = torch.tensor(places, device=self.spec.on)
            self._cells = [_put(held, at, new) for held, new in zip(self._cells, fresh, strict=True)]
        self.dead[list(places)] = False

    @torch.no_grad()
    def pulse(self, drive: Knobs, seconds: float) -> None:
        """Pulse the chip at every place, in `seconds` of its time. What is dead stays dead."""
        noise = Noise(self._generators)
        self._cells = [
            self.device.pulse(cells, d, noise) for cells, d in zip(self._cells, drive, strict=True)
        ]
        self._age(seconds, noise)
        for cells in self._cells:
            spent = self.device.worn_out(cells)
            if spent is not None:
                self.dead |= spent

    @torch.no_grad()
    def measure(
        self, x: Tensor, probe: Probe, seconds: float, places: Sequence[int] | None = None
    ) -> Reading:
        """Read the chips at these places, or at all; what dead chips show means nothing.

        Args:
            x: (stimuli, features_in), the same for all.
            probe: knobs (*probes, places, tiles, rows, cols), or nothing.
            seconds: how much of a chip's time that takes.
        """
        if places is None:
            noise = Noise(self._generators)
            taps = propagate(self.device, self.spec, self._cells, x, probe, noise)
            self._age(seconds, noise)
            return Reading(taps)
        part = Rack(self.device, self.spec.layers, len(places), on=self.spec.on)
        at = torch.tensor(places, device=self.spec.on)
        part._generators = [self._generators[place] for place in places]
        part._cells = [tree_map(lambda leaf: leaf[at], cells) for cells in self._cells]
        reading = part.measure(x, probe, seconds)
        self._cells = [_put(cells, at, new) for cells, new in zip(self._cells, part._cells, strict=True)]
        return reading

    @property
    def _blank(self) -> Tensor:
        """Carries dtype and place, no data."""
        return torch.empty(0, dtype=self.spec.dtype, device=self.spec.on)

    def _age(self, seconds: float, noise: Noise) -> None:
        self._cells = [self.device.age(cells, seconds, noise) for cells in self._cells]


def _put(cells: Any, at: Tensor, fresh: Any) -> Any:
    """The cells with those rows replaced."""
    return tree_map(lambda field, rows: field.index_copy(0, at, rows), cells, fresh)
