"""Local contrastive losses: what belongs to one image shows alike, other images otherwise; no labels.

Two objectives:

- `InfoNCE`: between two views of an image (van den Oord, Li and Vinyals 2018, https://arxiv.org/abs/1807.03748),
  by part (Ren, Kornblith, Liao and Hinton, "Scaling forward gradient with local losses", ICLR 2023,
  https://arxiv.org/abs/2210.03310, eq. 6).
- `PatchInfoNCE`: a patch agrees with the average of what the other patches of the same image show, and
  disagrees with other images' (Hinton's talk: at every level, several hidden layers a level, greedily, by
  perturbing activities). A level is a block of `Greedy`.

With u the outputs of one part, scaled to length 1, and k the key that they are compared with, the loss of
image n is

    -log exp(u_n.k_n / temperature) / sum_m exp(u_n.k_m / temperature),    m over the images of the batch.

Keys are of the baseline reading: taken without a probe before any probe is judged, then held fixed (Ren et
al.: with one perturbation shared by both views the loss does not fall). So the loss stays one number for each
image and part, all images and parts may be perturbed at once, and the baseline reading that every step takes
anyway is all that it costs.

Where we differ: both views of every image are judged, each against the other's baseline reading, so that no
reading is spent on an image that only stands by. Nothing is differentiated but the loss itself, digitally.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..losses import Loss


class _ContrastKeys(NamedTuple):
    """The keys that outputs are compared with, from a baseline reading: constants to whoever is probed."""

    keys: Tensor  # (*fleet, batch, parts, width), each of length 1 (or 0)
    positive: Tensor  # (batch,), int64: the row whose key is the example's own
    without_self: (
        bool  # an example's own row is no key of its: it is neither another image's, nor the positive
    )


@dataclass(frozen=True)
class InfoNCE(Loss):
    """A loss by which each part of an image's outputs agrees with the same part of the image's other view.

    A batch is its first views followed by its second views, in the same order: see `stack_views`.

    Args:
        parts: how many equal and consecutive parts have an objective each.
        temperature: of the softmax over cosines.
    """

    parts: int = 1
    temperature: float = 0.2

    def __post_init__(self) -> None:
        _check_settings("InfoNCE", self.parts, 1, self.temperature)

    def freeze(self, out: Tensor, target: Any) -> _ContrastKeys:
        """The other views as the baseline reading showed them; the target is not looked at.

        Args:
            out: (*fleet, batch, features), the outputs of the baseline reading.

        Raises:
            ValueError: the batch is not the views of at least 2 images, or parts do not divide the features.
        """
        del target  # no label is read
        return _ContrastKeys(_unit(_split("InfoNCE", out, self.parts)), _partners("InfoNCE", out), True)

    def value(self, out: Tensor, target: _ContrastKeys) -> Tensor:  # (..., batch, parts)
        return _value(_split("InfoNCE", out, self.parts), target, self.temperature)

    def gradient(self, out: Tensor, target: _ContrastKeys) -> Tensor:
        """d (sum of the parts' losses) / d out, (..., batch, features); keys are constants."""
        return _gradient(_split("InfoNCE", out, self.parts), target, self.temperature)


@dataclass(frozen=True)
class PatchInfoNCE(Loss):
    """A loss by which each patch of an image agrees with the average of the image's other patches.

    Args:
        parts: patches whose features lie together, at least 2.
        temperature: of the softmax over cosines.
        views: 2: the other patches are those of the image's other view (rows as in `InfoNCE`).

    Raises:
        ValueError: a setting is out of its range.
    """

    parts: int
    temperature: float = 0.2
    views: int = 1

    def __post_init__(self) -> None:
        _check_settings("PatchInfoNCE", self.parts, 2, self.temperature)
        if self.views not in (1, 2):
            raise ValueError(f"PatchInfoNCE: views is {self.views!r}, wanted 1 or 2")

    def freeze(self, out: Tensor, target: Any) -> _ContrastKeys:
        """The average of each patch's others, as the baseline reading showed them.

        Args:
            out: (*fleet, batch, features), the outputs of the baseline reading.

        Raises:
            ValueError: the batch has too few images, or patches do not divide the features.
        """
        del target  # no label is read
        units = _unit(_split("PatchInfoNCE", out, self.parts))
        keys = _unit(units.sum(-2, keepdim=True) - units)
        if self.views == 2:
            return _ContrastKeys(keys, _partners("PatchInfoNCE", out), True)
        if out.shape[-2] < 2:
            raise ValueError("PatchInfoNCE: a batch of 1 image has nothing to disagree with; wanted 2")
        return _ContrastKeys(keys, torch.arange(out.shape[-2], device=out.device), False)

    def value(self, out: Tensor, target: _ContrastKeys) -> Tensor:  # (..., batch, parts)
        return _value(_split("PatchInfoNCE", out, self.parts), target, self.temperature)

    def gradient(self, out: Tensor, target: _ContrastKeys) -> Tensor:
        """d (sum of the parts' losses) / d out, (..., batch, features); keys are constants."""
        return _gradient(_split("PatchInfoNCE", out, self.parts), target, self.temperature)


def stack_views(first: Tensor, second: Tensor) -> Tensor:  # (..., 2 images, features)
    """Two views (..., images, features) of the same images as one batch.

    Raises:
        ValueError: they are of different shapes.
    """
    if first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"stack_views: views are {shapes}; wanted alike")
    return torch.cat([first, second], -2)


