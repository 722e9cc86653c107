"""Training of chips on a data set: batches, progress, evaluation, early stopping, and going on later."""

from collections.abc import Sequence
from math import isfinite
from re import sub
from typing import Any
from warnings import warn
from zlib import crc32

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from analog.port import Port, require_port

from .access import require_access
from .callbacks import Callback, require_callbacks
from .class_numbers import require_outputs
from .course import Course
from .data.batches import count_batches
from .data.dataset import Dataset
from .data.sources import Source, as_source, in_pieces
from .evaluation import evaluate_source, has_classes
from .learner import Learner, for_steps
from .progress import progress_bar
from .training_state import Arguments, Run, TrainingState, begin

_BATCH_SIZE = 64  # where nobody says
_LONGER = (
    "to train longer, plan all epochs from the start and stop early by max_steps, or begin anew on the "
    "trained chip, without state"
)


def train(
    port: Port,
    learner: Learner,
    data: "Dataset | DataLoader[Any] | tuple[DataLoader[Any], DataLoader[Any]]",
    *,
    epochs: float,
    seed: int,
    batch_size: int | None = None,
    evaluate_every: float | None = None,
    patience: int | None = None,
    max_steps: int | None = None,
    state: TrainingState | None = None,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Train a chip, or a fleet side by side, on a data set, and evaluate it on the test examples.

    A training is planned to its end, for a learning rate falls until then. It may stop on the way, and go on:

        plan = {"epochs": 9, "seed": 0}
        first = train(chip.port(), learner, data, max_steps=100, **plan)
        whole = train(chip.port(), learner, data, state=first.state, **plan)

    To go on once more, from `whole.state`, trains nothing: it warns, and returns the accuracy of the end. To
    train longer than was planned, begin another training on the trained chip, without `state`.

    Args:
        port: the wires of the chips that learn.
        learner: what turns batches into pulses, such as `recipes.learned_feedback(CrossEntropy())`.
        data: what to learn from, and what to be judged by: a data set, or a pair of DataLoaders, or one, and
            then nothing is judged. Of a loader its data set is taken, with its batch size, collation and
            workers; the order is drawn from `seed`, or nothing could go on bitwise. Images become rows.
        epochs: how often every example is shown.
        seed: of the order of examples and of the probes.
        batch_size: examples of each step; None: those of the loader, or 64. The published tables have 64 on
            digits and 256 on MNIST.
        evaluate_every: epochs between evaluations; None evaluates once, when the training has ended. An
            evaluation reads the chip, so it draws of the chip's noise and passes time: a training that is
            evaluated at other steps goes on with other noise.
        patience: stop after so many evaluations without a better mean accuracy; pass data whose test examples
            are held out from training (`held_out(data)`), for what is chosen by test examples says little.
        max_steps: stop after so many steps of this call, to go on later. What stops before the last step of
            all epochs skips the evaluation at the end: `accuracy` is None unless `evaluate_every` fell due.
        state: where an earlier call with the same arguments ended; the training goes on bitwise as if it had
            never stopped, provided that the chip is as it was then: another chip, or a fresh one, is not
            noticed. Of a training that is over, by its last step or its patience, nothing is trained or read
            again. None begins.
        progress: show a bar with the time left, if the output is a terminal.
        callbacks: called after every step and evaluation, to save, to log or to plot; see
            `learners.callbacks`.

    Returns:
        The accuracy, what it took, and the state to go on from.

    Raises:
        TypeError: what came is no port, no learner, no data set or no callback.
        ValueError: settings that make no sense, labels of more classes than the last layer has outputs, or
            `state` is of a training with other arguments.
        BadInput: examples have not as many numbers as the chip wants.
        NoAccess: the learner needs more than these wires show.
        analog.Dead: the chip died.
    """
    require_port(port, "train")
    _require_learner(learner)
    examples, tests = _halves(data)
    require_callbacks(callbacks, "train")
    _require_positive(evaluate_every=evaluate_every, patience=patience, max_steps=max_steps)
    size = batch_size if batch_size is not None else examples.batch_size or _BATCH_SIZE
    total = count_batches(examples.count, size, epochs)
    course = Course(port, for_steps(learner, total), examples, size, seed, "train")
    require_access(course.learner, port, "train")
    judged = tests is not None and has_classes(next(in_pieces(tests, 1)))
    if judged and isinstance(data, Dataset):  # before anything is read; of a loader the loss says it
        require_outputs(data.train.target, port.spec.layers[-1].features, "train: the last layer")
    every = None if evaluate_every is None else max(1, round(evaluate_every * course.epoch_steps))
    if patience is not None and (every is None or not judged):
        raise ValueError("train: patience wants evaluate_every, and class numbers as targets")
    arguments = Arguments(float(epochs), seed, size, _checksum(course.learner))
    now = begin(course.learner, port, arguments) if state is None else state
    _require_same(now.arguments, arguments)
    end = total if max_steps is None else min(total, now.steps + max_steps)
    losses: list[Tensor] = []
    curve: list[tuple[int, Tensor]] = []

    def evaluated(state: TrainingState, tests: Source) -> TrainingState:
        accuracy = evaluate_source(port, tests)
        curve.append((state.steps, accuracy))
        state = _judged(state, accuracy)
        for callback in callbacks:
            callback.on_evaluation(_run(port, state, losses, curve))
        return state

    if ended := _ended(now, total, patience):
        if tests is not None and judged and now.accuracy is None:  # it stopped just before
            now = evaluated(now, tests)
        warn(f"train: nothing was trained, for {ended}; {_LONGER}", stacklevel=2)
        return _run(port, now, losses, curve)
    with progress_bar(progress, now.steps, end, course.epoch_steps) as advance:
        for after, step in course.steps(now, end):
            now = after._replace(best=now.best, waited=now.waited)
            losses.append(step.loss)
            advance(now.steps, float(step.loss.mean()))
            for callback in callbacks:
                callback.on_step(now, step)
            if tests is None or not judged or (now.steps < total and (every is None or now.steps % every)):
                continue
            now = evaluated(now, tests)
            if patience is not None and now.waited >= patience:
                break
    return _run(port, now, losses, curve)


def _ended(state: TrainingState, total: int, patience: int | None) -> str | None:
    """Why a training that is to go on is over, in words; None if it is not."""
    if state.steps >= total:
        return f"all {total} steps of this training were made before"
    if patience is not None and state.waited >= patience and state.accuracy is not None:
        return f"this training was stopped by its patience, after {state.steps} steps"
    return None


def _judged(state: TrainingState, accuracy: Tensor) -> TrainingState:
    """The state after an evaluation: a better score begins the waiting anew."""
    score, state = float(accuracy.mean()), state._replace(accuracy=accuracy)
    if score > state.best:
        return state._replace(best=score, waited=0)
    return state._replace(waited=state.waited + 1)


def _run(port: Port, state: TrainingState, losses: list[Tensor], curve: list[tuple[int, Tensor]]) -> Run:
    all_losses = torch.stack(losses) if losses else torch.zeros(0, *port.spec.fleet, dtype=port.spec.dtype)
    return Run(curve[-1][1] if curve else state.accuracy, all_losses, tuple(curve), state.reads, state)


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
            f"wanted the same arguments; {_LONGER}"
        )


def _require_learner(learner: object) -> None:
    if isinstance(learner, type) or not callable(getattr(learner, "step", None)):
        hint = "; call it with a loss, as in recipes.learned_feedback(CrossEntropy())"
        raise TypeError(f"train: learner is {learner!r}, wanted a Learner{hint if callable(learner) else ''}")


def _halves(data: Any) -> tuple[Source, Source | None]:
    """What to learn from, and what to be judged by, of all that `train` takes as data."""
    if isinstance(data, Dataset):
        return as_source(data.train, "train"), as_source(data.test, "train")
    loaders = data if type(data) is tuple else (data,)
    if not 1 <= len(loaders) <= 2 or not all(isinstance(loader, DataLoader) for loader in loaders):
        raise TypeError(
            f"train: data is a {type(data).__name__}, wanted a Dataset, as load_data(...) or "
            "Dataset.from_batches(...) give it, or a DataLoader, or two"
        )
    sources = [as_source(loader, "train") for loader in loaders]
    return sources[0], sources[1] if len(sources) > 1 else None


def _require_positive(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not (value > 0 and isfinite(value)):
            raise ValueError(f"train: {name} is {value}, wanted a finite number above 0, or None")
