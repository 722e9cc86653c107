"""Comparisons of trees of tensors, for the checks of all contracts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from analog.contract import ContractError
from analog.tree import tree_leaves, tree_map


def clone_tree(tree: Any) -> Any:
    """The same tree, its tensors with memory of their own."""
    return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)


def equal_trees(a: Any, b: Any) -> bool:
    """Whether two trees are of one structure and all their leaves the same, bitwise for tensors."""
    ours, theirs = tree_leaves(a), tree_leaves(b)
    return ours.keys() == theirs.keys() and all(_equal(leaf, theirs[name]) for name, leaf in ours.items())


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and bool((a == b).logical_or(a.isnan() & b.isnan()).all())
        )
    return a is b or (type(a) is type(b) and bool(a == b))


def require(kept: bool, statement: str) -> None:
    """Pass on if a law is kept.

    Raises:
        ContractError: it is broken.
    """
    if not kept:
        raise ContractError(statement)


@contextmanager
def refuse_changed_modes(user: str) -> Iterator[None]:
    """Refuse whatever leaves torch's gradient mode or its default dtype other than it found them.

    They are left as they were. What fails for another reason fails for that.

    Args:
        user: who is watched, as the message says it.

    Raises:
        ContractError: one was changed.
    """
    gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    changed = ""
    try:
        yield
    finally:
        if torch.is_grad_enabled() != gradients:
            torch.set_grad_enabled(gradients)
            changed = "gradient mode"
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
            changed = "default dtype"
    require(not changed, f"{user}: torch's {changed} was left changed; change it in a with block")


def require_close(found: Tensor, wanted: Tensor, rounding: float, statement: str) -> None:
    """Pass on if two tensors of one shape differ by no more than a share of the size of the second.

    Raises:
        ContractError: they differ by more.
    """
    require(found.shape == wanted.shape, f"{statement} ({tuple(found.shape)}, wanted {tuple(wanted.shape)})")
    if not found.numel():
        return
    gap, size = float((found - wanted).abs().max()), float(wanted.abs().max())
    if not gap <= rounding * (size + 1e-3):
        raise ContractError(f"{statement}; off by {gap:.3g} at a size of {size:.3g}")


def multiple(found: Tensor, wanted: Tensor) -> float:
    """The factor by which the first of two tensors of one shape is the second, along it; 0 if that is 0."""
    power = float((wanted * wanted).sum())
    return float((found * wanted).sum()) / power if power else 0.0


def finite(tree: Any) -> bool:
    """Whether all floating tensors of a tree are finite."""
    tensors = (leaf for leaf in tree_leaves(tree).values() if isinstance(leaf, Tensor))
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
