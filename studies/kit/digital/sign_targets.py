"""Target propagation of 1986: units above tell units below by signs which states they want.

LeCun, "Learning process in an asymmetric threshold network" (1986),
https://doi.org/10.1007/978-3-642-82657-3_24. Every unit has a wanted state, and learns it from its own inputs
by the delta rule; a hidden unit's is the sign of what the units above ask of it, each by how far it is from
its own wanted state and through the very weight by which it listens:

    top      t = y - gamma dL/da, y the outputs, a their sums
    below    t_{l-1} = sign(W_l' (t_l - h_l)), one of the two states of a threshold unit
    layers   down |h_l - t_l|^2 / 2, without the neuron's derivative, as of the sums of threshold units

Later forms gave up the two states and the shared weights: learned inverses carry targets down
(`learners.local.TargetPropagation`), and differences correct them. LocoProp has no such messages at all: a
target lies a step down the gradient from where the layer is, and what is new is the local loss that a layer
then goes down for many steps.

Guess: that what is asked is weighted by the distance, where the chapter has units above that are right be
silent; and tanh for threshold units, as the task has it. Digital, as the weights have to be known both ways.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Generator

from analog import Chip, Port, Spec, xray
from analog.wires import Access
from learners import Batch, Loss, Step, Update
from learners.estimators.estimate import judge_baseline
from learners.estimators.gradient import knob_gradient
from learners.local import identity
from learners.local.activations import Activation


class _State(NamedTuple):
    """The memory of `SignTargets`."""

    update: Any


@dataclass(frozen=True)
class SignTargets:
    """A learner of a `Digital` chip whose layers are told by signs which states are wanted.

    Args:
        output_activation: goes with the loss: `sigmoid` with binary cross-entropy, the identity with squared
            error.
    """

    chip: Chip[Any]
    update: Update
    loss: Loss
    gamma: float
    output_activation: Activation = identity

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: taps; the weights it takes from the x-ray."""
        del spec  # the same of all
        return Access("taps", node_probes=False)

    def init(self, spec: Spec) -> _State:
        """The update's state."""
        return _State(self.update.init(spec.zeros()))

    def step(self, port: Port, batch: Batch, state: _State, generator: Generator) -> tuple[_State, Step]:
        del generator  # nothing is drawn
        baseline = port.measure(batch.x)
        judged = judge_baseline(self.loss, batch.x, batch.target, baseline)
        assert judged.output_gradient is not None
        activities = (*baseline.taps[:-1], self.output_activation.forward(baseline.out))
        asked = [-self.gamma * judged.output_gradient]  # t - h, from the top down
        layers, weights = port.spec.layers, xray.knobs(self.chip)
        for k in range(len(layers) - 1, 0, -1):
            below = layers[k].input_gradient(activities[k - 1], asked[-1], weights[k])
            asked.append(below.sign() - activities[k - 1])
        inputs = (batch.x, *baseline.taps[:-1])
        rows = zip(layers, reversed(asked), inputs, strict=True)
        drive, update = self.update.step(tuple(knob_gradient(la, -a, x) for la, a, x in rows), state.update)
        port.pulse(drive)
        return _State(update), Step(judged.losses.sum(-1).mean(-1), baseline)
