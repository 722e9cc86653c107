"""Cells of the zoo in number: for the tests of their laws."""

from typing import Any

import torch

from analog import Device, Fabrication
from analog.devices import ZOO
from analog.devices.programmed import Programmed
from analog.devices.pulsed import Pulsed

PULSED = tuple(d for d in ZOO if isinstance(d, Pulsed))
PROGRAMMED = tuple(d for d in ZOO if isinstance(d, Programmed))


def birth(identity: int = 1) -> Fabrication:
    return Fabrication((identity,), (), 0, 1, torch.empty(0, dtype=torch.float64))


def many(device: Device, count: int, identity: int = 1) -> Any:
    """`count` cells of one chip, in one column."""
    return device.fabricate(count, 1, birth(identity))


def name(device: Device) -> str:
    changed = [str(v) for v in vars(device).values() if isinstance(v, str)]
    step = [f"{device.costs.step:g}"] if device.costs.step else []
    return "-".join([type(device).__name__, *changed, *step])
