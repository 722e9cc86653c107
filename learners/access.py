"""What learners need of the wires they step, and who refuses wires that do not give it."""

from typing import Any, Protocol, runtime_checkable

from analog.access import Access, NoAccess
from analog.port import Port
from analog.spec import Spec


@runtime_checkable
class NeedsAccess(Protocol):
    """A learner, or a part of one, that says what it needs to see of a chip."""

    def needs(self, spec: Spec) -> Access:
        """The least access to such a chip with which it works.

        Args:
            spec: the datasheet of the whole chip.
        """
        ...


def needed_access(part: Any, spec: Spec) -> Access:
    """The access that a learner, or a part of one, needs; of one that does not say, the loss is enough."""
    return part.needs(spec) if isinstance(part, NeedsAccess) else Access("loss", node_probes=False)


def stated_access(learner: Any, spec: Spec) -> str:
    """The access that a learner says it needs, in words for a table; "not stated" of one that does not say.

    Args:
        learner: any; silence is not taken for a claim that little is enough.
        spec: the datasheet of the whole chip.
    """
    return str(needed_access(learner, spec)) if isinstance(learner, NeedsAccess) else "not stated"


def taps_access(spec: Spec, *, node_probes: bool) -> Access:
    """Access to all taps of a chip, which are its outputs where it has one layer."""
    return Access("taps" if len(spec.layers) > 1 else "outputs", node_probes)


def spans_access(spec: Spec, *, node_probes: bool) -> Access:
    """Access to any span of a chip, which is the whole where it has one layer."""
    return Access("spans" if len(spec.layers) > 1 else "outputs", node_probes)


def require_access(learner: Any, port: Port, user: str) -> None:
    """Refuse a learner that needs more than the wires give, before anything is read.

    Raises:
        NoAccess: saying what it needs, and what there is.
    """
    needed, given = needed_access(learner, port.spec), port.spec.access
    if not given.covers(needed):
        raise NoAccess(f"{user}: {type(learner).__name__} needs {needed}, these wires give {given}")
