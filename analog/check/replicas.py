"""Two chips of one identity, noise seed and history, and the laws that hold at any point of their life."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from ..chip import Chip
from ..contract import ContractError
from ..device import Device
from ..io.store import BadFile, load, save
from ..layers.crossbar import Layer
from ..port import Dead, Port, Probe
from ..propagation import propagate
from ..randomness import Noise
from ..tree import tree_leaves
from ..wires.metering import Ledger, metered
from .assertions import clone_fields, draw
from .pulses import require_bounds

Wire = Callable[[Chip, Port], tuple[Tensor, ...]]  # what is done, and the taps it shows


class Replicas:
    """A chip that is metered and goes through files, and its twin that does not."""

    def __init__(
        self, device: Device, layers: tuple[Layer, ...], who: int | tuple[int, ...], dtype: torch.dtype
    ) -> None:
        self.device, self.layers, self.who, self.dtype = device, layers, who, dtype
        self.history = [f"fabricate {who} of {len(layers)} layers in {dtype}"]
        self.chip, self.twin = (Chip(device, layers, who, dtype=dtype) for _ in range(2))
        self.spec = self.chip.spec
        self.fresh = {name: cell.clone() for name, cell in tree_leaves(self.chip._cells).items()}
        self.ledger, self.waited, self.before = Ledger(self.spec), 0.0, 0.0

    def draw(self, name: str, *shape: int) -> Tensor:
        """Draw numbers of this shape, other ones at every step."""
        return draw(self.spec, f"{name} {len(self.history)}", *shape)

    def require(self, kept: bool, law: str) -> None:
        """Pass on if a law is kept.

        Raises:
            ContractError: it is broken; the message tells the life.
        """
        if not kept:
            raise ContractError(f"{law}. This life: {'; '.join(self.history)}")

    def step(self, event: str, act: Wire) -> None:
        """One step in the life of both; what they show is the same."""
        self.history.append(event)
        wires = ((self.chip, metered(self.chip.port(), self.ledger)), (self.twin, self.twin.port()))
        shown, again = (self._attempt(act, chip, port) for chip, port in wires)
        finite = all(bool(torch.isfinite(tap).all()) for tap in shown)
        self.require(finite, "a reading is not finite")
        same = all(torch.equal(a, b) for a, b in zip(shown, again, strict=True))
        self.require(
            same,
            "two chips of one identity, noise seed and history read differently; keep all state in cells",
        )
        alike = self.chip.alive == self.twin.alive
        self.require(alike, "of two chips of one history one died and the other did not")

    def still(self, event: str) -> None:
        """Require that a pulse of 0, and one of -0.0, changes nothing in the cells."""
        self.history.append(event)
        for i, cells in enumerate(self.twin._cells):
            zero = torch.zeros_like(cells.knobs)
            zero[..., ::2] = -0.0
            after = tree_leaves(self._attempt(self.device.pulse, cells, zero, self._noise()))
            for name, cell in tree_leaves(cells).items():
                self.require(
                    torch.equal(after[name], cell), f"layer {i}: a pulse of zero changed cells.{name}"
                )
        self.history.pop()

    def _noise(self) -> Noise:
        """The twin's noise, of which nothing is used up."""
        return Noise(Generator(self.spec.on).set_state(self.twin._generators[0].get_state()))

    def probed(self, event: str, x: Tensor, probe: Probe) -> None:
        """Require that a probe leaves no trace in the cells; x is (batch, features_in)."""
        self.history.append(event)
        cells = self.twin._cells
        before = clone_fields(tree_leaves(cells))
        self._attempt(propagate, self.device, self.spec, cells, x, probe, self._noise())
        for name, cell in tree_leaves(cells).items():
            law = f"{self._where(name)} was altered by a reading; device functions are pure"
            self.require(torch.equal(cell, before[name]), law)
        self.history.pop()
        self.step(event, lambda chip, port: port.measure(x, probe).taps)

    def _attempt(self, act: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return act(*arguments)
        except Exception as error:
            law = f"{self.history[-1]} raised {type(error).__name__}: {error}"
            raise ContractError(f"{law}. This life: {'; '.join(self.history)}") from error

    def through_a_file(self, path: Path) -> None:
        """Cells, clock and generator come back from a file as they were."""
        self.history.append("save and load")
        save(self.chip, path)
        try:
            self.chip = load(path, self.device, self.layers)
        except BadFile as error:
            self.require(False, f"a saved chip cannot be loaded: {error}")

    def sound(self) -> None:
        """Cells are finite, of the shapes and dtypes of birth, and the same in both."""
        twin_cells = tree_leaves(self.twin._cells)
        for name, cell in tree_leaves(self.chip._cells).items():
            where, fresh = self._where(name), self.fresh[name]
            self.require(bool(torch.isfinite(cell).all()), f"{where} is not finite")
            self.require(
                cell.shape == fresh.shape and cell.dtype == fresh.dtype,
                f"{where} is {tuple(cell.shape)} {cell.dtype}, and was {tuple(fresh.shape)} {fresh.dtype} at "
                "birth; cells keep shape and dtype",
            )
            law = f"{where} differs between two chips of one history; draw from `noise` alone"
            self.require(torch.equal(cell, twin_cells[name]), law)

    def bounded(self) -> None:
        """Knobs keep to the bounds that the device states."""
        for i, cells in enumerate(self.chip._cells):
            try:
                require_bounds(self.device, f"layer {i}", cells, "in its life")
            except ContractError as error:
                self.require(False, str(error))

    def clocked(self) -> None:
        """The clock never runs back, and shows what uses and waits took."""
        clock, expected = self.chip.clock, self.waited + self.ledger.seconds
        self.require(clock >= self.before, f"the clock ran back from {self.before} to {clock} s")
        self.require(
            abs(clock - expected) <= 1e-9 * expected,
            f"the clock shows {clock} s, uses and waits took {expected} s",
        )
        self.before = clock

    def dead(self, port: Port, who: str = "a dead chip") -> None:
        """Every wire raises Dead, whatever is sent."""
        x = self.draw("x", 4, self.layers[0].features_in)
        wires = (lambda: port.measure(x), lambda: port.pulse(port.spec.zeros()), lambda: port.program(()))
        for wire in wires:
            answer = "an answer"
            try:
                wire()
            except Dead:
                continue
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            self.require(False, f"{who} should raise Dead at every wire; one gave {answer}")

    @staticmethod
    def _where(name: str) -> str:
        layer, _, cell = name.partition(".")
        return f"layer {layer}: cells.{cell}"
