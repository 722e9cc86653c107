"""Descent of a gradient that is carried to the summing nodes without a probe, by some backward model."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from analog.layers.crossbar import Layer
from analog.layers.preparation import Preparation
from analog.port import Port
from analog.precision import Products
from analog.spec import Spec

from .estimators.estimate import Baseline
from .estimators.gradient import Gradient, active_nodes, knob_gradients
from .learner import Step
from .updates.record import Update


def descend_nodes(
    port: Port,
    baseline: Baseline,
    nodes: Sequence[Tensor],
    inputs: Sequence[Tensor],
    update: Update,
    state: Any,
) -> tuple[Any, Step]:
    """Pulse a chip once, down a gradient that is known at its summing nodes.

    Args:
        port: the wires of the whole chip.
        baseline: the reading of the batch, and its losses.
        nodes: the gradient of each example's loss at each layer's nodes, (*fleet, batch, features).
        inputs: what drove each layer, (*fleet, batch, features_in).
        update: turns the gradient at the knobs into a drive.
        state: of the update.

    Returns:
        The update's next state, and what the step showed.
    """
    losses = baseline.losses  # refused before anything is pulsed
    gradient = knob_gradients(port.spec, Gradient(nodes=tuple(nodes)), inputs, baseline.reading.out)
    drive, state = update.step(gradient, state)
    port.pulse(drive)
    return state, Step(losses.sum(-1).mean(-1), baseline.reading)


Back = Callable[[Tensor], Tensor]  # gradient at a layer's nodes -> at the tap of the layer below


def carry_down(
    spec: Spec, taps: Sequence[Tensor], back: Sequence[Back], output_gradient: Tensor
) -> tuple[Tensor, ...]:
    """Carry gradients from the outputs down to the nodes of every layer.

    Args:
        spec: the whole chip.
        taps: of each layer, (*fleet, batch, features).
        back: of each layer but the first, from the gradient at its nodes (*fleet, batch, features) to that at
            the tap of the layer below.
        output_gradient: (*fleet, batch, outputs), of each example's loss.

    Returns:
        The gradient at each layer's summing nodes, (*fleet, batch, features), as far as a neuron's own
        derivative is 1 where it is active.
    """
    at_taps, nodes = output_gradient, list[Tensor]()
    for at in reversed(range(len(spec.layers))):
        nodes.insert(0, at_taps * active_nodes(spec.layers[at], taps[at]))
        if at:
            at_taps = back[at - 1](nodes[0])
    return tuple(nodes)


def by_matrix(matrix: Tensor) -> Back:
    """The way back by a matrix (*fleet, features_in, features) of a layer's response to its inputs."""
    return lambda nodes: nodes @ matrix.mT


def read_layers(
    port: Port, x: Tensor, between: Sequence[Preparation]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Read a chip layer by layer, with digital wiring between them.

    Args:
        x: (batch, features_in) or (*fleet, batch, features_in).
        between: from each tap but the last to what drives the layer above it; empty: the tap itself.

    Returns:
        What drove each layer, (*fleet, batch, features_in), and each tap, (*fleet, batch, features).
    """
    if not between:
        taps = port.measure(x).taps
        return (x, *taps[:-1]), taps
    inputs, shows = [x], list[Tensor]()
    for at in range(len(port.spec.layers)):
        shows.append(port.measure(inputs[at], first=at, last=at).out)
        if at < len(between):
            inputs.append(between[at](shows[at]))
    return tuple(inputs), tuple(shows)


def way_back(
    layer: Layer,
    inputs: Tensor,
    prepared: Tensor,
    weights: Tensor,
    tap: Tensor,
    between: Sequence[Preparation] = (),
    precision: torch.dtype | None = None,
) -> Back:
    """The way back from a layer's nodes to the tap below it.

    Args:
        layer: its wiring.
        inputs: what drove it, (*fleet, batch, features_in).
        prepared: what that came to for its core, (*fleet, batch, core.features_in).
        weights: what stands for its tiles, (*fleet, tiles, rows, cols).
        tap: of the layer below, (*fleet, batch, features).
        between: the digital wiring from that tap to the inputs, one or none.
        precision: of the factors of the product, as `Spec` has it; None: that which they have.
    """

    def back(nodes: Tensor) -> Tensor:
        with Products(precision).at(0, keep=False):
            gradient = layer.core.input_gradient(prepared, nodes, weights)
        gradient = layer.pull_back(inputs, gradient)
        for preparation in between:
            gradient = preparation.pull_back(tap, gradient)
        return gradient

    return back
