"""Learners side by side at equal reads: each trains the same chips until it has driven them as often."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor

from analog import Budget, Chip, Dead, Ledger, OverBudget, Port, budgeted, metered, stream
from learners import CrossEntropy, Loss, adam, evaluate, fit, linear_decay
from learners.access import stated_access
from learners.data import Dataset, draw_batches
from learners.learner import Learner

from ..run.references import reference
from ..run.study import Row
from .deep_chips import scaled_per_chip
from .methods import Setup, make_learner, method_name

PILOT = 10  # steps by which the reads of a step are counted


@dataclass(frozen=True)
class Named:
    """A learner by its name or reference, which is made when the length of the training is known."""

    method: Any
    chip: Chip
    learning_rate: float
    probes: int
    loss: Loss
    factors: Tensor | None = None

    def for_steps(self, steps: int) -> Learner:
        """The learner for a training of so many steps; ours descend by Adam, its rate falling to zero."""
        update = linear_decay(adam(self.learning_rate), steps)
        if self.factors is not None:
            update = scaled_per_chip(update, self.factors)
        return make_learner(self.method, Setup(self.chip, update, self.probes, loss=self.loss, steps=steps))


def train_within_reads(
    method: Any,
    chip: Chip,
    data: Dataset,
    *,
    reads: int,
    seed: int = 0,
    batch: int = 64,
    learning_rate: float = 1e-2,
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
        probes: directions of a step, for ours.
        loss: of the task.
        factors: on that learning rate, (chips,), by which the chips of a fleet learn at rates of their own.
        wired: what is put around the chip's wires; None: nothing.
        points: how often accuracy is told, the end included.

    Yields:
        rows with device, learner, accuracy (one of each chip), reads, joules, seconds and done; "what" of the
        last is "end", of others "curve".

    Raises:
        ValueError: the reads do not pay for one step, or the learner is none.
    """
    about: Row = {"device": reference(chip.device), "learner": method_name(method)}
    named = Named(method, chip, learning_rate, probes, loss, factors)
    steps = _count_affordable(named, chip, data, reads, batch, seed)
    learner, ledger = named.for_steps(steps), Ledger(chip.spec)
    about["access"] = "x-ray" if method == "exact gradient" else stated_access(learner, chip.spec)
    port = chip.port() if wired is None else wired(chip.port())
    wires = budgeted(port, ledger, Budget(reads=reads))
    examples = draw_batches(data.train, batch, reads, _generator(seed, "order"))
    told = 1
    try:
        for _ in fit(learner, wires, examples, _generator(seed, "probes")):
            if max(ledger.reads) >= told * reads / points and told < points:
                told = int(points * max(ledger.reads) / reads) + 1
                yield {"what": "curve", **about, **_row(port, data, ledger, reads)}
    except OverBudget:
        pass
    except Dead as end:
        yield {"what": "end", **about, "accuracy": [], "died": str(end), "done": 1.0}
        return
    yield {"what": "end", **about, **_row(port, data, ledger, reads), "done": 1.0}


def _row(port: Port, data: Dataset, ledger: Ledger, reads: int) -> Row:
    return {
        "accuracy": [round(a, 6) for a in evaluate(port, data.test).reshape(-1).tolist()],
        "reads": max(ledger.reads),
        "pulses_per_cell": float(ledger.pulses_per_cell.mean()),
        "joules": float(ledger.joules.mean()),
        "seconds": ledger.seconds,
        "done": round(min(1.0, max(ledger.reads) / reads), 4),
    }


def _count_affordable(named: Named, chip: Chip, data: Dataset, reads: int, batch: int, seed: int) -> int:
    """How many steps so many reads pay for, by a few steps of other chips of the same kind."""
    others = tuple(who + 1_000_003 for who in chip.identities)
    twin = Chip(chip.device, chip.spec.layers, others[0] if isinstance(chip.identity, int) else others)
    ledger = Ledger(twin.spec)
    examples = draw_batches(data.train, batch, PILOT, _generator(seed, "pilot"))
    learner = replace(named, chip=twin).for_steps(PILOT)
    for _ in fit(learner, metered(twin.port(), ledger), examples, _generator(seed, "pilot probes")):
        pass
    each = max(ledger.reads) / PILOT
    if each > reads:
        raise ValueError(
            f"{method_name(named.method)}: a step takes about {each:g} reads, there are {reads} in all"
        )
    return max(1, int(reads / max(1.0, each)))


def _generator(seed: int, what: str) -> Generator:
    return stream(seed, "equal reads", what)
