"""Gradients at summing nodes or at knobs, and how the one becomes the other."""

from collections.abc import Iterator, Sequence
from functools import cache, partial, reduce
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from analog.layers.crossbar import Layer
from analog.layers.recurrence import gather_with_state
from analog.precision import Products, matmul
from analog.spec import Knobs, Spec

Place = Literal["nodes", "knobs"]


class Gradient(NamedTuple):
    """An estimated or predicted gradient, where it was found: at summing nodes or at knobs.

    One entry per layer; None where nothing is known of a layer, which counts as zero.
    """

    knobs: tuple[Tensor | None, ...] | None = None  # (*fleet, tiles, rows, cols), of the batch's mean loss
    nodes: tuple[Tensor | None, ...] | None = None  # (*fleet, batch, features), of each example's loss


def broadcast_parts(parts: Tensor, features: int) -> Tensor:
    """The number of each part, given to all nodes of that part.

    Parts are equal and consecutive, as the groups of `grouped` and the patches of `patches` are.

    Args:
        parts: (..., parts).

    Returns:
        (..., features), or (..., 1) for a single part, which broadcasts to it.

    Raises:
        ValueError: the nodes cannot be shared equally among the parts.
    """
    if parts.shape[-1] == 1:
        return parts
    if features % parts.shape[-1]:
        raise ValueError(f"losses of {parts.shape[-1]} parts do not divide a layer of {features} nodes")
    return parts.repeat_interleave(features // parts.shape[-1], -1)


def sum_probes(shares: Tensor) -> Tensor:
    """The sum over all probes, without a pass over the numbers where there is one probe.

    Args:
        shares: (probes, ...).

    Returns:
        (...).
    """
    return shares.squeeze(0) if len(shares) == 1 else shares.sum(0)


def active_nodes(layer: Layer, tap: Tensor) -> Tensor:
    """Tell which neurons of a layer were active: 1 where the tap is not 0, and for all nodes of a read-out.

    Args:
        layer: its wiring.
        tap: (..., batch, features), in a reading without a probe.

    Returns:
        (..., batch, features).
    """
    return (
        torch.ones_like(tap) if layer.linear else tap.sign().abs_()
    )  # a comparison takes seven times as long


def knob_gradient(
    layer: Layer,
    node_gradient: Tensor,
    inputs: Tensor,
    tap: Tensor | None = None,
    *,
    precision: torch.dtype | None = None,
) -> Tensor:
    """The gradient at a layer's knobs, averaged over the batch, from the gradient at its summing nodes.

    Of a layer with a state it is the sum over the steps of the gradient at the nodes times what drove them,
    their own activity of the step before included: each step's product is kept, as an eligibility trace.

    Args:
        layer: its wiring; signals go one way through it, from the inputs to the nodes.
        node_gradient: (..., batch, features), of each example's loss.
        inputs: (..., batch, features_in), what drove the layer.
        tap: (..., batch, features), what it gave; wanted of a layer with a state.
        precision: of the factors of the product, as `Spec` has it; None: that which they have.

    Returns:
        (..., tiles, rows, cols).

    Raises:
        ValueError: the layer has a state, and its tap is not given.
    """
    batch = node_gradient.shape[-2]
    few = batch * layer.features < layer.tiles * layer.rows * layer.cols
    share = node_gradient / batch if few else node_gradient  # what is smaller is divided: nodes, or cells
    with Products(precision).at(0, keep=False):
        if layer.step is None:
            found = layer.weight_gradient(inputs, share)
        else:
            found = layer.unscatter(share).mT @ gather_with_state(layer, inputs, tap)
    return found if few else found.div_(batch)


def knob_gradients(
    spec: Spec, gradient: Gradient, inputs: Sequence[Tensor], out: Tensor | None = None
) -> Knobs:
    """A gradient at the knobs of all layers, wherever it was found.

    On a chip that relaxes a cell acts on both of its nodes, and the gradient at either counts.

    Args:
        spec: the layers that the gradient is of.
        gradient: at nodes or at knobs; zero where it has no entry.
        inputs: what drove each layer, (..., batch, features_in) each.
        out: what the last layer gave, (..., batch, features), if the chip relaxes or that layer has a state.

    Returns:
        (*fleet, tiles, rows, cols) for each layer.

    Raises:
        ValueError: the chip relaxes, or its last layer has a state, and `out` is not given.
    """
    none = (None,) * len(spec.layers)
    at_knobs, at_nodes = gradient.knobs or none, gradient.nodes or none
    gathered = cache(lambda at: spec.layers[at].gather(inputs[at]))  # for whoever asks
    taps = (*inputs[1:], out)
    found = []
    for at, (layer, shape, knobs, nodes) in enumerate(
        zip(spec.layers, spec.shapes, at_knobs, at_nodes, strict=True)
    ):
        parts = [] if knobs is None else [knobs]
        if nodes is not None:
            parts.append(knob_gradient(layer, nodes, inputs[at], taps[at], precision=spec.precision))
        if spec.synapse != "one-way" and gradient.nodes is not None:
            below = at_nodes[at - 1] if at else None
            above = taps[at]
            if above is None:
                raise ValueError(
                    "knob_gradients: cells act on both of their nodes; give the last tap as `out`"
                )
            parts += _sent_back(spec, layer, nodes, above, below, gathered(at))
        zeros = partial(torch.zeros, shape, dtype=spec.dtype, device=spec.on)
        found.append(reduce(torch.add, parts) if parts else zeros())
    return tuple(found)


def weighted_sum(weight: float, first: Gradient, second: Gradient) -> Gradient:
    """weight * first + second, each entry where it was found."""
    return Gradient(*(_weighted_entries(weight, *entries) for entries in zip(first, second, strict=True)))


def _weighted_entries(
    weight: float, first: tuple[Tensor | None, ...] | None, second: tuple[Tensor | None, ...] | None
) -> tuple[Tensor | None, ...] | None:
    if first is None:
        return second
    pairs = zip(first, second or (None,) * len(first), strict=True)
    return tuple(
        b if a is None else weight * a if b is None else torch.add(b, a, alpha=weight) for a, b in pairs
    )


def _sent_back(
    spec: Spec,
    layer: Layer,
    at_nodes: Tensor | None,
    states: Tensor,
    below: Tensor | None,
    gathered: Tensor,
) -> Iterator[Tensor]:
    """What cells that relax add to the products of the gradient above and the states below.

    With adjoints a and states v, above and below, the gradient of the loss at a cell is a v' + a' v where its
    energy is -w v v', and (a' - a) (v - v') where it is g (v - v')^2 / 2.

    Args:
        at_nodes, below: the gradient at the nodes above and below; None: zero, as at a clamped input.
        states: of the nodes above.
        gathered: states of the nodes below, as tiles see them.
    """
    batch, up = states.shape[-2], layer.unscatter(states)
    if below is not None:
        back = layer.gather(below) - layer.gather(torch.zeros_like(below))  # always-on inputs are clamped
        yield matmul(up.mT, back, spec.precision).div_(batch)
        if spec.synapse == "difference":
            yield -(back * gathered).sum(-2).div_(batch).unsqueeze(-2)
    if at_nodes is not None and spec.synapse == "difference":
        yield -(layer.unscatter(at_nodes) * up).sum(-2).div_(batch).unsqueeze(-1)
