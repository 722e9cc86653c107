"""The contract of learners: `check_learner(MyLearner(), port, batches, lambda: stream(0, "probes"))`."""

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from torch import Generator, Tensor

from analog.contract import (
    ContractError,
    Law,
    OncePerPart,
    first_sentence,
    refuse_global_generators,
    reseed_global_generators,
)
from analog.port import Port, require_port
from analog.wires.tape import ReplayMismatch, Tape, replayed, taped

from ..learner import Batch, Learner, Step, TwoPorts, fit, require_generator
from .comparison import clone_tree, equal_trees, refuse_changed_modes
from .second_port import replay_second, tape_second
from .turns import require_whole, train_by_turns

_REMEDY = "draw from the generator that `step` is handed"


def check_learner(
    learner: Learner, port: Port, batches: Iterable[Batch], generator: Callable[[], Generator]
) -> tuple[str, ...]:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same: once with the global generators
    (torch's, numpy's, Python's) seeded otherwise, and in two trainings that take turns, half-way through by a
    copy of the learner as it was before the first, and one of them with other objects for its port, generator
    and state at every step. Batches, states, global generators, torch's gradient mode and default dtype are
    left as they were. So what is remembered stands in the state that `step` hands on: not on the learner, its
    class or its module, by the port's or the generator's identity, or on the state's tensors.

    Of a learner with a second chip (`learners.learner.TwoPorts`) the wires of both are taped and played back.

    What a check within one process cannot see: a learner that finds the chip by the garbage collector, by the
    frames of its callers or by the closures of the port, and reads there what never changes or what it knows
    to be a replay; a clock that decides only now and then; what differs between processes alone, as their
    number and hashes of strings. A chip in another process leaves nothing to find: train such a learner on a
    port of `analog.io.remote`, which is what closes the wall.

    Args:
        learner: the learner under test.
        port: of a chip that may be taught.
        batches: what to learn from; a handful is enough.
        generator: makes a fresh generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Returns:
        The laws that were tried, each as a sentence.

    Raises:
        ReplayMismatch: the learner used something that changes and did not come over its wires: true weights,
            a generator that nobody handed to it, memory of an earlier run.
        ContractError: it drew from a global generator, seeded one, altered a batch or the state that it was
            handed, remembers something outside its state, or has a state that cannot be copied.
        TypeError: what came is no port or no function that makes generators, or `step` does not give a state
            and a `Step`.
        ValueError: there is no batch to learn from.
    """
    laws = learner_laws(port, batches, generator)
    for law in laws:
        law.check(learner)
    return tuple(law.sentence for law in laws)


def learner_laws(port: Port, batches: Iterable[Batch], generator: Callable[[], Generator]) -> tuple[Law, ...]:
    """The laws of learners, each of which may be tried by itself: `law.check(learner)`.

    The first that is tried has the learner train on the port, once; the others play that training back.

    Args:
        port: of a chip that may be taught.
        batches: what to learn from.
        generator: makes a fresh generator of the same seed at each call.

    """
    examples = tuple(Batch(*batch) for batch in batches)
    recorded = OncePerPart(partial(_record, port=port, examples=examples, generator=generator))
    laws = (_check_training, _check_replay, _check_turns, _check_class)
    return tuple(Law(first_sentence(law), partial(_judge, law, recorded)) for law in laws)


class _Recording(NamedTuple):
    """A training of a learner on a chip, and what there was before it."""

    learner: Learner
    pristine: Learner  # a copy from before it
    memory: dict[str, Any]  # on its class, before
    live: Tape
    second: Tape | None  # of a learner with two ports, that of the other
    examples: tuple[Batch, ...]  # as they were
    generator: Callable[[], Generator]
    complaint: ContractError | None  # of what it did besides

    @property
    def name(self) -> str:
        return type(self.learner).__name__


def _judge(law: Callable[[_Recording], None], recorded: OncePerPart[_Recording], learner: Learner) -> None:
    law(recorded(learner))


def _record(
    learner: Learner, port: Port, examples: tuple[Batch, ...], generator: Callable[[], Generator]
) -> _Recording:
    require_port(port, "check_learner")
    if not callable(generator):
        raise TypeError(f"check_learner: generator is {generator!r}, wanted a function that makes one")
    require_generator(generator(), "check_learner")
    if not examples:
        raise ValueError("check_learner: no batch to learn from; give at least one")
    name, kept, live = type(learner).__name__, clone_tree(examples), Tape(port.spec)
    second = Tape(learner.second.spec) if isinstance(learner, TwoPorts) else None
    before = _Recording(
        learner, _copied(learner), _class_memory(learner), live, second, kept, generator, None
    )
    trained_on = clone_tree(examples)
    try:
        with refuse_changed_modes(name), refuse_global_generators(name, _REMEDY):
            for _, step in fit(tape_second(learner, second), taped(port, live), trained_on, generator()):
                if not isinstance(step, Step):
                    raise TypeError(
                        f"check_learner: step gave {type(step).__name__} second; wanted (state, Step)"
                    )
        _require_unaltered(name, trained_on, kept)
    except ContractError as error:
        return before._replace(complaint=error)
    return before


def _check_training(recording: _Recording) -> None:
    """A learner alters no batch, and neither global generators nor modes of torch."""
    if recording.complaint is not None:
        raise recording.complaint


def _check_replay(recording: _Recording) -> None:
    """A learner uses its wires, its batches and its generator alone: a tape of them does as well."""
    with reseed_global_generators(1), refuse_global_generators(recording.name, _REMEDY):
        again = Tape(recording.live.spec)
        examples = clone_tree(recording.examples)
        learner, second = replay_second(recording.learner, recording.second)
        for _ in fit(learner, taped(replayed(recording.live), again), examples, recording.generator()):
            pass
        require_whole(again, recording.live)
        if second is not None and recording.second is not None:
            require_whole(second, recording.second)


def _check_turns(recording: _Recording) -> None:
    """A learner remembers in its state alone: two trainings that take turns are what each is by itself."""
    try:
        with reseed_global_generators(2), refuse_global_generators(recording.name, _REMEDY):
            train_by_turns(
                recording.learner,
                recording.pristine,
                recording.live,
                recording.second,
                clone_tree(recording.examples),
                recording.generator,
            )
    except (ReplayMismatch, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReplayMismatch(
            f"{recording.name}: of two trainings by turns one is not what it was alone, so something is "
            f"remembered outside the state, on the learner, its class or its module ({error})"
        ) from error


def _check_class(recording: _Recording) -> None:
    """Nothing of what was learned stays on a learner's class."""
    memory, after = recording.memory, _class_memory(recording.learner)
    for attribute in sorted(memory.keys() | after.keys()):
        if not equal_trees(memory.get(attribute, ...), after.get(attribute, ...)):
            raise ContractError(
                f"{attribute} changed while learning; what is remembered belongs into the state"
            )


def _require_unaltered(name: str, examples: tuple[Batch, ...], kept: tuple[Batch, ...]) -> None:
    for number, (batch, before) in enumerate(zip(examples, kept, strict=True)):
        if not equal_trees(batch, before):
            raise ContractError(f"{name}: batch {number} was altered in place; work on a copy")


def _copied(learner: Learner) -> Learner:
    """A copy that shares nothing with the learner, or the learner itself where it cannot be copied."""
    try:
        return copy.deepcopy(learner)
    except Exception:  # a learner that holds a lock or a file, say
        return learner


def _class_memory(learner: object) -> dict[str, Any]:
    """What stands on the learner's class and those it is derived from, by name: data, no methods."""
    kinds = (int, float, str, Tensor, list, dict, set, tuple, type(None))
    return {
        f"{kind.__name__}.{name}": copy.deepcopy(value)
        for kind in type(learner).__mro__
        for name, value in vars(kind).items()
        if not name.startswith(("__", "_abc_")) and isinstance(value, kinds)
    }
