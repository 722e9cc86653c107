"""The trial of one law: measured at more and more replicates until it is decided or the reads are taken."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch

from ..port import BadReading
from .bench import ROWS, Bench, NotTried
from .findings import Finding
from .statistics import Effect, judge, worst

FIRST_LOOK: Final = 16  # replicates at the first look; each later look doubles them
LOOKS: Final = 7

Law = Callable[[Bench, int, int], list[Effect]]  # bench, first and last replicate -> what they measured


def name_of(law: Law) -> str:
    """The law's name in words."""
    return law.__name__.replace("_", " ")


class Trial:
    """A law, what it measured so far, and the finding that follows.

    Args:
        law: what is tried.
        level: probability with which the law may be called broken although it is kept.

    Attributes:
        finding: as things stand.
    """

    def __init__(self, law: Law, level: float) -> None:
        self.law, self.level = law, level
        self._start, self._stop = 0, FIRST_LOOK
        self._measured: dict[str, list[Effect]] = {}
        self._reads = self._next_reads = 0
        self.finding: Finding
        self.dismiss("the budget ended before it")

    @property
    def open(self) -> bool:
        """Whether more replicates could still decide."""
        looked = self._stop >= FIRST_LOOK * 2**LOOKS
        return self.finding.status == "undecided" and not looked

    def dismiss(self, why: str) -> None:
        """Leave the law untried, and say why."""
        self._conclude("not tried", why)

    def go_on(self, bench: Bench, reads: float) -> None:
        """Measure on until the law is decided, or another look would take it beyond so many more reads."""
        while self._next_reads <= reads:
            before = bench.reads
            try:
                self._look(bench)
            except NotTried as error:
                if not self._measured:
                    self.dismiss(str(error))
                self._stop = FIRST_LOOK * 2**LOOKS
                return
            except BadReading as error:
                self._conclude("broken", str(error))
                return
            taken = bench.reads - before
            self._reads += taken
            self._next_reads = 2 * taken if taken else ROWS * (self._stop - self._start)
            self.finding = replace(self.finding, reads=self._reads)
            reads -= taken
            if not self.open:
                return

    def _look(self, bench: Bench) -> None:
        for effect in self.law(bench, self._start, self._stop):
            self._measured.setdefault(effect.name, []).append(effect)
        self._start, self._stop = self._stop, 2 * self._stop
        pooled = [
            effects[0]._replace(values=torch.cat([e.values for e in effects]))
            for effects in self._measured.values()
        ]
        if not pooled:
            self._conclude("held", "nothing that could break it is seen")
            return
        place = worst([judge(effect, self.level / LOOKS / len(pooled)) for effect in pooled])
        status = "broken" if place.broken else "held" if place.held else "undecided"
        self.finding = Finding(*self._words, status, place.name, place, self._reads)  # type: ignore[arg-type]

    def _conclude(self, status: str, why: str) -> None:
        self.finding = Finding(*self._words, status, why, None, self._reads)  # type: ignore[arg-type]

    @property
    def _words(self) -> tuple[str, str]:
        return name_of(self.law), (self.law.__doc__ or "").strip().splitlines()[0]
