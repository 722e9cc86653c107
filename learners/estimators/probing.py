"""Which layers are probed together and which learns by the delta rule, for all learners by perturbation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Generator

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from ..access import needed_access, spans_access, taps_access
from ..losses import Loss, known_gradient, require_loss
from .base import Estimator
from .control_variates import ControlVariate
from .estimate import Baseline, Estimate, estimate, probe_span
from .gradient import Gradient


@dataclass(frozen=True)
class Probing:
    """How the gradient of a loss is estimated, layer by layer.

    Args:
        estimator: any whose properties fit the other settings.
        loss: of the chip's outputs.
        delta_rule: the gradient of the read-out is not probed but follows from the loss's, wherever the last
            layer is linear and the loss has a gradient.
        in_turn: probe one layer after another, each in measurements of its own.
        control_variate: predicts gradients from the past, so that only the rest has to be estimated.
        parts_per_layer: into how many consecutive parts the nodes of each probed layer fall, where some reach
            several of the loss's parts; None: into as many as the loss has.

    Raises:
        ValueError: settings that do not go together.
        TypeError: `loss` or `control_variate` is something else.
    """

    estimator: Estimator
    loss: Loss
    delta_rule: bool = True
    in_turn: bool = False
    control_variate: ControlVariate | None = None
    parts_per_layer: Sequence[int] | None = None

    def __post_init__(self) -> None:
        require_loss(self.loss, "Probing")
        if self.control_variate is not None:
            self._validate_variate(self.control_variate)
        if self.parts_per_layer is not None:
            self._validate_parts(self.parts_per_layer)

    def _validate_variate(self, variate: ControlVariate) -> None:
        if isinstance(variate, type) or not isinstance(variate, ControlVariate):
            raise TypeError(f"control_variate is {variate!r}, wanted a ControlVariate such as Feedback()")
        if self.estimator.probes_at is None:
            raise ValueError(
                f"{variate!r} predicts what comes of probes that were sent; {self.estimator!r} sends none"
            )
        if self.estimator.probes_at != variate.predicts_at:
            raise ValueError(
                f"{variate!r} predicts gradients at {variate.predicts_at}, "
                f"the probes of {self.estimator!r} enter at {self.estimator.probes_at}"
            )
        if variate.needs_output_gradient:
            known_gradient(self.loss, f"{variate!r}")

    def _validate_parts(self, counts: Sequence[int]) -> None:
        if any(count < 1 or self.loss.parts % count for count in counts):
            raise ValueError(f"parts_per_layer {counts} do not divide {self.loss.parts} parts")
        if self.control_variate is not None:
            raise ValueError("a control variate wants nodes that keep to one part; parts_per_layer is set")
        if self.estimator.probes_at != self.estimator.gradient_at:
            raise ValueError(f"{self.estimator!r} cannot tell layers one by one, as parts_per_layer needs")

    def uses_delta_rule(self, spec: Spec) -> bool:
        """Whether the last layer of such a chip learns by the delta rule and is spared the probes.

        Not where the chip relaxes: what is done to an output comes back to it, and the loss's gradient there
        is not that at the node.
        """
        one_way = spec.synapse == "one-way"
        return self.delta_rule and one_way and spec.layers[-1].linear and self.loss.gradient is not None

    def needs(self, spec: Spec) -> Access:
        """The least access to such a chip with which its gradient can be estimated."""
        needed = Access("outputs" if self.loss.needs_outputs else "loss", node_probes=False)
        if self.spans(spec):
            needed |= needed_access(self.estimator, spec)
        if self.spans(spec) and self.control_variate is not None:
            needed |= needed_access(self.control_variate, spec)
        if self.uses_delta_rule(spec):
            needed |= taps_access(spec, node_probes=False)
        return needed | spans_access(spec, node_probes=False) if len(self.spans(spec)) > 1 else needed

    def spans(self, spec: Spec) -> list[tuple[int, int]]:
        """The first and last layer of each set of probes."""
        probed = len(spec.layers) - self.uses_delta_rule(spec)
        if self.in_turn:
            return [(at, at) for at in range(probed)]
        return [(0, probed - 1)] if probed else []

    def init(self, spec: Spec) -> tuple[Any, ...]:
        """The control variate's state for each set of probes.

        Raises:
            ValueError: the settings do not fit the chip.
        """
        if self.in_turn and spec.synapse != "one-way":
            raise ValueError("in_turn: layers of a chip that relaxes cannot be driven alone; set it to False")
        spans, counts = self.spans(spec), self.parts_per_layer
        probed = 1 + spans[-1][1] if spans else 0
        if counts is not None and len(counts) != probed:
            raise ValueError(f"parts_per_layer has {len(counts)} entries, {probed} layers are probed")
        variate = self.control_variate
        return tuple(None if variate is None else variate.init(spec.span(*span), spec) for span in spans)

    def estimates(
        self, port: Port, baseline: Baseline, states: tuple[Any, ...], generator: Generator
    ) -> tuple[list[Estimate], tuple[Any, ...]]:
        """Probe all layers and tell their gradients.

        Args:
            baseline: a reading of the whole chip without a probe, just made, judged by this loss.
            states: as `init` or the last call gave them.
            generator: of the probes.

        Returns:
            Estimates that together cover all layers, in order; and the next states.
        """
        found: list[Estimate] = []
        after: list[Any] = []
        variate, counts = self.control_variate, self.parts_per_layer
        needed = variate is not None and variate.needs_output_gradient
        output_gradient = baseline.output_gradient if needed else None
        for span, state in zip(self.spans(port.spec), states, strict=True):
            spec, cut = port.spec.span(*span), slice(span[0], span[1] + 1)
            result = probe_span(self.estimator, port, baseline, span, generator)
            parts = None if counts is None else counts[cut]
            layers, state = estimate(self.estimator, spec, result, variate, state, output_gradient, parts)
            found.append(layers)
            after.append(state)
        if self.uses_delta_rule(port.spec):
            found.append(_delta_rule(port.spec, baseline))
        return found, tuple(after)


def _delta_rule(spec: Spec, baseline: Baseline) -> Estimate:
    """The exact gradient of the linear read-out, as far as its inputs and the loss are known."""
    top = len(spec.layers) - 1
    inputs = baseline.reading.taps[-2] if top else baseline.x
    return Estimate(
        spec.span(top), (inputs,), baseline.reading.out, Gradient(nodes=(baseline.output_gradient,))
    )
