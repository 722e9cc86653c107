"""Certificates for hardware: the laws that can be tried through the wires alone, within a budget."""

from collections.abc import Callable, Sequence, Set
from typing import Final

from ..layers.recurrence import require_stateless
from ..port import Port
from ..spec import Budget
from . import influence_laws, noise_laws, pulse_laws, response_laws
from .bench import Bench, NotTried
from .findings import Certificate
from .trials import Law, Trial, name_of

READING_LAWS: Final[tuple[Law, ...]] = (
    influence_laws.finite_readings,
    response_laws.reciprocal_response,  # early: where signals go one way, its reads are left to others
    noise_laws.noise_of_calls,
    noise_laws.noise_of_examples,
    noise_laws.noise_of_chips,
    influence_laws.examples_apart,
    noise_laws.position,
    noise_laws.batch_size,
    noise_laws.noise_of_probes,
    noise_laws.zero_probe,
    influence_laws.probes_apart,
    influence_laws.chips_apart,
    influence_laws.trace,
    response_laws.node_response,
    response_laws.knob_response,
    response_laws.taps_passed_on,
)
LATER_LAWS: Final[tuple[Law, ...]] = (
    pulse_laws.drift,
    pulse_laws.retention,
    pulse_laws.zero_pulse,
    pulse_laws.pulse_direction,
)
RESPONSES: Final = (
    response_laws.node_response,
    response_laws.knob_response,
    response_laws.reciprocal_response,
)
SHOWS_IN: Final[dict[Law, tuple[Law, ...]]] = {  # where a broken law would show too; they are then not tried
    noise_laws.noise_of_calls: (
        *(law for law in READING_LAWS[1:] if law is not noise_laws.noise_of_calls),
        *LATER_LAWS,
    ),  # noise that repeats cannot be averaged out
    noise_laws.noise_of_examples: (noise_laws.batch_size,),  # an example alone has no noise in common
    influence_laws.examples_apart: (noise_laws.position, noise_laws.batch_size),
    influence_laws.probes_apart: RESPONSES,
    influence_laws.trace: (*RESPONSES, pulse_laws.drift),
    response_laws.node_response: (response_laws.reciprocal_response,),
}
RESERVED: Final = 0.15  # share of the reads that is kept for what time and pulses do


def certify(
    port: Port,
    *,
    budget: Budget = Budget(reads=50_000, pulses_per_cell=0),
    wait: Callable[[float], object] | None = None,
    seconds: float = 1.0,
    false_alarm: float = 1e-3,
) -> Certificate:
    """Try the laws of a port through its wires alone, on a simulated chip or on an instrument.

    Laws of readings come first, then what time and pulses do. Nothing is programmed. With the default budget
    nothing is pulsed either; with pulses allowed, each is followed by its opposite, which brings a chip back
    as far as its own imprecision lets it. A port that refuses something is certified for the rest.

    A law bounds the size of an effect by a tolerance. It is held where the whole 95 % interval of the effect
    lies within, broken where the effect is beyond at an error rate that is shared out over all laws, their
    parts and all looks (Bonferroni, one-sample t-tests over independent replicates), and else undecided.
    Laws in which another, broken one would show are not tried. What `check_device` allows breaks nothing:
    nodes of a layer may share noise, and examples that of the cells which they both drive. What cannot be
    seen is not certified: an effect below its tolerance, one that shows at other inputs, drives or waits, or
    only in a mix of calls that is not sent here, and hardware that knows when it is certified.

    Args:
        port: anybody's.
        budget: what the chip may be put through; a limit of 0 pulses leaves out the laws of pulses, and
            a law for which nothing is left is not tried. More reads narrow the intervals.
        wait: lets so many seconds pass, as `time.sleep` or a simulated chip's `wait`; None leaves out the
            law of retention.
        seconds: how long it waits.
        false_alarm: probability that any law that is kept is called broken.

    Returns:
        A certificate; print it.

    Raises:
        ValueError: the false alarm rate is not between 0 and 1, not even one reading can be taken, or a layer
            has a state.
    """
    if not 0 < false_alarm < 1:
        raise ValueError(f"certify: false_alarm is {false_alarm}; wanted a number between 0 and 1")
    require_stateless(port.spec.layers, "certify")
    laws = READING_LAWS + LATER_LAWS
    trials = {law: Trial(law, false_alarm / len(laws)) for law in laws}
    try:
        bench = Bench(port, budget, wait, seconds)
        bench.checkpoint()
    except NotTried as error:
        raise ValueError(f"certify: not one reading could be taken: {error}") from None
    limit = budget.limits.get("reads", float("inf"))
    _go_through(bench, [trials[law] for law in READING_LAWS], trials, (1 - RESERVED) * limit)
    while undecided := [trials[law] for law in READING_LAWS if trials[law].open]:
        before = bench.reads
        _go_through(bench, undecided, trials, (1 - RESERVED) * limit)
        if bench.reads == before:
            break
    _go_through(bench, [trials[law] for law in LATER_LAWS], trials, limit)
    broken = _broken(trials)
    for trial in trials.values():  # a cause may have been found only after what it shows in
        _dismissed(trial, broken)
    return Certificate(
        tuple(trial.finding for trial in trials.values()), bench.reads, bench.pulses_per_cell, false_alarm
    )


def _dismissed(trial: Trial, broken: Set[Law]) -> bool:
    """Leave a law untried if broken ones would show in it."""
    causes = [name_of(law) for law in SHOWS_IN if law in broken and trial.law in SHOWS_IN[law]]
    if causes:
        trial.dismiss(f"what is broken in {' and '.join(causes)} would show in it")
    return bool(causes)


def _broken(trials: dict[Law, Trial]) -> Set[Law]:
    return {law for law, trial in trials.items() if trial.finding.status == "broken"}


def _go_through(bench: Bench, trials: Sequence[Trial], every: dict[Law, Trial], limit: float) -> None:
    """Go on with each trial, at an equal share of the reads that are left below a limit."""
    for number, trial in enumerate(trials):
        if _dismissed(trial, _broken(every)):
            continue
        before = bench.reads
        trial.go_on(bench, (limit - before) / (len(trials) - number))
        if bench.reads == before:
            continue
        try:
            bench.checkpoint()
        except NotTried:  # the budget ends; the law of drift makes do with what there is
            return
