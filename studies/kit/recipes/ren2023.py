"""The rows of the grid of Ren et al.: what teaches a chip of two hidden layers, and by which losses."""

from dataclasses import dataclass
from typing import Any
from typing import Final
from typing import Literal

import torch
from torch import Generator

from analog import Chip
from analog import Port
from analog import Spec
from analog import grouped
from analog import xray
from analog.devices.pulsed import Pulsed
from learners import Batch
from learners import CrossEntropy
from learners import Descent
from learners import NodePerturbation
from learners import Step
from learners import Update
from learners import WeightPerturbation
from learners import accumulate
from learners.estimators.base import Estimator
from learners.estimators.base import correlate
from learners.learner import Learner
from learners.local import Block
from learners.local import Greedy
from learners.local import Mirrors
from learners.local import OwnHeads
from learners.local import ReplicatedHeads

from .standard import OWED
from .standard import PROBE_SIZE
from .standard import Exact
from .standard import by_nodes

Method = Literal[
    "BP",
    "L-BP",
    "LG-BP",
    "FG-W",
    "FG-A",
    "L-FG-A",
    "LG-FG-W",
    "LG-FG-A",
    "FG-A + feedback",
    "LG-FG-A + mirrors",
]
WEIGHT_PROBE: Final = 0.003  # full scale; twice as much changed little on held-out images
TRUST: Final = 0.2  # in what mirrors did not foresee; on held-out images


@dataclass(frozen=True)
class Way:
    """One row of the grid: a method, and what it may spend."""

    method: Method
    probes: int
    update: Update  # of digital heads, and of a chip that takes small writes
    groups: int
    own_heads: bool = False  # LG: every group is seen by a head of its own alone

    def learner(self, chip: Chip[Any]) -> Learner[Any]:
        """What teaches the chip; the x-ray of it is for the exact rows alone."""
        writes = self.update
        if isinstance(chip.device, Pulsed):
            writes = accumulate(writes, OWED)  # they blur
        if self.method == "BP":
            return Exact(chip, writes, CrossEntropy())
        if self.method == "FG-A + feedback":
            return by_nodes(self.probes, writes)(CrossEntropy())
        estimator: Estimator = NodePerturbation(PROBE_SIZE, self.probes, mask=True)
        if self.method.endswith("W"):
            estimator = WeightPerturbation(WEIGHT_PROBE, self.probes)
        top = Descent(estimator, writes, CrossEntropy(), delta=True)
        if not self.method.startswith("L"):
            return top
        return Greedy((self._block(chip, estimator, writes), Block(1, top)))

    def _block(self, chip: Chip[Any], estimator: Estimator, writes: Update) -> Block:
        """The two hidden layers, and through which head their objective sees them."""
        features, classes = chip.spec.layers[1].features, chip.spec.layers[-1].features
        grouping = self.groups if self.method.startswith("LG") else 1
        own = grouping if self.own_heads else 1
        loss = CrossEntropy() if own == 1 else OwnHeads(CrossEntropy(), own)
        head = grouped(features, own * classes, own, linear=True)
        if self.method.endswith("BP"):
            return Block(2, ExactBlock(chip, writes, loss), head)
        if own > 1:
            return Block(2, Descent(estimator, writes, loss, delta=True), head)
        mirrors = Mirrors(trust=TRUST) if self.method.endswith("mirrors") else None
        heads = ReplicatedHeads(
            estimator, writes, self.update, CrossEntropy(), classes, grouping, mirrors=mirrors
        )
        return Block(2, heads)


@dataclass(frozen=True)
class ExactBlock:
    """The reference for a chip's first layers under a linear head: their exact gradient, by x-ray."""

    chip: Chip[Any]
    update: Update
    loss: CrossEntropy | OwnHeads

    def init(self, spec: Spec) -> Any:
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        del generator  # nothing is probed
        baseline = port.measure(batch.x)
        features, head = baseline.taps[-2], port.spec.layers[-1]
        slope = self.loss.gradient(baseline.out, batch.target)
        top = len(port.spec.layers) - 1
        basis = torch.cat((features.new_zeros(1, features.shape[-1]), torch.eye(features.shape[-1])))
        said = port.measure(basis, first=top).out  # a linear head tells its weights
        at_features = slope @ (said[..., 1:, :] - said[..., :1, :]).mT
        gradient = xray.knob_gradient(
            self.chip, batch.x, at_features, lambda out, known: (out * known).sum(-1), last=top - 1
        )
        drive, state = self.update.step((*gradient, correlate(head, slope, features)), state)
        port.pulse(drive)
        losses = self.loss.value(baseline.out, batch.target)
        return state, Step(losses.flatten(len(port.spec.fleet)).mean(-1), baseline)
