"""Which parameters a device has, on which scales they are searched, and how to rebuild the device."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..settings import settings

LARGEST = 1e34  # of a value that a search tries; devices compute in single precision


@dataclass(frozen=True)
class SearchScale:
    """A parameter as it is searched: the logarithm of its size where the device takes one sign only."""

    name: str
    sign: int  # 0: both signs are possible, searched as it is
    difference: float  # change over which derivatives are taken, on this scale

    def coordinate(self, value: float) -> float:
        """The search coordinate of a value."""
        return math.log(self.sign * value) if self.sign else value

    def value(self, coordinate: float) -> float:
        """The value at a search coordinate; beyond what single precision holds, the largest that it does."""
        if self.sign:
            return self.sign * math.exp(min(coordinate, math.log(LARGEST)))
        return min(max(coordinate, -LARGEST), LARGEST)


def float_parameters(device: Any) -> tuple[str, ...]:
    """The names of a device's float parameters."""
    return tuple(f.name for f in dataclasses.fields(device) if isinstance(getattr(device, f.name), float))


def whole_parameters(device: Any) -> dict[str, int]:
    """The parameters that are whole numbers, which no search moves, but for what users choose."""
    values = {name: getattr(device, name) for name, known in settings(type(device)).items() if known.fitted}
    return {name: value for name, value in values.items() if type(value) is int}


def not_fitted(device: Any) -> tuple[str, ...]:
    """The names of the parameters that are never estimated: choices of whoever runs the device."""
    return tuple(name for name, known in settings(type(device)).items() if not known.fitted)


def estimated_by_default(device: Any) -> tuple[str, ...]:
    """The names of the parameters that are estimated unless others are named: no choice, no zero scale."""
    names = []
    for name in float_parameters(device):
        try:
            search_scale(device, name)
        except ValueError:
            continue
        names.append(name)
    return tuple(name for name in names if name not in not_fitted(device))


def search_scale(device: Any, name: str) -> SearchScale:
    """The scale of one parameter; which signs it may have is asked of the device.

    Raises:
        ValueError: the parameter is 0 and may not be negative, so that no search starts from it.
    """
    value = getattr(device, name)
    sign = int(math.copysign(1, value)) if value and not _accepts(device, name, -value) else 0
    if value == 0 and not _accepts(device, name, -1e-3):
        raise ValueError(
            f"{type(device).__name__}: {name} is 0, from where no search on its scale starts; give the "
            f"device a positive one, e.g. dataclasses.replace(device, {name}=0.1), or leave it out of `free`"
        )
    return SearchScale(name, sign, 0.1 if sign else 0.02 * max(1.0, abs(value)))


def rebuild(device: Any, scales: tuple[SearchScale, ...], coordinates: Tensor) -> Any:
    """The device with parameters from search coordinates (parameters,).

    Raises:
        ValueError: the device refuses them.
    """
    values = {s.name: s.value(float(c)) for s, c in zip(scales, coordinates, strict=True)}
    return dataclasses.replace(device, **values)


def search_coordinates(device: Any, scales: tuple[SearchScale, ...]) -> Tensor:  # (parameters,)
    """The search coordinates of the device's own parameters."""
    return torch.tensor([s.coordinate(getattr(device, s.name)) for s in scales], dtype=torch.float64)


def _accepts(device: Any, name: str, value: float) -> bool:
    try:
        dataclasses.replace(device, **{name: value})
    except ValueError:
        return False
    return True