def _value(split: Tensor, target: _ContrastKeys, temperature: float) -> Tensor:  # (..., batch, parts)
    logits = _logits(_unit(split), target, temperature)
    positive = logits.gather(-1, target.positive[:, None].expand(*logits.shape[:-1], 1)).squeeze(-1)
    return (logits.logsumexp(-1) - positive).mT


def _gradient(split: Tensor, target: _ContrastKeys, temperature: float) -> Tensor:  # (..., batch, features)
    length, unit = torch.linalg.vector_norm(split, dim=-1, keepdim=True), _unit(split)
    probabilities = _logits(unit, target, temperature).softmax(-1)  # (..., parts, batch, batch)
    keys = target.keys.transpose(-3, -2)
    at_unit = (probabilities @ keys - keys[..., target.positive, :]).transpose(-3, -2) / temperature
    tangential = at_unit - unit * (unit * at_unit).sum(-1, keepdim=True)
    return torch.where(length > 0, tangential / length, 0.0).flatten(-2)


def _logits(unit: Tensor, target: _ContrastKeys, temperature: float) -> Tensor:  # (..., parts, batch, batch)
    """Cosines over the temperature, of each row to each row's key; -inf where a key is left out."""
    logits = unit.transpose(-3, -2) @ target.keys.transpose(-3, -2).mT / temperature
    if target.without_self:
        logits.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return logits


def _split(name: str, out: Tensor, parts: int) -> Tensor:  # (..., batch, parts, width)
    if out.shape[-1] % parts:
        raise ValueError(f"{name}: {parts} parts do not divide {out.shape[-1]} outputs")
    return out.unflatten(-1, (parts, -1))


def _unit(split: Tensor) -> Tensor:
    """Each part scaled to length 1; what is inactive (all 0) stays so."""
    length = torch.linalg.vector_norm(split, dim=-1, keepdim=True)
    return split / torch.where(length > 0, length, 1.0)


def _partners(name: str, out: Tensor) -> Tensor:  # (batch,), int64
    """The row of each row's other view."""
    rows = out.shape[-2]
    if rows % 2 or rows < 4:
        raise ValueError(
            f"{name}: the batch has {rows} rows, wanted the first views of at least 2 images and as many "
            "second ones"
        )
    return torch.arange(rows, device=out.device).roll(rows // 2)


def _check_settings(name: str, parts: int, least: int, temperature: float) -> None:
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < least:
        raise ValueError(f"{name}: parts is {parts!r}, wanted an integer of at least {least}")
    if not 0 < temperature < float("inf"):
        raise ValueError(f"{name}: temperature is {temperature}, wanted a finite number above 0")
