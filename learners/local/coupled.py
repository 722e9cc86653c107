"""Coupled learning: outputs are moved a little towards what is wanted, and cells learn from both states.

Stern, Hexner, Rocks and Liu, "Supervised learning in physical networks: from machine learning to learning
machines" (2021), https://doi.org/10.1103/PhysRevX.11.021045; on networks of transistors Dillavou et al.
(2024), https://arxiv.org/abs/2311.00537. Contrastive Hebbian learning (Xie and Seung 2003,
https://doi.org/10.1162/089976603762552988) is the limit of amplitude 1, outputs held at their targets.

Where we differ: no output is clamped by an amplifier. How outputs answer currents into outputs is measured
now and then through the wires, and the current is sent that moves them as far as wanted; the answer is a mean
over examples and chips differ by example, so that outputs come near to where they should and not quite there.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Probe
from analog.spec import Spec

from ..access import taps_access
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import knob_gradients
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..updates.record import Update, require_update
from .equilibrium import Adjoints, compare_states


class CoupledState(NamedTuple):
    """The state of a learner by coupled learning."""

    update: Any
    response: Tensor  # (*fleet, outputs, outputs), V per V, of outputs to currents into outputs
    steps: int


@dataclass(frozen=True)
class CoupledLearning:
    """A learner that moves the outputs of a chip that relaxes towards their targets, and compares the states.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, along which outputs are moved; of `SquaredError` that is the way to
            the target.
        amplitude: the part of that way which outputs are moved; 1 is contrastive Hebbian learning.
        every: steps from one measurement of the outputs' response to the next.
        push: V, the current by which it is measured.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: a setting is out of its range, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss
    amplitude: float = 0.1
    every: int = 20
    push: float = 0.1

    def __post_init__(self) -> None:
        require_update(self.update, "CoupledLearning: update")
        known_gradient(self.loss, "CoupledLearning")
        if not 0 < self.amplitude <= 1:
            raise ValueError(
                f"CoupledLearning: amplitude is {self.amplitude}, wanted a number above 0, up to 1"
            )
        if not 0 < self.push < float("inf"):
            raise ValueError(f"CoupledLearning: push is {self.push}, wanted a finite number above 0")
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"CoupledLearning: every is {self.every!r}, wanted an integer from 1")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: all taps, and probes at the output nodes."""
        return taps_access(spec, node_probes=True)

    def init(self, spec: Spec) -> CoupledState:
        """The state before the first step.

        Raises:
            ValueError: the chip does not relax.
        """
        if spec.synapse == "one-way":
            raise ValueError(
                "CoupledLearning: signals go one way through this chip; wanted one that relaxes, "
                "such as analog.devices.Resistive"
            )
        outputs = spec.layers[-1].features
        response = torch.zeros(*spec.fleet, outputs, outputs, dtype=spec.dtype, device=spec.on)
        return CoupledState(self.update.init(spec.zeros()), response, 0)

    def step(
        self, port: Port, batch: Batch, state: CoupledState, generator: Generator
    ) -> tuple[CoupledState, Step]:
        """Read the free state and the moved one, now and then the outputs' response, and pulse once."""
        del generator  # nothing is drawn
        free = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, free)
        output_gradient = baseline.output_gradient
        assert output_gradient is not None  # the loss knows it
        response = state.response
        if state.steps % self.every == 0:
            response = self.measure_response(port, batch.x)
        found = self.contrast(port, batch.x, free.taps, output_gradient, response)
        inputs = (batch.x, *found.states[:-1])
        drive, update = self.update.step(
            knob_gradients(port.spec, found.gradient, inputs, found.states[-1]), state.update
        )
        port.pulse(drive)
        losses = baseline.losses.sum(-1).mean(-1)
        return CoupledState(update, response, state.steps + 1), Step(losses, free)

    def measure_response(self, port: Port, x: Tensor) -> Tensor:
        """The response of outputs to currents into outputs, (*fleet, outputs, outputs), a mean over examples.

        Args:
            x: (batch, features_in) or (*fleet, batch, features_in).
        """
        spec = port.spec
        eye = torch.eye(spec.layers[-1].features, dtype=spec.dtype, device=spec.on)
        pushes = self.push * torch.cat((eye, -eye))
        lead = (len(pushes), *(1,) * (len(spec.fleet) + 1), len(eye))
        shape = (len(pushes), *spec.fleet, x.shape[-2], len(eye))
        above = (None,) * (len(spec.layers) - 1)
        out = port.measure(x, Probe(nodes=(*above, pushes.view(lead).expand(shape)))).out.mean(-2)
        return ((out[: len(eye)] - out[len(eye) :]) / (2 * self.push)).movedim(0, -1)

    def contrast(
        self, port: Port, x: Tensor, free: tuple[Tensor, ...], output_gradient: Tensor, response: Tensor
    ) -> Adjoints:
        """Move the outputs, and read what every node makes of it.

        Args:
            x: (batch, features_in) or (*fleet, batch, features_in).
            free: taps of a reading of x without a current.
            output_gradient: (*fleet, batch, outputs), against which outputs are moved.
            response: (*fleet, outputs, outputs), of outputs to currents into outputs.
        """
        judged = (
            (output_gradient != 0).any(-2).to(response.dtype)
        )  # outputs that the loss does not read stay free
        among = response * judged.unsqueeze(-1) * judged.unsqueeze(-2)
        inverse = torch.linalg.pinv(among, rtol=1e-3)  # of what no current moves, nothing is asked
        current = self.amplitude * (output_gradient @ inverse.mT)
        scale = torch.full_like(current[..., :1], 1 / self.amplitude)
        return compare_states(port, x, current, scale, (-1.0,), free)
