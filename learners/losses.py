"""Losses: what a learner makes small, one number for each example and part, computed digitally."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from analog.verdicts import require

from .class_numbers import require_outputs


@runtime_checkable
class Loss(Protocol):
    """A per-example loss: subclass it, write `value` and, if it is known, `gradient`; the rest has defaults.

    An example's loss may fall into parts. Parts are consecutive and equal shares of the outputs and of every
    probed layer's nodes: groups, or patches whose features lie together. What a node does to the loss of
    another part is not its concern.
    """

    parts: int = 1  # into how many losses an example falls
    needs_outputs: bool = True  # whether it judges outputs; if not, the wires have judged them already
    couples_examples: bool = False  # whether an example's loss hangs on the outputs of others in its batch
    gradient: Callable[[Tensor, Any], Tensor] | None = None
    """(out, target) -> d (sum of the parts' losses) / d out, of the shape of `out`; None: nobody knows it."""

    @abstractmethod
    def value(self, out: Tensor, target: Any) -> Tensor:
        """The loss of every part of every example, never averaged over the batch.

        Args:
            out: (..., batch, features), the outputs of the chip.
            target: what is wanted of them, in the form that the loss asks for.

        Returns:
            (..., batch, parts), of the dtype of `out`.
        """
        ...

    def freeze(self, out: Tensor, target: Any) -> Any:
        """The target that all losses of a step are judged by, once its baseline reading is there.

        By default the target itself. A loss that compares examples with each other keeps here what the
        baseline showed, so that it is a constant to whoever is probed.

        Args:
            out: (*fleet, batch, features), the outputs of the baseline reading.
            target: that of the batch.
        """
        del out  # most losses are judged by the target alone
        return target

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({fields})"

    def __call__(self, out: Tensor, target: Any) -> Tensor:
        """One number for each example, the sum of its parts' losses: (..., batch). Never overridden.

        Raises:
            ValueError: `value` gives something else than a number for each part of each example.
        """
        return part_losses(self, out, target).sum(-1)


def part_losses(loss: Loss, out: Tensor, target: Any) -> Tensor:
    """The losses of a reading, (..., batch, parts), of the form that `Loss.value` promises.

    Raises:
        ValueError: the loss gives something else.
    """
    losses: Any = loss.value(out, target)
    wanted = (*out.shape[:-1], loss.parts)
    if not isinstance(losses, Tensor) or losses.shape != wanted or losses.dtype != out.dtype:
        is_tensor = isinstance(losses, Tensor)
        came = f"{losses.dtype} {tuple(losses.shape)}" if is_tensor else f"a {type(losses).__name__}"
        raise ValueError(
            f"{loss!r} gave {came} for outputs {out.dtype} {tuple(out.shape)}; wanted {wanted}, a number for "
            "each part of each example, not averaged"
        )
    return losses


def known_gradient(loss: Loss, user: str) -> Callable[[Tensor, Any], Tensor]:
    """The gradient method of a loss, for who cannot do without.

    Args:
        user: who asks, and what for, as the message says it.

    Raises:
        TypeError: it is no loss.
        ValueError: the loss does not know its gradient.
    """
    require_loss(loss, user)
    if loss.gradient is None:
        raise ValueError(f"{user} needs a loss with a gradient, {loss!r} has none")
    return loss.gradient


def require_loss(loss: object, user: str) -> None:
    """Refuse what is no loss.

    Raises:
        TypeError: it is a function, a class, or lacks a method.
    """
    if isinstance(loss, type) or not isinstance(loss, Loss):
        hint = f"; write {loss.__name__}()" if isinstance(loss, type) and Loss in loss.__mro__ else ""
        raise TypeError(f"{user}: loss is {loss!r}, wanted an instance of a subclass of learners.Loss{hint}")


class MeasuredLoss(Loss):
    """The loss that the wires show themselves, where they withhold the outputs: one number for each example.

    Batches have each example's target behind it (`analog.wires.append_target`), and None as target.
    """

    needs_outputs = False

    def value(self, out: Tensor, target: Any) -> Tensor:
        del target  # the wires were told
        return out


class CrossEntropy(Loss):
    """Softmax cross-entropy, nats; target holds class numbers (..., batch), dtype int64."""

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        labels = _labels(out, target).unsqueeze(-1)
        return out.logsumexp(-1, keepdim=True) - out.gather(-1, labels)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        """d loss / d out, (..., batch, features): the softmax less the one-hot target."""
        return out.softmax(-1) - one_hot(_labels(out, target), out.shape[-1]).to(out.dtype)


class SquaredError(Loss):
    """Half the squared distance to target (..., batch, features)."""

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * self.gradient(out, target).square().sum(-1, keepdim=True)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        """d loss / d out, (..., batch, features): the outputs less the target.

        Raises:
            ValueError: the target is not of the shape and dtype of the outputs.
        """
        if target.shape[-2:] != out.shape[-2:] or target.dtype != out.dtype:
            raise ValueError(
                f"squared error: target is {target.dtype} {tuple(target.shape)}, "
                f"wanted {out.dtype} (..., {out.shape[-2]}, {out.shape[-1]}) like the outputs"
            )
        return out - target


class BinaryCrossEntropy(Loss):
    """Binary cross-entropy of sigmoid outputs to targets from 0 to 1, nats, summed over features.

    target: (..., batch, features).

    `out` are the sums in front of the sigmoid, which is part of the loss.
    """

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        return (softplus(out) - _probabilities(out, target) * out).sum(-1, keepdim=True)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        """d loss / d out, (..., batch, features): the probabilities less the target."""
        return out.sigmoid() - _probabilities(out, target)


class Sharpened(Loss):
    """A loss of outputs amplified digitally, divided by the gain: the outputs themselves can stay small.

    Chips that relax want it: a read-out that must reach 1 feeds as much back, and large weights make the chip
    bistable.

    Raises:
        TypeError: it is no loss.
        ValueError: the sharpness is not above 0 and finite, or the loss knows no gradient.
    """

    def __init__(self, loss: Loss, sharpness: float = 5.0) -> None:
        if not 0 < sharpness < float("inf"):
            raise ValueError(f"Sharpened: sharpness is {sharpness}, wanted a finite number above 0")
        self.loss, self.sharpness = loss, sharpness
        self.parts, self._inner_gradient = loss.parts, known_gradient(loss, "Sharpened")

    def value(self, out: Tensor, target: Any) -> Tensor:
        return self.loss.value(out * self.sharpness, target) / self.sharpness

    def gradient(self, out: Tensor, target: Any) -> Tensor:
        """d loss / d out, (..., batch, features): that of the loss inside at the amplified outputs."""
        return self._inner_gradient(out * self.sharpness, target)

    def freeze(self, out: Tensor, target: Any) -> Any:
        return self.loss.freeze(out * self.sharpness, target)


class Projected(Loss):
    """A loss of sums of the outputs: each row of `weights` makes one number of them for the loss inside.

    The outputs of a network whose answer is a difference of two nodes are `Projected(loss, [[1, -1, 0]])`;
    what has no weight anywhere nobody needs to read.

    Raises:
        TypeError: it is no loss.
        ValueError: the loss knows no gradient or falls into parts, or the rows are not equally long.
    """

    def __init__(self, loss: Loss, weights: Sequence[Sequence[float]]) -> None:
        self.loss, self._inner_gradient = loss, known_gradient(loss, "Projected")
        self.weights = tuple(tuple(map(float, row)) for row in weights)
        if loss.parts != 1:
            raise ValueError(f"Projected: {loss!r} falls into {loss.parts} parts, wanted one")
        if not self.weights or len(set(map(len, self.weights))) > 1 or not self.weights[0]:
            raise ValueError(f"Projected: weights are {weights!r}, wanted rows of a number for each output")

    def value(self, out: Tensor, target: Any) -> Tensor:
        return self.loss.value(out @ self._matrix(out).T, target)

    def gradient(self, out: Tensor, target: Any) -> Tensor:
        """d loss / d out, (..., batch, features): that of the loss inside, through the weights."""
        matrix = self._matrix(out)
        return self._inner_gradient(out @ matrix.T, target) @ matrix

    def freeze(self, out: Tensor, target: Any) -> Any:
        return self.loss.freeze(out @ self._matrix(out).T, target)

    def _matrix(self, out: Tensor) -> Tensor:
        matrix = out.new_tensor(self.weights)
        if matrix.shape[-1] != out.shape[-1]:
            raise ValueError(f"Projected: weights are for {matrix.shape[-1]} outputs, got {out.shape[-1]}")
        return matrix


def _probabilities(out: Tensor, target: Tensor) -> Tensor:
    def refusal() -> ValueError:
        came = type(target).__name__
        if isinstance(target, Tensor) and target.numel():
            low, high = float(target.min()), float(target.max())
            came = f"{target.dtype} {tuple(target.shape)} from {low:.3g} to {high:.3g}"
        return ValueError(
            f"binary cross-entropy: target is {came}, wanted {out.dtype} (..., {out.shape[-2]}, "
            f"{out.shape[-1]}) from 0 to 1"
        )

    fits = isinstance(target, Tensor) and target.shape[-2:] == out.shape[-2:] and target.dtype == out.dtype
    if not fits or not target.numel():
        raise refusal()
    low, high = target.aminmax()
    require((low >= 0) & (high <= 1), refusal)
    return target


def _labels(out: Tensor, target: Tensor) -> Tensor:
    def refusal() -> ValueError:
        came = (
            f"{target.dtype} {tuple(target.shape)}" if isinstance(target, Tensor) else type(target).__name__
        )
        return ValueError(
            f"cross-entropy: target is {came}, wanted int64 class numbers (..., {out.shape[-2]}) "
            f"from 0 to {out.shape[-1] - 1}"
        )

    fits = (
        isinstance(target, Tensor) and target.dtype == torch.int64 and target.shape[-1:] == out.shape[-2:-1]
    )
    if not fits or not target.numel():
        raise refusal()
    require(target.min() >= 0, refusal)
    require_outputs(target, out.shape[-1], "cross-entropy")
    if not target.is_cpu:  # until the verdict, a number that is no output's must not reach an index
        target = target.clamp(0, out.shape[-1] - 1)
    return target.expand(out.shape[:-1])
