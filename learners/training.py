"""Training of chips on a data set: batches, progress, evaluation, early stopping, and going on later."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from re import sub
from typing import Any, NamedTuple
from zlib import crc32

import torch
from torch import Generator, Tensor

from analog.port import Port, require_port
from analog.streams import stream
from analog.wires.metering import Ledger, metered

from .access import require_access
from .data.batches import count_steps, take
from .data.dataset import Dataset
from .evaluation import evaluate, has_classes
from .learner import Batch, Learner, for_steps
from .progress import progress_bar


class Arguments(NamedTuple):
    """The arguments of a training by which all its steps are determined, beside the chip and the data."""

    epochs: float
    seed: int
    batch_size: int
    learner: int  # a checksum of its repr


class TrainingState(NamedTuple):
    """Where a training stands: all that going on bitwise takes, beside the chip itself."""

    steps: int  # made so far
    learner: Any  # the learner's own state
    order: Tensor  # state of the generator of the order of examples, when this epoch began
    probes: Tensor  # state of the generator of the probes
    reads: int  # vectors driven through the chip by learning so far
    best: float  # mean accuracy at the best evaluation so far
    waited: int  # evaluations since
    arguments: Arguments  # of the training

    def __repr__(self) -> str:
        return f"TrainingState(steps={self.steps}, reads={self.reads})"


@dataclass(frozen=True)
class Run:
    """The result of training.

    accuracy: (*fleet,) float64, on the test examples at the last evaluation; None where there was none, or
        where targets are no class numbers.
    losses: (steps of this call, *fleet), mean loss of each step's baseline reading.
    curve: (steps made, accuracy) at each evaluation of this call.
    reads: vectors driven through the chip by learning; evaluation is not counted.
    state: to go on from with `train(..., state=run.state)`.
    """

    accuracy: Tensor | None
    losses: Tensor
    curve: tuple[tuple[int, Tensor], ...]
    reads: int
    state: TrainingState

    def __repr__(self) -> str:
        accuracy = "None"
        if self.accuracy is not None:
            count = self.accuracy.numel()
            accuracy = f"{float(self.accuracy.mean()):.4f}{f', mean of {count} chips' if count > 1 else ''}"
        return f"Run(accuracy={accuracy}, steps={self.state.steps}, reads={self.reads})"


def begin(learner: Learner, port: Port, arguments: Arguments) -> TrainingState:
    """The state of a training before its first step; nothing is sent to the chip."""
    order = stream(arguments.seed, "train", "order").get_state()
    probes = stream(arguments.seed, "train", "probes", on=port.spec.on).get_state()
    return TrainingState(0, learner.init(port.spec), order, probes, 0, -1.0, 0, arguments)


def train(
    port: Port,
    learner: Learner,
    data: Dataset,
    *,
    epochs: float,
    seed: int,
    batch_size: int = 64,
    evaluate_every: float | None = None,
    patience: int | None = None,
    max_steps: int | None = None,
    state: TrainingState | None = None,
    progress: bool = True,
    on_evaluation: Callable[[Run], object] | None = None,
) -> Run:
    """Train a chip, or a fleet side by side, on a data set, and evaluate it on the test examples.

    Args:
        port: the wires of the chips that learn.
        learner: what turns batches into pulses, such as `recipes.learned_feedback(CrossEntropy())`.
        data: what to learn from, and what to be judged by.
        epochs: how often every example is shown.
        seed: of the order of examples and of the probes.
        batch_size: examples of each step; the published tables have 64 on digits and 256 on MNIST.
        evaluate_every: epochs between evaluations; None evaluates once, when the training has ended. An
            evaluation reads the chip, so it draws of the chip's noise and passes time: a training that is
            evaluated at other steps goes on with other noise.
        patience: stop after so many evaluations without a better mean accuracy; pass data whose test examples
            are held out from training (`held_out(data)`), for what is chosen by test examples says little.
        max_steps: stop after so many steps of this call, to go on later. What stops before the last step of
            all epochs skips the evaluation at the end: `accuracy` is None unless `evaluate_every` fell due.
        state: where an earlier call with the same arguments ended; the training goes on bitwise as if it had
            never stopped, provided that the chip is as it was then: another chip, or a fresh one, is not
            noticed. None begins.
        progress: show a bar with the time left, if the output is a terminal.
        on_evaluation: called with the run so far after every evaluation, to save it or to plot it.

    Returns:
        The accuracy, what it took, and the state to go on from.

    Raises:
        TypeError: what came is no port, no learner or no data set.
        ValueError: settings that make no sense, or `state` is of a training with other arguments.
        NoAccess: the learner needs more than these wires show.
        analog.Dead: the chip died.
    """
    require_port(port, "train")
    _require_learner(learner)
    _require_dataset(data)
    _require_positive(evaluate_every=evaluate_every, patience=patience, max_steps=max_steps)
    total = count_steps(data.train, batch_size, epochs)
    course = _Course(port, for_steps(learner, total), data.train, batch_size)
    require_access(course.learner, port, "train")
    judged = has_classes(data.test)
    every = None if evaluate_every is None else max(1, round(evaluate_every * course.per_epoch))
    if patience is not None and (every is None or not judged):
        raise ValueError("train: patience wants evaluate_every, and class numbers as targets")
    arguments = Arguments(float(epochs), seed, batch_size, _checksum(course.learner))
    now = begin(course.learner, port, arguments) if state is None else state
    _require_same(now.arguments, arguments)
    end = total if max_steps is None else min(total, now.steps + max_steps)
    losses: list[Tensor] = []
    curve: list[tuple[int, Tensor]] = []
    with progress_bar(progress, now.steps, end, course.per_epoch) as advance:
        for after, loss in course.steps(now, end):
            now = after._replace(best=now.best, waited=now.waited)
            losses.append(loss)
            advance(now.steps, float(loss.mean()))
            if not judged or (now.steps < total and (every is None or now.steps % every)):
                continue
            accuracy = evaluate(port, data.test)
            curve.append((now.steps, accuracy))
            now = _judged(now, float(accuracy.mean()))
            if on_evaluation is not None:
                on_evaluation(_run(port, now, losses, curve))
            if patience is not None and now.waited >= patience:
                break
    return _run(port, now, losses, curve)


def _judged(state: TrainingState, score: float) -> TrainingState:
    """The state after an evaluation: a better score begins the waiting anew."""
    if score > state.best:
        return state._replace(best=score, waited=0)
    return state._replace(waited=state.waited + 1)


def _run(port: Port, state: TrainingState, losses: list[Tensor], curve: list[tuple[int, Tensor]]) -> Run:
    all_losses = torch.stack(losses) if losses else torch.zeros(0, *port.spec.fleet, dtype=port.spec.dtype)
    return Run(curve[-1][1] if curve else None, all_losses, tuple(curve), state.reads, state)


@dataclass(frozen=True)
class _Course:
    """The steps of a training, which may be entered anywhere."""

    port: Port
    learner: Learner
    data: Batch
    batch_size: int

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return len(self.data.x) // min(self.batch_size, len(self.data.x))

    def steps(self, state: TrainingState, end: int) -> Iterator[tuple[TrainingState, Tensor]]:
        """Step until `end` steps are made; yields the state after each step, and its loss (*fleet,)."""
        order, probes, spec = Generator(), Generator(self.port.spec.on), self.port.spec
        order.set_state(state.order)
        probes.set_state(state.probes)
        ledger = Ledger(spec)
        wires, learner, made = metered(self.port, ledger), state.learner, state.steps
        while made < end:
            epoch = order.get_state()
            for batch in self._epoch(order)[made % self.per_epoch :][: end - made]:
                moved = Batch(batch.x.to(spec.on, spec.dtype), _moved(batch.target, spec.on))
                learner, step = self.learner.step(wires, moved, learner, probes)
                made += 1
                begun = epoch if made % self.per_epoch else order.get_state()
                reads = state.reads + max(ledger.reads)
                yield (
                    state._replace(
                        steps=made, learner=learner, order=begun, probes=probes.get_state(), reads=reads
                    ),
                    step.loss,
                )

    def _epoch(self, order: Generator) -> list[Batch]:
        count, size = len(self.data.x), min(self.batch_size, len(self.data.x))
        permutation = torch.randperm(count, generator=order)
        return [take(self.data, which) for which in permutation[: count - count % size].split(size)]


def _moved(target: Any, on: str) -> Any:
    return target.to(on) if isinstance(target, Tensor) else target


def _checksum(learner: Learner) -> int:
    """A checksum of what the learner's repr says, but for addresses in memory."""
    return crc32(sub(r" at 0x[0-9a-f]+", "", repr(learner)).encode())


def _require_same(before: Arguments, now: Arguments) -> None:
    changed = [
        f"{name} was {one}, is {other}"
        for name, one, other in zip(now._fields[:-1], before, now, strict=False)
        if one != other
    ]
    if before != now:  # a learner may be made for so many steps, so it is named where nothing else changed
        raise ValueError(
            f"train: state is of another training ({', '.join(changed) or 'the learner is another'}); "
            "wanted the same arguments"
        )


def _require_learner(learner: object) -> None:
    if isinstance(learner, type) or not callable(getattr(learner, "step", None)):
        hint = "; call it with a loss, as in recipes.learned_feedback(CrossEntropy())"
        raise TypeError(f"train: learner is {learner!r}, wanted a Learner{hint if callable(learner) else ''}")


def _require_dataset(data: object) -> None:
    if not isinstance(data, Dataset):
        hint = "load_data(...) or Dataset.from_batches(...); a learner steps through a DataLoader by `fit`"
        raise TypeError(f"train: data is a {type(data).__name__}, wanted a Dataset: {hint}")


def _require_positive(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not (value > 0 and isfinite(value)):
            raise ValueError(f"train: {name} is {value}, wanted a finite number above 0, or None")
