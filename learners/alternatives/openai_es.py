"""OpenAI's evolution strategy: mirrored Gaussian perturbations of all knobs, weighted by ranks.

Salimans, Ho, Chen, Sidor and Sutskever, "Evolution strategies as a scalable alternative to reinforcement
learning" (2017), https://arxiv.org/abs/1703.03864, algorithm 1 with mirrored sampling and centered ranks u:

    ghat = 1 / (2 K sigma) sum_k [u(w + sigma v_k) - u(w - sigma v_k)] v_k,   u from -1/2 to 1/2

which is weight perturbation by antithetic pairs of Gaussian directions with ranks in place of losses. Where
we differ: directions are additive inputs at the knobs, since writing candidates blurs a real device; and no
weight decays, since nobody outside the chip knows it.
"""

from dataclasses import dataclass
from typing import NoReturn

from torch import Tensor

from ..descent import Descent
from ..estimators.distributions import gaussian
from ..estimators.schemes import Scheme, antithetic
from ..estimators.weight import WeightPerturbation
from ..learner import Learner
from ..losses import Loss
from ..recipes import LEARNING_RATE
from ..rl.random_search import centered_ranks
from ..unscheduled import with_adam
from ..updates.record import Update

SIGMA = 0.03  # full scale; best of .003, .01, .03 and .1 on held-out digits


@dataclass(frozen=True)
class RankedPairs(Scheme):
    """L(+v) against L(-v), each loss replaced by its rank among all of the step, from -1/2 to 1/2.

    What it tells does not change under any increasing function of the losses, so its length says nothing of
    the gradient's, and an estimator with it is biased.
    """

    @property
    def compares_directions(self) -> bool:
        return True

    def perturbations(self, directions: Tensor) -> Tensor:
        return antithetic.perturbations(directions)

    def directions(self, perturbations: Tensor) -> Tensor:
        return antithetic.directions(perturbations)

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        ranks = centered_ranks(-losses).to(losses.dtype)  # of returns: the worst has 1/2
        return antithetic.differences(ranks, baseline_loss, size)

    def reading_noise(self, count: int) -> NoReturn:
        """Refuse to say what noise adds.

        Raises:
            ValueError: always; ranks have no closed form.
        """
        raise ValueError(
            f"{self!r}: no closed form is known for what noise adds to the ranks of {count} pairs"
        )


def openai_es(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = SIGMA,
    probes: int = 16,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """OpenAI's evolution strategy descended by Adam; needs no more than the order of a chip's losses.

    Args:
        loss: any; all candidates of a step are judged by the same batch.
        learning_rate: of Adam, at the beginning.
        size: full scale, sd of the perturbation of each knob (the source's sigma).
        probes: mirrored pairs of each step, two measurements each.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """
    estimator = WeightPerturbation(size, probes, gaussian, RankedPairs())

    def learner(update: Update) -> Learner:
        return Descent(estimator, update, loss, delta_rule=False)

    return with_adam("openai_es", loss, learner, learning_rate, update, steps)
