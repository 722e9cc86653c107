"""The state of a training in a file, and back: tensors, numbers and generators, never a pickle.

A file names no types: those are of the state that the same training begins with. The chip is saved beside it
(`analog.save`), at the same moment. `load_state` is for `train`, `restore_state` for a loop of one's own.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Generator, Tensor

from analog.port import Port
from analog.tree import tree_leaves, tree_map

from .learner import Learner, for_steps
from .training_state import Arguments, TrainingState, begin


class BadState(ValueError):
    """A file is no whole state of a training by this learner on such a chip."""


def save_state(state: Any, path: str | Path) -> None:
    """Write the state of a training to a file, at once or not at all.

    Args:
        state: `run.state` of `train`, or in a loop of your own a tuple of what it takes to go on: the
            learner's state, the generators, and how many steps have been made.
        path: of the file.

    Raises:
        TypeError: it holds something that is neither a tensor, nor a number, nor a generator.
    """
    state = tree_map(lambda leaf: leaf.get_state() if isinstance(leaf, Generator) else leaf, state)
    leaves = tree_leaves(state)
    tensors = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, Tensor)}
    numbers = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, int | float)}
    if other := [name for name in leaves if name not in tensors and name not in numbers]:
        name = other[0]
        raise TypeError(f"save_state: {name} is {leaves[name]!r}, wanted a tensor, a number or a generator")
    orders = {name: _memory_order(leaf) for name, leaf in tensors.items()}
    words = {"numbers": numbers, "orders": orders, "outline": _outline(state)}
    content = {
        name: leaf.detach().cpu().permute(orders[name]).clone(memory_format=torch.contiguous_format)
        for name, leaf in tensors.items()
    }
    target = Path(path)
    part = target.with_name(f"{target.name}.part")
    safetensors.torch.save_file(content, part, metadata={k: json.dumps(v) for k, v in words.items()})
    os.replace(part, target)


def load_state(path: str | Path, learner: Learner, port: Port) -> TrainingState:
    """Read the state of a training by this learner on such a chip.

    Args:
        path: what `save_state` wrote.
        learner: as it was handed to `train`.
        port: the wires of the chip that goes on.

    Raises:
        BadState: the file is missing or damaged, or of another learner or another chip.
    """
    start = begin(for_steps(learner, 1), port, Arguments(1.0, 0, 1, 0))
    state: TrainingState = restore_state(path, start, on=port.spec.on)
    return state._replace(order=state.order.cpu(), probes=state.probes.cpu())


def restore_state(path: str | Path, start: Any, *, on: str = "cpu") -> Any:
    """Read the state of a loop of your own, of the structure that it starts with.

        start = (0, learner.init(port.spec), stream(0, "order"), stream(0, "probes"))
        made, state, order, probes = restore_state("state", start)

    Args:
        path: what `save_state` wrote.
        start: the state with which the loop begins; where it has a generator, so has what is restored.
        on: where tensors go.

    Returns:
        The saved state; `start` is left as it is.

    Raises:
        BadState: the file is missing or damaged, or of another structure.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            words = {name: json.loads(word) for name, word in file.metadata().items()}
            leaves = {
                name: file.get_tensor(name).permute([order.index(axis) for axis in range(len(order))])
                for name, order in words["orders"].items()
            }
        leaves |= words["numbers"]
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadState(f"{path}: no whole state of a training: {error}") from None
    try:
        return _restore(words["outline"], start, leaves, on)
    except (KeyError, ValueError, RuntimeError):
        raise BadState(f"{path}: the state of another learner, or of a chip of another shape") from None


def _memory_order(tensor: Tensor) -> list[int]:
    """The axes from the slowest to the fastest in memory, on which the last bits of a product hang."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda axis: -strides[axis])


def _outline(tree: Any) -> Any:
    """Lists for tuples, None for None, 0 for leaves."""
    if isinstance(tree, tuple | list):
        return [_outline(part) for part in tree]
    return None if tree is None else 0


def _restore(outline: Any, start: Any, leaves: Mapping[str, Any], on: str, name: str = "") -> Any:
    """The tree of these leaves, of the types of `start`; what is None there may be tuples by now.

    Raises:
        KeyError: a leaf is lacking.
        ValueError: it is another tree than `start`, or a leaf has another shape.
        RuntimeError: a generator cannot have such a state.
    """
    if outline is None and start is None:
        return None
    if outline is None:
        raise ValueError(name)
    if not isinstance(outline, list):
        leaf = leaves[name]
        if isinstance(start, Generator):
            return _generator(start, leaf)
        if start is not None and _form(start) != _form(leaf):
            raise ValueError(name)
        return leaf.to(on) if isinstance(leaf, Tensor) else leaf
    if start is not None and (not isinstance(start, tuple) or len(start) != len(outline)):
        raise ValueError(name)
    parts = (None,) * len(outline) if start is None else start
    kind: Any = type(start)
    fields = getattr(kind, "_fields", None)
    restored = (
        _restore(o, part, leaves, on, f"{name}.{field}".lstrip("."))
        for o, part, field in zip(outline, parts, fields or range(len(outline)), strict=True)
    )
    return tuple(restored) if fields is None else kind(*restored)


def _generator(start: Generator, state: Any) -> Generator:
    """A generator in such a state, at the place of another; RuntimeError or ValueError if it is none."""
    if not isinstance(state, Tensor) or state.dtype != torch.uint8:
        raise ValueError("no generator")
    generator = Generator(start.device)
    generator.set_state(state.cpu())
    return generator


def _form(leaf: Any) -> object:
    return (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else isinstance(leaf, int | float)
