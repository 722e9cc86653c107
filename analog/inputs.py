"""Checks of everything that is sent into a port, before the hardware sees any of it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .spec import BadInput, Knobs, Spec
from .verdicts import require_finite, settle

ORDINARY = 64.0  # full scales; a law with exponentials or powers up to the twentieth stays finite up to here


def examine(name: str, check: Callable[..., Any], *sent: Any) -> Any:
    """Run a check on what was sent; whatever cannot even be looked at is bad input too.

    Raises:
        BadInput: the check refused it, or failed.
    """
    try:
        return check(*sent)
    except BadInput:
        raise
    except Exception as error:  # an object of anybody's class may raise anything when it is looked at
        says = (str(error).splitlines() or [""])[0]
        raise BadInput(f"{name}: cannot be read as numbers: {type(error).__name__}: {says}") from error


def check_knobs(spec: Spec, name: str, value: object) -> Knobs:
    """A drive or knobs for every layer, if that is what was sent.

    Raises:
        BadInput: it is not.
    """
    knobs = _unexamined_knobs(spec, name, value)
    for i, entry in enumerate(knobs):
        _require_finite(f"layer {i}: {name}", entry)
    return knobs


def _unexamined_knobs(spec: Spec, name: str, value: object) -> Knobs:
    """A tensor of the right form for every layer; its numbers may be anything."""
    if not isinstance(value, tuple | list) or len(value) != len(spec.layers):
        count = len(value) if isinstance(value, tuple | list) else type(value).__name__
        network = isinstance(value, torch.nn.Module | Mapping)
        hint = "; a network's are made by learners.interop.layers_of" if network else ""
        raise BadInput(
            f"{name}: got {count}, wanted a tuple of {len(spec.layers)} tensors, one per layer{hint}"
        )
    return tuple(
        _entry(spec, f"layer {i}: {name}", entry, shape)
        for i, (entry, shape) in enumerate(zip(value, spec.shapes, strict=True))
    )


def examine_drive(spec: Spec, value: object) -> tuple[Knobs, bool]:
    """A drive for every layer, if that is what was sent, and whether it is an ordinary one.

    Every entry of an ordinary drive is at most `ORDINARY` in size. That takes no pass of its own: the sum of
    squares bounds the largest, and tells as well as a plain sum whether all numbers are finite. All that was
    checked before and has not been judged is judged with it.

    Raises:
        BadInput: it is no drive.
    """
    knobs, squares = examine("pulse: drive", _squares, spec, value)
    found = settle(squares)
    for i, (entry, square) in enumerate(zip(knobs, found, strict=True)):
        if not math.isfinite(square):  # or it overflowed honestly
            _require_finite(f"layer {i}: pulse: drive", entry)
            settle()
    return knobs, max(found) <= ORDINARY**2


def _squares(spec: Spec, value: object) -> tuple[Knobs, list[Tensor]]:
    """A drive of the right form, and the sum of squares () of each layer's."""
    knobs = _unexamined_knobs(spec, "pulse: drive", value)
    return knobs, [torch.dot(flat, flat) for flat in (entry.reshape(-1) for entry in knobs)]


def _entry(spec: Spec, name: str, entry: object, shape: tuple[int, ...]) -> Tensor:
    tensor = _tensor(spec, name, entry)
    if tuple(tensor.shape) != shape:
        raise BadInput(f"{name} is {tuple(tensor.shape)}, knobs are {shape}{_hint(spec, shape, tensor)}")
    return tensor


def check_x(spec: Spec, first: int, x: object) -> Tensor:
    """The input of layer `first`, (..., batch, features_in), if that is what was sent.

    Args:
        spec: of the driven layers.
        first: the first of them.
        x: what was sent.

    Raises:
        BadInput: it is not.
    """
    x = _tensor(spec, "measure: x", x)
    wanted = spec.layers[0].features_in
    if x.ndim < 2 or x.shape[-1] != wanted:
        raise BadInput(f"measure: x is {tuple(x.shape)}, layer {first} wants (..., batch, {wanted})")
    if 0 in x.shape:
        raise BadInput(f"measure: x is {tuple(x.shape)}, an empty batch; send at least one example")
    axes = tuple(x.shape[:-2])
    if axes and spec.fleet and axes[-len(spec.fleet) :] != spec.fleet:
        raise BadInput(
            f"measure: x is {tuple(x.shape)}, leading axes {axes} must end with the fleet {spec.fleet}"
        )
    _require_finite("measure: x", x)
    return x


