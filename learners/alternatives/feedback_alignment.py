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

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from ..access import taps_access
from ..estimators.estimate import judge_baseline
from ..learner import Batch, Learner, Step
from ..losses import Loss, known_gradient
from ..node_descent import carry_down, descend_nodes
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update, require_update
from .random_feedback import FeedbackState, draw_feedback, require_one_way, require_scale


@dataclass(frozen=True)
class FeedbackAlignment:
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

    update: Update
    loss: Loss
    scale: float = 1.0

    def __post_init__(self) -> None:
        require_update(self.update, "FeedbackAlignment: update")
        known_gradient(self.loss, "FeedbackAlignment")
        require_scale(self.scale, "FeedbackAlignment")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: all taps, and no probes."""
        return taps_access(spec, node_probes=False)

    def init(self, spec: Spec) -> FeedbackState:
        """The state before the first step, at which the matrices are drawn.

        Raises:
            ValueError: the chip relaxes.
        """
        require_one_way(spec, "FeedbackAlignment")
        return FeedbackState(self.update.init(spec.zeros()), None)

    def step(
        self, port: Port, batch: Batch, state: FeedbackState, generator: Generator
    ) -> tuple[FeedbackState, Step]:
        """Read the batch, carry its errors down, and pulse the chip once."""
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        assert baseline.output_gradient is not None  # the loss knows it
        feedback = self._draw(port.spec, generator) if state.feedback is None else state.feedback
        nodes = carry_down(port.spec, reading.taps, feedback, baseline.output_gradient)
        inputs = (batch.x, *reading.taps[:-1])
        update, step = descend_nodes(port, baseline, nodes, inputs, self.update, state.update)
        return FeedbackState(update, feedback), step

    def _draw(self, spec: Spec, generator: Generator) -> tuple[Tensor, ...]:
        """B of every layer but the first, from its nodes down to the taps that drive it."""
        shapes = [(layer.features_in, layer.features) for layer in spec.layers[1:]]
        return draw_feedback(shapes, self.scale, spec, generator)


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

    return with_adam("feedback_alignment", learner, learning_rate, update, steps)
