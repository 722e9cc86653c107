"""A layer under a linear read-out in digital memory, whose weights tell the gradient at the layer's taps.

Mostafa, Ramesh and Cauwenberghs, "Deep supervised learning using local errors" (2018),
https://arxiv.org/abs/1711.06756, and Nokland and Eidnes, "Training neural networks with local error signals"
(2019), https://arxiv.org/abs/1901.06656. Where we differ: the read-out is learnt, by its delta rule, and not
fixed; and of the layer nothing is known but what its taps show, so that a neuron's own derivative counts as
1 wherever its tap is not exactly 0. No probe is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import Generator, Tensor

from analog.access import Access
from analog.layers.crossbar import Layer
from analog.layers.preparation import Preparation
from analog.port import Port
from analog.spec import Spec

from ..estimators.estimate import judge_baseline
from ..estimators.gradient import active_nodes, knob_gradient
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..node_descent import way_back
from ..updates.record import Update, require_update
from ..wiring.readout import DigitalReadout
from ..wiring.sub_ports import stack_specs


class DigitalHeadState(NamedTuple):
    """The state of `DigitalHead`: its layer's update, and the read-out's knobs and update."""

    update: Any
    knobs: Tensor  # (*fleet, tiles, rows, cols), of the read-out
    head: Any  # its update's state


@dataclass(frozen=True)
class DigitalHead:
    """A learner of one layer, by the gradient that a digital read-out of its own carries back to its taps.

    As the learner of a block without a head (`Block(1, DigitalHead(...))`) it teaches a chip layer by layer.

    Args:
        update: of the layer, turns the gradient into a drive.
        head_update: likewise, of the read-out.
        loss: one that knows its gradient, of the read-out's outputs.
        head: the wiring of the read-out, which begins at zero.
        between: digital wiring from the tap to what drives the read-out, beside what `head` prepares: one or
            none.

    Raises:
        TypeError: an update or the loss is something else.
        ValueError: the loss does not know its gradient, `head` is not linear, or `between` has several.
    """

    update: Update
    head_update: Update
    loss: Loss
    head: Layer
    between: Sequence[Preparation] = ()

    def __post_init__(self) -> None:
        require_update(self.update, "DigitalHead: update")
        require_update(self.head_update, "DigitalHead: head_update")
        known_gradient(self.loss, "DigitalHead")
        if not self.head.linear:
            raise ValueError(f"DigitalHead: head is {self.head}, wanted a linear read-out")
        if len(self.between) > 1:
            raise ValueError(f"DigitalHead: between has {len(self.between)} entries, wanted one or none")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: the layer's outputs, and no probes."""
        del spec  # whatever the layer
        return Access("outputs", node_probes=False)

    def init(self, spec: Spec) -> DigitalHeadState:
        """The state before the first step, the read-out at zero.

        Raises:
            ValueError: there are several layers.
            BadInput: the read-out does not fit the layer.
        """
        if len(spec.layers) != 1:
            raise ValueError(f"DigitalHead: {len(spec.layers)} layers, wanted one; see learners.local.Greedy")
        (head,) = stack_specs(spec, replace(spec, layers=(self.head,))).span(1).zeros()
        return DigitalHeadState(self.update.init(spec.zeros()), head, self.head_update.init((head,)))

    def step(
        self, port: Port, batch: Batch, state: DigitalHeadState, generator: Generator
    ) -> tuple[DigitalHeadState, Step]:
        """Pulse the layer by what the read-out carries back, and let the read-out follow its delta rule."""
        del generator  # nothing is probed
        (layer,), reading = port.spec.layers, port.measure(batch.x)
        driven = reading.out
        for preparation in self.between:
            driven = preparation(driven)
        prepared, core = self.head.prepare(driven), self.head.core
        answers = DigitalReadout(port.spec, core, state.knobs).port().measure(prepared)
        judged = judge_baseline(self.loss, prepared, batch.target, answers)
        losses, error = judged.losses, judged.output_gradient
        assert error is not None  # the loss knows it
        back = way_back(self.head, driven, prepared, state.knobs, reading.out, self.between)
        nodes = back(error) * active_nodes(layer, reading.out)
        gradient = knob_gradient(layer, nodes, batch.x, precision=port.spec.precision)
        drive, update = self.update.step((gradient,), state.update)
        port.pulse(drive)
        delta, head = self.head_update.step((knob_gradient(core, error, prepared),), state.head)
        learned = DigitalHeadState(update, state.knobs + delta[0], head)
        return learned, Step(losses.sum(-1).mean(-1), reading)
