"""Two trainings of one learner that take turns, played back: each must be what it would be by itself."""

from collections.abc import Callable
from typing import Any

from torch import Generator, Tensor

from analog.contract import ContractError
from analog.port import Port, Probe, Reading
from analog.wires.tape import ReplayMismatch, Tape, replayed, taped

from ..learner import Batch, Learner
from .comparison import clone_tree, equal_trees
from .second_port import on_second


def train_by_turns(
    learner: Learner,
    pristine: Learner,
    live: Tape,
    second: Tape | None,
    examples: tuple[Batch, ...],
    generator: Callable[[], Generator],
) -> None:
    """Train twice on a recording, the second a step behind the first, each half-way by another copy.

    Args:
        learner: that is tried.
        pristine: a copy of it from before it learned.
        live: its training on a chip.
        second: the same on its second chip; None: it has none.
        examples: its batches.
        generator: makes a fresh generator of the same seed at each call.

    Raises:
        ReplayMismatch: one of the two is not what the training was.
        ContractError: the state that a step was handed was altered, or cannot be copied and compared.
    """
    tapes = (Tape(live.spec), Tape(live.spec))
    ports = [taped(replayed(live), tape) for tape in tapes]
    seconds = [None if second is None else taped(replayed(second), Tape(second.spec)) for _ in tapes]
    generators, half = [generator(), generator()], len(examples) // 2
    states: list[Any] = [None, None]
    name = type(learner).__name__
    alive: list[Any] = []  # so that nothing else is found at the place of what was used
    for turn, _ in enumerate((*examples, None)):  # one more, for the second training
        for who, at in enumerate((turn, turn - 1)):
            if 0 <= at < len(examples):
                other = seconds[who]
                if who == 1 and other is not None:
                    other = _another(other)
                actor = on_second(learner if at < half else pristine, other)
                if at == 0:
                    states[who] = actor.init(live.spec)
                port, state, drawn = ports[who], states[who], generators[who]
                if who == 1:
                    port, state, drawn = _another(port), clone_tree(state, f"{name}: state"), _copy_of(drawn)
                before = clone_tree(state, f"{name}: state")
                alive.append((port, states[who], state, generators[who]))
                states[who], _ = actor.step(port, examples[at], state, drawn)
                generators[who] = drawn
                if not equal_trees(state, before):
                    raise ContractError(f"{name}: step altered the state that it was handed")
    for tape in tapes:
        require_whole(tape, live)


def _another(port: Port) -> Port:
    """The same wires behind other functions, so that nothing can be remembered by them."""

    def measure(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        return port.measure(x, probe, first=first, last=last)

    return port._replace(
        program=lambda knobs: port.program(knobs), pulse=lambda drive: port.pulse(drive), measure=measure
    )


def _copy_of(generator: Generator) -> Generator:
    """Another generator that goes on with the same numbers."""
    copied = Generator(generator.device)
    copied.set_state(generator.get_state())
    return copied


def require_whole(again: Tape, live: Tape) -> None:
    """Pass on if a training that was played back asked and sent as much as the recorded one.

    Raises:
        ReplayMismatch: it did less.
    """
    if len(again.events) != len(live.events):
        raise ReplayMismatch(
            f"tape: {len(again.events)} events played back, the recording has {len(live.events)}"
        )
