"""Two-sample tests of whether what answers at one port is the device that answers at another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..port import Port
from ..spec import BadInput, Budget
from .bench import Bench, NotTried
from .features import Contrast, contrasts, datasheet_contrasts, paired_contrasts
from .scans import Scan, layers_that_scan, scan, takes_push, uniform_drive

WRITES: Final[
    tuple[tuple[Literal["program", "pulse"], float, str], ...]
] = (  # wire, size in full scales, what it shows
    ("program", 0.0, "blank cells"),
    ("program", 0.5, "a write from blank"),
    ("program", 0.5, "a write repeated"),
    ("pulse", -0.25, "a pulse back"),
    ("pulse", 0.25, "a pulse on"),
    ("pulse", 0.25, "another pulse on"),
    ("pulse", 2.0, "the far bound"),
    ("pulse", -0.2, "a pulse off the far bound"),
    ("pulse", -4.0, "the other bound"),
    ("pulse", 0.2, "a pulse off the other bound"),
    ("program", 0.9, "a larger write from blank"),
)


Act = Callable[[int, Bench], None]  # what is done to the port of that number


@dataclass(frozen=True)
class Comparison:
    """Whether two ports lead to the same device, and in what they differ."""

    differences: tuple[Contrast, ...]  # of the stage at which the test stopped, the surest first
    stages: tuple[str, ...]  # what was done before each comparison
    not_tried: tuple[str, ...]  # stages, and why
    contrasts: int  # that were tested
    reads: tuple[int, int]  # of each port's most used layer
    pulses_per_cell: tuple[float, float]
    false_alarm: float  # probability that chips of one device are called different

    @property
    def alike(self) -> bool:
        """True where no difference was found; it may be there and too small for the budget."""
        return not self.differences

    def __str__(self) -> str:
        cost = (
            f"{self.reads[0]:,} and {self.reads[1]:,} reads, {self.pulses_per_cell[0]:.3g} and "
            f"{self.pulses_per_cell[1]:.3g} pulses a cell, {self.contrasts} contrasts, false alarm "
            f"{self.false_alarm:g}"
        )
        skipped = "".join(f"\n  not tried: {why}" for why in self.not_tried)
        if self.alike:
            return f"alike, as far as {len(self.stages)} stages tell; {cost}{skipped}"
        found = "".join(f"\n  {c}" for c in self.differences[:8])
        return f"different ({self.stages[-1]}); {cost}{found}{skipped}"


def same_chip(
    port: Port,
    other: Port,
    *,
    budget: Budget = Budget(reads=20_000, pulses_per_cell=100_000),
    identity: bool = False,
    waits: tuple[Callable[[float], object], Callable[[float], object]] | None = None,
    seconds: float = 1.0,
    false_alarm: float = 1e-3,
) -> Comparison:
    """Test whether two ports lead to the same device: a lab chip and the simulated one that should be it.

    Both are put through the same history, stage by stage: erased, written, written again, pulsed to and fro,
    driven into their bounds, left to wait. After each stage every cell that can be driven alone is read,
    and the new readings are compared, so that what differs early is cheap. Two chips of one device are alike
    although none of their cells are: what is compared are distributions over cells, by Welch's t-tests
    of means, spreads and shares below common quantiles, over nodes and again over columns (a difference
    must show over both, so that what a node's or a column's cells have in common is not counted often).
    The error rate is shared out over all contrasts of all stages (Bonferroni).

    What belongs to a whole chip (its wafer, its temperature) counts as a difference. What shows at no one-hot
    input, or at nodes too few for their own spread, is not seen.

    Args:
        port: one of the two.
        other: the other one, of the same layers; fleets may differ in their numbers of chips.
        budget: of each port. It is written to and not brought back; with 0 pulses both are
            compared as they stand.
        identity: True asks instead whether they are literally the same cells in the same state: nothing is
            written, and the responses of each cell are compared with each other.
        waits: let seconds pass on either side, e.g. `time.sleep` and a simulated chip's `wait`; None leaves
            out what time does.
        seconds: how long they wait.
        false_alarm: probability that chips of one device are called different.

    Returns:
        Whether they are alike, in what they differ, and what it took; print it.

    Raises:
        BadInput: the ports have other layers.
        ValueError: the false alarm rate is not between 0 and 1, no layer can be driven alone, or the ports or
            the budget refuse even the first stage.
    """
    if not 0 < false_alarm < 1:
        raise ValueError(f"same_chip: false_alarm is {false_alarm}; wanted a number between 0 and 1")
    if port.spec.layers != other.spec.layers:
        raise BadInput(f"same_chip: layers differ, {port.spec.sizes} and {other.spec.sizes}; give one wiring")
    try:
        benches = tuple(Bench(p, budget) for p in (port, other))
    except NotTried as error:
        raise ValueError(f"same_chip: not one reading could be taken: {error}") from None
    layers = layers_that_scan(*benches)
    if not layers:
        raise ValueError(
            "same_chip: no layer can be driven alone; a port has to drive spans or show its taps"
        )
    return _Test(benches, layers, identity, waits, seconds, false_alarm).run()


class _Test:
    """The stages of one comparison, and what has been read so far."""

    def __init__(
        self,
        benches: tuple[Bench, ...],
        layers: tuple[int, ...],
        identity: bool,
        waits: tuple[Callable[[float], object], Callable[[float], object]] | None,
        seconds: float,
        false_alarm: float,
    ) -> None:
        self.benches, self.identity, self.waits, self.seconds = benches, identity, waits, seconds
        self.pushed = {layer: all(takes_push(b, layer) for b in benches) for layer in layers}
        self.scans: dict[int, list[tuple[Scan, ...]]] = {layer: [] for layer in layers}
        self.false_alarm = false_alarm
        self.stages: list[str] = []
        self.not_tried: list[str] = []
        self.tested = 0

    def run(self) -> Comparison:
        """Go through the stages until a difference is found.

        Raises:
            ValueError: not even the first of them could be tried.
        """
        found: list[Contrast] = []
        planned = len(WRITES) + 1
        for stage, act in self._stages():
            try:
                for number, bench in enumerate(self.benches):
                    act(number, bench)
                self._scan()
            except NotTried as error:
                self.not_tried.append(f"{stage}: {error}")
                break
            self.stages.append(stage)
            fresh = self._compare(stage)
            self.tested += len(fresh)
            level = self.false_alarm / (1 if self.identity else planned) / len(fresh)
            found = sorted((c for c in fresh if c.p < level), key=lambda c: c.p)
            if found:
                break
        if not self.stages:
            raise ValueError(f"same_chip: nothing could be compared; {self.not_tried[0]}")
        reads, pulses = [b.reads for b in self.benches], [b.pulses_per_cell for b in self.benches]
        return Comparison(
            tuple(found),
            tuple(self.stages),
            tuple(self.not_tried),
            self.tested,
            (reads[0], reads[1]),
            (pulses[0], pulses[1]),
            self.false_alarm,
        )

    def _stages(self) -> Iterator[tuple[str, Act]]:
        if self.identity or self.benches[0].budget.pulses_per_cell == 0:
            yield "as they stand", _nothing
            return
        for wire, size, stage in WRITES:
            yield stage, _write(wire, size)
        if self.waits is None:
            self.not_tried.append("a wait: no way to wait was given")
            return
        yield f"a wait of {self.seconds:g} s", self._wait

    def _wait(self, number: int, bench: Bench) -> None:
        del bench  # time passes beside its wires
        assert self.waits is not None
        self.waits[number](self.seconds)

    def _scan(self) -> None:
        for layer, push in self.pushed.items():
            self.scans[layer].append(tuple(scan(bench, layer, push) for bench in self.benches))

    def _compare(self, stage: str) -> list[Contrast]:
        compare = paired_contrasts if self.identity else contrasts
        one, two = (bench.spec.costs for bench in self.benches)
        return datasheet_contrasts(one, two) + [
            c for layer, pairs in self.scans.items() for c in compare(stage, layer, pairs, self.stages)
        ]


def _nothing(number: int, bench: Bench) -> None:
    del number, bench  # they are compared as they stand


def _write(wire: Literal["program", "pulse"], size: float) -> Act:
    return lambda number, bench: bench.write(wire, uniform_drive(bench, size))
