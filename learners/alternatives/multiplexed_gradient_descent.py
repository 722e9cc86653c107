"""Multiplexed gradient descent: three time scales say when examples, perturbations and knobs change.

McCaughan, Oripov, Ganesh, Nam, Dienstfrey and Buckley, "Multiplexed gradient descent: Fast online training of
modern datasets on hardware neural networks without backpropagation" (2023), https://doi.org/10.1063/5.0157645:
a perturbation lasts tau_p, an example tau_x, and the changes of the cost times the perturbations are summed
up for tau_theta before the knobs are changed by them. Here the unit is tau_p, one measurement:

    tau_x = perturbations            tau_theta = perturbations * samples

so (1, 1) is stochastic weight perturbation, many perturbations of one sample near its gradient, and many
samples a batch's. Where we differ: what comes as a sample is a batch, read in parallel; and any update
descends the mean.
"""

from ..descent import Descent
from ..estimators.distributions import rademacher
from ..estimators.weight import WeightPerturbation
from ..learner import Learner
from ..losses import Loss, require_loss
from ..recipes import KNOB_PROBE_SIZE, LEARNING_RATE
from ..unscheduled import Unscheduled
from ..updates.basic import adam
from ..updates.record import Update
from ..updates.wrappers import accumulate_gradients, linear_decay


def multiplexed_gradient_descent(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = KNOB_PROBE_SIZE,
    perturbations: int = 1,
    samples: int = 1,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Weight perturbation by the time scales of multiplexed gradient descent; needs the loss alone.

    Args:
        loss: any.
        learning_rate: of Adam, at the beginning.
        size: full scale, by which each knob is moved up or down.
        perturbations: measured of each sample before the next comes, tau_x / tau_p.
        samples: that come before the knobs are changed, tau_theta / tau_x.
        update: in place of Adam with a falling learning rate; a schedule of its own counts changes of knobs.
        steps: how long the training is, in samples; None where `train` will say.

    Raises:
        TypeError: it is no loss.
        ValueError: `samples` or `perturbations` is no integer of at least 1.
    """
    require_loss(loss, "multiplexed_gradient_descent")
    estimator = WeightPerturbation(size, perturbations, rademacher)

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss, delta_rule=False)

    def for_steps(steps: int) -> Learner:
        return learner(linear_decay(accumulate_gradients(adam(learning_rate), samples), steps))

    if update is not None:
        return learner(accumulate_gradients(update, samples))
    name = "multiplexed_gradient_descent"
    return Unscheduled(name, for_steps) if steps is None else for_steps(steps)
