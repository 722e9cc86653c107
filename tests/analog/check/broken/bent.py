"""Devices bent on purpose: one function of a sound device replaced, and the law that it breaks."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from analog import Device, Fabrication, Ideal, Noise

# What the message must say. A fault that is blamed on another law sends its author the wrong way.
EXAMPLES: Final = r"example"
TILES: Final = r"\btiles?\b"
PROBES: Final = r"prob(e|es|ed)\b"
CHIPS: Final = r"fleet|chips"
NOISE: Final = r"noise"
NOISE_OF_EXAMPLES: Final = r"noise.*example|example.*noise"
NOISE_OF_PROBES: Final = r"noise.*probe|probe.*noise"
NOISE_OF_CHIPS: Final = r"noise.*(chip|fleet)|(chip|fleet).*noise"
NOISE_OF_TILES: Final = r"noise.*\btile|\btile.*noise"
NOISE_OF_CALLS: Final = r"noise.*(call|reading|use|again|repeat)|(call|reading|again|repeat).*noise"
AGING: Final = r"age?ing|\bage\("
ZERO: Final = r"pulse of (-?0|zero)|zero pulse"
PULSE: Final = r"pulse"
BOUNDS: Final = r"bounds"
FINITE: Final = r"finite"
DTYPE: Final = r"dtype|float64|float32|float16"
SHAPE: Final = r"shape|wanted|axes"
PURE: Final = r"altered|pure"
STALE: Final = r"stale"
STATE: Final = r"\bstate\b|random|global|clock|twice|again|history|same identity"
GRADIENT: Final = r"gradient"
PERTURB: Final = r"perturb"
WEIGHTS: Final = r"weights .*stated"
BIRTH: Final = r"identity|birth|chip"


class Breach(NamedTuple):
    """A broken device, the law it breaks, and how long a life it takes to see it."""

    make: Callable[[], Device]
    law: str  # a pattern that the message must hold
    steps: int = 0  # of lives


class GainCells(NamedTuple):
    """Cells with an amplifier's gain and a clock."""

    knobs: Tensor  # (*fleet, tiles, rows, cols)
    gain: Tensor  # (*fleet, tiles, 1, rows)
    clock: Tensor  # (*fleet, tiles, 1, 1), s

    def ticked(self, seconds: float) -> "GainCells":
        """The same cells, so many seconds later."""
        return self._replace(clock=self.clock + seconds)


@dataclass(frozen=True)
class Amplified(Ideal):
    """Sound: every row has an amplifier with a gain of its own, every tile a clock."""

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Any:
        return GainCells(
            knobs=birth.normal("knobs", rows, cols) / cols**0.5,
            gain=(0.1 * birth.normal("gain", 1, rows)).exp(),
            clock=0 * birth.uniform("clock", 1, 1),
        )

    def pulse(self, cells: Any, drive: Tensor, noise: Noise) -> Any:
        del noise
        return cells._replace(knobs=cells.knobs + drive)

    def sense(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        del noise
        return u * cells.gain

    def age(self, cells: Any, seconds: float, noise: Noise) -> Any:
        del noise
        return cells.ticked(seconds)


def bent(device: Device, **functions: Callable[..., Any]) -> Device:
    """The same device with some of its functions replaced, which take no `self`."""
    other = copy(device)
    if "collect" in functions:  # what a class of its own would do
        functions = {"weights": lambda c: None} | functions
    for name, function in functions.items():
        object.__setattr__(other, name, function)
    return other


def coupled(device: Device, *axes: str) -> Device:
    """The same device, which says that its physics couples these."""
    other = copy(device)
    kind = type(device)
    said = {"couples": property(lambda self: frozenset(axes)), "__module__": kind.__module__}
    object.__setattr__(other, "__class__", type(kind.__name__, (kind,), said))
    return other


def breach(law: str, device: Device | None = None, steps: int = 0, **functions: Callable[..., Any]) -> Breach:
    """A breach of this law by a device with some functions replaced; an ideal one if none is given."""
    return Breach(lambda: bent(device or Ideal(), **functions), law, steps)


def knobs_to(c: Any, knobs: Tensor) -> Any:
    """The cells with other knobs."""
    return c._replace(knobs=knobs)


def product(c: Any, x: Tensor) -> Tensor:
    """What an ideal crossbar collects."""
    return x @ c.knobs.mT


def has_probes(u: Tensor) -> bool:
    """Whether the activity of a fleet carries probe axes (that of a lone chip: two of them)."""
    return u.ndim > 4


def first_of(z: Tensor, axis: int) -> Tensor:
    """The first entry along an axis given to all; a tensor that has no such axis stays."""
    if z.ndim < max(-axis, 1 + axis):
        return z
    return z.narrow(axis, 0, 1).expand_as(z)


def in_pairs(z: Tensor, axis: int, sign: float = 1.0) -> Tensor:
    """Entries 2k + 1 along an axis become those at 2k, times a sign."""
    if z.ndim < -axis or z.shape[axis] < 2:
        return z
    index = torch.arange(z.shape[axis])
    signs = torch.where(index % 2 == 1, sign, 1.0).to(z)
    return z.index_select(axis, index - index % 2) * signs.reshape(-1, *[1] * (-axis - 1))


def autoregressive(z: Tensor, axis: int, correlation: float = 0.5) -> Tensor:
    """An AR(1) series along an axis, every entry of variance 1."""
    if z.ndim < -axis:
        return z
    entries = list(z.unbind(axis))
    for i in range(1, len(entries)):
        entries[i] = correlation * entries[i - 1] + (1 - correlation**2) ** 0.5 * entries[i]
    return torch.stack(entries, axis)


def centered(z: Tensor, axis: int) -> Tensor:
    """Less its mean along an axis, where there is more than one entry."""
    return z - z.mean(axis, keepdim=True) if z.ndim >= -axis and z.shape[axis] > 1 else z
