"""SPSA: all knobs are moved by one random sign each, there and back, and the two losses tell the gradient.

Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation"
(1992), https://doi.org/10.1109/9.119632: ghat_i = [L(w + c v) - L(w - c v)] / (2 c v_i) with
independent fair signs v_i, for which 1 / v_i = v_i: weight perturbation by antithetic pairs of signs.

Where we differ: c stays as it is, since shrinking differences drown in a chip's noise; several directions may
be averaged, as in his section on averaging; and any update descends the estimate, by default Adam.
"""

from ..descent import Descent
from ..estimators.distributions import rademacher
from ..estimators.schemes import antithetic
from ..estimators.weight import WeightPerturbation
from ..learner import Learner
from ..losses import Loss
from ..recipes import LEARNING_RATE, PROBES
from ..unscheduled import with_adam
from ..updates.record import Update

SIZE = 0.01  # full scale; pairs may go farther than one-sided probes. Best of .003, .01 and .03, held out


def spsa(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = SIZE,
    probes: int = PROBES,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Simultaneous perturbation of all knobs by pairs of signs; needs no more than the loss of a chip.

    Args:
        loss: any.
        learning_rate: of Adam, at the beginning.
        size: full scale, by which each knob is moved (Spall's c).
        probes: directions of each step, two measurements each.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """
    estimator = WeightPerturbation(size, probes, rademacher, antithetic)

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss, delta_rule=False)

    return with_adam("spsa", loss, learner, learning_rate, update, steps)
