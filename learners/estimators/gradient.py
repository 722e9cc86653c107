"""Gradients at summing nodes or at knobs, and how the one becomes the other."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from analog.layers.crossbar import Layer
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


def knob_gradient(layer: Layer, node_gradient: Tensor, inputs: Tensor) -> Tensor:
    """The gradient at a layer's knobs, averaged over the batch, from the gradient at its summing nodes.

    Args:
        layer: its wiring; signals go one way through it, from the inputs to the nodes.
        node_gradient: (..., batch, features), of each example's loss.
        inputs: (..., batch, features_in), what drove the layer.

    Returns:
        (..., tiles, rows, cols).
    """
    return _mean_product(layer, node_gradient, layer.gather(inputs))


def knob_gradients(spec: Spec, gradient: Gradient, inputs: Sequence[Tensor]) -> Knobs:
    """A gradient at the knobs of all layers, wherever it was found.

    Args:
        spec: the layers that the gradient is of.
        gradient: at nodes or at knobs; zero where it has no entry.
        inputs: what drove each layer, (..., batch, features_in) each.

    Returns:
        (*fleet, tiles, rows, cols) for each layer.
    """
    return _at_knobs(spec, gradient, _gathering(spec, inputs))


def weighted_knob_gradients(
    spec: Spec, weight: float, first: Gradient, second: Gradient, inputs: Sequence[Tensor]
) -> Knobs:
    """weight * first + second at the knobs, of the shapes of `spec`; what drove a layer is gathered once."""
    gathered = _gathering(spec, inputs)
    pairs = zip(_at_knobs(spec, first, gathered), _at_knobs(spec, second, gathered), strict=True)
    return tuple(weight * a + b for a, b in pairs)


def _gathering(spec: Spec, inputs: Sequence[Tensor]) -> Callable[[int], Tensor]:
    """What drove each layer as its tiles see it, gathered when first asked for."""
    return cache(lambda at: spec.layers[at].gather(inputs[at]))


def _at_knobs(spec: Spec, gradient: Gradient, gathered: Callable[[int], Tensor]) -> Knobs:
    none = (None,) * len(spec.layers)
    entries = zip(spec.layers, spec.shapes, gradient.knobs or none, gradient.nodes or none, strict=True)
    found = []
    for at, (layer, shape, knobs, nodes) in enumerate(entries):
        if nodes is not None:
            at_nodes = _mean_product(layer, nodes, gathered(at))
            knobs = at_nodes if knobs is None else knobs + at_nodes
        found.append(torch.zeros(shape, dtype=spec.dtype, device=spec.on) if knobs is None else knobs)
    return tuple(found)


def _mean_product(layer: Layer, node_gradient: Tensor, gathered: Tensor) -> Tensor:
    return (layer.unscatter(node_gradient).mT @ gathered).div_(node_gradient.shape[-2])
