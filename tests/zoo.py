"""Every device of the zoo, and cells in number: for the tests of their laws."""

from typing import Any

import torch

from analog import (
    PCM,
    SONOS,
    Birth,
    CapacitorCell,
    CMOHfOxRRAM,
    ConstantStep,
    Device,
    ExponentialRRAM,
    LinearECRAM,
    MiloRRAM,
    ModulatorBank,
    PCMPair,
    RRAMArray,
    SoftBoundsRRAM,
    UnknownNeurons,
    WanRRAM,
)

PULSED: tuple[Device[Any], ...] = (
    SoftBoundsRRAM(),
    ExponentialRRAM(),
    LinearECRAM(),
    LinearECRAM.metal_oxide(),
    CapacitorCell(),
    ConstantStep(),
    RRAMArray(),
    RRAMArray.hfo2(),
)
PROGRAMMED: tuple[Device[Any], ...] = (
    WanRRAM(),
    WanRRAM(fit="cubic"),
    MiloRRAM(),
    CMOHfOxRRAM(),
    CMOHfOxRRAM(acceptance="2%"),
    SONOS(),
    PCM(),
    PCM(fit="joshi"),
)
ZOO = (*PULSED, PCMPair(), *PROGRAMMED, ModulatorBank(), UnknownNeurons())


def birth(identity: int = 1) -> Birth:
    return Birth((identity,), (), 0, 1, torch.empty(0, dtype=torch.float64))


def many(device: Device[Any], count: int, identity: int = 1) -> Any:
    """`count` cells of one chip, in one column."""
    return device.fabricate(count, 1, birth(identity))


def name(device: Device[Any]) -> str:
    changed = [str(v) for v in vars(device).values() if isinstance(v, str)]
    step = [f"{device.costs.step:g}"] if device.costs.step else []
    return "-".join([type(device).__name__, *changed, *step])
