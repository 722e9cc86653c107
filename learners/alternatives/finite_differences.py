"""Finite differences: one knob is moved at a time, and the change of the loss is the gradient there.

Kiefer and Wolfowitz, "Stochastic estimation of the maximum of a regression function" (1952),
https://doi.org/10.1214/aoms/1177729392, coordinate by coordinate; the baseline of SPSA (Spall 1992,
https://doi.org/10.1109/9.119632), which takes as many measurements fewer as there are knobs. On chips it is
weight perturbation as Jabri and Flower have it (1991), https://doi.org/10.1162/neco.1991.3.4.546.

It is `WeightPerturbation` in the directions `coordinates`, whose size is not the step of the one knob but
that of all. Where we differ: a step may move only some knobs, drawn without replacement; what it measured
then counts for as many times more, so that the estimate is unbiased.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Generator, Tensor

from analog.port import Probe, Reading
from analog.spec import Spec

from ..descent import Descent
from ..estimators.base import Estimator, ProbeResult, validate
from ..estimators.gradient import Gradient, Place
from ..estimators.joint_distributions import coordinates
from ..estimators.schemes import Scheme, antithetic, one_sided
from ..estimators.weight import WeightPerturbation
from ..learner import Learner
from ..losses import Loss
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update

KNOB_STEP = 0.1  # full scale; a knob that moves alone has to be heard above the noise of readings


@dataclass(frozen=True)
class FiniteDifferences(Estimator):
    """An estimator that moves one knob at a time, by a random sign.

    Args:
        size: full scale, by which the one knob is moved.
        knobs: how many of all the probed layers' knobs are tried in a step; None: every one.
        scheme: `one_sided` for forward differences, `antithetic` for central ones.

    Raises:
        TypeError: the scheme is none.
        ValueError: a setting is out of its range.
    """

    size: float
    knobs: int | None = None
    scheme: Scheme = one_sided

    def __post_init__(self) -> None:
        least = self.scheme.min_directions if isinstance(self.scheme, Scheme) else 1
        count = least if self.knobs is None else self.knobs
        validate("FiniteDifferences", self.size, count, coordinates, self.scheme)

    @property
    def gradient_at(self) -> Place:
        return "knobs"

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, Any]:
        return self._perturbation(spec).ask(spec, x, baseline, generator)

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        return self._perturbation(spec).tell(spec, result)

    def _perturbation(self, spec: Spec) -> WeightPerturbation:
        """The weight perturbation that moves one of these knobs by `size` at a time."""
        count = sum(prod(shape[len(spec.fleet) :]) for shape in spec.shapes)
        directions = count if self.knobs is None else self.knobs
        return WeightPerturbation(self.size / count**0.5, directions, coordinates, self.scheme)


def finite_differences(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = KNOB_STEP,
    probes: int | None = None,
    central: bool = True,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Descent by finite differences of the loss, knob by knob; needs no more than the loss of a chip.

    Args:
        loss: any.
        learning_rate: of Adam, at the beginning.
        size: full scale, by which one knob is moved.
        probes: how many knobs are tried in a step; None: every one.
        central: there and back, two measurements for each knob; else forward, from the baseline reading.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """
    estimator = FiniteDifferences(size, probes, antithetic if central else one_sided)

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss, delta_rule=False)

    return with_adam("finite_differences", loss, learner, learning_rate, update, steps)
