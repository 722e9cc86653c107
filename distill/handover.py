"""Distillation hands a teacher's knowledge to fresh hardware as lessons: stimuli with their answers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader

from analog.port import Port, require_port
from analog.spec import Spec
from analog.streams import stream
from analog.tree import tree_map
from learners.access import require_access
from learners.callbacks import Callback, require_callbacks
from learners.course import Course
from learners.data.batches import count_batches
from learners.data.sources import Source, as_source
from learners.flattening import flatten_examples
from learners.learner import Batch, Learner, Step, fit, for_steps
from learners.losses import Loss
from learners.progress import progress_bar
from learners.training_state import Arguments, begin

from .formats.answer_format import AnswerFormat, check_generator, encode_checked
from .formats.soft_labels import SoftLabels

_BATCH_SIZE = 64  # where nobody says


@dataclass
class Traffic:
    """The lessons and bits that a teacher has sent; stimuli are at hand on both sides unless booked too."""

    lessons: int = 0
    bits: int = 0

    def book(self, lessons: int, bits_each: int) -> None:
        """Add so many lessons of so many bits each."""
        self.lessons += lessons
        self.bits += lessons * bits_each


def lessons(
    teacher: Port,
    stimuli: Iterable[Batch],
    answers: AnswerFormat,
    *,
    generator: Generator | None = None,
    traffic: Traffic | None = None,
) -> Iterator[Batch]:
    """Yield lessons: each batch of stimuli is measured once, and the answers, noise and all, are its targets.

    Booked is what each student hears: of a fleet of teachers, the lessons of one.

    Args:
        teacher: measured when a lesson is wanted.
        stimuli: batches of inputs; a target, if there is one, is the label and travels along.
        answers: the form in which the teacher answers.
        generator: of answers that are drawn by lot.
        traffic: where lessons and bits are booked.

    Raises:
        ValueError: if the answers draw and there is no generator, or weigh in labels and a stimulus has none.
    """
    check_generator(answers, generator, "lessons")
    spec = teacher.spec
    for x, label in (batch.to(spec.on, spec.dtype) for batch in stimuli):
        if answers.needs_label and label is None:
            raise ValueError(f"lessons: {answers} weighs in labels, and the stimuli have no label")
        out = teacher.measure(x).out
        if traffic is not None:
            traffic.book(spec.vectors(out), answers.bits(out.shape[-1]))
        yield Batch(x, encode_checked(answers, out, label, generator))


def record(lessons: Iterable[Batch]) -> Batch:
    """Record lessons of one teacher as one batch, to be studied long after its death."""
    x, targets = zip(*lessons, strict=True)
    return Batch(torch.cat(x), tree_map(lambda *parts: torch.cat(parts), *targets))


class Handover(NamedTuple):
    """The record of one handover: its losses, and the traffic and reads that it took."""

    losses: Tensor  # (steps, *fleet), nats or V^2, mean loss of each step's baseline reading
    traffic: Traffic
    reads: int  # vectors driven through each student

    def __repr__(self) -> str:
        steps, last = len(self.losses), self.losses[-1:]
        mean = f", mean of {last.numel()} chips" if last.numel() > 1 else ""
        loss = f"{float(last.mean()):.4g}{mean}" if steps else "None"
        return f"Handover(loss={loss}, steps={steps}, reads={self.reads}, traffic={self.traffic!r})"


def distill(
    teacher: Port,
    student: Port,
    recipe: Callable[[Loss], Learner],
    stimuli: "Batch | DataLoader[Any]",
    *,
    temperature: float | None = None,
    answers: AnswerFormat | None = None,
    epochs: float = 45.0,
    batch_size: int | None = None,
    seed: int,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Handover:
    """Teach a student chip, or a whole fleet of them in one go, what a teacher chip answers, to the end.

    How the teacher answers is stated once, and the recipe is handed the loss that goes with it. It is told
    how many steps there will be, so that a learning rate may fall over the whole training. To teach step by
    step, or with generators of one's own, there is `distillation_steps`.

    Args:
        teacher: one chip, or a fleet of as many as students.
        student: one chip, or a fleet.
        recipe: makes a learner from a loss, such as `learners.recipes.learned_feedback`.
        stimuli: x (examples, ...), which become rows, or a DataLoader; labels are needed only by answers that
            weigh them in.
        temperature: V, short for answers=SoftLabels(temperature).
        answers: the form in which the teacher answers.
        epochs: how often every stimulus is shown.
        batch_size: stimuli of each step; None: those of the loader, or 64.
        seed: of the order of stimuli, the learner's probes and the answers that are drawn, a stream each.
        progress: show a bar with the time left, if the output is a terminal.
        callbacks: called after every step, to save, to log or to plot; see `learners.callbacks`.

    Returns:
        Losses, traffic and reads; what was learned is in the student.

    Raises:
        TypeError: if what came is no port, no recipe, no batch or loader, or no callback.
        BadInput: if stimuli have not as many numbers as the students want.
        ValueError: if both or none of temperature and answers are given, or teacher and student do not fit.
        analog.Dead: if teacher or student dies.
    """
    source = as_source(stimuli, "distill")
    require_callbacks(callbacks, "distill")
    answers, traffic = _agreed(teacher, student, recipe, temperature, answers), Traffic()
    size = batch_size if batch_size is not None else source.batch_size or _BATCH_SIZE
    total = count_batches(source.count, size, epochs)
    taught = _Lessons(
        source,
        teacher,
        answers,
        replace(student.spec, fleet=()),  # every student is shown the same
        stream(seed, "distill", "answers"),
        traffic,
    )
    course = Course(student, for_steps(recipe(answers.loss), total), taught, size, seed, "distill")
    require_access(course.learner, student, "distill")
    now = begun = begin(course.learner, student, Arguments(float(epochs), seed, size, 0), "distill")
    losses: list[Tensor] = []
    with progress_bar(progress, 0, total, course.epoch_steps) as advance:
        for now, step in course.steps(begun, total):
            losses.append(step.loss)
            advance(now.steps, float(step.loss.mean()))
            for callback in callbacks:
                callback.on_step(now, step)
    return Handover(torch.stack(losses), traffic, now.reads)


@dataclass(frozen=True)
class _Lessons:
    """Stimuli whose targets are a teacher's answers, each measured when it is wanted."""

    stimuli: Source
    teacher: Port
    answers: AnswerFormat
    spec: Spec  # of one student
    generator: Generator  # of answers that are drawn by lot
    traffic: Traffic

    @property
    def count(self) -> int:
        return self.stimuli.count

    @property
    def batch_size(self) -> int | None:
        return self.stimuli.batch_size

    def batches(self, picks: Sequence[Tensor], generator: Generator) -> Iterator[Batch]:
        """Yield a lesson for each pick (batch,), in order."""
        given = self.stimuli.batches(picks, generator)
        rows = (Batch(flatten_examples(x, label, self.spec, "distill"), label) for x, label in given)
        return lessons(self.teacher, rows, self.answers, generator=self.generator, traffic=self.traffic)


