"""For each law, a plan of measurements that tells its parameters: what to ask of a lab.

What 500 cells tell with these plans to within 20 %, found by `fit` and not stated anywhere else in code:
| device | told | not told, held as given |
|---|---|---|
| `SoftBoundsRRAM` | all the others | asymmetry_spread |
| `ExponentialRRAM` | steps, bounds, noise, scale, offset | asymmetry_spread; steepness, heights |
| `LinearECRAM` | steps, bounds, fadings, read_noise | spreads of asymmetry, fading; lithium: cycle_noise |
| `CapacitorCell` | steps, bounds, lifetime + spread, read_noise | fading with its spread, cycle_noise |
| `ConstantStep` | steps, bounds, read_noise | asymmetry_spread, cycle_noise |
| `RRAMArray` | all the others, the dead included | asymmetry_spread, stuck_within |
| `PCMPair` | all the others | left; `full` and `reach` are settings |
| `WanRRAM`, `MiloRRAM` | read_noise, miss_scale | full scale and volts are settings |
| `CMOHfOxRRAM` | read_noise, relaxation; at 2 % also miss_scale | at .2 % miss_scale (relaxation) |
| `SONOS` | read_noise, spread_scale | full scale is a setting |
| `PCM` | read_noise, miss_scale, drift_scale, flicker_scale | full scale is a setting |
| `ModulatorBank`, `UnknownNeurons` | all | |
| `Mismatched` | cells, amplifier offsets, read_noise, write_noise | amp_spread (as gains), bend_spread |
Noise that is 0 in the device to start from stays there. The neurons' bend shows in a table of `activity`.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Literal

import torch

from ..devices import PCM
from ..devices import SONOS
from ..devices import CapacitorCell
from ..devices import CMOHfOxRRAM
from ..devices import ModulatorBank
from ..devices import PCMPair
from ..devices import UnknownNeurons
from ..devices.pulsed import Pulsed
from .tables import Plan

DAY = 86_400.0  # s


@singledispatch
def suggested(device: object, cells: int = 500) -> Plan:
    """Targets on both sides, each written three times and read three times at full input, once at none.

    Written again, a cell tells what belongs to the cell from what belongs to the write; read again, what
    belongs to the reading. A wire at 0 shows the amplifier alone.
    """
    del device
    return _targets(cells, (-0.8, -0.3, 0.0, 0.3, 0.8), (0.0, 1e-3, 2e-3, 3e-3) * 3, (1, 1, 1, 0) * 3)


@suggested.register
def _(device: Pulsed, cells: int = 500) -> Plan:
    """Trains that cross the range both ways in parts, ending in its bounds, with readings in between."""
    crossing = (device.top - device.bottom) / device.step
    parts = (0.0, 0.1, 0.2, 0.4, 0.0, 2.0, 0.0, -0.1, -0.2, -0.4, 0.0, -2.0, 0.0, 0.1, 0.2, 0.4)
    return _trains(cells, [round(part * crossing) for part in parts])


@suggested.register
def _(device: CapacitorCell, cells: int = 500) -> Plan:
    """As for other pulsed cells, and waits of about half a lifetime when charged."""
    crossing = (device.top - device.bottom) / device.step
    parts = (0.0, 0.1, 0.2, 0.4, 2.0, 0.0, 0.0, 2.0, -0.2, -0.4, 0.0, -2.0, 0.0, 0.0, 0.1, 0.2)
    waits = {5: 0.5, 6: 1.0, 12: 0.5, 13: 1.0}  # lifetimes before a row
    seconds, clock = [], 0.0
    for k in range(len(parts)):
        clock += device.lifetime * waits.get(k, 0.0)
        seconds.append(clock)
    return _trains(cells, [round(part * crossing) for part in parts], seconds)


@suggested.register
def _(device: PCMPair, cells: int = 500) -> Plan:
    """Growth of one cell of the pair, then of the other, up to their refresh and beyond it."""
    del device
    return _trains(cells, [0, 1, 2, 4, 8, 0, -1, -2, -4, -8, 0, 8, 16, 32, 0, -32])


@suggested.register
def _(device: PCM, cells: int = 500) -> Plan:
    """Levels, each read often over half a year."""
    del device
    times = (0.0, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1.5e7)
    return _targets(cells, (0.08, 0.25, 0.5, 0.75, 1.0), times, (1.0,) * len(times))


@suggested.register
def _(device: CMOHfOxRRAM, cells: int = 500) -> Plan:
    """Levels, each read often over a week."""
    del device
    times = (0.0, 0.01, 0.02, 10.0, 10.01, 10.02, 1e3, 1e3 + 0.01, 6e5, 6e5 + 0.01, 6e5 + 0.02, 6e5 + 0.03)
    return _targets(cells, (-0.9, 0.0, 0.9), times, (1.0,) * len(times))


@suggested.register
def _(device: SONOS, cells: int = 500) -> Plan:
    """Levels, each read often over a month."""
    del device
    reads = (0.0, 1.0, 2.0, 3.0)  # s
    times = [days * DAY + s for days in (0.0, 2.0, 30.0) for s in reads]
    return _targets(cells, (-0.9, -0.3, 0.3, 0.9), times, (1.0,) * len(times))


@suggested.register
def _(device: ModulatorBank, cells: int = 500) -> Plan:
    """Every other modulator keeps its target while its neighbours go from one end to the other and back."""
    del device
    restless = torch.tensor([0.8, 0.8, -0.8, -0.8, 0.8, 0.8, -0.8, -0.8], dtype=torch.float64)
    actions = torch.stack([restless, torch.full_like(restless, 0.2)]).repeat(cells // 2 + 1, 1)[:cells]
    return Plan("target", actions, (0.0, 1.0) * 4, (1.0,) * 8)


@suggested.register
def _(device: UnknownNeurons, cells: int = 500) -> Plan:
    """The neurons' own answers over their range."""
    del device
    inputs = (0.0, 0.5, 1.0, 2.0, 4.0) * 2
    times = tuple(0.01 * k for k in range(5)) * 2
    return _targets(cells, (-0.6, 0.6), times, inputs, "activity")


def _trains(cells: int, pulses: Sequence[int], seconds: Sequence[float] | None = None) -> Plan:
    once = torch.tensor(pulses, dtype=torch.float64)
    times = tuple(seconds or (0.0,) * len(pulses))
    return Plan("pulses", once.expand(cells, -1).clone(), times, (1.0,) * len(pulses))


def _targets(
    cells: int,
    levels: Sequence[float],
    seconds: Sequence[float],
    inputs: Sequence[float],
    shown: Literal["reading", "activity"] = "reading",
) -> Plan:
    column = torch.tensor(levels, dtype=torch.float64).repeat(cells // len(levels) + 1)[:cells]
    return Plan("target", column[:, None].repeat(1, len(seconds)), tuple(seconds), tuple(inputs), shown)
