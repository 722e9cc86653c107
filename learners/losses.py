"""What a learner is asked to make small: per-example losses of a chip's outputs, computed digitally."""

from typing import Any
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.functional import softplus


class Loss(Protocol):
    """(out (..., batch, features), target) -> (..., batch): one number per example, never averaged."""

    def __call__(self, out: Tensor, target: Any) -> Tensor: ...


class SlopedLoss(Loss, Protocol):
    """A loss that also knows its slope at the outputs, which the delta rule needs."""

    def slope(self, out: Tensor, target: Any) -> Tensor:
        """d loss / d out, of the shape of `out`."""
        ...


class LocalLoss(Protocol):
    """Each part of a layer has an objective of its own: (out, target) -> (..., batch, parts).

    Parts are consecutive and equal shares of the outputs and of every probed layer's nodes: groups, or
    patches whose features lie together. What a node does to other parts' losses is not its concern.
    """

    parts: int

    def __call__(self, out: Tensor, target: Any) -> Tensor: ...


class HeldLoss(Loss, Protocol):
    """What an example is compared with is what the batch itself showed in the baseline reading.

    `Descent` asks for it once a step, before any probe is judged; to the probes it is a constant.
    """

    def held(self, out: Tensor, target: Any) -> Any:
        """From quiet outputs (*fleet, batch, features) and the batch's target: what is judged by."""
        ...


def settled(loss: Loss, out: Tensor, target: Any) -> Any:
    """The target that a step's losses are judged by, once its baseline reading is there."""
    held = getattr(loss, "held", None)
    return target if held is None else held(out, target)


class CrossEntropy:
    """Softmax cross-entropy, nats; target holds class numbers (..., batch), dtype int64."""

    def __call__(self, out: Tensor, target: Tensor) -> Tensor:
        labels = _labels(out, target)
        return out.logsumexp(-1) - out.gather(-1, labels.unsqueeze(-1)).squeeze(-1)

    def slope(self, out: Tensor, target: Tensor) -> Tensor:
        return out.softmax(-1) - one_hot(_labels(out, target), out.shape[-1]).to(out.dtype)


class SquaredError:
    """Half the squared distance to target (..., batch, features)."""

    def __call__(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * self.slope(out, target).square().sum(-1)

    def slope(self, out: Tensor, target: Tensor) -> Tensor:
        if target.shape[-2:] != out.shape[-2:] or target.dtype != out.dtype:
            raise ValueError(
                f"squared error: target is {target.dtype} {tuple(target.shape)}, "
                f"wanted {out.dtype} (..., {out.shape[-2]}, {out.shape[-1]}) like the outputs"
            )
        return out - target


class BinaryCrossEntropy:
    """Of sigmoid outputs against target (..., batch, features) in 0..1, nats, summed over features.

    `out` are the sums in front of the sigmoid, which is part of the loss.
    """

    def __call__(self, out: Tensor, target: Tensor) -> Tensor:
        wanted = _shares(out, target)
        return (softplus(out) - wanted * out).sum(-1)

    def slope(self, out: Tensor, target: Tensor) -> Tensor:
        return out.sigmoid() - _shares(out, target)


def _shares(out: Tensor, target: Tensor) -> Tensor:
    fits = isinstance(target, Tensor) and target.shape[-2:] == out.shape[-2:] and target.dtype == out.dtype
    if not fits or not 0 <= float(target.min()) <= float(target.max()) <= 1:
        came = type(target).__name__
        if isinstance(target, Tensor) and target.numel():
            low, high = float(target.min()), float(target.max())
            came = f"{target.dtype} {tuple(target.shape)} from {low:.3g} to {high:.3g}"
        raise ValueError(
            f"binary cross-entropy: target is {came}, wanted {out.dtype} (..., {out.shape[-2]}, "
            f"{out.shape[-1]}) from 0 to 1"
        )
    return target


def _labels(out: Tensor, target: Tensor) -> Tensor:
    fits = (
        isinstance(target, Tensor) and target.dtype == torch.int64 and target.shape[-1:] == out.shape[-2:-1]
    )
    if not fits or not 0 <= int(target.min()) <= int(target.max()) < out.shape[-1]:
        came = (
            f"{target.dtype} {tuple(target.shape)}" if isinstance(target, Tensor) else type(target).__name__
        )
        raise ValueError(
            f"cross-entropy: target is {came}, wanted int64 class numbers (..., {out.shape[-2]}) "
            f"from 0 to {out.shape[-1] - 1}"
        )
    return target.expand(out.shape[:-1])
