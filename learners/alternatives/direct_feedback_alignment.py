"""Direct feedback alignment: fixed random matrices carry the outputs' error straight to every layer.

Nøkland, "Direct feedback alignment provides learning in deep neural networks" (2016),
https://arxiv.org/abs/1609.01596: with e the gradient at the outputs,

    d_L = e,   d_l = (B_l e) * f'(a_l),   dW_l = -d_l h_{l-1}'

Where we differ: a neuron's derivative counts as 1 where its tap is not 0, and any update descends. The
matrices are normal and not uniform, drawn at the first step, and are never changed. Learned feedback
(`learners.Feedback`) has matrices of the same shapes and learns them from probes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from analog.port import Port, Reading
from analog.spec import Spec

from ..estimators.gradient import active_nodes
from ..learner import Learner
from ..losses import Loss
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update
from .random_feedback import RandomFeedback, draw_feedback


@dataclass(frozen=True)
class DirectFeedbackAlignment(RandomFeedback):
    """A learner that carries the gradient at the outputs to each hidden layer by a fixed random matrix.

    The last layer learns by the gradient itself, so a linear read-out learns by its delta rule.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        scale: sd of what comes to a node, for errors of length 1; to updates that divide by the gradient's
            own size, such as Adam, it makes no difference.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: the scale is out of its range, or the loss does not know its gradient.
    """

    def draw(self, spec: Spec, generator: Generator) -> tuple[Tensor, ...]:
        """Draw B (*fleet, features, outputs) of every layer but the last."""
        shapes = [(layer.features, spec.layers[-1].features) for layer in spec.layers[:-1]]
        return draw_feedback(shapes, self.scale, spec, generator)

    def carry_back(
        self, port: Port, x: Tensor, reading: Reading, feedback: tuple[Tensor, ...], error: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Carry the error (*fleet, batch, outputs) straight to every layer."""
        return carry_to_all(port.spec, reading.taps, feedback, error), (x, *reading.taps[:-1])


def carry_to_all(
    spec: Spec, taps: Sequence[Tensor], feedback: Sequence[Tensor], output_gradient: Tensor
) -> tuple[Tensor, ...]:
    """Carry gradients from the outputs to the nodes of every layer, each by a matrix of its own.

    Args:
        spec: the whole chip.
        taps: of each layer, (*fleet, batch, features).
        feedback: of each layer but the last, (*fleet, features, outputs).
        output_gradient: (*fleet, batch, outputs), of each example's loss.

    Returns:
        What stands for the gradient at each layer's summing nodes, (*fleet, batch, features).
    """
    at_taps = (*(output_gradient @ matrix.mT for matrix in feedback), output_gradient)
    return tuple(
        error * active_nodes(layer, tap) for error, layer, tap in zip(at_taps, spec.layers, taps, strict=True)
    )


def direct_feedback_alignment(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    scale: float = 1.0,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Direct feedback alignment descended by Adam; needs all taps, and no probe is sent.

    Args:
        loss: one that knows its gradient.
        learning_rate: of Adam, at the beginning.
        scale: of the random matrices.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return DirectFeedbackAlignment(update, loss, scale)

    return with_adam("direct_feedback_alignment", loss, learner, learning_rate, update, steps)
