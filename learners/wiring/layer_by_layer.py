"""A port whose layers are driven one by one, with digital wiring before, at and after each of them.

Everything that stands between the layers of a chip (decorrelation, residual connections, rescaling, an
interlayer) is this one drive with other functions put in. What a layer's tap shows does not depend on where
the measurement began or ended, so the wires that come out keep the laws of those that went in.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from analog.port import Port, Probe, Reading, checked, rewired
from analog.spec import BadInput

OnLayer = Callable[[int, Tensor], Tensor]  # layer, (..., batch, features) -> (..., batch, features)
AtNodes = Callable[[int, Mapping[int, Tensor]], Tensor | None]


def _unchanged(layer: int, activity: Tensor) -> Tensor:
    del layer
    return activity


def _nothing(layer: int, drives: Mapping[int, Tensor]) -> None:
    del layer, drives


def layer_by_layer(
    port: Port, *, before: OnLayer = _unchanged, at_nodes: AtNodes = _nothing, after: OnLayer = _unchanged
) -> Port:
    """The same wires, each layer driven in a measurement of its own, with digital wiring around it.

    Args:
        before: from a layer's number and what comes in (..., batch, features_in) to what drives it.
        at_nodes: from a layer's number and what drove each layer so far, by number, to what is added at its
            summing nodes (..., batch, features), under the probe; None adds nothing.
        after: from a layer's number and its output (..., batch, features) to what its tap shows, which is
            also what goes on to the next layer.
    """

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        drives: dict[int, Tensor] = {}
        taps: list[Tensor] = []
        for layer in range(first, last + 1):
            drives[layer] = before(layer, taps[-1] if taps else x)
            sent = probe.part(layer - first, layer - first)
            carried = at_nodes(layer, drives)
            if carried is not None:
                lead = sent.lead(port.spec, drives[layer])
                sent = _with_nodes(sent, (*lead, *port.spec.fleet), carried)
            taps.append(after(layer, port.measure(drives[layer], sent, first=layer, last=layer).out))
        return Reading(broadcast_taps(taps))

    return checked(rewired(port, read))


def with_interlayers(port: Port, between: Sequence[Callable[[Tensor], Tensor]]) -> Port:
    """The same wires with digital wiring between the layers; taps show what the layers' outputs are.

    Args:
        between: for every layer but the last, from its tap (..., batch, features) to what drives the layer
            above it, of the same shape.

    Raises:
        BadInput: there are more or fewer.
    """
    gaps = len(port.spec.layers) - 1
    if len(between) != gaps:
        raise BadInput(f"with_interlayers: got {len(between)}, the chip has {gaps} gaps between its layers")
    return layer_by_layer(port, before=lambda layer, x: between[layer - 1](x) if layer else x)


def broadcast_taps(taps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Taps (*probes, *fleet, batch, features), those that no probe had reached yet repeated for all probes.

    Args:
        taps: in the order of the layers; the last has all probe axes.
    """
    full = taps[-1]
    return tuple(
        tap if tap.ndim == full.ndim else tap.expand(*full.shape[: full.ndim - tap.ndim], *tap.shape)
        for tap in taps
    )


def _with_nodes(probe: Probe, axes: tuple[int, ...], carried: Tensor) -> Probe:
    """A probe of one layer with something more at its summing nodes, on axes (*probes, *fleet)."""
    (own,) = probe.nodes or (None,)
    total = carried if own is None else carried + own
    return probe._replace(nodes=(total.expand(*axes, *total.shape[-2:]),))
