"""PEPITA: a second forward pass, its input changed by the error, takes the place of the backward pass.

Dellaferrera and Kreiman, "Error-driven input modulation: solving the credit assignment problem without a
backward pass" (2022), https://arxiv.org/abs/2201.11665. With e the gradient at the outputs, h_l what layer l
shows of x, and H_l what it shows of x + F e, F fixed and random:

    dW_1 = -(h_1 - H_1) (x + F e)',   dW_l = -(h_l - H_l) H_{l-1}',   dW_L = -e H_{L-1}'

Where we differ: F is normal and not uniform, drawn at the first step; any update descends, so that only the
directions above matter to Adam; and both passes are readings, with noise of their own.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from analog.port import Port, Reading
from analog.spec import Spec

from ..learner import Learner
from ..losses import Loss
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update
from .random_feedback import RandomFeedback, draw_feedback

SCALE = 0.2  # best of .03, .05, .1, .2 and .3 on held-out digits


@dataclass(frozen=True)
class PEPITA(RandomFeedback):
    """A learner that reads each batch again with the error added to its inputs by a fixed random matrix.

    Args:
        update: turns what stands for the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        scale: V, sd of what an error of length 1 adds to an input is scale sqrt(2 / inputs), so that a
            summing node hears about as much of it however many inputs there are.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: the scale is out of its range, or the loss does not know its gradient.
    """

    scale: float = SCALE

    def draw(self, spec: Spec, generator: Generator) -> tuple[Tensor, ...]:
        """Draw F (*fleet, features_in, outputs)."""
        shape = (spec.layers[0].features_in, spec.layers[-1].features)
        return draw_feedback([shape], self.scale * (2 / shape[0]) ** 0.5, spec, generator)

    def carry_back(
        self, port: Port, x: Tensor, reading: Reading, feedback: tuple[Tensor, ...], error: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Read again with the error (*fleet, batch, outputs) added to x, and take what has changed."""
        modulated = x + error @ feedback[0].mT
        again = port.measure(modulated)
        changes = (taps - other for taps, other in zip(reading.taps[:-1], again.taps[:-1], strict=True))
        return (*changes, error), (modulated, *again.taps[:-1])


def pepita(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    scale: float = SCALE,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """PEPITA descended by Adam; needs all taps and two readings of each batch, and no probe is sent.

    Args:
        loss: one that knows its gradient.
        learning_rate: of Adam, at the beginning.
        scale: V, of the random matrix.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return PEPITA(update, loss, scale)

    return with_adam("pepita", loss, learner, learning_rate, update, steps)
