"""A device fabricated with an identity, in layers: the only mutable thing in the project."""

from collections.abc import Callable
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any
from typing import Generic

import torch
from torch import Tensor

from .device import Device
from .device import S
from .layers.crossbar import Layer
from .port import Dead
from .port import Port
from .port import Probe
from .port import Reading
from .port import checked
from .randomness import Fabrication
from .randomness import Noise
from .spec import Costs
from .spec import Knobs
from .spec import Spec
from .streams import stream
from .tree import tree_map


class Chip(Generic[S]):
    """One chip, or a fleet of them, with a life: it is fabricated, used, ages and dies.

    Args:
        device: the technology.
        layers: the wiring, input side first.
        identity: who the chip is; a sequence of integers makes a fleet with one leading axis.
        noise_seed: which run of its noise; the same chip under another seed has other noise.
        on: where tensors live, e.g. "cpu" or "cuda".
        dtype: torch.float32, or torch.float64 for exact work.
    """

    def __init__(
        self,
        device: Device[S],
        layers: Sequence[Layer],
        identity: int | Sequence[int] = 0,
        *,
        noise_seed: int = 0,
        on: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if isinstance(device, type):
            raise TypeError(
                f"chip: got the class {device.__name__}, wanted a device; write {device.__name__}()"
            )
        if not isinstance(device.costs, Costs):
            raise TypeError(f"chip: device.costs is {device.costs!r}, wanted Costs; is costs a property?")
        if not isinstance(layers, Sequence):
            raise TypeError(f"chip: layers is {type(layers).__name__}, wanted a tuple of layers")
        identities = tuple(identity) if isinstance(identity, Sequence) else (identity,)
        if not identities or any(isinstance(i, bool) or not isinstance(i, int) for i in identities):
            raise ValueError(f"chip: identity is an integer or a sequence of them, got {identity!r}")
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"chip: dtype is torch.float32 or torch.float64, got {dtype}")
        fleet = () if isinstance(identity, int) else (len(identities),)
        self.device = device
        self.identity = identity
        self.spec = Spec(tuple(layers), device.costs, fleet, dtype, on)
        self._generator = stream(noise_seed, "noise", *identities, on=on)
        self._noise = Noise(self._generator)
        like = torch.empty(0, dtype=dtype, device=on)
        self._cells: tuple[S, ...] = tuple(
            device.fabricate(layer.rows, layer.cols, Fabrication(identities, fleet, i, layer.tiles, like))
            for i, layer in enumerate(self.spec.layers)
        )
        self._clock = 0.0  # s since fabrication
        self._alive = True
        self._lost: tuple[int, ...] = ()  # rows of the fleet whose cells came to their end
        self._rest: tuple[S, ...] = ()  # cells of the chips that a fleet's dead left alive

    @property
    def clock(self) -> float:
        """Seconds on the chip's physical clock since fabrication."""
        return self._clock

    @property
    def identities(self) -> tuple[int, ...]:
        """The identity of every chip of the fleet."""
        return (self.identity,) if isinstance(self.identity, int) else tuple(self.identity)

    @property
    def alive(self) -> bool:
        """False once the chip has died."""
        return self._alive

    def require_alive(self) -> None:
        """Raise `Dead` if the chip has died."""
        if self._alive:
            return
        who = f"chip {self.identity}"
        how, advice = ("its cells are worn out" if self._lost else "killed"), "fabricate a fresh one"
        if self._rest:
            lost = [self.identities[i] for i in self._lost]
            few = ", ".join(map(str, lost[:8])) + (", ..." if len(lost) > 8 else "")
            who = f"{len(lost)} of a fleet of {len(self.identities)}, chips {few},"
            how = "their cells are worn out, and the fleet's common wires with them"
            advice = "go on with chip.survivors()"
        raise Dead(f"{who} died at {self._clock:.3g} s, {how}; {advice}")

    def port(self) -> Port:
        """The wires; every one raises `Dead` once the chip has died."""

        def alive(wire: Callable[..., Any]) -> Callable[..., Any]:
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self.require_alive()
                with torch.no_grad():
                    return wire(*args, **kwargs)

            return guarded

        wires = checked(Port(self.spec, self._program, self._pulse, self._measure))
        return Port(self.spec, alive(wires.program), alive(wires.pulse), alive(wires.measure))

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises ValueError unless 0 <= seconds < infinity, Dead on a dead chip."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"chip: cannot wait {seconds} s; give a finite time of at least 0")
        self.require_alive()
        self._elapse(seconds)
        self._bury_spent()

    def die(self) -> None:
        """End the chip's life: its cells are gone and every wire raises `Dead`."""
        self._alive = False
        self._cells = self._rest = ()

    def survivors(self) -> "Chip[S]":
        """The chips of a fleet that are left when some of it wore out, as a fleet of their own.

        They take cells, clock and generator along, and are handed over once.

        Raises:
            Dead: nothing is left, or it has been handed over.
            ValueError: nobody has died.
        """
        if self._alive:
            raise ValueError(f"chip {self.identity}: all are alive; there is nobody to survive")
        if not self._rest:
            raise Dead(f"chip {self.identity} died at {self._clock:.3g} s, and nothing is left of it")
        left = copy(self)
        left.identity = tuple(who for row, who in enumerate(self.identities) if row not in self._lost)
        left.spec = replace(self.spec, fleet=(len(left.identity),))
        left._cells, left._rest, left._lost, left._alive = self._rest, (), (), True
        self._rest = ()
        return left

    def _program(self, knobs: Knobs) -> None:
        blank = [self.device.perturb(c, -c.knobs) for c in self._cells]
        self._push(blank, knobs)

    def _pulse(self, drive: Knobs) -> None:
        self._push(self._cells, drive)

    def _push(self, cells: Sequence[S], drive: Knobs) -> None:
        pushed = [
            self.device.pulse(c, d.detach().clone(), self._noise) for c, d in zip(cells, drive, strict=True)
        ]
        self._cells = tuple(pushed)
        self._elapse(self.spec.costs.pulsing_seconds(drive))
        self._bury_spent()

    def _measure(
        self, x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None
    ) -> Reading:
        spec = self.spec.span(first, last)
        held = self._cells[first : first + len(spec.layers)]
        taps = propagate(self.device, spec, held, x.detach(), probe, self._noise)
        self._elapse(self.spec.costs.read_seconds * self.spec.vectors(taps[-1]) * len(taps))
        return Reading(taps)

    def _elapse(self, seconds: float) -> None:
        self._clock += seconds
        self._cells = tuple(self.device.age(c, seconds, self._noise) for c in self._cells)

    def _bury_spent(self) -> None:
        """Let the chip die if its cells say so; what it was doing has been done."""
        ends = [e for e in map(self.device.worn_out, self._cells) if e is not None]
        if not ends:
            return
        gone = torch.stack([e.reshape(-1) for e in ends]).any(0)  # (chips,)
        if not bool(gone.any()):
            return
        self._lost = tuple(row for row, end in enumerate(gone.tolist()) if end)
        rest = () if bool(gone.all()) else tree_map(lambda leaf: leaf[~gone], self._cells)
        self._alive, self._cells, self._rest = False, (), rest


