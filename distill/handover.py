"""Distillation hands a teacher's knowledge to fresh hardware as lessons: stimuli with their answers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.port import Port, require_port
from analog.spec import Spec
from analog.streams import stream
from analog.tree import tree_map
from learners.data.batches import batches, count_steps
from learners.flattening import flatten_examples
from learners.learner import Batch, Learner, Step, fit, for_steps
from learners.losses import Loss
from learners.progress import progress_bar

from .formats.answer_format import AnswerFormat, check_generator, encode_checked
from .formats.soft_labels import SoftLabels


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
    for x, label in stimuli:
        if answers.needs_label and label is None:
            raise ValueError(f"lessons: {answers} weighs in labels, and the stimuli have no label")
        out = teacher.measure(x).out
        if traffic is not None:
            traffic.book(teacher.spec.vectors(out), answers.bits(out.shape[-1]))
        yield Batch(x, encode_checked(answers, out, label, generator))


def record(lessons: Iterable[Batch]) -> Batch:
    """Record lessons of one teacher as one batch, to be studied long after its death."""
    x, targets = zip(*lessons, strict=True)
    return Batch(torch.cat(x), tree_map(lambda *parts: torch.cat(parts), *targets))


class Handover(NamedTuple):
    """The record of one handover: its losses, and the traffic that it took."""

    losses: Tensor  # (steps, *fleet), nats or V^2, mean loss of each step's baseline reading
    traffic: Traffic


def distill(
    teacher: Port,
    student: Port,
    recipe: Callable[[Loss], Learner],
    stimuli: Batch,
    *,
    temperature: float | None = None,
    answers: AnswerFormat | None = None,
    epochs: float = 45.0,
    batch_size: int = 64,
    seed: int,
    progress: bool = True,
) -> Handover:
    """Teach a student chip, or a whole fleet of them in one go, what a teacher chip answers, to the end.

    How the teacher answers is stated once, and the recipe is handed the loss that goes with it. It is told
    how many steps there will be, so that a learning rate may fall over the whole training. To teach step by
    step, or with generators of one's own, there is `distillation_steps`.

    Args:
        teacher: one chip, or a fleet of as many as students.
        student: one chip, or a fleet.
        recipe: makes a learner from a loss, such as `learners.recipes.learned_feedback`.
        stimuli: x (examples, ...), which become rows; labels are needed only by answers that weigh them in.
        temperature: V, short for answers=SoftLabels(temperature).
        answers: the form in which the teacher answers.
        epochs: how often every stimulus is shown.
        batch_size: stimuli of each step.
        seed: of the order of stimuli, the learner's probes and the answers that are drawn, a stream each.
        progress: show a bar with the time left, if the output is a terminal.

    Returns:
        Losses and traffic; what was learned is in the student.

    Raises:
        TypeError: if what came is no port, no recipe or no batch.
        BadInput: if stimuli have not as many numbers as the students want.
        ValueError: if both or none of temperature and answers are given, or teacher and student do not fit.
        analog.Dead: if teacher or student dies.
    """
    if not isinstance(stimuli, Batch):
        raise TypeError(
            f"distill: stimuli are a {type(stimuli).__name__}, wanted a Batch, such as data.train.unlabeled"
        )
    require_port(student, "distill")
    _require_recipe(recipe)
    alone = replace(student.spec, fleet=())  # every student is shown the same
    stimuli = stimuli._replace(x=flatten_examples(stimuli.x, stimuli.target, alone, "distill"))
    traffic, losses = Traffic(), list[Tensor]()
    total = count_steps(stimuli, batch_size, epochs)
    steps = distillation_steps(
        teacher,
        student,
        lambda loss: for_steps(recipe(loss), total),
        batches(stimuli, batch_size, epochs, stream(seed, "distill", "order")),
        temperature=temperature,
        answers=answers,
        generator=stream(seed, "distill", "probes", on=student.spec.on),
        answer_generator=stream(seed, "distill", "answers"),
        traffic=traffic,
    )
    per_epoch = len(stimuli.x) // min(batch_size, len(stimuli.x))
    with progress_bar(progress, 0, total, per_epoch) as advance:
        for count, (_, step) in enumerate(steps, 1):
            losses.append(step.loss)
            advance(count, float(step.loss.mean()))
    return Handover(torch.stack(losses), traffic)


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
    if answers is None and temperature is not None:
        answers = SoftLabels(temperature)
    elif answers is None or temperature is not None:
        raise ValueError("distill: wanted either a temperature or answers, and not both")
    require_port(teacher, "distill")
    require_port(student, "distill")
    _require_recipe(learner)
    _check_pair(teacher.spec, student.spec)
    check_generator(answers, answer_generator, "distill")
    taught = lessons(teacher, stimuli, answers, generator=answer_generator, traffic=traffic)
    return fit(learner(answers.loss), student, taught, generator)


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
