"""Greedy local losses: a chip in blocks, each with an objective of its own; nothing is propagated down.

Bengio, Lamblin, Popovici and Larochelle, "Greedy layer-wise training of deep networks" (2006),
https://doi.org/10.7551/mitpress/7503.003.0024, and Belilovsky, Eickenberg and Oyallon, "Decoupled greedy
learning of CNNs" (2020), https://arxiv.org/abs/1901.08164, for blocks side by side.

Where we differ: nothing is differentiated. Any learner of ports teaches a block, through wires that reach
no further than the block and its head, so by perturbation what is perturbed at once is a block's share of
the nodes, and the variance falls with it. Heads are linear read-outs in digital memory, or small chips.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple

from torch import Generator, Tensor

from analog.access import Access
from analog.layers.crossbar import Layer
from analog.port import Port, Reading
from analog.spec import Spec

from ..access import needed_access, spans_access
from ..learner import Batch, Learner, Step, for_steps
from ..randomness import split
from ..wiring.readout import DigitalReadout
from ..wiring.sub_ports import PulseBuffer, stack_ports, stack_specs, sub_port


@dataclass(frozen=True)
class Block:
    """Some consecutive layers, who teaches them, and through which read-out their objective sees them.

    Args:
        depth: how many layers.
        learner: of a port: the block with its head on top. Its loss is of the head's outputs.
        head: the wiring of a read-out in digital memory, such as `dense(16, 3, linear=True)`, which begins at
            zero; or the wires of a small chip. None: the loss is of the block's own outputs.
        interlayer: digital wiring from what the block shows (..., batch, features) to what drives the next
            one; a chip so taught is measured through `learners.wiring.with_interlayers`. None: the same.

    Raises:
        ValueError: `depth` is no integer of at least 1.
    """

    depth: int
    learner: Learner
    head: Layer | Port | None = None
    interlayer: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or self.depth < 1:
            raise ValueError(f"Block: depth is {self.depth!r}, wanted an integer of at least 1")
        if self.head is not None and not isinstance(self.head, Port) and not self.head.linear:
            raise ValueError(f"Block: head is {self.head}, wanted a linear read-out; give it linear=True")


class _BlockState(NamedTuple):
    """The memory of one block."""

    learner: Any
    head: Tensor | None  # (*fleet, tiles, rows, cols), of a digital head


class _State(NamedTuple):
    """The memory of `Greedy`."""

    steps: int
    blocks: tuple[_BlockState, ...]


@dataclass(frozen=True)
class Greedy:
    """A learner whose blocks learn side by side or in turn, each from what the block below shows.

    Every block draws its probes from a generator of its own, so what one does is bitwise the same whatever
    those above it do.

    Args:
        blocks: from the input on; together they are the whole chip.
        steps_per_block: for how many steps each block learns before the next one begins; the last goes on
            for ever. None: all at once.

    Raises:
        ValueError: there is no block, or not a number of steps for each block but the last.
    """

    blocks: Sequence[Block]
    steps_per_block: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("Greedy: wanted at least one block, got none")
        steps = self.steps_per_block
        if steps is not None and (len(steps) != len(self.blocks) - 1 or min(steps, default=1) < 1):
            raise ValueError(
                f"Greedy: steps_per_block is {steps!r}, wanted {len(self.blocks) - 1} numbers of steps, "
                "one for each block but the last"
            )

    def for_steps(self, steps: int) -> "Greedy":
        """The same learner, each block's for as many of the training's steps as it learns."""
        counts = [steps] * len(self.blocks)
        if self.steps_per_block is not None:
            counts = [*self.steps_per_block, max(1, steps - sum(self.steps_per_block))]
        blocks = zip(self.blocks, counts, strict=True)
        return replace(
            self, blocks=tuple(replace(block, learner=for_steps(block.learner, n)) for block, n in blocks)
        )

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans, unless one block is the whole chip; probes as its blocks send."""
        needed = Access("outputs", node_probes=False)
        for block, (first, last) in zip(self.blocks, self._spans(), strict=True):
            needed |= needed_access(block.learner, spec.span(first, last))
        return needed if len(self.blocks) == 1 else needed | spans_access(spec, node_probes=False)

    def init(self, spec: Spec) -> _State:
        """The states of all blocks, heads at zero.

        Raises:
            ValueError: the blocks do not have as many layers as the chip.
            BadInput: a head does not fit its block.
        """
        count = sum(block.depth for block in self.blocks)
        if count != len(spec.layers):
            raise ValueError(f"Greedy: the blocks have {count} layers, the chip {len(spec.layers)}")
        blocks = []
        for block, (first, last) in zip(self.blocks, self._spans(), strict=True):
            taught, head = spec.span(first, last), None
            if block.head is not None:
                top, knobs = _head(taught, block.head, None)
                taught, head = stack_specs(taught, top.spec), knobs()
            blocks.append(_BlockState(block.learner.init(taught), head))
        return _State(0, tuple(blocks))

    def step(self, port: Port, batch: Batch, state: _State, generator: Generator) -> tuple[_State, Step]:
        """Step every block whose turn it is.

        Returns:
            the next state, and the last such block's loss with the taps of all layers up to it.
        """
        generators = split(generator, len(self.blocks))
        buffer, x = PulseBuffer(port), batch.x
        blocks, taps = list(state.blocks), list[Tensor]()
        learning = self._learning(state.steps)
        for number, (first, last) in enumerate(self._spans()[: learning.stop]):
            if taps:
                between = self.blocks[number - 1].interlayer
                x = taps[-1] if between is None else between(taps[-1])
            if number in learning:
                wires = sub_port(port, first, last, buffer)
                blocks[number], step = self._step_block(
                    number, wires, batch._replace(x=x), blocks[number], generators[number]
                )
                outputs = step.baseline.taps[: last + 1 - first]
            else:
                outputs = port.measure(x, first=first, last=last).taps
            taps += outputs
        buffer.send()
        return _State(state.steps + 1, tuple(blocks)), Step(step.loss, Reading(tuple(taps)))

    def _step_block(
        self, number: int, wires: Port, batch: Batch, state: _BlockState, generator: Generator
    ) -> tuple[_BlockState, Step]:
        block = self.blocks[number]
        if block.head is None:
            learner, step = block.learner.step(wires, batch, state.learner, generator)
            return _BlockState(learner, None), step
        top, knobs = _head(wires.spec, block.head, state.head)
        learner, step = block.learner.step(stack_ports(wires, top), batch, state.learner, generator)
        return _BlockState(learner, knobs()), step

    def _learning(self, steps: int) -> range:
        """The numbers of the blocks that learn now."""
        if self.steps_per_block is None:
            return range(len(self.blocks))
        done = sum(steps >= end for end in accumulate(self.steps_per_block))
        return range(done, done + 1)

    def _spans(self) -> list[tuple[int, int]]:
        """The first and last layer of each block."""
        ends = list(accumulate(block.depth for block in self.blocks))
        return [(end - block.depth, end - 1) for block, end in zip(self.blocks, ends, strict=True)]


def _head(spec: Spec, head: Layer | Port, knobs: Tensor | None) -> tuple[Port, Callable[[], Tensor | None]]:
    """The wires of a head, and what tells its knobs, where they are kept here and not on a chip."""
    if isinstance(head, Port):
        return head, lambda: None
    readout = DigitalReadout(spec, head, knobs)
    return readout.port(), lambda: readout.knobs
