"""The fidelity of a student to its teacher, from an independent student's to the teacher's second reading.

Agreement and divergence are those of Stanton, Izmailov, Kirichenko, Alemi and Wilson, "Does knowledge
distillation really work?" (2021, https://arxiv.org/abs/2106.05945): how often the likeliest classes are the
same, and KL(teacher || student) at temperature 1. Where we differ: a mortal teacher is noisy, so that it does
not agree with itself either; and a student that never met the teacher agrees with it too, as far as both are
right. So the headline is how much of the way from an independently trained student to the teacher's second
reading was gone.

Outputs are (*fleet, examples, classes), before the softmax; a lone teacher may face a fleet.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

BINS = 15  # of confidence, equally wide


def agreement(teacher: Tensor, other: Tensor) -> Tensor:  # (*fleet,)
    """The share of examples for which both find the same class likeliest.

    Args:
        teacher: (*fleet, examples, classes), logits.
        other: likewise.

    Raises:
        ValueError: if they are not outputs for the same examples.
    """
    _check_comparable(teacher, other)
    return (teacher.argmax(-1) == other.argmax(-1)).double().mean(-1)


def kl_divergence(teacher: Tensor, other: Tensor) -> Tensor:  # (*fleet,)
    """The divergence KL(teacher || other) at temperature 1, nats, mean over examples.

    Args:
        teacher: (*fleet, examples, classes), logits.
        other: likewise.

    Raises:
        ValueError: if they are not outputs for the same examples.
    """
    _check_comparable(teacher, other)
    log_p, log_q = teacher.double().log_softmax(-1), other.double().log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean(-1)


def cohen_kappa(one: Tensor, other: Tensor) -> Tensor:  # (*fleet,)
    """Cohen's kappa of two ways to name examples: 1 always alike, 0 as often as chance would have it.

    Cohen, "A coefficient of agreement for nominal scales" (1960, https://doi.org/10.1177/001316446002000104).
    Of names right (True) and wrong (False) it is the error consistency of Geirhos, Meding and Wichmann
    (2020, https://arxiv.org/abs/2006.16736). Two who give all examples one and the same name are alike by
    chance: 0.

    Args:
        one: (*fleet, examples), class numbers, or True and False.
        other: likewise.

    Raises:
        ValueError: if they name different numbers of examples, or are outputs and not names.
    """
    if one.shape[-1:] != other.shape[-1:] or not one.numel() or not other.numel():
        raise ValueError(
            f"cohen_kappa: names are {tuple(one.shape)} and {tuple(other.shape)}; "
            "wanted as many examples in both"
        )
    if one.is_floating_point() or other.is_floating_point():
        raise ValueError(
            f"cohen_kappa: names are {one.dtype} and {other.dtype}; wanted class numbers, not outputs"
        )
    observed = (one == other).double().mean(-1)
    names = 1 + max(int(one.max()), int(other.max()))
    first, second = (one_hot(named.long(), names).double().mean(-2) for named in (one, other))
    chance = (first * second).sum(-1)
    return torch.where(chance < 1, (observed - chance) / (1 - chance).clamp(min=1e-300), 0.0)


def expected_calibration_error(out: Tensor, labels: Tensor) -> Tensor:  # (*fleet,)
    """The mean of |share right - mean confidence| over 15 bins of confidence, weighed by their examples.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks" (2017,
    https://arxiv.org/abs/1706.04599), eq. 3.

    Args:
        out: (*fleet, examples, classes), logits.
        labels: (examples,) or (*fleet, examples), int64.

    Raises:
        ValueError: if the labels do not fit the outputs.
    """
    _check_labels(out, labels)
    confidence, named = out.double().softmax(-1).max(-1)
    gap = (named == labels).double() - confidence
    bins = ((confidence * BINS).ceil().long() - 1).clamp(0, BINS - 1)
    totals = gap.new_zeros((*gap.shape[:-1], BINS)).scatter_add(-1, bins, gap)
    return totals.abs().sum(-1) / gap.shape[-1]


class RepeatedMistakes(NamedTuple):
    """A teacher's mistakes, and how many of them another makes too, naming the same wrong class."""

    same: Tensor  # (*fleet,), int64
    mistakes: Tensor  # (*fleet,), int64

    @property
    def share(self) -> float | None:
        """The share of all mistakes of the whole fleet of teachers; None if they made none."""
        total = int(self.mistakes.sum())
        return int(self.same.sum()) / total if total else None


def repeated_mistakes(teacher: Tensor, other: Tensor, labels: Tensor) -> RepeatedMistakes:
    """Count which of a teacher's particular mistakes another repeats.

    Args:
        teacher: (*fleet, examples, classes), logits.
        other: likewise.
        labels: (examples,) or (*fleet, examples), int64.

    Raises:
        ValueError: if they are not outputs and labels of the same examples.
    """
    _check_comparable(teacher, other)
    _check_labels(teacher, labels)
    named, again = torch.broadcast_tensors(teacher.argmax(-1), other.argmax(-1))
    wrong = named != labels
    return RepeatedMistakes((wrong & (named == again)).sum(-1), wrong.sum(-1))


class Likeness(NamedTuple):
    """How a chip answers like a teacher, and how well by itself; each (*fleet,)."""

    agreement: Tensor
    divergence: Tensor  # nats
    kappa: Tensor  # of the classes named
    repeated: RepeatedMistakes
    accuracy: Tensor
    calibration_error: Tensor

    @classmethod
    def of(cls, teacher: Tensor, other: Tensor, labels: Tensor) -> "Likeness":
        """Compare outputs (*fleet, examples, classes), by labels (examples,) or (*fleet, examples)."""
        _check_labels(other, labels)
        return cls(
            agreement(teacher, other),
            kl_divergence(teacher, other),
            cohen_kappa(teacher.argmax(-1), other.argmax(-1)),
            repeated_mistakes(teacher, other, labels),
            (other.argmax(-1) == labels).double().mean(-1),
            expected_calibration_error(other, labels),
        )


class Fidelity(NamedTuple):
    """A student beside two measures of what could be expected of it."""

    student: Likeness
    independent: Likeness  # of the same kind and training, which never met the teacher
    floor: Likeness  # the teacher itself, read a second time

    @classmethod
    def of(
        cls, teacher: Tensor, again: Tensor, student: Tensor, independent: Tensor, labels: Tensor
    ) -> "Fidelity":
        """Compare the outputs (*fleet, examples, classes) of all of them for the same examples, by labels."""
        return cls(*(Likeness.of(teacher, out, labels) for out in (student, independent, again)))

    @property
    def closed(self) -> float | None:
        """The share of the gap in agreement from independent student to noise floor that is closed.

        0 an independent student, 1 the teacher's own second reading, means over fleets; above 1 is a
        student that is less noisy than its teacher. None where there is no gap: the independent student
        is as like the teacher as the teacher itself.
        """
        return _closed(self.student.agreement, self.independent.agreement, self.floor.agreement)

    @property
    def closed_divergence(self) -> float | None:
        """The share of the gap in divergence that is closed, likewise."""
        return _closed(-self.student.divergence, -self.independent.divergence, -self.floor.divergence)


def _closed(student: Tensor, independent: Tensor, floor: Tensor) -> float | None:
    start, end = float(independent.mean()), float(floor.mean())
    return (float(student.mean()) - start) / (end - start) if end > start else None


def _check_comparable(teacher: Tensor, other: Tensor) -> None:
    for who, out in (("the teacher's", teacher), ("the other's", other)):
        if out.ndim < 2 or not out.numel() or not out.is_floating_point():
            raise ValueError(
                f"fidelity: {who} outputs are {out.dtype} {tuple(out.shape)}, "
                "wanted floating (*fleet, examples, classes)"
            )
    fleets = (teacher.shape[:-2], other.shape[:-2])
    if teacher.shape[-2:] != other.shape[-2:] or not _broadcast(*fleets):
        raise ValueError(
            f"fidelity: the teacher's outputs are {tuple(teacher.shape)}, the other's {tuple(other.shape)}; "
            "wanted the same examples and classes, and one teacher or as many as others"
        )


def _check_labels(out: Tensor, labels: Tensor) -> None:
    fits = labels.dtype == torch.int64 and labels.shape[-1:] == out.shape[-2:-1]
    fits = fits and _broadcast(out.shape[:-2], labels.shape[:-1])
    if not fits or not 0 <= int(labels.min()) <= int(labels.max()) < out.shape[-1]:
        raise ValueError(
            f"fidelity: labels are {labels.dtype} {tuple(labels.shape)}, wanted int64 class numbers "
            f"(..., {out.shape[-2]}) from 0 to {out.shape[-1] - 1} for outputs {tuple(out.shape)}"
        )


def _broadcast(*leads: tuple[int, ...]) -> bool:
    try:
        torch.broadcast_shapes(*leads)
    except RuntimeError:
        return False
    return True
