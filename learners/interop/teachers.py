"""A network as a teacher: a port that answers and can do nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod

import torch
from torch import Tensor
from torch.nn import Module

from analog.access import Access, NoAccess
from analog.layers.crossbar import dense
from analog.port import Port, Probe, Reading, make_port
from analog.spec import Knobs, Spec


def port_of(
    network: Callable[[Tensor], Tensor], *, features_in: int | tuple[int, ...], on: str | None = None
) -> Port:
    """The wires of a network that only answers: a teacher for `distill`, a member of an `ensemble`.

    Its datasheet shows one layer from inputs to outputs. It is read in evaluation mode, without gradients,
    and left in the mode that it was in. It takes no probes, no knobs and no pulses.

    Args:
        network: a `torch.nn.Module`, or a function, from (batch, *features_in) to (batch, outputs).
        features_in: how many numbers an example has, or its shape, such as (3, 32, 32), to which rows
            are folded.
        on: where tensors live; None: where the network's parameters do.

    Returns:
        A port whose reading has one tap, (*probes, *fleet, batch, outputs).

    Raises:
        TypeError: it is no network, does not take examples of that shape, or does not answer with a tensor
            (batch, outputs).
    """
    if isinstance(network, type) or not callable(network):
        raise TypeError(f"port_of: got {network!r}, wanted a torch.nn.Module or a function of tensors")
    shape = (features_in,) if isinstance(features_in, int) else tuple(features_in)
    like = _like(network)
    place = str(like.device) if on is None else on
    example = torch.zeros(1, *shape, dtype=like.dtype, device=place)
    try:
        outputs = _answer(network, example).shape[-1]
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise TypeError(
            f"port_of: the network does not take {tuple(example.shape)}, of features_in: {why}"
        ) from error
    layer = dense(prod(shape), outputs, bias=False, linear=True)
    spec = Spec((layer,), dtype=like.dtype, on=place, access=Access("outputs", node_probes=False))

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        del first, last  # the one layer
        if probe.knobs is not None or probe.nodes is not None:
            raise NoAccess("measure: a network that only answers takes no probes; train it by torch")
        rows = x.reshape(-1, *shape)
        return Reading((_answer(network, rows).reshape(*x.shape[:-1], outputs),))

    def refuse(knobs: Knobs) -> None:
        del knobs
        raise NoAccess("a network that only answers cannot be programmed or pulsed; train it by torch")

    return make_port(spec, refuse, refuse, read)


def _like(network: object) -> Tensor:  # (...), the first floating parameter
    parameters = network.parameters() if isinstance(network, Module) else iter(())
    return next((p.detach() for p in parameters if p.is_floating_point()), torch.zeros(1))


def _answer(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:  # (batch, outputs)
    with torch.no_grad(), _evaluating(network):
        out = network(x)
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != len(x):
        came = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise TypeError(
            f"port_of: the network answers {tuple(x.shape)} with {came}, wanted a tensor ({len(x)}, outputs)"
        )
    return out


@contextmanager
def _evaluating(network: object) -> Iterator[None]:
    """Evaluation mode, and afterwards each part's own mode again."""
    parts = [*network.modules()] if isinstance(network, Module) else []
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