def check_probe(
    spec: Spec, first: int, x: Tensor, knobs: object, nodes: object
) -> tuple[tuple[Tensor | None, ...] | None, tuple[Tensor | None, ...] | None]:
    """The entries of a probe at knobs and nodes, if they fit the driven layers `spec`, x and one another.

    Args:
        spec: of the driven layers.
        first: the first of them.
        x: (..., batch, features_in), checked.
        knobs: what was sent as the probe's entries at knobs.
        nodes: what was sent as its entries at nodes.

    Raises:
        BadInput: they do not.
    """
    at_nodes = tuple((*spec.fleet, x.shape[-2], la.features) for la in spec.layers)
    sent = {
        "knobs": _entries(spec, first, "knobs", knobs, spec.shapes),
        "nodes": _entries(spec, first, "nodes", nodes, at_nodes),
    }
    leads = {
        f"layer {first + i}: probe.{name}": tuple(entry.shape[: entry.ndim - len(shape)])
        for name, shapes in (("knobs", spec.shapes), ("nodes", at_nodes))
        for i, (entry, shape) in enumerate(zip(sent[name] or (), shapes, strict=False))
        if entry is not None
    }
    if len(set(leads.values())) > 1:
        raise BadInput(f"measure: probe axes differ between entries: {leads}")
    lead = next(iter(leads.values()), ())
    carried = tuple(x.shape[: x.ndim - 2 - len(spec.fleet)]) if x.ndim > 2 else ()
    if lead and carried and lead != carried:
        raise BadInput(f"measure: x has probe axes {carried}, the probe has {lead}; give both the same")
    return sent["knobs"], sent["nodes"]


def _entries(
    spec: Spec, first: int, name: str, entries: object, shapes: tuple[tuple[int, ...], ...]
) -> tuple[Tensor | None, ...] | None:
    """The entries of a probe, if they end in these shapes."""
    if entries is None:
        return None
    if not isinstance(entries, tuple | list) or len(entries) != len(shapes):
        count = len(entries) if isinstance(entries, tuple | list) else type(entries).__name__
        raise BadInput(
            f"measure: probe.{name} has {count} entries, the driven span is layers "
            f"{first}..{first + len(shapes) - 1}; give one tensor or None for each of the {len(shapes)}"
        )
    return tuple(
        None if entry is None else _probe_entry(spec, f"layer {first + i}: probe.{name}", entry, shape)
        for i, (entry, shape) in enumerate(zip(entries, shapes, strict=True))
    )


def _probe_entry(spec: Spec, name: str, entry: object, shape: tuple[int, ...]) -> Tensor:
    tensor = _tensor(spec, name, entry)
    if tensor.ndim < len(shape) or tuple(tensor.shape[tensor.ndim - len(shape) :]) != shape:
        raise BadInput(
            f"{name} is {tuple(tensor.shape)}, wanted (*probes, {', '.join(map(str, shape))})"
            f"{_hint(spec, shape, tensor)}"
        )
    _require_finite(name, tensor)
    if 0 in tensor.shape:
        raise BadInput(f"{name} is {tuple(tensor.shape)}, no probe at all; send at least one")
    return tensor


def _tensor(spec: Spec, name: str, value: object) -> Tensor:
    """A plain tensor of what was sent, if that is a dense one of the chip's dtype and place."""
    if not isinstance(value, Tensor):
        raise BadInput(f"{name}: got {type(value).__name__}, wanted a torch tensor")
    if type(value) is not Tensor:
        if type(value).__torch_dispatch__ is not Tensor.__torch_dispatch__:
            raise BadInput(f"{name}: got {type(value).__name__}, which holds no numbers of its own")
        value = value.as_subclass(Tensor)
    if value.layout is not torch.strided or value.is_nested:
        form = "nested" if value.is_nested else value.layout
        raise BadInput(f"{name}: a tensor of layout {form}, wanted a dense one; send value.to_dense()")
    if value.dtype != spec.dtype:
        raise BadInput(
            f"{name}: dtype is {value.dtype}, the chip's wires take {spec.dtype}; convert it first"
        )
    if value.device.type != spec.place.type:
        raise BadInput(f"{name}: lives on {value.device}, the chip on {spec.on}; move it first")
    return value


def _require_finite(name: str, tensor: Tensor) -> None:
    def refusal() -> BadInput:
        bad = int((~torch.isfinite(tensor)).sum())
        return BadInput(f"{name}: {bad} of {tensor.numel()} values are NaN or infinite; send finite numbers")

    require_finite(tensor, refusal)


def _hint(spec: Spec, wanted: tuple[int, ...], tensor: Tensor) -> str:
    if spec.fleet and tuple(tensor.shape) == wanted[len(spec.fleet) :]:
        return "; no fleet axis?"
    return ""
