"""The second port of learners that have one, taped and played back beside the first."""

from analog.port import Port
from analog.wires.tape import Tape, replayed, taped

from ..learner import Learner, TwoPorts


def tape_second(learner: Learner, tape: Tape | None) -> Learner:
    """The same learner, the wires of its second chip recorded; itself where it has none.

    Args:
        learner: any.
        tape: of its second chip; None: it has none.
    """
    if tape is None or not isinstance(learner, TwoPorts):
        return learner
    return learner.with_second(taped(learner.second, tape))


def replay_second(learner: Learner, tape: Tape | None) -> tuple[Learner, Tape | None]:
    """The same learner with a recording in place of its second chip, and the tape of what it asks of that.

    Args:
        learner: any.
        tape: the recording; None: it has no second chip.
    """
    if tape is None:
        return learner, None
    again = Tape(tape.spec)
    return on_second(learner, taped(replayed(tape), again)), again


def on_second(learner: Learner, port: Port | None) -> Learner:
    """The same learner on these wires of its second chip; itself where it has none."""
    return learner.with_second(port) if port is not None and isinstance(learner, TwoPorts) else learner
