"""What a certificate says: a finding for each law, and what it took to find them."""

from dataclasses import dataclass
from typing import Literal

from .statistics import Judgement

Status = Literal["held", "broken", "undecided", "not tried"]


@dataclass(frozen=True)
class Finding:
    """The verdict on one law."""

    law: str  # its name
    says: str  # the law as a sentence
    status: Status
    why: str  # where it was nearest to its tolerance, or why it was not tried
    judgement: Judgement | None = None  # of that place
    reads: int = 0  # that it took, of the most used layer

    def __str__(self) -> str:
        judged = self.judgement
        if judged is None:
            return f"{self.status:>9}  {self.law}: {self.why}"
        number = f"{judged.value:.3g} [{judged.low:.3g}, {judged.high:.3g}], tolerated {judged.tolerance:g}"
        return f"{self.status:>9}  {self.law}: {number} ({self.why})"


@dataclass(frozen=True)
class Certificate:
    """The findings on all laws of a port, and what it took to find them; `print` shows it."""

    findings: tuple[Finding, ...]
    reads: int  # of the most used layer
    pulses_per_cell: float  # mean over the cells of the most used chip
    false_alarm: float  # probability that any law that is kept within its tolerance is called broken

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of the laws that are broken."""
        return self._named("broken")

    @property
    def held(self) -> tuple[str, ...]:
        """The names of the laws whose whole 95 % interval lies within the tolerance."""
        return self._named("held")

    @property
    def undecided(self) -> tuple[str, ...]:
        """The names of the laws whose interval still reaches beyond the tolerance; more reads decide."""
        return self._named("undecided")

    @property
    def not_tried(self) -> tuple[str, ...]:
        """The names of the laws that this port or budget does not allow to be tried."""
        return self._named("not tried")

    def __str__(self) -> str:
        head = (
            f"{len(self.held)} laws held, {len(self.broken)} broken, {len(self.undecided)} undecided, "
            f"{len(self.not_tried)} not tried; {self.reads:,} reads, {self.pulses_per_cell:.3g} pulses a "
            f"cell; false alarm {self.false_alarm:g} in all, intervals 95 %"
        )
        return "\n".join((head, *map(str, self.findings)))

    def _named(self, status: Status) -> tuple[str, ...]:
        return tuple(f.law for f in self.findings if f.status == status)
