"""The contract of learners: `check_learner(MyLearner(), port, batches, lambda: stream(0, "probes"))`."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Generator, Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.port import Port, Probe, Reading, require_port
from analog.tree import tree_leaves, tree_map
from analog.wires.tape import ReplayMismatch, Tape, replayed, taped

from ..learner import Batch, Learner, Step, fit, require_generator
from .comparison import refuse_changed_modes

_REMEDY = "draw from the generator that `step` is handed"


def check_learner(
    learner: Learner, port: Port, batches: Iterable[Batch], generator: Callable[[], Generator]
) -> None:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same: once with the global generators
    (torch's, numpy's, Python's) seeded otherwise, and in two trainings that take turns, half-way through by a
    copy of the learner as it was before the first, and one of them with other objects for its port, generator
    and state at every step. Batches, states, global generators, torch's gradient mode and default dtype are
    left as they were. So what is remembered stands in the state that `step` hands on: not on the learner, its
    class or its module, by the port's or the generator's identity, or on the state's tensors.

    What a check within one process cannot see: a learner that finds the chip by the garbage collector, by the
    frames of its callers or by the closures of the port, and reads there what never changes or what it knows
    to be a replay; a clock that decides only now and then; what differs between processes alone, as their
    number and hashes of strings; memory by the identity of a batch. A chip in another process leaves nothing
    to find: train such a learner on a port of `analog.io.remote`, which is what closes the wall.

    Args:
        learner: the learner under test.
        port: of a chip that may be taught.
        batches: what to learn from; a handful is enough.
        generator: makes a fresh generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Raises:
        ReplayMismatch: the learner used something that changes and did not come over its wires: true weights,
            a generator that nobody handed to it, memory of an earlier run.
        ContractError: it drew from a global generator, seeded one, altered a batch, or remembers something
            outside its state.
        TypeError: what came is no port or no function that makes generators, or `step` does not give a state
            and a `Step`.
        ValueError: there is no batch to learn from.
    """
    require_port(port, "check_learner")
    if not callable(generator):
        raise TypeError(f"check_learner: generator is {generator!r}, wanted a function that makes one")
    require_generator(generator(), "check_learner")
    examples = tuple(Batch(*batch) for batch in batches)
    if not examples:
        raise ValueError("check_learner: no batch to learn from; give at least one")
    name, pristine = type(learner).__name__, _copied(learner)
    kept, memory = _clone(examples), _class_memory(learner)
    live = Tape(port.spec)
    with refuse_changed_modes(name), refuse_global_generators(name, _REMEDY):
        for _, step in fit(learner, taped(port, live), examples, generator()):
            if not isinstance(step, Step):
                raise TypeError(
                    f"check_learner: step gave {type(step).__name__} second; wanted (state, Step)"
                )
    _require_unaltered(name, examples, kept)
    with reseed_global_generators(1), refuse_global_generators(name, _REMEDY):
        _replay(learner, live, examples, generator())
    try:
        with reseed_global_generators(2), refuse_global_generators(name, _REMEDY):
            _by_turns(learner, pristine, live, examples, generator)
    except (ReplayMismatch, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReplayMismatch(
            f"{name}: of two trainings by turns one is not what it was alone, so something is remembered "
            f"outside the state, on the learner, its class or its module ({error})"
        ) from error
    after = _class_memory(learner)
    for attribute in sorted(memory.keys() | after.keys()):
        if attribute not in memory or not _alike(memory[attribute], after[attribute]):
            raise ContractError(
                f"{attribute} changed while learning; what is remembered belongs into the state"
            )


def _replay(learner: Learner, live: Tape, examples: tuple[Batch, ...], generator: Generator) -> None:
    again = Tape(live.spec)
    for _ in fit(learner, taped(replayed(live), again), examples, generator):
        pass
    _require_whole(again, live)


def _by_turns(
    learner: Learner,
    pristine: Learner,
    live: Tape,
    examples: tuple[Batch, ...],
    generator: Callable[[], Generator],
) -> None:
    """Two trainings, the second a step behind the first, each half-way through by another copy."""
    tapes = (Tape(live.spec), Tape(live.spec))
    ports = [taped(replayed(live), tape) for tape in tapes]
    generators, half = [generator(), generator()], len(examples) // 2
    states: list[Any] = [None, None]
    name = type(learner).__name__
    name = type(learner).__name__
    alive: list[Any] = []  # so that nothing else is found at the place of what was used
    for turn in range(len(examples) + 1):
        for who, at in enumerate((turn, turn - 1)):
            if 0 <= at < len(examples):
                actor = learner if at < half else pristine
                if at == 0:
                    states[who] = actor.init(live.spec)
                port, state, drawn = ports[who], states[who], generators[who]
                if who == 1:
                    port, state, drawn = _another(port), _clone(state), _copy_of(drawn)
                before = _clone(state)
                alive.append((port, states[who], state, generators[who]))
                states[who], _ = actor.step(port, examples[at], state, drawn)
                generators[who] = drawn
                if not _alike(state, before):
                    raise ContractError(f"{name}: step altered the state that it was handed")
    for tape in tapes:
        _require_whole(tape, live)


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


def _require_whole(again: Tape, live: Tape) -> None:
    if len(again.events) != len(live.events):
        raise ReplayMismatch(
            f"tape: {len(again.events)} events played back, the recording has {len(live.events)}"
        )


def _require_unaltered(name: str, examples: tuple[Batch, ...], kept: tuple[Batch, ...]) -> None:
    for number, (batch, before) in enumerate(zip(examples, kept, strict=True)):
        if not _alike(batch, before):
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


def _clone(tree: Any) -> Any:
    return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)


def _alike(a: Any, b: Any) -> bool:
    """Equality of trees, bitwise for tensors."""
    ours, theirs = tree_leaves(a), tree_leaves(b)
    return ours.keys() == theirs.keys() and all(_same(leaf, theirs[name]) for name, leaf in ours.items())


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    return a is b or (type(a) is type(b) and bool(a == b))
