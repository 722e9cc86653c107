"""The methods of the grid of Ren et al.: what teaches a chip of two hidden layers, and by which losses.

Ren, Kornblith, Liao and Hinton, "Scaling forward gradient with local losses" (ICLR 2023),
https://arxiv.org/abs/2210.03310.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import torch
from torch import Generator

from analog import Chip, Costs, Port, Spec, grouped, xray
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    Loss,
    NodePerturbation,
    Step,
    Update,
    WeightPerturbation,
    accumulate,
)
from learners.estimators import WeightMirrors
from learners.estimators.base import Estimator
from learners.estimators.gradient import knob_gradient
from learners.learner import Learner
from learners.local import Block, Greedy, PerGroupLoss, ReplicatedHeads
from learners.losses import known_gradient
from learners.recipes import KNOB_PROBE_SIZE, PROBE_SIZE

from .exact_gradient import ExactGradient
from .methods import METHODS, MethodName, Setup, make_learner
from .published_learner import WRITE_THRESHOLD

Method = Literal[
    "BP",
    "L-BP",
    "LG-BP",
    "FG-W",
    "FG-A",
    "L-FG-A",
    "LG-FG-W",
    "LG-FG-A",
    "LG-FG-A + mirrors",
    "node perturbation + feedback",  # FG-A, and the rest as in `in_place`
    "learned feedback",
    "learned feedback alone",
    "measured feedback",
]
TRUST: Final = 0.2  # in what mirrors did not predict; on held-out images


def write_threshold(costs: Costs) -> float | None:
    """Full scale, what drives come to before they are sent to chips that move by steps: every write blurs."""
    return None if costs.step is None else WRITE_THRESHOLD


@dataclass(frozen=True)
class Recipe:
    """A method of the grid, and what it may spend."""

    method: Method
    probes: int
    update: Update  # of digital heads, and of a chip that takes small writes
    groups: int
    own_heads: bool = False  # LG: every group has a head of its own alone

    def learner(self, chip: Chip) -> Learner:
        """The learner that teaches the chip; the x-ray of it is for the exact methods alone."""
        threshold = write_threshold(chip.spec.costs)
        update = self.update if threshold is None else accumulate(self.update, threshold)
        if self.method == "BP":
            return ExactGradient(chip, update, CrossEntropy())
        if self.method in METHODS:
            return make_learner(cast(MethodName, self.method), Setup(chip, update, self.probes))
        estimator: Estimator = NodePerturbation(PROBE_SIZE, self.probes)
        if self.method.endswith("W"):
            estimator = WeightPerturbation(KNOB_PROBE_SIZE, self.probes)
        top = Descent(estimator, update, CrossEntropy())
        if not self.method.startswith("L"):
            return top
        return Greedy((self._block(chip, estimator, update), Block(1, top)))

    def _block(self, chip: Chip, estimator: Estimator, update: Update) -> Block:
        """The two hidden layers, and through which head their objective sees them."""
        features, classes = chip.spec.layers[1].features, chip.spec.layers[-1].features
        grouping = self.groups if self.method.startswith("LG") else 1
        heads = grouping if self.own_heads else 1
        loss = CrossEntropy() if heads == 1 else PerGroupLoss(CrossEntropy(), heads)
        head = grouped(features, heads * classes, heads, linear=True)
        if self.method.endswith("BP"):
            return Block(2, ExactBlock(chip, update, loss), head)
        if heads > 1:
            return Block(2, Descent(estimator, update, loss), head)
        mirrors = (
            WeightMirrors(estimate_weight=TRUST, groups=grouping) if self.method.endswith("mirrors") else None
        )
        replicated = ReplicatedHeads(
            estimator, update, self.update, CrossEntropy(), classes, grouping, control_variate=mirrors
        )
        return Block(2, replicated)


@dataclass(frozen=True)
class ExactBlock:
    """The reference for a chip's first layers under a linear head: their exact gradient, by x-ray."""

    chip: Chip
    update: Update
    loss: Loss

    def init(self, spec: Spec) -> Any:
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        del generator  # nothing is probed
        baseline = port.measure(batch.x)
        features, head = baseline.taps[-2], port.spec.layers[-1]
        at_outputs = known_gradient(self.loss, "ExactBlock")(baseline.out, batch.target)
        top = len(port.spec.layers) - 1
        basis = torch.cat((features.new_zeros(1, features.shape[-1]), torch.eye(features.shape[-1])))
        responses = port.measure(basis, first=top).out  # a linear head tells its weights
        at_features = at_outputs @ (responses[..., 1:, :] - responses[..., :1, :]).mT
        gradient = xray.knob_gradient(
            self.chip, batch.x, at_features, lambda out, known: (out * known).sum(-1), last=top - 1
        )
        drive, state = self.update.step((*gradient, knob_gradient(head, at_outputs, features)), state)
        port.pulse(drive)
        losses = self.loss.value(baseline.out, batch.target)
        return state, Step(losses.flatten(len(port.spec.fleet)).mean(-1), baseline)
