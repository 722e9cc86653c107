"""Learners with the settings of the published tables, under the names of what they do.

A recipe takes a loss and returns a learner; every setting is an argument with the published default. Adam
(Kingma and Ba 2014, https://arxiv.org/abs/1412.6980) descends the estimate, its learning rate falling to zero
linearly over the training. How many steps that is, `train` tells the learner; `fit` does not know it, so
there it is an argument. All of this was chosen on held-out training data.
"""

from .descent import Descent
from .estimators.control_variates import ControlVariate
from .estimators.feedback import Feedback
from .estimators.node import NodePerturbation
from .estimators.weight import WeightPerturbation
from .learner import Learner
from .local.coupled import CoupledLearning
from .local.equilibrium import EquilibriumPropagation, Nudging
from .losses import Loss
from .measured_feedback import MeasuredFeedback
from .unscheduled import with_adam
from .updates.record import Update

LEARNING_RATE = 1e-2  # of chips with 64 hidden neurons; those with 256 that learn MNIST take 6e-3
PROBE_SIZE = 0.15  # V at the summing node: what `tune_probe_size` finds for Mismatched, give or take a fifth
KNOB_PROBE_SIZE = 0.003  # full scale; best of .001, .003, .006 and .012
PROBES = 4
INPUT_SIZE = 1.0  # V, by which an input is raised; from .3 to 3 alike on held-out digits
NUDGE = 0.3  # V, the current into the outputs of a chip that relaxes
FEEDBACK = Feedback(decay=0.98, estimate_weight=0.2)  # on noisy chips most of the innovation is noise


def learned_feedback(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = PROBE_SIZE,
    probes: int = PROBES,
    feedback: Feedback = FEEDBACK,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Node perturbation that teaches a backward model; the published tables' learner.

    The probes' estimates teach feedback weights from the outputs back to every hidden neuron (Lansdell,
    Prakash and Kording 2020, https://arxiv.org/abs/1906.00889); the gradient is what these predict, and a
    part of what the probes say beside it. The read-out learns by its delta rule, and neurons that are
    inactive count for nothing.

    Args:
        loss: one that knows its gradient, whose read-out is linear.
        learning_rate: of Adam, at the beginning.
        size: V, sd of the probe at each summing node.
        probes: directions of each step.
        feedback: how fast it forgets, and how much of what it did not predict is believed.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """
    estimator = NodePerturbation(size, probes)

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss, control_variate=feedback)

    return with_adam("learned_feedback", loss, learner, learning_rate, update, steps)


def node_perturbation(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = PROBE_SIZE,
    probes: int = PROBES,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Plain node perturbation of the hidden layers; the read-out learns by its delta rule.

    Arguments as of `learned_feedback`; no backward model is learned.
    """
    estimator = NodePerturbation(size, probes)

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss)

    return with_adam("node_perturbation", loss, learner, learning_rate, update, steps)


def weight_perturbation(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = KNOB_PROBE_SIZE,
    probes: int = PROBES,
    delta_rule: bool = False,
    control_variate: ControlVariate | None = None,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Weight perturbation of all layers, the read-out among them; needs no more than the loss of a chip.

    Arguments as of `learned_feedback`, but for these.

    Args:
        size: full scale, sd of the probe at each knob.
        delta_rule: the read-out learns by its delta rule instead, as under the other recipes.
        control_variate: predicts the gradient at the knobs, such as `RunningMean()`.
    """
    estimator = WeightPerturbation(size, probes)

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss, delta_rule=delta_rule, control_variate=control_variate)

    return with_adam("weight_perturbation", loss, learner, learning_rate, update, steps)


def equilibrium_propagation(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    nudge: float = NUDGE,
    nudging: Nudging = "centered",
    pairs: int = 1,
    chopped: bool = True,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Equilibrium propagation on a chip that relaxes; its outputs are nudged, and no probe is drawn.

    Arguments as of `learned_feedback` and `learners.local.EquilibriumPropagation`.
    """

    def learner(update: Update) -> Learner:
        return EquilibriumPropagation(update, loss, nudge, nudging, pairs, chopped)

    return with_adam("equilibrium_propagation", loss, learner, learning_rate, update, steps)


def coupled_learning(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    amplitude: float = 0.1,
    every: int = 20,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Coupled learning on a chip that relaxes: its outputs are moved a part of the way that the loss wants.

    Arguments as of `learned_feedback` and `learners.local.CoupledLearning`.
    """

    def learner(update: Update) -> Learner:
        return CoupledLearning(update, loss, amplitude, every)

    return with_adam("coupled_learning", loss, learner, learning_rate, update, steps)


def measured_feedback(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = INPUT_SIZE,
    every: int = 5,
    reads: int = 1,
    decay: float = 0.8,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Descent by a backward model that is measured through the wires, layer by layer; no probe is sent.

    The strongest opponent of the recipes that perturb: it takes spans, and fewer reads.

    Args:
        loss: one that knows its gradient.
        learning_rate: of Adam, at the beginning.
        size: V, by which one input of a layer is raised at a time.
        every: steps from one measurement to the next.
        reads: how often each entry of the model is read at a time.
        decay: of earlier measurements, each time that there is a new one.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return MeasuredFeedback(update, loss, size, every, reads, decay)

    return with_adam("measured_feedback", loss, learner, learning_rate, update, steps)
