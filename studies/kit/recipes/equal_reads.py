"""Learners side by side at equal reads: each trains the same chips until it has driven them as often."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Generator, Tensor

from analog import Budget, Chip, Dead, Ledger, OverBudget, Port, Spec, budgeted, metered, stream
from learners import CrossEntropy, Loss, Update, accumulate, adam, evaluate, fit, linear_decay
from learners.access import stated_access
from learners.data import Dataset, draw_batches
from learners.evaluation import r_squared
from learners.learner import Learner

from ..run.references import reference
from ..run.study import Row
from .deep_chips import scaled_per_chip
from .methods import Setup, make_learner, method_name, passed, takes_update
from .technologies import output_gain

PILOT = 10  # steps by which the reads of a step are counted
LEARNING_RATE = 1e-2  # of Adam, on a chip of 64 hidden neurons


class TooDear(ValueError):
    """The reads that there are do not pay for one step of a learner."""


class Settings(NamedTuple):
    """The settings of a learner that a comparison may choose."""

    size: float | None = None  # what it perturbs with, in the unit of its own; None: its default
    learning_rate: float = LEARNING_RATE  # of Adam at the beginning, for those that take an update
    write_threshold: float | None = None  # full scale, what drives come to before they are sent; None: all go


class Ledgers:
    """The ledgers of all wires that a learner uses: of the chip, and of what stands beside it."""

    def __init__(self) -> None:
        self.opened: list[Ledger] = []

    @property
    def reads(self) -> int:
        """Vectors that were driven through any of them, through the most used layer of each."""
        return sum(max(ledger.reads) for ledger in self.opened)

    def open(self, spec: Spec) -> Ledger:
        """A new ledger among these.

        Args:
            spec: of the wires that it is kept at.
        """
        self.opened.append(Ledger(spec))
        return self.opened[-1]

    def metered(self, port: Port) -> Port:
        """The same wires, metered in a new ledger among these."""
        return metered(port, self.open(port.spec))


@runtime_checkable
class MayUseDeltaRule(Protocol):
    """A learner that says whether the read-out of a chip learns by its delta rule."""

    def uses_delta_rule(self, spec: Spec) -> bool:
        """Whether the last layer of such a chip learns by the delta rule."""
        ...


@dataclass(frozen=True)
class Named:
    """A learner by its name or reference, which is made when the length of the training is known."""

    method: Any
    chip: Chip
    settings: Settings
    probes: int
    loss: Loss
    factors: Tensor | None = None
    booked: Callable[[Port], Port] = passed

    def for_steps(self, steps: int) -> Learner:
        """The learner for a training of so many steps; ours descend by Adam, its rate falling to zero."""
        update, size = self.update(steps), self.settings.size
        setup = Setup(self.chip, update, self.probes, size, self.loss, steps, self.booked)
        return make_learner(self.method, setup)

    def update(self, steps: int) -> Update:
        """What a training of so many steps descends by."""
        update = linear_decay(adam(self.settings.learning_rate), steps)
        if self.factors is not None:
            update = scaled_per_chip(update, self.factors)
        threshold = self.settings.write_threshold
        return update if threshold is None else accumulate(update, threshold)

    @property
    def update_words(self) -> str:
        """What it descends by, in words for a table."""
        if not takes_update(self.method):
            return "its own"
        threshold = self.settings.write_threshold
        return "Adam, annealed" + ("" if threshold is None else f", owed up to {threshold:g}")


def train_within_reads(
    method: Any,
    chip: Chip,
    data: Dataset,
    *,
    reads: int,
    seed: int = 0,
    batch: int = 64,
    learning_rate: float = LEARNING_RATE,
    size: float | None = None,
    write_threshold: float | None = None,
    probes: int = 4,
    loss: Loss = CrossEntropy(),
    factors: Tensor | None = None,
    wired: Callable[[Port], Port] | None = None,
    points: int = 8,
) -> Iterator[Row]:
    """Train a chip, or a fleet side by side, until so many reads are used up, and tell how well it does.

    How many steps that is, for rates that fall over the training, is counted on chips like these, at nobody's
    expense. Evaluation is not charged.

    Args:
        method: a name of ours, such as "node perturbation", a learner, or what gives one for a loss.
        chip: that learns.
        data: to learn from, and to be judged by.
        reads: vectors that may be driven through each chip.
        seed: of the order of examples, which all methods share, and of the probes.
        batch: examples of a step.
        learning_rate: of Adam at the beginning, for ours and for those that take `update=`.
        size: what the learner perturbs with, in the unit of its own; None: its default.
        write_threshold: full scale, what drives come to before they are sent, for those that take an update;
            None: all are sent at once.
        probes: directions of a step, for ours.
        loss: of the task.
        factors: on that learning rate, (chips,), by which the chips of a fleet learn at rates of their own.
        wired: what is put around the chip's wires; None: nothing.
        points: how often accuracy is told, the end included.

    Yields:
        rows with device, learner, accuracy (one of each chip, as `scores` has it) and done; reads, pulses,
        joules and seconds, those of a second array among them; what it descends by, and whether the read-out
        learns by its delta rule; "what" of the last is "end", of others "curve".

    Raises:
        TooDear: the reads do not pay for one step.
        ValueError: the learner is none, or does not fit the chip.
    """
    about: Row = {"device": reference(chip.device), "learner": method_name(method)}
    settings = Settings(size, learning_rate, write_threshold)
    port, ledgers = chip.port() if wired is None else wired(chip.port()), Ledgers()
    named = Named(method, chip, settings, probes, loss, factors, ledgers.metered)
    steps = _count_affordable(named, chip, data, reads, batch, seed, wired)
    learner, ledger = named.for_steps(steps), ledgers.open(port.spec)
    about |= described(named, learner, chip.spec)
    wires = budgeted(port, ledger, Budget(reads=reads))
    examples = draw_batches(data.train, batch, reads, _generator(seed, "order"))
    told, scored = 1, partial(scores, port, data, output_gain(chip.device))
    try:
        for _ in fit(learner, wires, examples, _generator(seed, "probes")):
            if ledgers.reads >= told * reads / points and told < points:
                told = int(points * ledgers.reads / reads) + 1
                yield {"what": "curve", **about, **_row(scored(), ledgers, reads)}
            if ledgers.reads >= reads:
                break
    except OverBudget:
        pass
    except Dead as end:
        yield {"what": "end", **about, "accuracy": [], "died": str(end), "done": 1.0}
        return
    yield {"what": "end", **about, **_row(scored(), ledgers, reads), "done": 1.0}


def described(named: Named, learner: Learner, spec: Spec) -> Row:
    """What a row says of how a learner learns: the access it needs, its update, its read-out's rule."""
    is_exact = named.method == "exact gradient"
    delta_rule = isinstance(learner, MayUseDeltaRule) and learner.uses_delta_rule(spec)
    return {
        "access": "x-ray" if is_exact else stated_access(learner, spec),
        "update": named.update_words,
        "delta_rule": delta_rule,
    }


