"""Feedback alignment: errors go down through fixed random matrices in place of the chip's own wiring.

Lillicrap, Cownden, Tweed and Akerman, "Random synaptic feedback weights support error backpropagation for
deep learning" (2016), https://doi.org/10.1038/ncomms13276: with e the gradient at the outputs,

    d_L = e,   d_l = (B_l d_{l+1}) * f'(a_l),   dW_l = -d_l h_{l-1}'

Where we differ: a neuron's derivative counts as 1 where its tap is not 0, and any update descends. The
matrices are normal and not uniform, drawn at the first step, and are never changed. Nothing is known of
the chip but what its taps show, and its sizes.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from analog.port import Port, Reading
from analog.spec import Spec

from ..learner import Learner
from ..losses import Loss
from ..node_descent import by_matrix, carry_down
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update
from .random_feedback import RandomFeedback, draw_feedback


@dataclass(frozen=True)
class FeedbackAlignment(RandomFeedback):
    """A learner that carries the gradient at the outputs down, layer by layer, by fixed random matrices.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        scale: sd of what comes down to a node, for errors of length 1 at the layer above; to updates that
            divide by the gradient's own size, such as Adam, it makes no difference.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: the scale is out of its range, or the loss does not know its gradient.
    """

    def draw(self, spec: Spec, generator: Generator) -> tuple[Tensor, ...]:
        """Draw B (*fleet, features_in, features) of every layer but the first, down to what drives it."""
        shapes = [(layer.features_in, layer.features) for layer in spec.layers[1:]]
        return draw_feedback(shapes, self.scale, spec, generator)

    def carry_back(
        self, port: Port, x: Tensor, reading: Reading, feedback: tuple[Tensor, ...], error: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Carry the error (*fleet, batch, outputs) down from layer to layer."""
        nodes = tuple(carry_down(port.spec, reading.taps, [*map(by_matrix, feedback)], error))
        return nodes, (x, *reading.taps[:-1])


def feedback_alignment(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    scale: float = 1.0,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Feedback alignment descended by Adam; needs all taps, and no probe is sent.

    Args:
        loss: one that knows its gradient.
        learning_rate: of Adam, at the beginning.
        scale: of the random matrices.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return FeedbackAlignment(update, loss, scale)

    return with_adam("feedback_alignment", loss, learner, learning_rate, update, steps)
