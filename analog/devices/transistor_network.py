"""Transistors between nodes, a capacitor on each gate: contrastive local learning networks.

Dillavou, Beyer, Stern, Liu, Miskin and Durian, "Machine learning without a processor: Emergent learning in a
nonlinear analog network", PNAS 2024, https://arxiv.org/abs/2311.00537. An edge is an n-channel transistor,
whose gate V_G is what is learned. Between nodes at V and V' it carries, in its ohmic regime,

    I = K (V_G - V_T - (V + V') / 2) (V - V'),

and where a node comes within V_T of the gate, K / 2 (V_G - V_T - V')^2 (the textbook's square law, of which
both are one: a difference of two terms, one of each node). Not a resistor: it answers at one end otherwise
than at the other, by (V - V') / (V_G - V_T - (V + V') / 2), so that chips are not quite reciprocal.

Provenance: threshold 0.7 V and gates from 1 to 5.5 V as in the authors' own simulator (Dillavou and Mishra
2025, https://arxiv.org/abs/2511.17789, https://github.com/sdillavou/PhysicalReinforcementLearning); spreads
of 10 mV and 0.5 %, read noise of 0.5 % of 0.45 V as in PyCLLN, a simulator of others that repeats the tasks
of the paper (https://github.com/Ma-Lab-Cal/pyclln). Guess: gates as delivered spread evenly over the lower
half of their range; a reading takes 1 us ("performs learned tasks in microseconds"). One network is modelled,
read twice; the hardware has two, whose transistors differ a little, and the bias of learning that comes of it
(https://arxiv.org/abs/2505.22887) is not here. Left out: body effect, channel-length modulation, leakage.

The unit of a knob is the range of a gate; conductances are in units of K x 1 V.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..costs import Costs
from ..device import Device
from ..randomness import Fabrication, Noise
from ..settings import setting
from ..spec import Synapse

READING = 1e-6  # s
CUT_OFF = 1e-5  # V, least overdrive: what leaks through a transistor that is off


class TransistorCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), from 0 to 1
    overdrive: Tensor  # (*fleet, tiles, rows, cols), V, of the gate above the threshold
    threshold: Tensor  # (*fleet, tiles, rows, cols), V
    strength: Tensor  # (*fleet, tiles, rows, cols), relative K


@dataclass(frozen=True)
class TransistorNetwork(Device[TransistorCells]):
    """Transistors between nodes, with gates from `gate_min` to `gate_max` set by the knobs.

    With severity 0 all transistors are alike. Valid for 0 <= severity <= 3.

    Raises:
        ValueError: a setting is out of its range, or the range of gates is empty.
    """

    severity: float = setting(1.0, "factor on every spread between transistors", range=(0, 3), fitted=False)
    threshold_mean: float = setting(0.7, "mean threshold of a transistor", unit="V", range=(0, inf))
    threshold_dtod: float = setting(
        0.01, "sd of a transistor's threshold at severity 1", unit="V", range=(0, inf)
    )
    strength_dtod: float = setting(0.005, "sd of ln(K) at severity 1", range=(0, inf))
    gate_min: float = setting(1.0, "lowest voltage of a gate", unit="V", range=(0, inf), fitted=False)
    gate_max: float = setting(5.5, "highest voltage of a gate", unit="V", range=(0, inf), fitted=False)
    read_noise: float = setting(
        2.25e-3, "white noise of every reading of a tap", unit="V rms", range=(0, inf)
    )
    sweeps: int = setting(10, "time constants that a reading waits", range=(1, inf), fitted=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gate_max > self.gate_min:
            raise ValueError(
                f"TransistorNetwork: gate_max is {self.gate_max}, wanted one above gate_min, {self.gate_min}"
            )

    @property
    def costs(self) -> Costs:
        return Costs(read_seconds=READING / self.sweeps)

    @property
    def settling(self) -> int:
        return self.sweeps

    @property
    def synapse(self) -> Synapse:
        return "difference"

    @property
    def reciprocal(self) -> bool:
        return False

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> TransistorCells:
        threshold = self.threshold_mean + self.severity * self.threshold_dtod * birth.normal(
            "threshold", rows, cols
        )
        cells = TransistorCells(
            knobs=birth.uniform("knobs", rows, cols) / 2,
            overdrive=threshold,  # until it is known what the knobs come to
            threshold=threshold,
            strength=(self.severity * self.strength_dtod * birth.normal("strength", rows, cols)).exp(),
        )
        return self._with_knobs(cells, cells.knobs)

    def pulse(self, cells: TransistorCells, drive: Tensor, noise: Noise) -> TransistorCells:
        del noise  # charge is put on a capacitor
        return self._with_knobs(cells, (cells.knobs + drive).clamp(0, 1))

    def perturb(self, cells: TransistorCells, offset: Tensor) -> TransistorCells:
        return self._with_knobs(cells, cells.knobs + offset)

    def collect(self, cells: TransistorCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters at the converters
        return _of_cells(cells, x.unsqueeze(-2), _drawn).sum(-1)

    def reflect(self, cells: TransistorCells, y: Tensor, noise: Noise) -> Tensor:
        del noise  # likewise
        return _of_cells(cells, y.unsqueeze(-1), _drawn).sum(-2)

    def shunt(self, cells: TransistorCells) -> tuple[Tensor, Tensor]:
        at_rest = cells.strength * cells.overdrive
        return at_rest.sum(-1).unsqueeze(-2), at_rest.sum(-2, keepdim=True)

    def chord_above(self, cells: TransistorCells, y: Tensor) -> Tensor:
        return _of_cells(cells, y.unsqueeze(-1), _chord).sum(-1)

    def chord_below(self, cells: TransistorCells, x: Tensor) -> Tensor:
        return _of_cells(cells, x.unsqueeze(-2), _chord).sum(-2)

    def sense(self, cells: TransistorCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # converters are all alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: TransistorCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # diodes protect the gates
        return u.clamp(-self.gate_max, self.gate_max)

    def bounds(self, cells: TransistorCells) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(cells.knobs), torch.ones_like(cells.knobs)

    def _with_knobs(self, cells: TransistorCells, knobs: Tensor) -> TransistorCells:
        gates = self.gate_min + (self.gate_max - self.gate_min) * knobs
        return cells._replace(knobs=knobs, overdrive=(gates - cells.threshold).clamp(min=CUT_OFF))


def _of_cells(
    cells: TransistorCells, states: Tensor, law: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:  # (..., tiles, n, rows, cols)
    """A law of every cell at the states of its nodes, (..., tiles, n, rows or 1, cols or 1)."""
    return cells.strength.unsqueeze(-3) * law(cells.overdrive.unsqueeze(-3), states)


def _drawn(overdrive: Tensor, state: Tensor) -> Tensor:
    """What a transistor draws from a node, its other end at 0 V."""
    within = torch.minimum(state, overdrive)  # beyond, it is saturated
    return within * torch.sub(overdrive, within, alpha=0.5)


def _chord(overdrive: Tensor, state: Tensor) -> Tensor:
    """The conductance to ground that draws as much."""
    mean = torch.sub(overdrive, torch.minimum(state, overdrive), alpha=0.5)
    return mean * (overdrive / torch.maximum(state, overdrive))
