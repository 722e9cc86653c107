"""Prices of an analog chip's use, in seconds and joules: arrays, converters and writes, each by itself.

All defaults are guesses about a chip that nobody has built. Their sum is held to one that was: a 256 x 256
array at these prices takes 158 fJ per multiply and accumulate (12.7 TOPS/W at 8 bits); HERMES
(Khaddam-Aljameh et al. 2022, phase-change memory, 14 nm) measured 10.5 TOPS/W, which is 190 fJ,
https://repository.tudelft.nl/record/uuid:31c0d4d4-1ecb-486f-8a2a-b84a84e9145d; its successor of 64 cores
(Le Gallo et al. 2023, https://doi.org/10.1038/s41928-023-01010-1) 9.76 in one phase and 2.48 in four.

    array       50 fJ a cell and vector     V^2 G t of .2 V, 12.5 uS, 100 ns; sweep 1 to 100 fJ
    inputs      2 pJ a conversion           8 bits with the drivers of the line; Guess
    outputs     100 fJ x 2^8 = 26 pJ        Walden's P / (2^bits rate), with the amplifier; the best
                                            converters alone take 1 to 30 fJ (Murmann's survey,
                                            https://github.com/bmurmann/ADC-survey); sweep 10 fJ to 1 pJ
    writes      1 pJ a pulse and cell       V I t of 1 V, 10 uA, 100 ns; sweep .01 to 10 pJ

Designs on paper are far below: the converters of 8 bits in ISAAC (Shafiee et al. 2016,
https://doi.org/10.1109/ISCA.2016.12) take about 2 pJ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from .layers.crossbar import Layer
from .layers.recurrence import count_steps
from .verdicts import settle

Writing = Literal["parallel", "rows", "cells"]


class Energy(NamedTuple):
    """Energy by where it goes, J each: a number, or a tensor (*fleet,) with one for each chip."""

    array: Any  # cells that are read
    converters: Any  # of what goes into arrays and comes out
    writes: Any  # pulses
    digital: Any = 0.0  # what computes beside the arrays

    @property
    def total(self) -> Any:
        """All of it, J."""
        return self.array + self.converters + self.writes + self.digital

    def shares(self) -> dict[str, Any]:
        """The share of each part in the total, by name."""
        return {name: part / self.total for name, part in self._asdict().items()}


@dataclass(frozen=True)
class Costs:
    """The time and energy that one use of the hardware costs.

    The defaults are guesses of the right order for converters of 8 bits; the module says from where.
    The energy of injecting probes is not charged, nor that of moving activity between chips.

    Raises:
        ValueError: a cost is negative or not finite, the step is not above 0, or the bits or the way of
            writing are none.
    """

    read_seconds: float = 100e-9  # s, one vector through one layer
    array_joules: float = 50e-15  # J per cell, one vector
    dac_joules: float = 2e-12  # J per input line of an array, one vector
    adc_bits: int = 8  # of what outputs are read with
    adc_joules_per_step: float = 100e-15  # J per conversion and 2^bits
    pulse_seconds: float = 100e-9  # s, one pulse
    pulse_joules: float = 1e-12  # J, one pulse on one cell
    step: float | None = None  # knob change of one pulse; None: one shaped pulse makes any change
    writing: Writing = "parallel"  # cells pulsed at the same time: all, those of a row of each array, or one
    settling: int = 0  # read_seconds that a chip that relaxes takes; a chip has it of its device

    def __post_init__(self) -> None:
        seconds = (self.read_seconds, self.pulse_seconds)
        joules = (self.array_joules, self.dac_joules, self.adc_joules_per_step, self.pulse_joules)
        if not all(0 <= c < math.inf for c in (*seconds, *joules)):
            raise ValueError(f"costs are finite and at least 0, a step above 0; got {self}")
        if not (self.step is None or 0 < self.step < math.inf):
            raise ValueError(f"costs are finite and at least 0, a step above 0; got {self}")
        if (
            isinstance(self.adc_bits, bool)
            or not isinstance(self.adc_bits, int)
            or not 1 <= self.adc_bits <= 32
        ):
            raise ValueError(f"Costs: adc_bits is {self.adc_bits!r}, wanted an integer from 1 to 32")
        if isinstance(self.settling, bool) or not isinstance(self.settling, int) or self.settling < 0:
            raise ValueError(f"Costs: settling is {self.settling!r}, wanted an integer of at least 0")
        if self.writing not in get_args(Writing):
            raise ValueError(f"Costs: writing is {self.writing!r}, wanted one of {get_args(Writing)}")

    @property
    def adc_joules(self) -> float:
        """J of one conversion of one output."""
        return float(self.adc_joules_per_step * 2**self.adc_bits)

    def vector_energy(self, layer: Layer) -> Energy:
        """The energy of one vector through one layer: every input line, cell and output once per site.

        Cells that relax conduct for as long as it takes to settle. Every step of a layer with a state is a
        vector.
        """
        layer = layer.step or layer
        sites = layer.features // (layer.tiles * layer.rows)
        lines = sites * layer.tiles * layer.cols
        array = self.array_joules * layer.features * layer.cols * max(1, self.settling)
        return Energy(array, self.dac_joules * lines + self.adc_joules * layer.features, 0.0)

    def reading_seconds(self, vectors: float, passes: int) -> float:
        """The time of so many vectors through layers, one after the other or relaxing together.

        Args:
            vectors: that drive the first of them.
            passes: layers, of which one with a state counts once for each of its steps.
        """
        return self.read_seconds * vectors * (self.settling or passes)

    def read_joules(self, layers: Sequence[Layer]) -> float:
        """J of one vector through some layers, one after the other; through all steps of one with a state."""
        return float(sum(count_steps(layer) * self.vector_energy(layer).total for layer in layers))

    def pulses(self, drive: Tensor) -> Tensor:
        """Pulses sent to each cell for a drive, of its shape (*fleet, tiles, rows, cols).

        The mean number, where the last one is sent by chance.
        """
        return (drive != 0).to(drive.dtype) if self.step is None else drive.abs() / self.step

    def pulsing_seconds(self, drive: Sequence[Tensor]) -> float:
        """The time of a drive: of the longest pulse train on any cell of any chip, at least one pulse.

        Where a device is written by rows, or by cells, of one after the other in every array: arrays (tiles,
        layers, chips) are written side by side, and what is sent nothing is passed over.

        Args:
            drive: (*fleet, tiles, rows, cols) of each layer.
        """
        if self.writing != "parallel":
            return self.pulse_seconds * max(1.0, *settle([self._slots(d) for d in drive]))
        if self.step is None:
            return self.pulse_seconds
        extremes = [torch.aminmax(d) for d in drive]  # a tenth of the time of a maximum norm
        longest = max(settle([end for low, high in extremes for end in (-low, high)]))
        return self.pulse_seconds * max(1.0, longest / self.step)

    def longest_seconds(self, layers: Sequence[Layer], largest: float) -> float:
        """The time of the longest drive of which no entry is above `largest`, in full scales."""
        trains = 1.0 if self.step is None else max(1.0, largest / self.step)
        if self.writing == "parallel":
            return self.pulse_seconds * trains
        slots = max(la.rows * (la.cols if self.writing == "cells" else 1) for la in layers)
        return self.pulse_seconds * trains * slots

    def _slots(self, drive: Tensor) -> Tensor:
        """Pulses one after the other (), for a drive (*fleet, tiles, rows, cols) that is written in turn."""
        trains = self.pulses(drive.double())
        trains = torch.where(trains > 0, trains.clamp(min=1.0), trains).flatten(0, -3).amax(0)
        return (trains.amax(-1) if self.writing == "rows" else trains).sum()
