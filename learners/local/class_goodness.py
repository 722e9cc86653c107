"""Competition of classes in one pass: each class has a share of a layer's neurons, and the most active wins.

The single-pass relative of forward-forward: no fakes, no label among the inputs. Every layer by itself makes
the share of the right class more active than the others, as channel-wise competition does (Papachristodoulou
et al., "Convolutional channel-wise competitive learning for the forward-forward algorithm", AAAI 2024,
https://arxiv.org/abs/2312.12668); a single-pass competitive rule has been run on HfOx arrays (Renaudineau et
al. 2026, https://arxiv.org/abs/2601.09903, of which only the abstract was read: this may not be their rule).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from analog.port import Port

from ..losses import CrossEntropy, Loss
from .forward_forward import with_normalization
from .normalization import normalize


@dataclass(frozen=True)
class ClassGoodness(Loss):
    """The cross-entropy of classes by the goodness of their shares of a layer's neurons, in nats.

    A class's share is as many consecutive neurons as every class can have; neurons left over count for
    nothing. Targets are class numbers (..., batch), int64.

    Args:
        classes: how many.
        sharpness: 1/V^2, by which goodness becomes log-odds.

    Raises:
        ValueError: `classes` is below 2, or `sharpness` is not finite and above 0.
    """

    classes: int
    sharpness: float = 5.0

    def __post_init__(self) -> None:
        if self.classes < 2 or not 0 < self.sharpness < float("inf"):
            raise ValueError(f"ClassGoodness: wanted 2 or more classes and a finite sharpness, got {self}")

    def value(self, out: Tensor, target: Tensor) -> Tensor:  # (..., batch, 1)
        return CrossEntropy().value(self.sharpness * self.goodness(out), target)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        """d loss / d out, (..., batch, features): each share scaled by how far its class is misjudged."""
        each = self._each(out)
        wrong = (self.sharpness * self.goodness(out)).softmax(-1)
        wrong = wrong - one_hot(target, self.classes).to(out.dtype)
        push = (2 * self.sharpness / each) * wrong.repeat_interleave(each, -1)
        rest = out.shape[-1] - push.shape[-1]
        return out * torch.nn.functional.pad(push, (0, rest))

    def goodness(self, out: Tensor) -> Tensor:
        """The mean squared activity of each class's share, V^2: (..., batch, features) -> (..., classes).

        Raises:
            ValueError: there are fewer neurons than classes.
        """
        each = self._each(out)
        return out[..., : each * self.classes].unflatten(-1, (self.classes, each)).square().mean(-1)

    def _each(self, out: Tensor) -> int:
        each = out.shape[-1] // self.classes
        if not each:
            raise ValueError(f"ClassGoodness: {out.shape[-1]} neurons for {self.classes} classes")
        return each


def class_goodness(port: Port, x: Tensor, loss: ClassGoodness) -> Tensor:  # (*fleet, batch, classes)
    """The goodness of each class, summed over all layers: one run.

    Args:
        port: the chip's own wires.
        x: images (batch, pixels).
        loss: that taught each of its layers.
    """
    taps = with_normalization(port).measure(normalize(x)).taps
    return torch.stack([loss.goodness(tap) for tap in taps]).sum(0)
