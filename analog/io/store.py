"""A chip in a file, and back: identity, cells, clock, wear, generator; never a pickle.

The file names a device and its wiring but holds none of their code: `load` is handed both, as `Chip` is, and
refuses a file that another device or other layers wrote. The checksum finds damage and editing; it is not
a signature: whoever knows this format can write a file of his own (of numbers; nothing in it is executed).
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import Final

import torch
from torch import Tensor

from ..chip import Chip
from ..device import Device
from ..device import S
from ..layers.crossbar import Layer
from ..tree import tree_leaves
from ..tree import tree_unflatten
from .serialization import BadFrame
from .serialization import Words
from .serialization import described
from .serialization import digest
from .serialization import pack
from .serialization import unpack
from .serialization import wiring

_FORMAT: Final = 1
_DTYPES: Final = {str(d).removeprefix("torch."): d for d in (torch.float32, torch.float64)}


class BadFile(ValueError):
    """A file is not a whole saved chip of this device and these layers; no chip was made."""


def save(chip: Chip[Any], path: str | Path) -> None:
    """Write a chip to a file, at once or not at all. A dead one is saved as dead."""
    tensors = {
        **tree_leaves(chip._cells, "cells"),
        **tree_leaves(chip._rest, "rest"),
        "generator": chip._generator.get_state(),
    }
    words = {
        "format": _FORMAT,
        "device": described(chip.device),
        "wiring": wiring(chip.spec.layers),
        "identity": chip.identity if isinstance(chip.identity, int) else list(chip.identity),
        "dtype": str(chip.spec.dtype).removeprefix("torch."),
        "on": chip.spec.on,
        "clock": chip.clock,
        "alive": chip.alive,
        "lost": list(chip._lost),
    }
    _replace(Path(path), pack({**words, "checksum": digest(words, tensors)}, tensors))


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
        words, tensors = unpack(Path(path).read_bytes())
    except BadFrame as error:
        raise BadFile(f"{path}: {error}") from None
    try:
        return _restored(words, tensors, device, layers)
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadFile(f"{path}: not a chip of this device: {type(error).__name__}: {error}") from error


def _restored(
    words: Words, tensors: dict[str, Tensor], device: Device[S], layers: Sequence[Layer]
) -> Chip[S]:
    claimed = words.pop("checksum", None)
    _require(
        claimed == digest(words, tensors), "content and checksum differ; the file was damaged or altered"
    )
    _require(words["format"] == _FORMAT, f"format {words['format']!r}, wanted {_FORMAT}")
    theirs, ours = words["device"], described(device)
    _require(theirs == ours, f"was written by {theirs}, you gave {ours}")
    _require(words["wiring"] == wiring(layers), "was written by a chip with other layers than those given")
    who = words["identity"]
    chip = Chip(
        device,
        layers,
        tuple(who) if isinstance(who, list) else who,
        on=words["on"],
        dtype=_DTYPES[words["dtype"]],
    )
    chip._generator.set_state(tensors.pop("generator"))
    chip._clock, chip._alive, chip._lost = float(words["clock"]), bool(words["alive"]), tuple(words["lost"])
    _require(0 <= chip._clock < math.inf, f"its clock shows {chip._clock} s")
    _require(set(chip._lost) <= set(range(len(chip.identities))), f"lost rows {chip._lost} of no chip")
    part = "cells" if chip._alive else "rest"
    count = (
        len(chip.identities) if chip._alive else len(chip._lost) and len(chip.identities) - len(chip._lost)
    )
    held = _checked(tensors, tree_leaves(chip._cells, part) if count else {}, chip.spec.fleet and (count,))
    there = {name: tensor.to(chip.spec.on) for name, tensor in held.items()}
    cells = tree_unflatten(chip._cells, there, part) if held else ()
    chip._cells, chip._rest = (cells, ()) if chip._alive else ((), cells)
    return chip


def _checked(held: dict[str, Tensor], like: dict[str, Tensor], fleet: tuple[int, ...]) -> dict[str, Tensor]:
    """The same tensors; their names, shapes (but for the fleet) and dtypes are those of fresh cells."""
    for name in sorted({*held, *like}):
        _require(name in held and name in like, f"{name} is {'lacking' if name in like else 'unknown'}")
        found, fresh = held[name], like[name]
        shape = (*fleet, *fresh.shape[len(fleet) :])
        _require(
            tuple(found.shape) == shape and found.dtype == fresh.dtype,
            f"{name} is {tuple(found.shape)} {found.dtype}, this device wants {shape} {fresh.dtype}",
        )
    return held


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
