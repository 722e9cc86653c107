"""A teacher's knowledge goes to fresh hardware as lessons: stimuli with the teacher's softened answers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Generator

from analog.port import Port
from learners.learner import Batch, Learner, Step, fit
from learners.losses import Loss

from .softening import Answer, Matching, soften


def lessons(teacher: Port, stimuli: Iterable[Batch], *, temperature: float) -> Iterator[Batch]:
    """One measurement of the teacher per stimulus: its answers, noise and all, become the targets.

    Args:
        stimuli: batches of inputs; a target, if there is one, is the label and travels along.
    """
    for x, label in stimuli:
        yield Batch(x, Answer(soften(teacher.measure(x).out, temperature), label))


def distill(
    teacher: Port,
    student: Port,
    learner: Callable[[Loss], Learner[Any]],
    stimuli: Iterable[Batch],
    *,
    temperature: float,
    rng: Generator,
    soft_weight: float = 1.0,
    hard_weight: float = 0.0,
) -> Iterator[Step]:
    """Teach a student chip, or a whole fleet of them in one go, what a teacher chip answers.

    The temperature is stated once: the lessons are softened with it and the learner is handed the
    loss that goes with it. A fleet of students may be taught by one teacher, or by a fleet of as many.

    Args:
        learner: makes a learner from a loss, e.g. `lambda loss: Descent(estimator, update, loss)`.
        stimuli: batches of inputs; labels are needed only for `hard_weight` above 0.
        rng: the learner's probes.
    """
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
    loss = Matching(temperature, soft_weight, hard_weight)
    return fit(learner(loss), student, lessons(teacher, stimuli, temperature=temperature), rng)
