"""Which parameters a device has, on which scales they are searched, and how to rebuild the device."""

import dataclasses
import inspect
import math
import re
from dataclasses import dataclass
from functools import cache
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from ..devices import PCM
from ..devices import SONOS
from ..devices import MiloRRAM
from ..devices import Mismatched
from ..devices import PCMPair
from ..devices import WanRRAM


@singledispatch
def settings(device: object) -> tuple[str, ...]:
    """Parameters that are choices of whoever runs the device, or only products of others: never estimated.

    For a device of your own: `@settings.register`, or `fit(..., free=(...))`.
    """
    del device  # by default every number is a property of the device
    return ()


@settings.register(PCM)
@settings.register(WanRRAM)
def _(device: object) -> tuple[str, ...]:
    del device  # the controller's full scale
    return ("g_max",)


@settings.register
def _(device: SONOS) -> tuple[str, ...]:
    del device  # the controller's full scale
    return ("i_max",)


@settings.register
def _(device: MiloRRAM) -> tuple[str, ...]:
    del device  # the driver's volts
    return ("volts",)


@settings.register
def _(device: PCMPair) -> tuple[str, ...]:
    del device  # when the controller refreshes, and how far it believes a pulse to go
    return ("full", "reach")


@settings.register
def _(device: Mismatched) -> tuple[str, ...]:
    del device  # severity multiplies every spread
    return ("severity",)


@dataclass(frozen=True)
class Scale:
    """A parameter as it is searched: the logarithm of its size where the device takes one sign only."""

    name: str
    sign: int  # 0: both signs are possible, searched as it is
    reach: float  # change over which slopes are taken, on this scale

    def inward(self, value: float) -> float:
        """The search coordinate of a value."""
        return math.log(self.sign * value) if self.sign else value

    def outward(self, coordinate: float) -> float:
        """The value at a search coordinate."""
        return self.sign * math.exp(min(coordinate, 300.0)) if self.sign else coordinate


def numbers(device: Any) -> tuple[str, ...]:
    """The device's float parameters."""
    return tuple(f.name for f in dataclasses.fields(device) if isinstance(getattr(device, f.name), float))


def scale(device: Any, name: str) -> Scale:
    """The scale of one parameter; which signs it may have is asked of the device."""
    value = getattr(device, name)
    sign = int(math.copysign(1, value)) if value and not _accepts(device, name, -value) else 0
    if value == 0 and not _accepts(device, name, -1e-3):
        raise ValueError(
            f"{type(device).__name__}: {name} is 0, from where no search on its scale starts; give the "
            f"device a positive one, e.g. dataclasses.replace(device, {name}=0.1), or leave it out of `free`"
        )
    return Scale(name, sign, 0.1 if sign else 0.02 * max(1.0, abs(value)))


def rebuilt(device: Any, scales: tuple[Scale, ...], at: Tensor) -> Any:
    """The device with parameters from search coordinates; ValueError where it refuses them."""
    values = {s.name: s.outward(float(u)) for s, u in zip(scales, at, strict=True)}
    return dataclasses.replace(device, **values)


def start(device: Any, scales: tuple[Scale, ...]) -> Tensor:
    """The device's own search coordinates."""
    return torch.tensor([s.inward(getattr(device, s.name)) for s in scales], dtype=torch.float64)


@cache
def stated(device: type[object]) -> dict[str, str]:
    """What stands beside each parameter in the source of a kind of device: its meaning and its unit."""
    found: dict[str, str] = {}
    for kind in device.__mro__[-2::-1]:
        try:
            lines = inspect.getsource(kind)
        except (OSError, TypeError):
            continue
        for name, comment in re.findall(r"^ +(\w+): float\b[^#\n]*# *(.+)$", lines, re.MULTILINE):
            found[name] = comment.strip()
    return found


def _accepts(device: Any, name: str, value: float) -> bool:
    try:
        dataclasses.replace(device, **{name: value})
    except ValueError:
        return False
    return True
