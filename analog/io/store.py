"""A chip in a file, and back: identity, cells, clock, wear, generator; never a pickle.

The file names a device and its wiring but holds none of their code: `load` is handed both, as `Chip` is, and
refuses a file that another device or other layers wrote. The checksum finds damage and editing; it is not
a signature: whoever knows this format can write a file of his own (of numbers; nothing in it is executed).
"""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Generator, Tensor

from ..chip import Chip
from ..device import Device, S
from ..layers.crossbar import Layer
from ..port import Port
from ..tree import tree_leaves, tree_unflatten
from .files import replace_file
from .serialization import BadBlock, Header, checksum, describe, layer_checksum, pack, unpack

_FORMAT: Final = 1
_DTYPES: Final = {str(d).removeprefix("torch."): d for d in (torch.float32, torch.float64)}
_PRECISIONS: Final = {"bfloat16": torch.bfloat16, None: None}


class BadFile(ValueError):
    """A file is not a whole saved chip of this device and these layers; no chip was made."""


def save(chip: Chip, path: str | Path) -> None:
    """Write a chip to a file, at once or not at all. A dead one is saved as dead.

    The same chip gives the same bytes. A file that is there keeps its mode, and a link what it points to.

    Raises:
        TypeError: it is no chip; from a port no cells can be saved.
        OSError: the file cannot be written; what was there is as it was.
    """
    if not isinstance(chip, Chip):
        hint = "; a port leads to no cells: save the chip behind it" if isinstance(chip, Port) else ""
        raise TypeError(f"save: got {type(chip).__name__}, wanted a Chip{hint}")
    holds = "cells" if chip._cells else "rest" if chip._rest else "nothing"
    tensors = {
        **tree_leaves(chip._cells, "cells"),
        **tree_leaves(chip._rest, "rest"),
        **{f"generator.{i}": g.get_state() for i, g in enumerate(chip._generators)},
    }
    header = {
        "format": _FORMAT,
        "device": describe(chip.device),
        "layer_checksum": layer_checksum(chip.spec.layers),
        "identity": chip.identity if isinstance(chip.identity, int) else list(chip.identity),
        "dtype": str(chip.spec.dtype).removeprefix("torch."),
        "precision": chip.spec.precision and str(chip.spec.precision).removeprefix("torch."),
        "on": str(chip.spec.on),
        "clock": chip.clock,
        "alive": chip.alive,
        "lost": list(chip._lost),
        "holds": holds,
        "apart": chip._apart,
    }
    replace_file(Path(path), pack({**header, "checksum": checksum(header, tensors)}, tensors))


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
    except Exception as error:  # whatever is wrong with a file, no chip comes of it
        says = f"{type(error).__name__}: {error}"
        raise BadFile(f"{path}: not a chip of this device: {says}") from error


def _restored(
    header: Header, tensors: dict[str, Tensor], device: Device[S], layers: Sequence[Layer]
) -> Chip[S]:
    _check_header(header, tensors, device, layers)
    _check_life(header)
    who, separate = header["identity"], header["apart"]
    chip = Chip(  # one chip shows what cells are like; those of all others would be made for nothing
        device,
        layers,
        who[:1] if isinstance(who, list) else who,
        noise_seed=[0] if separate else 0,
        on=header["on"],
        dtype=_DTYPES[header["dtype"]],
        precision=_PRECISIONS[header["precision"]],
    )
    states = {f"generator.{i}": chip._generators[0].get_state() for i in range(len(who) if separate else 1)}
    left = 0 if header["holds"] == "nothing" else len(who) if isinstance(who, list) else 1
    if header["holds"] == "rest":
        left -= len(header["lost"])
    part = header["holds"]
    fresh = tree_leaves(chip._cells, part) if left else {}
    cells = {name: tensor for name, tensor in tensors.items() if not name.startswith("generator.")}
    _check_tensors({n: t for n, t in tensors.items() if n not in cells}, states, 0, ())
    _check_tensors(cells, fresh, len(chip.spec.fleet), chip.spec.fleet and (left,))
    if isinstance(who, list):
        chip.identity = tuple(who)
        chip.spec = replace(chip.spec, fleet=(len(who),))
    chip._throw_with([_generator(tensors[name], chip.spec.on) for name in states])
    moved = {name: tensor.to(chip.spec.on) for name, tensor in cells.items()}
    saved = tree_unflatten(chip._cells, moved, part) if left else ()
    _check_values(device, saved)
    chip._cells, chip._rest = (saved, ()) if part == "cells" else ((), saved)
    chip._clock, chip._alive, chip._lost = header["clock"], header["alive"], tuple(header["lost"])
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
    _require(theirs == ours, f"was written by {_apart(theirs, ours)}, you gave {_apart(ours, theirs)}")
    _require(
        header["layer_checksum"] == layer_checksum(layers),
        "was written by a chip with other layers than those given",
    )


