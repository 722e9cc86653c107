"""A JSON header and named tensors as one block of bytes, without pickle: saved chips and messages are blocks.

A block is a safetensors file whose metadata holds JSON. Reading one executes nothing and imports nothing.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..layers.crossbar import Layer
from ..layers.recurrence import gather_with_state

Header = dict[str, Any]  # what JSON can say


class BadBlock(ValueError):
    """A block of bytes is not ours, or not whole."""


def pack(header: Header, tensors: Mapping[str, Tensor]) -> bytes:
    """Write a header and tensors into one block.

    Tensors of any shape keep every bit, and their order in memory, on which a product's last bits hang.
    """
    orders = {name: _order(t) for name, t in tensors.items()}
    contiguous = {
        name: t.detach().cpu().permute(orders[name]).clone(memory_format=torch.contiguous_format)
        for name, t in tensors.items()
    }
    about = {
        "header": header,
        "orders": {name: order for name, order in orders.items() if order != sorted(order)},
        "complex": [name for name, t in tensors.items() if t.is_complex()],  # safetensors knows but one kind
    }
    parts = {name: torch.view_as_real(t) if t.is_complex() else t for name, t in contiguous.items()}
    # one entry alone, for safetensors writes several in an order of its own
    return safetensors.torch.save(parts, metadata={"block": json.dumps(about, sort_keys=True)})


def _order(tensor: Tensor) -> list[int]:
    """The axes from the slowest to the fastest in memory."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda axis: -strides[axis])


def unpack(block: bytes) -> tuple[Header, dict[str, Tensor]]:
    """Read the header and the tensors of a block, of any shapes.

    Raises:
        BadBlock: the bytes are anything but a whole block that `pack` wrote.
    """
    try:
        tensors = safetensors.torch.load(block)
        size = int.from_bytes(block[:8], "little")
        about = json.loads(json.loads(block[8 : 8 + size])["__metadata__"]["block"])
        header = about["header"]
        for name in about["complex"]:
            tensors[name] = torch.view_as_complex(tensors[name])
        for name, order in about["orders"].items():
            tensors[name] = tensors[name].permute([order.index(axis) for axis in range(len(order))])
    except (
        SafetensorError,
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        AttributeError,
        RuntimeError,
    ) as error:  # recursion is the last
        pickled = block[:1] == b"\x80" or block[:4] == b"PK\x03\x04"  # or a size by chance, so asked last
        what = "a pickle, or an archive of one: nothing in it was executed" if pickled else error
        raise BadBlock(f"{len(block)} bytes that are not a whole block of ours: {what}") from None
    if not isinstance(header, dict):
        raise BadBlock(f"the header of a block is {type(header).__name__}, wanted an object")
    return header, tensors


def checksum(header: Header, tensors: Mapping[str, Tensor]) -> str:
    """The BLAKE2b checksum of a header and tensors of any shapes, whatever the order they come in."""
    total = hashlib.blake2b(json.dumps(header, sort_keys=True).encode(), digest_size=32)
    for name, tensor in sorted(tensors.items()):
        data = tensor.detach().cpu().contiguous()
        total.update(f"{name}|{data.dtype}|{tuple(data.shape)}|".encode())
        total.update(data.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def layer_checksum(layers: Sequence[Layer]) -> str:
    """The checksum of what layers do to numbered features; it works for anybody's layers."""
    outputs = {}
    for i, layer in enumerate(layers):
        inputs, features = (
            torch.arange(1.0, n + 1, dtype=torch.float64)[None] for n in (layer.features_in, layer.features)
        )
        outputs[f"{i} in"] = gather_with_state(layer, inputs, features)
        outputs[f"{i} out"] = layer.unscatter(features)
    return checksum({"layers": [[la.tiles, la.rows, la.cols, la.linear] for la in layers]}, outputs)


def describe(part: Any) -> Any:
    """The JSON of a device: its class by name, and its scalars; what it wraps likewise."""
    if part is None or isinstance(part, bool | int | str):
        return part
    if isinstance(part, float):
        return part if math.isfinite(part) else repr(part)
    if isinstance(part, tuple | list):
        return [describe(each) for each in part]
    name = f"{type(part).__module__}:{type(part).__qualname__}"
    if not dataclasses.is_dataclass(part):
        return {"class": name}
    return {"class": name, **{f.name: describe(getattr(part, f.name)) for f in dataclasses.fields(part)}}