def propagate(
    device: Device[S], spec: Spec, cells: Sequence[S], x: Tensor, probe: Probe, noise: Noise
) -> tuple[Tensor, ...]:
    """The physics of one measurement of the layers in `spec`; every tap has the probe axes.

    A layer that no probe has touched yet is collected once for all probes, while its noise is drawn
    for each of them: exact, because what the probes share is deterministic.
    """
    nothing = (None,) * len(spec.layers)
    nudges, nodes = probe.knobs or nothing, probe.nodes or nothing
    lead = probe.lead(spec, x)
    bare = len(spec.fleet) + 3  # axes of cells and of activity that carries no probe axes
    full = len(lead) + bare
    noise = noise.with_probe_axes(lead, full)
    taps = []
    for layer, held, nudge, push in zip(spec.layers, cells, nudges, nodes, strict=True):
        z = layer.gather(x)
        if z.ndim < bare:
            z = z.expand(*spec.fleet, *z.shape[-3:])
        if nudge is not None:
            held = device.perturb(held, nudge)
            z = z.expand(*lead, *z.shape[-bare:])
        u = device.collect(held, z, noise)
        if push is not None:
            u = u + layer.unscatter(push)
        u = device.sense(held, u, noise)
        x = layer.scatter(u if layer.linear else device.fire(held, u, noise))
        taps.append(x if x.ndim == full - 1 else x.expand(*lead, *x.shape).clone())
    return tuple(taps)
