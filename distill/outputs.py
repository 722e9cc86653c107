"""Chips of more outputs than classes, read as chips that name one of so many classes."""

from collections.abc import Callable

from torch import Tensor

from analog.port import Port, Probe, Reading, rewired

from .formats.words import class_scores


def class_outputs(port: Port, classes: int) -> Port:
    """Keep the first `classes` outputs of a port, without the attributes behind them."""
    return map_outputs(port, lambda out: out[..., :classes])


def sum_subclasses(port: Port, classes: int) -> Port:
    """Sum each class's probability over its subclasses: the logsumexp of their outputs."""
    return map_outputs(port, lambda out: out.unflatten(-1, (classes, -1)).logsumexp(-1))


def sum_words(port: Port, spelling: Tensor) -> Port:
    """Name classes by their words: each class's log probability is the sum over its words at their places.

    Args:
        port: of a chip whose outputs are those of `distill.formats.Words`.
        spelling: (classes, words), int64, which words each class is called by.
    """
    return map_outputs(port, lambda out: class_scores(out, spelling))


def map_outputs(port: Port, function: Callable[[Tensor], Tensor]) -> Port:
    """Apply a digital function to the last tap of the whole chip; the spec stays."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = port.measure(x, probe, first=first, last=last).taps
        shows_outputs = last == len(port.spec.layers) - 1
        return Reading((*taps[:-1], function(taps[-1])) if shows_outputs else taps)

    return rewired(port, read)
