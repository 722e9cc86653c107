"""Words and tensors as one block of bytes, without pickle: what a saved chip and a remote wire are made of.

A block is a safetensors file whose metadata holds JSON. Reading one executes nothing and imports nothing.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..layers.crossbar import Layer

Words = dict[str, Any]  # what JSON can say


class BadFrame(ValueError):
    """A block of bytes that is not ours, or not whole."""


def pack(words: Words, tensors: Mapping[str, Tensor]) -> bytes:
    """One block; tensors keep every bit, and their order in memory, on which a product's last bits hang."""
    orders = {name: _order(t) for name, t in tensors.items()}
    held = {
        name: t.detach().cpu().permute(orders[name]).clone(memory_format=torch.contiguous_format)
        for name, t in tensors.items()
    }
    odd = {name: order for name, order in orders.items() if order != sorted(order)}
    said = {"words": json.dumps(words, sort_keys=True), "orders": json.dumps(odd)}
    return safetensors.torch.save(held, metadata=said)


def _order(tensor: Tensor) -> list[int]:
    """The axes from the slowest to the fastest in memory."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda axis: -strides[axis])


def unpack(block: bytes) -> tuple[Words, dict[str, Tensor]]:
    """What was packed. Raises BadFrame on anything else."""
    try:
        tensors = safetensors.torch.load(block)
        head = int.from_bytes(block[:8], "little")
        said = json.loads(block[8 : 8 + head])["__metadata__"]
        words = json.loads(said["words"])
        for name, order in json.loads(said["orders"]).items():
            tensors[name] = tensors[name].permute([order.index(axis) for axis in range(len(order))])
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
    ) as error:  # recursion is the last
        pickled = block[:1] == b"\x80" or block[:4] == b"PK\x03\x04"  # or a size by chance, so asked last
        what = "a pickle, or an archive of one: nothing in it was executed" if pickled else error
        raise BadFrame(f"{len(block)} bytes that are not a whole block of ours: {what}") from None
    if not isinstance(words, dict):
        raise BadFrame(f"the words of a block are {type(words).__name__}, wanted an object")
    return words, tensors


def digest(words: Words, tensors: Mapping[str, Tensor]) -> str:
    """A checksum of content, whatever the order it comes in."""
    made = hashlib.blake2b(json.dumps(words, sort_keys=True).encode(), digest_size=32)
    for name, tensor in sorted(tensors.items()):
        held = tensor.detach().cpu().contiguous()
        made.update(f"{name}|{held.dtype}|{tuple(held.shape)}|".encode())
        made.update(held.reshape(-1).view(torch.uint8).numpy().data)
    return made.hexdigest()


def wiring(layers: Sequence[Layer]) -> str:
    """A checksum of what layers do, by sending numbered features through them; works for anybody's layers."""
    seen = {}
    for i, la in enumerate(layers):
        features, outputs = (
            torch.arange(1.0, n + 1, dtype=torch.float64)[None] for n in (la.features_in, la.features)
        )
        seen[f"{i} in"], seen[f"{i} out"] = la.gather(features), la.unscatter(outputs)
    return digest({"layers": [[la.tiles, la.rows, la.cols, la.linear] for la in layers]}, seen)


def described(thing: Any) -> Any:
    """A device in JSON: its class by name, and its scalars; what it wraps likewise."""
    if thing is None or isinstance(thing, bool | int | str):
        return thing
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else repr(thing)
    if isinstance(thing, tuple | list):
        return [described(t) for t in thing]
    name = f"{type(thing).__module__}:{type(thing).__qualname__}"
    if not dataclasses.is_dataclass(thing):
        return {"class": name}
    return {"class": name, **{f.name: described(getattr(thing, f.name)) for f in dataclasses.fields(thing)}}
