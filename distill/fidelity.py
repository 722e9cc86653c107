"""How truly a student answers like its teacher, from a stranger's likeness to the teacher's second reading.

Agreement and divergence are those of Stanton, Izmailov, Kirichenko, Alemi and Wilson, "Does knowledge
distillation really work?" (2021): how often the likeliest classes are the same, and KL(teacher || student)
at temperature 1. Where we differ: a mortal teacher is noisy, so that it does not agree with itself either;
and a student that never met the teacher agrees with it too, as far as both are right. So the headline is
how much of the way from an independently trained student to the teacher's second reading was gone.

Outputs are (*fleet, examples, classes), before the softmax; a lone teacher may face a fleet.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

BINS = 15  # of confidence, equally wide; Guo, Pleiss, Sun and Weinberger, "On calibration" (2017)


def agreement(teacher: Tensor, other: Tensor) -> Tensor:  # (*fleet,)
    """Share of examples for which both find the same class likeliest."""
    _alike(teacher, other)
    return (teacher.argmax(-1) == other.argmax(-1)).double().mean(-1)


def divergence(teacher: Tensor, other: Tensor) -> Tensor:  # (*fleet,)
    """KL(teacher || other) at temperature 1, nats, mean over examples."""
    _alike(teacher, other)
    known, believed = teacher.double().log_softmax(-1), other.double().log_softmax(-1)
    return (known.exp() * (known - believed)).sum(-1).mean(-1)


def kappa(one: Tensor, other: Tensor) -> Tensor:  # (*fleet,)
    """Cohen's kappa (1960) of two ways to name examples: 1 always alike, 0 as often as chance would have it.

    Of names right (True) and wrong (False) it is the error consistency of Geirhos, Meding and Wichmann
    (2020). Two who give all examples one and the same name are alike by chance: 0.

    Args:
        one: (*fleet, examples), class numbers, or True and False.
    """
    if one.shape[-1:] != other.shape[-1:] or not one.numel() or not other.numel():
        raise ValueError(
            f"kappa: names are {tuple(one.shape)} and {tuple(other.shape)}; wanted as many examples in both"
        )
    if one.is_floating_point() or other.is_floating_point():
        raise ValueError(f"kappa: names are {one.dtype} and {other.dtype}; wanted class numbers, not outputs")
    alike = (one == other).double().mean(-1)
    names = 1 + max(int(one.max()), int(other.max()))
    first, second = (one_hot(named.long(), names).double().mean(-2) for named in (one, other))
    chance = (first * second).sum(-1)
    return torch.where(chance < 1, (alike - chance) / (1 - chance).clamp(min=1e-300), 0.0)


def calibration_error(out: Tensor, labels: Tensor) -> Tensor:  # (*fleet,)
    """Expected calibration error: |share right - mean confidence| in `BINS` bins of confidence, weighed
    by how many examples fall into each.
    """
    _labelled(out, labels)
    confidence, named = out.double().softmax(-1).max(-1)
    gap = (named == labels).double() - confidence
    place = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    binned = gap.new_zeros((*gap.shape[:-1], BINS)).scatter_add(-1, place, gap)
    return binned.abs().sum(-1) / gap.shape[-1]


class Repeated(NamedTuple):
    """A teacher's mistakes, and how many of them another makes too, naming the same wrong class."""

    same: Tensor  # (*fleet,), int64
    mistakes: Tensor  # (*fleet,), int64

    @property
    def share(self) -> float | None:
        """Of all mistakes of the whole fleet of teachers; None if they made none."""
        total = int(self.mistakes.sum())
        return int(self.same.sum()) / total if total else None


def repeated_mistakes(teacher: Tensor, other: Tensor, labels: Tensor) -> Repeated:
    """Which of a teacher's particular mistakes another repeats."""
    _alike(teacher, other)
    _labelled(teacher, labels)
    named, again = torch.broadcast_tensors(teacher.argmax(-1), other.argmax(-1))
    wrong = named != labels
    return Repeated((wrong & (named == again)).sum(-1), wrong.sum(-1))


