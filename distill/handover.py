"""Distillation hands a teacher's knowledge to fresh hardware as lessons: stimuli with their answers."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator

from analog.port import Port
from analog.tree import tree_map
from learners.learner import Batch
from learners.learner import Learner
from learners.learner import Step
from learners.learner import fit
from learners.losses import Loss

from .formats.answer_format import AnswerFormat
from .formats.answer_format import check_generator
from .formats.soft_labels import SoftLabels


@dataclass
class Traffic:
    """What a teacher has sent; stimuli are taken to be at hand on both sides unless they are booked too."""

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
        yield Batch(x, answers.encode(out, label, generator))


def record(lessons: Iterable[Batch]) -> Batch:
    """Record lessons of one teacher as one batch, to be studied long after its death."""
    x, targets = zip(*lessons, strict=True)
    return Batch(torch.cat(x), tree_map(lambda *parts: torch.cat(parts), *targets))


def distill(
    teacher: Port,
    student: Port,
    learner: Callable[[Loss], Learner[Any]],
    stimuli: Iterable[Batch],
    *,
    temperature: float | None = None,
    answers: AnswerFormat | None = None,
    generator: Generator,
    answer_generator: Generator | None = None,
    traffic: Traffic | None = None,
) -> Iterator[tuple[Any, Step]]:
    """Teach a student chip, or a whole fleet of them in one go, what a teacher chip answers.

    How the teacher answers is stated once, and the learner is handed the loss that goes with it. A fleet
    of students may be taught by one teacher, or by a fleet of as many.

    Args:
        teacher: one chip, or a fleet of as many as students.
        student: one chip, or a fleet.
        learner: makes a learner from a loss, e.g. `lambda loss: Descent(estimator, update, loss)`.
        stimuli: batches of inputs; labels are needed only by answers that weigh them in.
        temperature: short for answers=SoftLabels(temperature).
        answers: the form in which the teacher answers.
        generator: of the learner's probes.
        answer_generator: of answers that are drawn by lot.
        traffic: where lessons and bits are booked.

    Raises:
        ValueError: if both or none of temperature and answers are given, the answers draw and there is no
            generator of theirs, or teacher and student do not fit.
    """
    if answers is None and temperature is not None:
        answers = SoftLabels(temperature)
    elif answers is None or temperature is not None:
        raise ValueError("distill: wanted either a temperature or answers, and not both")
    if teacher.spec.layers[-1].features != student.spec.layers[-1].features:
        raise ValueError(
            f"distill: teacher has {teacher.spec.layers[-1].features} outputs, "
            f"student {student.spec.layers[-1].features}; they must answer in the same classes"
        )
    if teacher.spec.fleet not in ((), student.spec.fleet):
        raise ValueError(
            f"distill: a teacher fleet of {teacher.spec.fleet} cannot teach students {student.spec.fleet}; "
            "want one teacher, or as many as students"
        )
    check_generator(answers, answer_generator, "distill")
    taught = lessons(teacher, stimuli, answers, generator=answer_generator, traffic=traffic)
    return fit(learner(answers.loss), student, taught, generator)
