"""Equilibrium propagation: a chip that relaxes is nudged at its outputs, and cells learn from two states.

Scellier and Bengio, "Equilibrium propagation: bridging the gap between energy-based models and
backpropagation" (2017), https://doi.org/10.3389/fncom.2017.00024; the centered estimate after Laborieux et
al., "Scaling equilibrium propagation to deep convnets" (2021), https://doi.org/10.3389/fnins.2021.633674.

A settled reciprocal chip answers a current at node j by a change of state at node i as it answers one at i by
a change at j. So currents along the loss's slope at the outputs show, at every tap at once, the gradient at
that node: equilibrium propagation is node perturbation whose variance reciprocity has removed.

Where we differ: the push is a constant current, from the slope at the free state, so that any loss with a
gradient will do and the wires need no spring; and each example gets the same current (its gradient is scaled
back), so that examples that are right already bring no noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, get_args

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Probe
from analog.spec import Spec

from ..access import taps_access
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import Gradient, knob_gradients
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..updates.record import Update, require_update

Nudging = Literal["centered", "towards", "away"]
_SIGNS: Final[Mapping[Nudging, tuple[float, ...]]] = {  # of the currents along the output gradient
    "centered": (-1.0, 1.0),
    "towards": (-1.0,),
    "away": (1.0,),
}


class Adjoints(NamedTuple):
    """The gradient of each example's loss at every node, and the states that it was found at."""

    gradient: Gradient  # at nodes, (*fleet, batch, features) each
    states: tuple[Tensor, ...]  # (*fleet, batch, features) each, without the clamped input


class EquilibriumState(NamedTuple):
    """The state of a learner by equilibrium propagation."""

    update: Any
    steps: int


@dataclass(frozen=True)
class EquilibriumPropagation:
    """A learner that nudges the outputs of a chip that relaxes, and compares the states it settles to.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        nudge: the current of each example, in what the outputs take, V.
        nudging: "centered" compares both signs of the nudge, two readings beside the free one; "towards" and
            "away" (from what is wanted) one of them with the free one, at four times the variance.
        pairs: how often the nudged states are read in a step, and averaged.
        chopped: swap the order of the two nudged states at every other step: where each is read by a
            converter of its own, the difference of these cancels instead of being learned.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: a setting is out of its range, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss
    nudge: float = 0.3
    nudging: Nudging = "centered"
    pairs: int = 1
    chopped: bool = True

    def __post_init__(self) -> None:
        require_update(self.update, "EquilibriumPropagation: update")
        known_gradient(self.loss, "EquilibriumPropagation")
        if not 0 < self.nudge < float("inf"):
            raise ValueError(f"EquilibriumPropagation: nudge is {self.nudge}, wanted a finite number above 0")
        if self.nudging not in get_args(Nudging):
            raise ValueError(
                f"EquilibriumPropagation: nudging is {self.nudging!r}, wanted one of {get_args(Nudging)}"
            )
        if isinstance(self.pairs, bool) or not isinstance(self.pairs, int) or self.pairs < 1:
            raise ValueError(f"EquilibriumPropagation: pairs is {self.pairs!r}, wanted an integer from 1")

    @property
    def nudged_states(self) -> int:
        """How many nudged states are read in a step."""
        return self.pairs * len(_SIGNS[self.nudging])

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: all taps, and probes at the output nodes."""
        return taps_access(spec, node_probes=True)

    def init(self, spec: Spec) -> EquilibriumState:
        """The state before the first step.

        Raises:
            ValueError: the chip does not relax.
        """
        if spec.synapse == "one-way":
            raise ValueError(
                "EquilibriumPropagation: signals go one way through this chip; wanted one that relaxes, "
                "such as analog.devices.Hopfield"
            )
        return EquilibriumState(self.update.init(spec.zeros()), 0)

    def step(
        self, port: Port, batch: Batch, state: EquilibriumState, generator: Generator
    ) -> tuple[EquilibriumState, Step]:
        """Read the free state and the nudged ones, and pulse the chip once."""
        del generator  # nothing is drawn
        free = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, free)
        losses, output_gradient = baseline.losses, baseline.output_gradient
        assert output_gradient is not None  # the loss knows it
        swapped = self.chopped and state.steps % 2 == 1
        found = self.adjoints(port, batch.x, free.taps, output_gradient, swapped=swapped)
        inputs = (batch.x, *found.states[:-1])
        drive, update = self.update.step(
            knob_gradients(port.spec, found.gradient, inputs, found.states[-1]), state.update
        )
        port.pulse(drive)
        return EquilibriumState(update, state.steps + 1), Step(losses.sum(-1).mean(-1), free)

    def adjoints(
        self,
        port: Port,
        x: Tensor,
        free: tuple[Tensor, ...],
        output_gradient: Tensor,
        *,
        swapped: bool = False,
    ) -> Adjoints:
        """Nudge the outputs along the gradient of the loss, and read what every node makes of it.

        Args:
            x: (batch, features_in) or (*fleet, batch, features_in).
            free: taps of a reading of x without a nudge.
            output_gradient: (*fleet, batch, outputs), of each example's loss at the free outputs.
            swapped: read the state away from the target first.
        """
        length = output_gradient.norm(dim=-1, keepdim=True)
        scale = length / self.nudge  # of an answer, to be that to the output_gradient
        current = output_gradient / scale.clamp(min=torch.finfo(output_gradient.dtype).tiny)
        signs = _SIGNS[self.nudging]
        signs = (signs[::-1] if swapped else signs) * self.pairs
        return compare_states(port, x, current, scale, signs, None if self.nudging == "centered" else free)


def compare_states(
    port: Port,
    x: Tensor,
    current: Tensor,
    scale: Tensor,
    signs: tuple[float, ...],
    free: tuple[Tensor, ...] | None,
) -> Adjoints:
    """The gradient at every node that states under currents into the outputs show, and those states' mean.

    Args:
        port: of a chip that relaxes.
        x: (batch, features_in) or (*fleet, batch, features_in).
        current: (*fleet, batch, outputs), V.
        scale: (*fleet, batch, 1), of the answers to it.
        signs: of the currents, one of each state that is read.
        free: taps without a current, that the states are compared with; None: with one another.
    """
    ways = torch.tensor(signs, dtype=current.dtype, device=current.device)
    ways = ways.view(-1, *(1,) * current.ndim)
    above = (None,) * (len(port.spec.layers) - 1)
    taps = port.measure(x, Probe(nodes=(*above, ways * current))).taps
    if free is None:
        gradient = [(ways * tap).mean(0) * scale for tap in taps]
        return Adjoints(Gradient(nodes=tuple(gradient)), tuple(tap.mean(0) for tap in taps))
    nudged = [(ways * (tap - rest)).mean(0) * scale for tap, rest in zip(taps, free, strict=True)]
    states = [(tap.mean(0) + rest) / 2 for tap, rest in zip(taps, free, strict=True)]
    return Adjoints(Gradient(nodes=tuple(nudged)), tuple(states))