def distillation_steps(
    teacher: Port,
    student: Port,
    learner: Callable[[Loss], Learner],
    stimuli: Iterable[Batch],
    *,
    temperature: float | None = None,
    answers: AnswerFormat | None = None,
    generator: Generator,
    answer_generator: Generator | None = None,
    traffic: Traffic | None = None,
) -> Iterator[tuple[Any, Step]]:
    """Teach as `distill` does, step by step, lazily: nothing happens until the steps are iterated.

    Args:
        teacher: one chip, or a fleet of as many as students.
        student: one chip, or a fleet.
        learner: makes a learner from a loss, e.g. `lambda loss: Descent(estimator, update, loss)`.
        stimuli: batches of inputs; labels are needed only by answers that weigh them in.
        temperature: V, short for answers=SoftLabels(temperature).
        answers: the form in which the teacher answers.
        generator: of the learner's probes.
        answer_generator: of answers that are drawn by lot.
        traffic: where lessons and bits are booked.

    Returns:
        An iterator over pairs: the learner's state after a step, and what the step showed.

    Raises:
        TypeError: if what came is no port, or no recipe.
        ValueError: if both or none of temperature and answers are given, the answers draw and there is no
            generator of theirs, or teacher and student do not fit.
    """
    answers = _agreed(teacher, student, learner, temperature, answers)
    check_generator(answers, answer_generator, "distill")
    taught = lessons(teacher, stimuli, answers, generator=answer_generator, traffic=traffic)
    return fit(learner(answers.loss), student, taught, generator)


def _agreed(
    teacher: Port,
    student: Port,
    recipe: object,
    temperature: float | None,
    answers: AnswerFormat | None,
) -> AnswerFormat:
    """How the teacher answers, where teacher and student can understand each other."""
    if answers is None and temperature is not None:
        answers = SoftLabels(temperature)
    elif answers is None or temperature is not None:
        raise ValueError("distill: wanted either a temperature or answers, and not both")
    require_port(teacher, "distill")
    require_port(student, "distill")
    _require_recipe(recipe)
    _check_pair(teacher.spec, student.spec)
    return answers


def _require_recipe(recipe: object) -> None:
    """Refuse a learner that has its loss already."""
    if not callable(recipe):
        raise TypeError(
            f"distill: learner is a {type(recipe).__name__}, wanted a function from a "
            "loss to a learner, such as recipes.learned_feedback (without its loss)"
        )


def _check_pair(teacher: Spec, student: Spec) -> None:
    """Refuse a teacher and a student that cannot understand each other."""
    if teacher.layers[-1].features != student.layers[-1].features:
        raise ValueError(
            f"distill: teacher has {teacher.layers[-1].features} outputs, "
            f"student {student.layers[-1].features}; they must answer in the same classes"
        )
    if teacher.fleet not in ((), student.fleet):
        raise ValueError(
            f"distill: a teacher fleet of {teacher.fleet} cannot teach students {student.fleet}; "
            "want one teacher, or as many as students"
        )
