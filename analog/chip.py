"""A device fabricated with an identity, in layers: the only mutable thing in the project."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import replace
from typing import Any, Generic

import torch
from torch import Generator, Tensor

from .costs import Costs
from .device import Device, S
from .identity import device_summary, identity_summary, integers, noise_generators
from .inputs import examine_drive
from .layers.crossbar import Layer
from .layers.recurrence import require_stateless
from .pieces import KeptRows, change_cells, fleet_slices, probe_of
from .port import Dead, Port, Probe, Reading, make_port
from .precision import Products, require_precision
from .propagation import LastSums, propagate, require_finite_cells, require_finite_clock
from .randomness import Fabrication, Noise
from .spec import Knobs, Spec
from .tree import tree_map


class Chip(Generic[S]):
    """One chip, or a fleet of them, with a life: it is fabricated, used, ages and dies.

    A fleet under one noise seed is one piece of hardware, which shares wires, clock, noise and end. Under a
    noise seed for each, its chips live apart, worked in one batched product: bitwise, what one of them shows
    does not depend on who stands beside it. Each dies alone (it takes no pulses any more, and its taps read
    0), and any may be replaced.

    Args:
        device: the technology.
        layers: the wiring, input side first.
        identity: who the chip is; a sequence of integers makes a fleet with one leading axis.
        noise_seed: which run of its noise; the same chip under another seed has other noise. A sequence of
            integers, one for each chip of a fleet, lets its chips live apart.
        on: where tensors live, e.g. "cpu" or "cuda".
        dtype: torch.float32, or torch.float64 for exact work.
        precision: torch.bfloat16 rounds the factors of the products that simulate the synapses, and of those
            that learners make of what they measured at its wires: faster, and off by .2 to .4 %.
            A processor without units for it is warned of. None: products are of `dtype`.

    Raises:
        TypeError: the device is a class, its costs are none, or the layers are no sequence.
        ValueError: identity, noise seed, place, dtype or precision are none of those above; the device
            relaxes, and a layer has a state.
        BadInput: the layers do not fit on each other.
    """

    def __init__(
        self,
        device: Device[S],
        layers: Sequence[Layer],
        identity: int | Sequence[int] = 0,
        *,
        noise_seed: int | Sequence[int] = 0,
        on: str = "cpu",
        dtype: torch.dtype = torch.float32,
        precision: torch.dtype | None = None,
    ) -> None:
        _require_parts(device, layers, dtype)
        require_precision(precision, dtype, on)
        identities = integers("identity", identity)
        fleet = () if isinstance(identity, int) else (len(identities),)
        self.device = device
        self.identity = identity
        costs = replace(device.costs, settling=device.settling)
        synapse = device.synapse
        self.spec = Spec(tuple(layers), costs, fleet, dtype, on, synapse=synapse, precision=precision)
        if device.settling:
            require_stateless(self.spec.layers, "chip: the device relaxes")
        self._apart = isinstance(noise_seed, Sequence)  # chips with noise and an end of their own
        self._throw_with(noise_generators(identities, fleet, noise_seed, on))
        with torch.inference_mode(False):  # cells outlive the block that they are made in
            like = torch.empty(0, dtype=dtype, device=on)
            self._cells: tuple[S, ...] = tuple(
                device.fabricate(layer.rows, layer.cols, Fabrication(identities, fleet, i, layer.tiles, like))
                for i, layer in enumerate(self.spec.layers)
            )
        self._kept: dict[
            tuple[int | None, int | None], KeptRows[tuple[LastSums, Products]]
        ] = {}  # of some rows
        self._clock = 0.0  # s since fabrication
        self._alive = True
        self._lost: tuple[int, ...] = ()  # rows of the fleet whose cells came to their end
        self._rest: tuple[S, ...] = ()  # cells of the chips that a fleet's dead left alive

    def __repr__(self) -> str:
        who = self.identity if isinstance(self.identity, int) else f"({identity_summary(self.identities)})"
        state = "dead" if not self._alive else f"{len(self._lost)} dead" if self._lost else "alive"
        device = device_summary(self.device)
        return f"Chip({device}, {self.spec.sizes}, identity={who}, {state}, {self._clock:.3g} s)"

    @property
    def clock(self) -> float:
        """Seconds on the physical clock since the chip, or the fleet, was fabricated."""
        return self._clock

    @property
    def identities(self) -> tuple[int, ...]:
        """The identity of every chip of the fleet."""
        return (self.identity,) if isinstance(self.identity, int) else tuple(self.identity)

    @property
    def alive(self) -> bool:
        """False once the chip, or every chip of a fleet whose chips live apart, has died."""
        return self._alive

    @property
    def dead(self) -> Tensor:  # (chips,) bool
        """Which chips have died."""
        dead = torch.full((len(self.identities),), not self._alive, device=self.spec.on)
        dead[list(self._lost)] = True
        return dead

    def require_alive(self) -> None:
        """Pass on a living chip.

        Raises:
            Dead: the chip has died.
        """
        if self._alive:
            return
        who = f"chip {self.identity}"
        how, advice = ("its cells are worn out" if self._lost else "killed"), "fabricate a fresh one"
        if self._rest:
            lost = identity_summary([self.identities[i] for i in self._lost])
            who = f"{len(self._lost)} of a fleet of {len(self.identities)}, chips {lost},"
            how = "their cells are worn out, and the fleet's common wires with them"
            advice = "go on with chip.survivors()"
        raise Dead(f"{who} died at {self._clock:.3g} s, {how}; {advice}")

    def port(self) -> Port:
        """The wires; every one raises `Dead` once the chip has died."""

        def alive(wire: Callable[..., Any]) -> Callable[..., Any]:
            def guarded(*args: Any, **kwargs: Any) -> Any:
                self.require_alive()
                with _without_grad():
                    return wire(*args, **kwargs)

            return guarded

        def pulse(drive: Knobs) -> None:
            self._pulse(*examine_drive(self.spec, drive))

        wires = make_port(self.spec, self._program, pulse, self._measure)
        return Port(self.spec, alive(wires.program), alive(pulse), alive(wires.measure))

    def pulse_within(self, drive: Knobs, seconds: float) -> None:
        """Pulse the knobs in a time slot of given length, whatever the longest pulse train takes.

        The clock of a chip then does not depend on what others of its fleet are sent.

        Args:
            drive: (*fleet, tiles, rows, cols) each.
            seconds: s, at least the time of the longest train.

        Raises:
            Dead: the chip has died.
            ValueError: the slot is too short for the drive.
            BadInput: cells would not stay finite; the chip is as it was.
        """
        self.require_alive()
        needed = self.spec.costs.pulsing_seconds(drive)
        if not needed <= seconds * (1 + 1e-6) < float("inf"):  # a drive's last bit may be a little above
            raise ValueError(f"chip: a slot of {seconds} s for pulse trains of {needed} s; make it longer")
        with _without_grad():
            self._push(self._cells, drive, seconds)

    def wait(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: the time is below 0, or not finite on the clock.
            Dead: the chip has died.
        """
        if not 0 <= seconds < float("inf") or not self._clock + seconds < float("inf"):
            raise ValueError(f"chip: cannot wait {seconds} s; give a finite time of at least 0")
        self.require_alive()
        with torch.inference_mode(False):
            self._elapse(seconds)
        self._bury_worn_out()

    def die(self) -> None:
        """End the chip's life: its cells are gone and every wire raises `Dead`."""
        self._alive = False
        self._cells = self._rest = ()
        self._forget()

    def survivors(self) -> "Chip[S]":
        """The chips of a fleet that are left when some of it wore out, as a fleet of their own.

        They take cells, clock and noise along, and are handed over once.

        Raises:
            Dead: nothing is left, or it has been handed over.
            ValueError: nobody has died.
        """
        if self._alive and not self._lost:
            raise ValueError(f"chip {self.identity}: all are alive; there is nobody to survive")
        left = [row for row in range(len(self.identities)) if row not in self._lost]
        cells = self._rest
        if self._apart and self._alive:
            cells = tree_map(lambda leaf: leaf[left], self._cells)
        if not cells:
            raise Dead(f"chip {self.identity} died at {self._clock:.3g} s, and nothing is left of it")
        chips = copy(self)
        chips._kept = {}
        chips.identity = tuple(self.identities[row] for row in left)
        chips.spec = replace(self.spec, fleet=(len(left),))
        if self._apart:
            chips._throw_with([self._generators[row] for row in left])
        chips._cells, chips._rest, chips._lost, chips._alive = cells, (), (), True
        self.die()
        return chips

    def replace_rows(self, rows: Sequence[int], chips: "Chip[S]") -> None:
        """Put other chips in the place of some of a fleet whose chips live apart.

        Args:
            rows: of this fleet, one for each of `chips`.
            chips: a fleet whose chips live apart, of the same device and layers; they take cells and noise
                along, and what is left of it is dead.

        Raises:
            ValueError: one of the fleets is not of that kind, or they do not fit.
            Dead: one of the fleets is gone.
        """
        if not (self._apart and chips._apart):
            raise ValueError("chip: only chips with noise seeds of their own can be replaced")
        if (self.device, self.spec.layers) != (chips.device, chips.spec.layers) or len(rows) != len(
            chips.identities
        ):
            raise ValueError(f"chip: rows {list(rows)} of {self} cannot be replaced by {chips}")
        if not self._cells:
            self.require_alive()
        chips.require_alive()
        at = torch.tensor(rows, device=self.spec.on)
        self._cells = tree_map(lambda old, new: old.index_copy(0, at, new), self._cells, chips._cells)
        identities, generators = list(self.identities), list(self._generators)
        for row, who, generator in zip(rows, chips.identities, chips._generators, strict=True):
            identities[row], generators[row] = who, generator
        self.identity = tuple(identities)
        self._throw_with(generators)
        self._lost, self._alive = tuple(row for row in self._lost if row not in rows), True
        chips.die()

    def _throw_with(self, generators: Sequence[Generator]) -> None:
        """Take noise from these generators: one, or one for each chip."""
        self._generators = tuple(generators)
        self._noise = Noise(self._generators if self._apart else self._generators[0])

    def _program(self, knobs: Knobs) -> None:
        blank = [self.device.perturb(c, -c.knobs) for c in self._cells]
        self._push(blank, knobs, self.spec.costs.pulsing_seconds(knobs))

    def _pulse(self, drive: Knobs, ordinary: bool) -> None:
        self._push(self._cells, drive, self.spec.costs.pulsing_seconds(drive), ordinary)

    def _push(self, cells: Sequence[S], drive: Knobs, seconds: float, ordinary: bool = False) -> None:
        """Pulse cells and let time pass, all of it or, where that fails, none.

        Cells are looked through for what is not finite unless the drive is an ordinary one: to do so at
        every pulse would make a step of a small chip longer by a sixth, and a reading finds it too.
        """
        before = [generator.get_state() for generator in self._generators]
        try:
            living = self._without_dead(drive, axis=-4)
            pulsed = [self._pulsed(c, d) for c, d in zip(cells, living, strict=True)]
            aged = tuple(self.device.age(c, seconds, self._noise) for c in pulsed)
            require_finite_clock(self._clock + seconds)
            if not ordinary:
                require_finite_cells(cells, aged)
        except BaseException:
            for generator, state in zip(self._generators, before, strict=True):
                generator.set_state(state)
            raise
        self._cells, self._clock = aged, self._clock + seconds
        self._forget()
        self._bury_worn_out()

    def _pulsed(self, cells: S, drive: Tensor) -> S:
        """A layer's cells after a pulse."""

        def pulse(some: S, sent: Tensor, rows: slice) -> S:
            return self.device.pulse(some, sent, self._noise_of(rows))

        bytes_of_a_chip = drive.shape[-3:].numel() * drive.element_size()
        pulsed: S = change_cells(self._slices(bytes_of_a_chip), cells, drive, pulse)
        return pulsed

    def _slices(self, bytes_of_a_chip: int) -> list[slice]:
        """The rows of the fleet that are worked at a time: all, where chips are coupled."""
        fleet = () if "chips" in self.device.couples else self.spec.fleet
        return fleet_slices(fleet, bytes_of_a_chip)

    def _noise_of(self, rows: slice) -> Noise:
        """The noise of some chips."""
        return Noise(self._generators[rows]) if self._apart else self._noise

    def _measure(self, x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        spec = self.spec.span(first, last)
        slices = self._slices(_bytes_of_a_reading(spec, x, probe))
        pieces = [self._taps(rows, spec, x.detach(), probe, first) for rows in slices]
        taps = (
            pieces[0]
            if len(pieces) == 1
            else tuple(torch.cat(each, -3) for each in zip(*pieces, strict=True))
        )
        self._elapse(self.spec.costs.reading_seconds(self.spec.vectors(taps[-1]), spec.passes))
        return Reading(self._without_dead(taps, axis=-3))

    def _taps(self, rows: slice, spec: Spec, x: Tensor, probe: Probe, first: int) -> tuple[Tensor, ...]:
        """The taps of some chips, of layers from the first on."""
        key = rows.start, rows.stop
        if key not in self._kept:
            self._kept[key] = KeptRows((LastSums(), Products(spec.precision)))
        kept, (last, products) = self._kept[key], self._kept[key].beside
        layers = range(first, first + len(spec.layers))
        cells = tuple(kept.cells(at, self._cells[at], rows) for at in layers)
        if rows != slice(None):
            spec = replace(spec, fleet=(rows.stop - rows.start,))
            probe, x = probe_of(probe, rows), x if x.ndim == 2 else x[..., rows, :, :]
        return propagate(self.device, spec, cells, x, probe, self._noise_of(rows), last, (first, products))

    def _without_dead(self, tensors: tuple[Tensor, ...], axis: int) -> tuple[Tensor, ...]:
        """The same, 0 for the dead of a fleet, whose axis that is."""
        if not self._lost:
            return tensors
        dead = torch.tensor(self._lost, device=self.spec.on)
        return tuple(t.index_fill(axis, dead, 0.0) for t in tensors)

    def _elapse(self, seconds: float) -> None:
        self._clock += seconds
        self._cells = tuple(self.device.age(c, seconds, self._noise) for c in self._cells)

    def _forget(self) -> None:
        """Give back what was kept of readings; the cells have changed."""
        self._kept = {}

    def _bury_worn_out(self) -> None:
        """Let the chip die if its cells say so; what it was doing has been done."""
        ends = [e for e in map(self.device.worn_out, self._cells) if e is not None]
        if not ends:
            return
        gone = torch.stack([e.reshape(-1) for e in ends]).any(0)  # (chips,)
        if not bool(gone.any()):
            return
        self._lost = tuple(row for row, end in enumerate(gone.tolist()) if end or row in self._lost)
        if self._apart:  # the cells of the dead stay in the product, out of reach
            self._alive = len(self._lost) < len(self.identities)
            return
        rest = () if bool(gone.all()) else tree_map(lambda leaf: leaf[~gone], self._cells)
        self._alive, self._cells, self._rest = False, (), rest


def _without_grad() -> AbstractContextManager[None]:
    """No graph, and tensors that outlive an inference mode around it: cells are read and pulsed later."""
    return _outside_inference() if torch.is_inference_mode_enabled() else torch.no_grad()


@contextmanager
def _outside_inference() -> Iterator[None]:
    with torch.inference_mode(False), torch.no_grad():
        yield


def _bytes_of_a_reading(spec: Spec, x: Tensor, probe: Probe) -> int:
    """Bytes of the largest tensor that a measurement makes for each chip."""
    probes = math.prod(probe.lead(spec, x))
    cells = 0 if probe.knobs is None else max(la.tiles * la.rows * la.cols for la in spec.layers)
    sites = max(la.features // la.rows * max(la.rows, la.cols) for la in spec.layers)
    return probes * max(cells, x.shape[-2] * sites) * x.element_size()


def _require_parts(device: object, layers: object, dtype: torch.dtype) -> None:
    if isinstance(device, type):
        raise TypeError(f"chip: got the class {device.__name__}, wanted a device; write {device.__name__}()")
    if not isinstance(device.costs, Costs):  # type: ignore[attr-defined]
        raise TypeError(f"chip: device.costs is {device.costs!r}, wanted Costs; is costs a property?")  # type: ignore[attr-defined]
    if not isinstance(layers, Sequence):
        raise TypeError(f"chip: layers is {type(layers).__name__}, wanted a tuple of layers")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"chip: dtype is torch.float32 or torch.float64, got {dtype}")