def _row(accuracy: list[float], ledgers: Ledgers, reads: int) -> Row:
    return {
        "accuracy": accuracy,
        "reads": ledgers.reads,
        "pulses_per_cell": sum(float(ledger.pulses_per_cell.mean()) for ledger in ledgers.opened),
        "joules": sum(float(ledger.joules.mean()) for ledger in ledgers.opened),
        "seconds": sum(ledger.seconds for ledger in ledgers.opened),
        "done": round(min(1.0, ledgers.reads / reads), 4),
    }


def scores(port: Port, data: Dataset, gain: float = 1.0) -> list[float]:
    """The share of test examples that each chip names rightly, or of the variance of values that it explains.

    Args:
        port: one chip, or a fleet.
        data: by whose test examples it is judged.
        gain: digital, behind the outputs, where values are compared.
    """
    judged = evaluate(port, data.test) if data.classes else r_squared(port, data.test, gain)
    return [round(score, 6) for score in judged.reshape(-1).tolist()]


def accuracy_within(curve: Sequence[Row], key: str, limit: float) -> list[float]:
    """The accuracy of each chip when so much was used, read off its curve by straight lines.

    Args:
        curve: rows with "accuracy" and what was used, rising, from a fresh chip on.
        key: what is used: "reads", "pulses_per_cell", "joules" or "seconds".
        limit: of that; where a training used less, it is its end that counts.
    """
    before = curve[0]
    for after in curve[1:]:
        if after[key] > limit:
            share = (limit - before[key]) / (after[key] - before[key])
            pairs = zip(before["accuracy"], after["accuracy"], strict=True)
            return [round(a + share * (b - a), 6) for a, b in pairs]
        before = after
    return list(before["accuracy"])


def _count_affordable(
    named: Named,
    chip: Chip,
    data: Dataset,
    reads: int,
    batch: int,
    seed: int,
    wired: Callable[[Port], Port] | None,
) -> int:
    """How many steps so many reads pay for, by a few steps of other chips of the same kind."""
    others = tuple(who + 1_000_003 for who in chip.identities)
    twin = Chip(chip.device, chip.spec.layers, others[0] if isinstance(chip.identity, int) else others)
    port = twin.port() if wired is None else wired(twin.port())
    ledgers = Ledgers()
    examples = draw_batches(data.train, batch, PILOT, _generator(seed, "pilot"))
    learner = replace(named, chip=twin, booked=ledgers.metered).for_steps(PILOT)
    before = ledgers.reads  # of what is made ready, once
    for _ in fit(learner, ledgers.metered(port), examples, _generator(seed, "pilot probes")):
        pass
    each = (ledgers.reads - before) / PILOT
    if before + each > reads:
        raise TooDear(
            f"{method_name(named.method)}: a step takes about {each:g} reads, there are {reads} in all"
        )
    return max(1, int((reads - before) / max(1.0, each)))


def _generator(seed: int, what: str) -> Generator:
    return stream(seed, "equal reads", what)
