"""What a chip that classifies is worth: the share of examples that it names rightly."""

import torch
from torch import Tensor

from analog.port import Port, require_port

from .learner import Batch

_PIECE = 2500  # examples that are measured at once, so that the taps fit in memory


def predict(port: Port, x: Tensor) -> Tensor:
    """The outputs of a chip for many examples, measured in pieces that fit in memory.

    Args:
        port: one chip, or a fleet.
        x: (examples, features_in).

    Returns:
        (*fleet, examples, features).
    """
    return torch.cat([port.measure(chunk).out for chunk in x.split(_PIECE)], -2)


def evaluate(port: Port, batch: Batch) -> Tensor:
    """The accuracy of a chip, or of each chip of a fleet: the share of examples whose class it names.

    Args:
        port: one chip, or a fleet.
        batch: x (examples, features_in), target (examples,) int64.

    Returns:
        (*fleet,), float64.

    Raises:
        TypeError: what came is no port.
        ValueError: the target holds no class numbers.
    """
    require_port(port, "evaluate")
    target = batch.target
    if not has_classes(batch):
        came = (
            f"{target.dtype} {tuple(target.shape)}" if isinstance(target, Tensor) else type(target).__name__
        )
        raise ValueError(f"evaluate: target is {came}, wanted int64 class numbers ({len(batch.x)},)")
    on = port.spec.on
    named = predict(port, batch.x.to(on, port.spec.dtype)).argmax(-1)
    return (named == target.to(on)).double().mean(-1)


def has_classes(batch: Batch) -> bool:
    """Whether each example of a batch has a class number for its target."""
    target = batch.target
    return isinstance(target, Tensor) and target.dtype == torch.int64 and target.shape == batch.x.shape[:1]
