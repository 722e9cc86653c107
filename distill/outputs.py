"""Chips of more outputs than classes, read as chips that name one of so many classes."""

from collections.abc import Callable

from torch import Tensor

from analog.port import Port
from analog.port import Probe
from analog.port import Reading
from analog.port import rewired


def uncaptioned(port: Port, classes: int) -> Port:
    """The same wires without the attributes behind the first `classes` outputs."""
    return reworded(port, lambda out: out[..., :classes])


def merged(port: Port, classes: int) -> Port:
    """The same wires, each class's output the log of the summed exponentials of its subclasses' outputs."""
    return reworded(port, lambda out: out.unflatten(-1, (classes, -1)).logsumexp(-1))


def reworded(port: Port, words: Callable[[Tensor], Tensor]) -> Port:
    """What the last tap of the whole chip shows, put digitally into other words; the datasheet stays."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = port.measure(x, probe, first=first, last=last).taps
        whole = last == len(port.spec.layers) - 1
        return Reading((*taps[:-1], words(taps[-1])) if whole else taps)

    return rewired(port, read)
