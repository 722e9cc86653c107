"""Residual connections: what drives one layer is added again at the summing nodes of a later one.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016): the sum is taken before the
neurons. The wires that bring probes to summing nodes bring it there, so it is neither lost in a neuron nor
learnt, and whoever probes the later layer finds it under the probe.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from analog.port import Port
from analog.port import Probe
from analog.port import Reading
from analog.port import checked
from analog.port import rewired
from analog.spec import BadInput
from analog.spec import Spec

from .parts import alike


class Skip(NamedTuple):
    """From what drives layer `first` to the summing nodes of layer `last`."""

    first: int
    last: int


def residual(port: Port, skips: Sequence[Skip]) -> Port:
    """The same wires with residual connections in the digital wiring; layers are driven one by one.

    A measurement may end within a skip, but one that begins within it is refused: what would be added is
    not known then.

    Raises:
        BadInput: a skip does not fit the chip.
    """
    landing = {skip.last: _fitting(port.spec, skip) for skip in skips}
    if len(landing) != len(skips):
        raise BadInput(f"residual: two of {tuple(skips)} end at one layer")

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        drives, taps = [x], list[Tensor]()  # what drives each layer; what it shows
        for at in range(first, last + 1):
            sent = probe.part(at - first, at - first)
            skip = landing.get(at)
            if skip is not None:
                if skip.first < first:
                    raise BadInput(f"residual: layers {first}..{last} begin within {skip}; begin below it")
                lead = sent.lead(port.spec, drives[-1])
                push = None if sent.nodes is None else sent.nodes[0]
                carried = _sum((*lead, *port.spec.fleet), drives[skip.first - first], push)
                sent = sent._replace(nodes=(carried,))
            taps += port.measure(drives[-1], sent, first=at, last=at).taps
            drives.append(taps[-1])
        return Reading(alike(taps))

    return checked(rewired(port, read))


def _fitting(spec: Spec, skip: Skip) -> Skip:
    whole = spec.span(*skip).layers
    if whole[0].features_in != whole[-1].features:
        raise BadInput(
            f"residual: {skip} takes {whole[0].features_in} values to {whole[-1].features} summing nodes"
        )
    return skip


def _sum(lead: tuple[int, ...], carried: Tensor, push: Tensor | None) -> Tensor:
    """What is pushed into summing nodes, (*probes, *fleet, batch, features)."""
    total = carried if push is None else carried + push
    return total.expand(*lead, *total.shape[-2:])
