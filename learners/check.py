"""The contract every learner must keep: it is a function of its measurements."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Generator

from analog.port import Port
from analog.wires import OffTape, Tape, replayed, taped

from .learner import Batch, Learner, fit


def check_learner(
    learner: Learner[Any], port: Port, batches: Iterable[Batch], rng: Callable[[], Generator]
) -> None:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same.

    Args:
        batches: what to learn from; a handful is enough.
        rng: makes a fresh generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Raises:
        OffTape: the learner used something that changes and did not come over its wires: true weights,
            dice that nobody handed to it, memory of an earlier run.
    """
    lessons = tuple(batches)
    if not lessons:
        raise ValueError("check_learner: no batch to learn from; give at least one")
    live, again = Tape(port.spec), Tape(port.spec)
    list(fit(learner, taped(port, live), lessons, rng()))
    list(fit(learner, taped(replayed(live), again), lessons, rng()))
    if len(again.events) != len(live.events):
        raise OffTape(f"tape: {len(again.events)} events played back, the recording has {len(live.events)}")
