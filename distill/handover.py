"""A teacher's knowledge goes to fresh hardware as lessons: stimuli with what the teacher said to them."""

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

from .answers import Answers
from .answers import Soft


@dataclass
class Traffic:
    """What a teacher has sent; stimuli are taken to be at hand on both sides unless they are booked too."""

    lessons: int = 0
    bits: int = 0

    def book(self, lessons: int, bits_each: int) -> None:
        """So many lessons of so many bits each."""
        self.lessons += lessons
        self.bits += lessons * bits_each


def lessons(
    teacher: Port,
    stimuli: Iterable[Batch],
    answers: Answers,
    *,
    generator: Generator,
    traffic: Traffic | None = None,
) -> Iterator[Batch]:
    """One measurement of the teacher per stimulus: its answers, noise and all, become the targets.

    Booked is what each student hears: of a fleet of teachers, the lessons of one.

    Args:
        stimuli: batches of inputs; a target, if there is one, is the label and travels along.
        generator: for answers that are drawn by lot.
    """
    for x, label in stimuli:
        out = teacher.measure(x).out
        if traffic is not None:
            traffic.book(teacher.spec.vectors(out), answers.bits(out.shape[-1]))
        yield Batch(x, answers.said(out, label, generator))


def written(taught: Iterable[Batch]) -> Batch:
    """Lessons of one teacher written down together, to be studied long after its death."""
    x, targets = zip(*taught, strict=True)
    return Batch(torch.cat(x), tree_map(lambda *parts: torch.cat(parts), *targets))


def distill(
    teacher: Port,
    student: Port,
    learner: Callable[[Loss], Learner[Any]],
    stimuli: Iterable[Batch],
    *,
    temperature: float | None = None,
    answers: Answers | None = None,
    generator: Generator,
    traffic: Traffic | None = None,
) -> Iterator[Step]:
    """Teach a student chip, or a whole fleet of them in one go, what a teacher chip answers.

    How the teacher answers is stated once, and the learner is handed the loss that goes with it. A fleet
    of students may be taught by one teacher, or by a fleet of as many.

    Args:
        learner: makes a learner from a loss, e.g. `lambda loss: Descent(estimator, update, loss)`.
        stimuli: batches of inputs; labels are needed only by answers that weigh them in.
        temperature: short for answers=Soft(temperature).
        generator: the learner's probes, and lots that the teacher draws.
    """
    if answers is None and temperature is not None:
        answers = Soft(temperature)
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
    taught = lessons(teacher, stimuli, answers, generator=generator, traffic=traffic)
    return fit(learner(answers.loss), student, taught, generator)
