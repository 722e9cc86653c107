"""Hypothesis strategies: devices over the ranges of their settings, chips, probes, and what is done to chips.

Tensors are drawn by seed and size, so that hypothesis has few numbers to shrink; the generators are streams
of their own, and no global one is touched.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from ..chip import Chip
from ..device import Device
from ..layers.crossbar import Layer, dense, grouped
from ..layers.regular import conv2d
from ..port import Probe
from ..settings import Setting, settings
from ..spec import Knobs, Spec
from ..streams import stream

FACTOR: Final = 4.0  # by which a setting without an end leaves its default, or 1 where that is 0
_SIZES: Final = (0.0, 1e-3, 0.05, 0.5)  # full scale
_SECONDS: Final = (0.0, 1e-6, 1.0, 3600.0, 1e7)
_WIRINGS: Final[tuple[tuple[Layer, ...], ...]] = (
    (dense(3, 2, linear=True),),
    (dense(5, 4), dense(4, 3, linear=True)),
    (conv2d((2, 4, 4), 4, 2, stride=2, groups=[[0], [1]]), grouped(16, 6, 2), dense(6, 3, linear=True)),
)


@st.composite
def devices(draw: st.DrawFn, /, kind: Callable[..., Device], **fixed: Any) -> Any:
    """Devices of a class over the ranges that its settings state.

    A number without an end stays within four times its default, or within 1 where that is 0; what has no
    `setting` keeps its default. Draws that the class refuses are drawn again.

    Args:
        kind: the class, a dataclass of settings.
        fixed: parameters that are not drawn, or strategies of their own: `devices(Endurance,
            device=devices(Mismatched))`.

    Returns:
        A strategy of devices.
    """
    known = settings(kind)  # type: ignore[arg-type]
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    free = {n: _values(known[n], default) for n, default in defaults.items() if known[n] != Setting()}
    given = {n: v if isinstance(v, SearchStrategy) else st.just(v) for n, v in fixed.items()}
    values = {name: draw(strategy) for name, strategy in {**free, **given}.items()}
    try:
        return kind(**values)
    except ValueError:  # two settings that do not go together
        reject()


def _values(known: Setting, default: Any) -> SearchStrategy[Any]:
    """The values that a setting may have, of the type of its default."""
    if known.choices:
        return st.sampled_from(known.choices)
    if isinstance(default, bool):
        return st.booleans()
    if not isinstance(default, int | float):
        return st.just(default)
    low, high = known.range or (-math.inf, math.inf)
    reach = FACTOR * abs(default) or 1.0
    low, high = (low if math.isfinite(low) else -reach), (high if math.isfinite(high) else reach)
    if isinstance(default, int):
        return st.integers(math.ceil(low), math.floor(high)).filter(known.allows)
    return st.floats(low, high, allow_subnormal=False).filter(known.allows)


def wirings() -> SearchStrategy[tuple[Layer, ...]]:
    """Layers of small chips: one, two, and a convolution with groups under two more."""
    return st.sampled_from(_WIRINGS)


def chips(
    device: Device | SearchStrategy[Any], layers: SearchStrategy[tuple[Layer, ...]] | None = None
) -> SearchStrategy[Chip[Any]]:
    """Chips of a device, alone and in fleets, in single and double precision.

    Args:
        device: one, or a strategy of devices.
        layers: of the chips; by default `wirings()`.
    """
    identity = st.one_of(st.integers(0, 2**32), st.lists(st.integers(0, 2**32), min_size=1, max_size=3))
    return st.builds(
        Chip,
        device if isinstance(device, SearchStrategy) else st.just(device),
        wirings() if layers is None else layers,
        identity,
        noise_seed=st.integers(0, 2**32),
        dtype=st.sampled_from((torch.float32, torch.float64)),
    )


@st.composite
def probes(draw: st.DrawFn, /, spec: Spec, batch: int) -> Any:
    """Probes of a chip: none, at the knobs, at the nodes or both, of some layers, with up to two axes.

    Args:
        spec: of the chip.
        batch: how many examples are measured under them.

    Returns:
        A strategy of `Probe`.
    """
    lead = draw(st.sampled_from(((), (1,), (3,), (2, 2))))
    nodes = [(*spec.fleet, batch, layer.features) for layer in spec.layers]
    parts: list[Any] = []
    for name, shapes in (("knobs", spec.shapes), ("nodes", nodes)):
        sizes = draw(st.none() | st.tuples(*[st.none() | st.sampled_from(_SIZES)] * len(shapes)))
        seed = draw(st.integers(0, 99))
        parts.append(
            None
            if sizes is None
            else tuple(
                None if size is None else size * _normal(spec, (*lead, *shape), seed, name, i)
                for i, (size, shape) in enumerate(zip(sizes, shapes, strict=True))
            )
        )
    return Probe(*parts)


@dataclass(frozen=True)
class Event:
    """One thing that is done to a chip: programming, a pulse, a reading or a wait.

    Attributes:
        what: is done.
        size: of the knobs that are programmed or of the drive, full scale; of the input of a reading, V; or
            the seconds waited.
        seed: of the numbers that are sent.
    """

    what: Literal["program", "pulse", "measure", "wait"]
    size: float
    seed: int = 0

    def act(self, chip: Chip[Any]) -> tuple[Tensor, ...]:
        """Do it to a chip; the taps (*fleet, batch, features) of a reading, nothing else otherwise."""
        return _ACTS[self.what](chip, self)


def histories(*, max_size: int = 12) -> SearchStrategy[list[Event]]:
    """Histories of a chip: lists of events, each of which may happen to any chip at any time."""
    seeds = st.integers(0, 99)
    return st.lists(
        st.one_of(
            st.builds(Event, st.sampled_from(("program", "pulse")), st.sampled_from(_SIZES), seeds),
            st.builds(Event, st.just("measure"), st.sampled_from((0.0, 0.1, 1.0)), seeds),
            st.builds(Event, st.just("wait"), st.sampled_from(_SECONDS)),
        ),
        max_size=max_size,
    )


def live(chip: Chip[Any], history: Sequence[Event]) -> list[Tensor]:
    """Let a chip live through a history, or until it dies.

    Returns:
        The taps of all readings, (*fleet, batch, features) each.
    """
    taps: list[Tensor] = []
    for event in history:
        if not chip.alive:
            break
        taps += event.act(chip)
    return taps


def _sent(chip: Chip[Any], event: Event) -> Knobs:
    drives = (
        event.size * _normal(chip.spec, s, event.seed, event.what, i) for i, s in enumerate(chip.spec.shapes)
    )
    return tuple(drive.clamp(-1, 1) for drive in drives)


def _program(chip: Chip[Any], event: Event) -> tuple[Tensor, ...]:
    chip.port().program(_sent(chip, event))
    return ()


def _pulse(chip: Chip[Any], event: Event) -> tuple[Tensor, ...]:
    chip.port().pulse(_sent(chip, event))
    return ()


def _measure(chip: Chip[Any], event: Event) -> tuple[Tensor, ...]:
    shape = (4, chip.spec.layers[0].features_in)
    return chip.port().measure(event.size * _normal(chip.spec, shape, event.seed, event.what, 0)).taps


def _wait(chip: Chip[Any], event: Event) -> tuple[Tensor, ...]:
    chip.wait(event.size)
    return ()


_ACTS: Final = {"program": _program, "pulse": _pulse, "measure": _measure, "wait": _wait}


def _normal(spec: Spec, shape: tuple[int, ...], seed: int, name: str, layer: int) -> Tensor:
    """Standard normal numbers of that shape, the same under one name."""
    generator = stream(seed, "testing", name, layer)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(spec.dtype).to(spec.on)