class Likeness(NamedTuple):
    """How somebody answers like a teacher, and how well by itself; each (*fleet,)."""

    agreement: Tensor
    divergence: Tensor  # nats
    kappa: Tensor  # of the classes named
    repeated: Repeated
    accuracy: Tensor
    calibration_error: Tensor

    @classmethod
    def of(cls, teacher: Tensor, other: Tensor, labels: Tensor) -> "Likeness":
        """From outputs (*fleet, examples, classes) and labels (examples,) or (*fleet, examples)."""
        _labelled(other, labels)
        return cls(
            agreement(teacher, other),
            divergence(teacher, other),
            kappa(teacher.argmax(-1), other.argmax(-1)),
            repeated_mistakes(teacher, other, labels),
            (other.argmax(-1) == labels).double().mean(-1),
            calibration_error(other, labels),
        )


class Fidelity(NamedTuple):
    """A student beside two measures of what could be expected of it."""

    student: Likeness
    independent: Likeness  # of the same kind and training, which never heard the teacher
    floor: Likeness  # the teacher itself, read a second time

    @classmethod
    def of(
        cls, teacher: Tensor, again: Tensor, student: Tensor, independent: Tensor, labels: Tensor
    ) -> "Fidelity":
        """From the outputs of all of them for the same examples, and their labels."""
        return cls(*(Likeness.of(teacher, out, labels) for out in (student, independent, again)))

    @property
    def closed(self) -> float | None:
        """How much of the gap in agreement from independent student to noise floor is closed.

        0 an independent student, 1 the teacher's own second reading, means over fleets; above 1 is a
        student that is less noisy than its teacher. None where there is no gap: the independent student
        is as like the teacher as the teacher itself.
        """
        return _closed(self.student.agreement, self.independent.agreement, self.floor.agreement)

    @property
    def closed_divergence(self) -> float | None:
        """The same of the divergence."""
        return _closed(-self.student.divergence, -self.independent.divergence, -self.floor.divergence)


def _closed(student: Tensor, independent: Tensor, floor: Tensor) -> float | None:
    start, end = float(independent.mean()), float(floor.mean())
    return (float(student.mean()) - start) / (end - start) if end > start else None


def _alike(teacher: Tensor, other: Tensor) -> None:
    for who, out in (("the teacher's", teacher), ("the other's", other)):
        if out.ndim < 2 or not out.numel() or not out.is_floating_point():
            raise ValueError(
                f"fidelity: {who} outputs are {out.dtype} {tuple(out.shape)}, "
                "wanted floating (*fleet, examples, classes)"
            )
    fleets = (teacher.shape[:-2], other.shape[:-2])
    if teacher.shape[-2:] != other.shape[-2:] or not _fit(*fleets):
        raise ValueError(
            f"fidelity: the teacher's outputs are {tuple(teacher.shape)}, the other's {tuple(other.shape)}; "
            "wanted the same examples and classes, and one teacher or as many as others"
        )


def _labelled(out: Tensor, labels: Tensor) -> None:
    fits = labels.dtype == torch.int64 and labels.shape[-1:] == out.shape[-2:-1]
    fits = fits and _fit(out.shape[:-2], labels.shape[:-1])
    if not fits or not 0 <= int(labels.min()) <= int(labels.max()) < out.shape[-1]:
        raise ValueError(
            f"fidelity: labels are {labels.dtype} {tuple(labels.shape)}, wanted int64 class numbers "
            f"(..., {out.shape[-2]}) from 0 to {out.shape[-1] - 1} for outputs {tuple(out.shape)}"
        )


def _fit(*leads: tuple[int, ...]) -> bool:
    try:
        torch.broadcast_shapes(*leads)
    except RuntimeError:
        return False
    return True
