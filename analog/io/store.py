"""A chip in a file, and back: identity, cells, clock, wear, generator; never a pickle.

The file names a device and its wiring but holds none of their code: `load` is handed both, as `Chip` is, and
refuses a file that another device or other layers wrote. The checksum finds damage and editing; it is not
a signature: whoever knows this format can write a file of his own (of numbers; nothing in it is executed).
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ..chip import Chip
from ..device import Device, S
from ..layers.crossbar import Layer
from ..tree import tree_leaves, tree_unflatten
from .serialization import BadBlock, Header, checksum, describe, layer_checksum, pack, unpack

_FORMAT: Final = 1
_DTYPES: Final = {str(d).removeprefix("torch."): d for d in (torch.float32, torch.float64)}


class BadFile(ValueError):
    """A file is not a whole saved chip of this device and these layers; no chip was made."""


def save(chip: Chip, path: str | Path) -> None:
    """Write a chip to a file, at once or not at all. A dead one is saved as dead."""
    tensors = {
        **tree_leaves(chip._cells if chip.alive else (), "cells"),
        **tree_leaves(chip._rest, "rest"),
        **{f"generator.{i}": g.get_state() for i, g in enumerate(chip._generators)},
    }
    header = {
        "format": _FORMAT,
        "device": describe(chip.device),
        "layer_checksum": layer_checksum(chip.spec.layers),
        "identity": chip.identity if isinstance(chip.identity, int) else list(chip.identity),
        "dtype": str(chip.spec.dtype).removeprefix("torch."),
        "on": chip.spec.on,
        "clock": chip.clock,
        "alive": chip.alive,
        "lost": list(chip._lost),
        "apart": chip._apart,
    }
    _replace(Path(path), pack({**header, "checksum": checksum(header, tensors)}, tensors))


def load(path: str | Path, device: Device[S], layers: Sequence[Layer], *, limit: int = 2**33) -> Chip[S]:
    """The chip that was saved; its next reading is bitwise what it would have been.

    Args:
        device, layers: what the chip was made of; a file of anything else is refused.
        limit: bytes; a larger file is refused before it is read.

    Raises:
        BadFile: the file is truncated, altered, too large, a pickle, or of another device or other layers.
    """
    size = os.stat(path).st_size
    if size > limit:
        raise BadFile(f"{path}: {size} bytes, the limit is {limit}; is this a chip?")
    try:
        header, tensors = unpack(Path(path).read_bytes())
    except BadBlock as error:
        raise BadFile(f"{path}: {error}") from None
    try:
        return _restored(header, tensors, device, layers)
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadFile(f"{path}: not a chip of this device: {type(error).__name__}: {error}") from error


def _restored(
    header: Header, tensors: dict[str, Tensor], device: Device[S], layers: Sequence[Layer]
) -> Chip[S]:
    _check_header(header, tensors, device, layers)
    identity = header["identity"]
    chip = Chip(
        device,
        layers,
        tuple(identity) if isinstance(identity, list) else identity,
        noise_seed=[0] * len(identity) if header["apart"] else 0,
        on=header["on"],
        dtype=_DTYPES[header["dtype"]],
    )
    for i, generator in enumerate(chip._generators):
        generator.set_state(tensors.pop(f"generator.{i}"))
    chip._clock, chip._alive = float(header["clock"]), bool(header["alive"])
    chip._lost = tuple(header["lost"])
    _require(0 <= chip._clock < math.inf, f"its clock shows {chip._clock} s")
    _require(set(chip._lost) <= set(range(len(chip.identities))), f"lost rows {chip._lost} of no chip")
    _put_cells(chip, tensors)
    return chip


def _check_header(
    header: Header, tensors: dict[str, Tensor], device: Device, layers: Sequence[Layer]
) -> None:
    """Refuse a file that was altered, or was written by another device or other layers."""
    claimed = header.pop("checksum", None)
    _require(
        claimed == checksum(header, tensors), "content and checksum differ; the file was damaged or altered"
    )
    _require(header["format"] == _FORMAT, f"format {header['format']!r}, wanted {_FORMAT}")
    theirs, ours = header["device"], describe(device)
    _require(theirs == ours, f"was written by {theirs}, you gave {ours}")
    _require(
        header["layer_checksum"] == layer_checksum(layers),
        "was written by a chip with other layers than those given",
    )


def _put_cells(chip: Chip, tensors: dict[str, Tensor]) -> None:
    """Give a chip the saved cells, or those that its dead left alive."""
    part, count = ("cells", len(chip.identities)) if chip.alive else ("rest", _left(chip))
    fresh = tree_leaves(chip._cells, part) if count else {}
    _check_cells(tensors, fresh, chip.spec.fleet and (count,))
    there = {name: tensor.to(chip.spec.on) for name, tensor in tensors.items()}
    cells = tree_unflatten(chip._cells, there, part) if there else ()
    chip._cells, chip._rest = (cells, ()) if chip.alive else ((), cells)


def _left(chip: Chip) -> int:
    """How many chips a dead fleet's common wires took along."""
    return len(chip._lost) and len(chip.identities) - len(chip._lost)


def _check_cells(saved: dict[str, Tensor], fresh: dict[str, Tensor], fleet: tuple[int, ...]) -> None:
    """Refuse cells whose names, shapes (but for the fleet) and dtypes are not those of fresh ones."""
    for name in sorted({*saved, *fresh}):
        _require(name in saved and name in fresh, f"{name} is {'lacking' if name in fresh else 'unknown'}")
        shape = (*fleet, *fresh[name].shape[len(fleet) :])
        _require(
            tuple(saved[name].shape) == shape and saved[name].dtype == fresh[name].dtype,
            f"{name} is {tuple(saved[name].shape)} {saved[name].dtype}, "
            f"this device wants {shape} {fresh[name].dtype}",
        )


def _require(kept: bool, law: str) -> None:
    if not kept:
        raise BadFile(law)


def _replace(path: Path, block: bytes) -> None:
    """Write a file that takes the place of `path` once all of it is on the disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(block)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
