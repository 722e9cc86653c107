"""How much of a chip its wires show: four levels, and whether probes may enter at the summing nodes."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from .rejection import Rejected

Level = Literal["loss", "outputs", "taps", "spans"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)  # from weak to strong; each shows what those before it do


@dataclass(frozen=True)
class Access:
    """A level of access: what the wires of a chip show, or what a learner needs of them; by default all.

    Args:
        level: "loss", each example's loss alone; "outputs", the last tap; "taps", all taps of the whole chip;
            "spans", the taps of any layers first..last, driven by themselves.
        node_probes: whether probes may enter at the summing nodes; at the knobs they always may.

    Raises:
        ValueError: there is no such level.
    """

    level: Level = "spans"
    node_probes: bool = True

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"Access: level is {self.level!r}, wanted one of {', '.join(LEVELS)}")

    def __str__(self) -> str:
        return f"{self.level} {'with' if self.node_probes else 'without'} node probes"

    def __and__(self, other: "Access") -> "Access":
        """What both give."""
        weaker = min(self.level, other.level, key=LEVELS.index)
        return Access(weaker, self.node_probes and other.node_probes)

    def __or__(self, other: "Access") -> "Access":
        """What gives all that either needs."""
        stronger = max(self.level, other.level, key=LEVELS.index)
        return Access(stronger, self.node_probes or other.node_probes)

    def covers(self, needed: "Access") -> bool:
        """Whether it gives all that is needed."""
        return self | needed == self


class NoAccess(Rejected, RuntimeError):
    """A wire was asked for more than its access gives; the hardware has not seen it."""
