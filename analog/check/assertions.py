"""Assertions of laws: what to draw, what to compare, and what to say when a law is broken."""

import torch
from torch import Tensor

from ..chip import Chip
from ..contract import ContractError
from ..spec import Spec
from ..streams import stream
from ..tree import tree_leaves


def draw(spec: Spec, name: str, *shape: int) -> Tensor:
    """Standard normal numbers of that shape, the same ones for every chip under one name."""
    return torch.randn(shape, generator=stream(0, "check", name), dtype=torch.float64).to(spec.dtype)


def cell_fields(chip: Chip, layer: int) -> dict[str, Tensor]:
    """The cells of one layer, of any shapes, by name, those of wrapped devices as in `inner.knobs`."""
    return tree_leaves(chip._cells[layer])


def clone_fields(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy of every field, of any shape, with memory of its own."""
    return {name: cell.clone() for name, cell in fields.items()}


def require(kept: bool, law: str) -> None:
    """Pass on if a law is kept.

    Raises:
        ContractError: it is broken.
    """
    if not kept:
        raise ContractError(law)


def require_equal(a: Tensor, b: Tensor, law: str) -> None:
    """Pass on if two tensors of any shape are bitwise the same.

    Raises:
        ContractError: they differ.
    """
    if a.shape != b.shape:
        raise ContractError(f"{law} ({tuple(a.shape)}, {tuple(b.shape)})")
    if not torch.equal(a, b):
        a, b = (t if t.is_floating_point() or t.is_complex() else t.double() for t in (a, b))
        raise ContractError(f"{law} (by up to {(a - b).abs().max():.3g})")


def require_close(a: Tensor, b: Tensor, tolerance: float, law: str) -> None:
    """Pass on if two tensors of any shape differ by no more than a share of the size of the second.

    Raises:
        ContractError: they differ by more.
    """
    if not b.numel():
        return
    a, b = (t if t.is_floating_point() or t.is_complex() else t.double() for t in (a, b))
    gap = float(torch.where(a == b, torch.zeros_like(b), a - b).abs().max())  # infinities may agree
    scale = float(torch.where(b.isfinite(), b, torch.zeros_like(b)).abs().max())
    if not gap <= tolerance * max(scale, 1e-3):
        raise ContractError(
            f"{law}: differs by {gap:.3g} at a scale of {scale:.3g}, tolerated {tolerance:g} of it"
        )
