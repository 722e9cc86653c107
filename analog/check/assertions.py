"""How a law is stated: what to draw, what to compare, and what to say when it is broken."""

from typing import Any

import torch
from torch import Tensor

from ..chip import Chip
from ..contract import ContractError
from ..spec import Spec
from ..streams import stream
from ..tree import tree_leaves


def draw(spec: Spec, name: str, *shape: int) -> Tensor:
    made = torch.randn(shape, generator=stream(0, "check", name), dtype=torch.float64)
    return made.to(spec.dtype)


def fields(chip: Chip[Any], layer: int) -> dict[str, Tensor]:
    """The cells of one layer by name, those of wrapped devices as in `inner.knobs`."""
    return tree_leaves(chip._cells[layer])


def copy(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: cell.clone() for name, cell in fields.items()}


def require(kept: bool, law: str) -> None:
    if not kept:
        raise ContractError(law)


def same(a: Tensor, b: Tensor, law: str) -> None:
    if a.shape != b.shape or not torch.equal(a, b):
        far = (
            f"by up to {(a - b).abs().max():.3g}"
            if a.shape == b.shape
            else f"{tuple(a.shape)}, {tuple(b.shape)}"
        )
        raise ContractError(f"{law} ({far})")


def close(a: Tensor, b: Tensor, tolerance: float, law: str) -> None:
    gap, scale = float((a - b).abs().max()), float(b.abs().max())
    if not gap <= tolerance * max(scale, 1e-3):
        raise ContractError(
            f"{law}: differs by {gap:.3g} at a scale of {scale:.3g}, tolerated {tolerance:g} of it"
        )