def _apart(part: Any, other: Any) -> str:
    """A part as `describe` has it, in words: what it differs in from another one, in alphabetical order."""
    if isinstance(part, list):
        others = other if isinstance(other, list) and len(other) == len(part) else [None] * len(part)
        return f"({', '.join(map(_apart, part, others))})"
    if not isinstance(part, dict):
        return repr(part)
    name = str(part.get("class"))
    if not isinstance(other, dict) or part.get("class") != other.get("class"):
        return name
    fields = [k for k in sorted(part) if k not in other or part[k] != other[k]]
    differing = ", ".join(f"{k}={_apart(part[k], other.get(k))}" for k in fields)
    return f"{name.rpartition(':')[2]}({differing})"


def _check_life(header: Header) -> None:
    """Refuse an identity, a clock or an end that no chip can have."""
    who, clock, lost = header["identity"], header["clock"], header["lost"]
    alive, separate, holds = header["alive"], header["apart"], header["holds"]
    several = isinstance(who, list)
    _require(
        type(who) is int or (several and who != [] and all(type(each) is int for each in who)),
        f"its identity is {str(who)[:60]}, wanted an integer or some",
    )
    _require(type(clock) is float and 0 <= clock < math.inf, f"its clock shows {str(clock)[:60]} s")
    _require(
        type(alive) is bool and type(separate) is bool and (several or not separate),
        "alive or apart is no bool",
    )
    count = len(who) if several else 1
    _require(
        isinstance(lost, list)
        and all(type(row) is int and 0 <= row < count for row in lost)
        and lost == sorted(set(lost)),
        f"lost rows {str(lost)[:60]} of no chip",
    )
    whole, some = len(lost) == count, 0 < len(lost) < count
    lives = {
        "cells": not lost or (separate and not whole) if alive else separate and whole,
        "rest": not alive and not separate and some,
        "nothing": not alive,
    }
    _require(
        lives.get(str(holds), False), f"it holds {str(holds)[:60]}, alive is {alive}, lost rows {lost[:9]}"
    )


def _generator(state: Tensor, on: str) -> Generator:
    generator = Generator(device=on)
    generator.set_state(state)
    return generator


def _check_tensors(
    saved: dict[str, Tensor], fresh: dict[str, Tensor], axes: int, fleet: tuple[int, ...]
) -> None:
    """Refuse tensors whose names, shapes (but for the fleet) and dtypes are not those of fresh ones."""
    for name in sorted({*saved, *fresh}):
        _require(name in saved and name in fresh, f"{name} is {'lacking' if name in fresh else 'unknown'}")
        shape = (*fleet, *fresh[name].shape[axes:])
        _require(
            tuple(saved[name].shape) == shape and saved[name].dtype == fresh[name].dtype,
            f"{name} is {tuple(saved[name].shape)} {saved[name].dtype}, "
            f"this device wants {shape} {fresh[name].dtype}",
        )


def _check_values(device: Device[S], layers: Sequence[S]) -> None:
    """Refuse cells that no life leads to: not finite, or far outside the bounds that the device states."""
    for i, cells in enumerate(layers):
        for name, leaf in tree_leaves(cells, f"cells.{i}").items():
            _require(bool(torch.isfinite(leaf).all()), f"{name} is not finite")
        bounds = device.bounds(cells)
        if bounds is not None:
            low, high = bounds
            beyond = torch.maximum(low - cells.knobs, cells.knobs - high) > high - low
            _require(not bool(beyond.any()), f"knobs of layer {i} are far outside the bounds of this device")


def _require(kept: bool, law: str) -> None:
    if not kept:
        raise BadFile(law)
