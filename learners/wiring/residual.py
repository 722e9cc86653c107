"""Residual connections: what drives one layer is added again at the summing nodes of a later one.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016),
https://arxiv.org/abs/1512.03385: the sum is taken before the neurons. The wires that bring probes to summing
nodes bring it there, so it is neither lost in a neuron nor learnt, and whoever probes the later layer finds
it under the probe.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from analog.port import Port
from analog.spec import BadInput, Spec

from .layer_by_layer import layer_by_layer


class Skip(NamedTuple):
    """A connection from what drives layer `first` to the summing nodes of layer `last`."""

    first: int
    last: int


def residual(port: Port, skips: Sequence[Skip]) -> Port:
    """The same wires with residual connections in the digital wiring; layers are driven one by one.

    A measurement may end within a skip, but one that begins within it is refused with BadInput: what would
    be added is not known then.

    Raises:
        BadInput: a skip does not fit the chip, or two end at one layer.
    """
    landing = {skip.last: _fitting(port.spec, skip) for skip in skips}
    if len(landing) != len(skips):
        raise BadInput(f"residual: two of {tuple(skips)} end at one layer")

    def at_nodes(layer: int, drives: Mapping[int, Tensor]) -> Tensor | None:
        skip = landing.get(layer)
        if skip is not None and skip.first not in drives:
            raise BadInput(f"residual: layers from {min(drives)} on begin within {skip}; begin below it")
        return None if skip is None else drives[skip.first]

    return layer_by_layer(port, at_nodes=at_nodes)


def _fitting(spec: Spec, skip: Skip) -> Skip:
    layers = spec.span(*skip).layers
    if layers[0].features_in != layers[-1].features:
        raise BadInput(
            f"residual: {skip} takes {layers[0].features_in} values to {layers[-1].features} summing nodes"
        )
    return skip
