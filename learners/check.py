"""The contract every learner must keep: it is a function of its measurements."""

from collections.abc import Sequence
from typing import Any

from analog.port import Port
from analog.wires import Tape, replayed, taped

from .learner import Batch, Learner, fit


def check_learner(learner: Learner[Any], port: Port, batches: Sequence[Batch], rng: Any) -> None:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same. `rng` makes a fresh
    generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Raises:
        OffTape: the learner knew something that did not come over its wires (or drew from dice that
            are not its own, or changed a reading that it was given).
    """
    tape = Tape(port.spec)
    list(fit(learner, taped(port, tape), batches, rng()))
    list(fit(learner, replayed(tape), batches, rng()))
