"""Greedy local losses: a chip in blocks, each with an objective of its own; nothing is propagated down.

Bengio, Lamblin, Popovici and Larochelle, "Greedy layer-wise training of deep networks" (2006), and
Belilovsky, Eickenberg and Oyallon, "Decoupled greedy learning of CNNs" (2020), for blocks side by side.

Where we differ: nothing is differentiated. Any learner of ports teaches a block, through wires that reach
no further than the block and its head, so by perturbation what is perturbed at once is a block's share of
the nodes, and the variance falls with it. Heads are linear read-outs in digital memory, or small chips.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

from torch import Generator
from torch import Tensor

from analog.layers.crossbar import Layer
from analog.port import Port
from analog.port import Reading
from analog.spec import Spec

from ..learner import Batch
from ..learner import Learner
from ..learner import Step
from ..randomness import apart
from ..wiring.parts import HeldBack
from ..wiring.parts import Readout
from ..wiring.parts import joined
from ..wiring.parts import piece
from ..wiring.parts import stacked


@dataclass(frozen=True)
class Block:
    """Some consecutive layers, who teaches them, and through which read-out their objective sees them."""

    layers: int  # how many
    learner: Learner[Any]  # of a port: the block with its head on top
    head: Layer | Port | None = None  # a digital read-out's wiring, a small chip, or the block's own outputs

    def __post_init__(self) -> None:
        if isinstance(self.layers, bool) or not isinstance(self.layers, int) or self.layers < 1:
            raise ValueError(f"Block: layers is {self.layers!r}, wanted an integer of at least 1")


class BlockMemory(NamedTuple):
    """What is kept for one block."""

    inner: Any  # the learner's own memory
    head: Tensor | None  # (*fleet, tiles, rows, cols), of a digital head


class GreedyMemory(NamedTuple):
    """What a `Greedy` learner remembers."""

    steps: int
    blocks: tuple[BlockMemory, ...]


@dataclass(frozen=True)
class Greedy:
    """Blocks learn side by side, each from what the block below shows; or one after the other.

    Every block draws its probes from a generator of its own, so what one does is bitwise the same whatever
    those
    above it do.

    Args:
        blocks: from the input on; together they are the whole chip.
        turns: for how many steps each block learns before the next one begins; the last goes on for ever.
            None: all at once.
        between: digital wiring from what a block shows to what drives the next one; a chip so taught is
            measured through `pieces.through`.
    """

    blocks: Sequence[Block]
    turns: Sequence[int] | None = None
    between: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("Greedy: wanted at least one block, got none")
        if self.turns is not None and (
            len(self.turns) != len(self.blocks) - 1 or min(self.turns, default=1) < 1
        ):
            raise ValueError(
                f"Greedy: turns are {self.turns!r}, wanted {len(self.blocks) - 1} numbers of steps, "
                "one for each block but the last"
            )

    def init(self, spec: Spec) -> GreedyMemory:
        count = sum(block.layers for block in self.blocks)
        if count != len(spec.layers):
            raise ValueError(f"Greedy: the blocks have {count} layers, the chip {len(spec.layers)}")
        held = []
        for block, (first, last) in zip(self.blocks, self._spans(), strict=True):
            own, head = spec.span(first, last), None
            if block.head is not None:
                top = _top(own, block.head, None)
                head = top.knobs if isinstance(top, Readout) else None
                own = stacked(own, top.spec)
            held.append(BlockMemory(block.learner.init(own), head))
        return GreedyMemory(0, tuple(held))

    def step(
        self, port: Port, batch: Batch, state: GreedyMemory, generator: Generator
    ) -> tuple[GreedyMemory, Step]:
        """One step of every block whose turn it is.

        Returns:
            the next memory, and the last such block's loss with the taps of all layers up to it.
        """
        generators = apart(generator, len(self.blocks))
        held, x = HeldBack(port), batch.x
        blocks, taps = list(state.blocks), list[Tensor]()
        begins, ends = self._turn(state.steps)
        for at in range(ends):
            first, last = self._spans()[at]
            if at < begins:
                shown = port.measure(x, first=first, last=last).taps
            else:
                wires = piece(port, first, last, held)
                blocks[at], step = self._taught(at, wires, batch._replace(x=x), blocks[at], generators[at])
                shown = step.baseline.taps[: last + 1 - first]
            taps += shown
            x = shown[-1] if self.between is None else self.between(shown[-1])
        held.send()
        return GreedyMemory(state.steps + 1, tuple(blocks)), Step(step.loss, Reading(tuple(taps)))

    def _taught(
        self, at: int, wires: Port, batch: Batch, memory: BlockMemory, generator: Generator
    ) -> tuple[BlockMemory, Step]:
        block = self.blocks[at]
        if block.head is None:
            inner, step = block.learner.step(wires, batch, memory.inner, generator)
            return BlockMemory(inner, None), step
        top = _top(wires.spec, block.head, memory.head)
        inner, step = block.learner.step(joined(wires, _wires(top)), batch, memory.inner, generator)
        return BlockMemory(inner, top.knobs if isinstance(top, Readout) else None), step

    def _turn(self, steps: int) -> tuple[int, int]:
        """The first block that learns now, and one past the last."""
        if self.turns is None:
            return 0, len(self.blocks)
        done = sum(steps >= sum(self.turns[: i + 1]) for i in range(len(self.turns)))
        return done, done + 1

    def _spans(self) -> list[tuple[int, int]]:
        """First and last layer of each block."""
        starts = [sum(b.layers for b in self.blocks[:i]) for i in range(len(self.blocks))]
        return [(s, s + b.layers - 1) for s, b in zip(starts, self.blocks, strict=True)]


def _top(spec: Spec, head: Layer | Port, knobs: Tensor | None) -> Readout | Port:
    return head if isinstance(head, Port) else Readout(spec, head, knobs)


def _wires(top: Readout | Port) -> Port:
    return top if isinstance(top, Port) else top.port()
