"""Descend an estimated gradient: read, probe, estimate, pulse."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from torch import Generator

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from .estimators.base import Estimator
from .estimators.control_variates import ControlVariate
from .estimators.estimate import judge_baseline
from .estimators.probing import Probing
from .learner import Batch, Step
from .losses import Loss, require_loss
from .updates.record import Update, require_update


class DescentState(NamedTuple):
    """The state of a `Descent` from step to step."""

    update: Any
    control_variates: tuple[Any, ...]  # one for each set of probes, None without a control variate


@dataclass(frozen=True)
class Descent:
    """Descend an estimated gradient.

    Args:
        estimator: asks for probes and tells the gradient; any whose properties fit what else is set.
        update: turns the gradient into a drive.
        loss: per example, of the chip's outputs.
        delta_rule: train the read-out by its own delta rule (the gradient of the loss at the outputs, known
            digitally, times the inputs read at the last hidden tap) and spare it the perturbation. Used
            wherever the last layer is linear and the loss has a gradient; `uses_delta_rule` says whether.
        in_turn: probe one layer after another, each in measurements of its own that drive only it and what
            comes after it. Layers then do not leak into each other, at one set of probes for each.
        control_variate: predicts losses from the past, so that only what it did not predict has to be
            estimated.
        parts_per_layer: into how many consecutive parts the nodes of each probed layer fall, where some reach
            several of the loss's parts; None: into as many as the loss has.

    Raises:
        TypeError: `update`, `loss` or `control_variate` is something else.
        ValueError: settings that do not go together.
    """

    estimator: Estimator
    update: Update
    loss: Loss
    delta_rule: bool = True
    in_turn: bool = False
    control_variate: ControlVariate | None = None
    parts_per_layer: Sequence[int] | None = None

    def __post_init__(self) -> None:
        require_update(self.update, "Descent: update")
        require_loss(self.loss, "Descent")
        _ = self._probing  # refuses settings that do not go together

    def uses_delta_rule(self, spec: Spec) -> bool:
        """Whether the last layer of such a chip learns by the delta rule and is spared the probes."""
        return self._probing.uses_delta_rule(spec)

    def needs(self, spec: Spec) -> Access:
        """The access that it needs, by its estimator, loss and control variate."""
        return self._probing.needs(spec)

    def init(self, spec: Spec) -> DescentState:
        """The state before the first step.

        Raises:
            ValueError: the settings do not fit the chip.
        """
        return DescentState(self.update.init(spec.zeros()), self._probing.init(spec))

    def step(
        self, port: Port, batch: Batch, state: DescentState, generator: Generator
    ) -> tuple[DescentState, Step]:
        """Read the batch, probe, and pulse the chip once.

        Raises:
            ValueError: the loss does not give a number for each part of each example.
        """
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        losses = baseline.losses  # refused before anything is probed
        estimates, variates = self._probing.estimates(port, baseline, state.control_variates, generator)
        drive, update = self.update.step(  # which alone holds the gradient: a large fleet's is large
            tuple(layer for estimate in estimates for layer in estimate.at_knobs()), state.update
        )
        port.pulse(drive)
        return DescentState(update, variates), Step(losses.sum(-1).mean(-1), reading)

    @cached_property
    def _probing(self) -> Probing:
        return Probing(
            self.estimator,
            self.loss,
            self.delta_rule,
            self.in_turn,
            self.control_variate,
            self.parts_per_layer,
        )
