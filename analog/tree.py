"""Maps over nested tuples of tensors: cells, probes, readings, targets, states.

A tree is a tensor (or another leaf), None, or a tuple, list or NamedTuple of trees.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from torch import Tensor

_NODES: Final = (tuple, list)  # a union made anew at every question costs more than the answer


def tree_map(function: Callable[..., Any], *trees: Any) -> Any:
    """The tree of `function(*leaves)` over the leaves that stand at one place of trees of one structure.

    Args:
        function: takes a leaf of each tree; a leaf is whatever is neither None nor a tuple or list.
        trees: at least one; None stays None, a NamedTuple its type, a list becomes a tuple.

    Raises:
        ValueError: the trees differ in structure.
    """
    first = trees[0]
    if first is None:
        _require_alike(all(tree is None for tree in trees), trees)
        return None
    if not isinstance(first, _NODES):
        _require_alike(not any(tree is None or isinstance(tree, _NODES) for tree in trees), trees)
        return function(*trees)
    _require_alike(all(isinstance(tree, _NODES) and len(tree) == len(first) for tree in trees), trees)
    return _like(first, (tree_map(function, *parts) for parts in zip(*trees, strict=True)))


def tree_leaves(tree: Any, name: str = "") -> dict[str, Any]:
    """Every leaf by its dotted name, e.g. `inner.knobs` or `0.knobs`; there is none for None.

    Args:
        name: of the tree itself, in front of every name.
    """
    leaves: dict[str, Any] = {}
    _gather(tree, name, leaves)
    return leaves


def _gather(tree: Any, name: str, leaves: dict[str, Any]) -> None:
    if tree is None:
        return
    if not isinstance(tree, _NODES):
        leaves[name] = tree
        return
    front = f"{name}." if name else ""
    for key, part in zip(_names(tree), tree, strict=True):
        _gather(part, f"{front}{key}", leaves)


def tree_unflatten(tree: Any, leaves: Mapping[str, Tensor], name: str = "") -> Any:
    """The tree of the given leaves (of any shapes), structured and named as `tree` is.

    Raises:
        KeyError: a leaf of that name is lacking.
    """
    if tree is None:
        return None
    if not isinstance(tree, _NODES):
        return leaves[name]
    parts = zip(_names(tree), tree, strict=True)
    return _like(tree, (tree_unflatten(part, leaves, f"{name}.{key}".lstrip(".")) for key, part in parts))


def _names(tree: Sequence[Any]) -> Sequence[Any]:
    return getattr(type(tree), "_fields", range(len(tree)))


def _like(tree: Sequence[Any], parts: Iterator[Any]) -> Any:
    """A tuple of these parts, of the type of `tree` if that is a NamedTuple."""
    return type(tree)(*parts) if hasattr(type(tree), "_fields") else tuple(parts)


def _require_alike(alike: bool, trees: Sequence[Any]) -> None:
    if not alike:
        raise ValueError(f"tree_map: structures differ: {' and '.join(map(_outline, trees))}")


def _outline(tree: Any) -> str:
    if isinstance(tree, _NODES):
        return f"{type(tree).__name__} of {len(tree)}"
    return "None" if tree is None else type(tree).__name__
