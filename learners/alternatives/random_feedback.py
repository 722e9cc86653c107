"""Fixed random matrices that carry errors back: how they are drawn and kept, and for which chips."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.spec import Spec


class FeedbackState(NamedTuple):
    """The state of a learner by fixed random feedback."""

    update: Any
    feedback: tuple[Tensor, ...] | None  # (*fleet, rows, errors) each; None before the first step


def draw_feedback(
    shapes: Iterable[tuple[int, int]], scale: float, spec: Spec, generator: Generator
) -> tuple[Tensor, ...]:
    """Draw normal matrices that carry errors back, every chip of a fleet its own.

    Args:
        shapes: (rows, errors) of each matrix.
        scale: sd of each entry, and so of what comes back of an error of length 1.
        spec: says of how many chips, and where tensors live.
        generator: the learner's own.

    Returns:
        (*fleet, rows, errors) each.
    """
    return tuple(
        scale * torch.randn((*spec.fleet, *shape), generator=generator, dtype=spec.dtype, device=spec.on)
        for shape in shapes
    )


def require_scale(scale: float, user: str) -> None:
    """Refuse a scale of random feedback that makes no sense.

    Raises:
        ValueError: it is not finite and above 0.
    """
    if not 0 < scale < float("inf"):
        raise ValueError(f"{user}: scale is {scale}, wanted a finite number above 0")


def require_one_way(spec: Spec, user: str) -> None:
    """Refuse a chip that relaxes, whose nodes answer to those above them too.

    Raises:
        ValueError: the chip is one.
    """
    if spec.synapse != "one-way":
        raise ValueError(f"{user}: the chip relaxes (synapse {spec.synapse!r}), wanted a one-way chip")
