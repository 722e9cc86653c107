"""Local contrastive agreement: what belongs to one image shows alike, other images otherwise; no labels.

Two sources, two objectives:

- `TwoViews`: InfoNCE between two views of an image, by part (Ren, Kornblith, Liao and Hinton, "Scaling
  forward gradient with local losses", ICLR 2023, eq. 6).
- `OtherPatches`: a patch agrees with the average of what the other patches of the same image show, and
  disagrees with other images' (Hinton's talk: at every level, several hidden layers a level, greedily, by
  perturbing activities). A level is a block of `Greedy`.

With u the outputs of one part, scaled to length 1, and k what they are compared with, the loss of image n is

    -log exp(u_n.k_n / temperature) / sum_m exp(u_n.k_m / temperature),    m over the images of the batch.

What an image is compared with is its own baseline reading, and the others': taken without a probe before any
probe is judged, then held fixed (Ren et al.: with one perturbation shared by both views the loss does not
fall). So the loss stays one number for each image and part, all images and parts may be perturbed at once,
and the baseline reading that every step takes anyway is all that it costs.

Where we differ: both views of every image are judged, each against the other's baseline reading, so that no
reading is spent on an image that only stands by. Nothing is differentiated but the loss itself, digitally.
"""

from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import torch
from torch import Tensor

from ..losses import Loss


class Held(NamedTuple):
    """What outputs are compared with, from a baseline reading: constants to whoever is probed."""

    keys: Tensor  # (*fleet, batch, parts, width), each of length 1 (or 0)
    own: Tensor  # (batch,), int64: the row whose key is the example's own
    apart: bool  # the example's own row is left out: its key is not another image's, nor the own one


@dataclass(frozen=True)
class TwoViews(Loss):
    """Each part of an image's outputs agrees with the same part of the image's other view.

    A batch is its first views followed by its second views, in the same order: see `paired`.

    Args:
        parts: how many equal and consecutive parts have an objective each.
        temperature: of the softmax over cosines.
    """

    parts: int = 1
    temperature: float = 0.2

    def __post_init__(self) -> None:
        _checked(self, 1)

    def freeze(self, out: Tensor, target: Any) -> Held:
        """The other views as the baseline reading showed them; the target is not looked at."""
        del target  # no label is read
        return Held(_unit(_split(self, out)), _partners(self, out), apart=True)

    def value(self, out: Tensor, target: Held) -> Tensor:
        return _losses(self, out, target)

    def gradient(self, out: Tensor, target: Held) -> Tensor:
        """d (sum of the parts' losses) / d out."""
        return _gradient(self, out, target)


@dataclass(frozen=True)
class OtherPatches(Loss):
    """Each patch of an image agrees with the average of what the image's other patches show.

    Args:
        parts: patches whose features lie together, at least 2.
        temperature: of the softmax over cosines.
        views: 2: the other patches are those of the image's other view (rows as in `TwoViews`).
    """

    parts: int
    temperature: float = 0.2
    views: int = 1

    def __post_init__(self) -> None:
        _checked(self, 2)
        if self.views not in (1, 2):
            raise ValueError(f"OtherPatches: views is {self.views!r}, wanted 1 or 2")

    def freeze(self, out: Tensor, target: Any) -> Held:
        """For each patch the average of the others, as the baseline reading showed them."""
        del target  # no label is read
        shown = _unit(_split(self, out))
        keys = _unit(shown.sum(-2, keepdim=True) - shown)
        if self.views == 2:
            return Held(keys, _partners(self, out), apart=True)
        if out.shape[-2] < 2:
            raise ValueError("OtherPatches: a batch of 1 image has nothing to disagree with; wanted 2")
        return Held(keys, torch.arange(out.shape[-2], device=out.device), apart=False)

    def value(self, out: Tensor, target: Held) -> Tensor:
        return _losses(self, out, target)

    def gradient(self, out: Tensor, target: Held) -> Tensor:
        """d (sum of the parts' losses) / d out."""
        return _gradient(self, out, target)


Agreement = TwoViews | OtherPatches


def paired(first: Tensor, second: Tensor) -> Tensor:  # (..., 2 images, features)
    """Two views (..., images, features) of the same images as one batch."""
    if first.shape != second.shape:
        raise ValueError(f"paired: views are {tuple(first.shape)} and {tuple(second.shape)}; wanted alike")
    return torch.cat([first, second], -2)


def _losses(loss: Agreement, out: Tensor, target: Held) -> Tensor:  # (..., batch, parts)
    closeness = _closeness(loss, _unit(_split(loss, out)), target)
    return (closeness.logsumexp(-1) - _at_own(closeness, target.own)).mT


def _gradient(loss: Agreement, out: Tensor, target: Held) -> Tensor:
    split = _split(loss, out)
    length, unit = torch.linalg.vector_norm(split, dim=-1, keepdim=True), _unit(split)
    share = _closeness(loss, unit, target).softmax(-1)  # (..., parts, batch, batch)
    keys = target.keys.transpose(-3, -2)
    pull = (share @ keys - keys[..., target.own, :]).transpose(-3, -2) / loss.temperature
    across = pull - unit * (unit * pull).sum(-1, keepdim=True)
    return torch.where(length > 0, across / length, 0.0).flatten(-2)


def _closeness(loss: Agreement, unit: Tensor, target: Held) -> Tensor:  # (..., parts, batch, batch)
    """Cosines over the temperature, of each row to each row's key; -inf where a key is left out."""
    made = unit.transpose(-3, -2) @ target.keys.transpose(-3, -2).mT / loss.temperature
    if target.apart:
        made.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return made


def _at_own(closeness: Tensor, own: Tensor) -> Tensor:  # (..., parts, batch)
    return closeness.gather(-1, own[:, None].expand(*closeness.shape[:-1], 1)).squeeze(-1)


def _split(loss: Agreement, out: Tensor) -> Tensor:  # (..., batch, parts, width)
    if out.shape[-1] % loss.parts:
        raise ValueError(f"{type(loss).__name__}: {loss.parts} parts do not divide {out.shape[-1]} outputs")
    return out.unflatten(-1, (loss.parts, -1))


def _unit(split: Tensor) -> Tensor:
    """Scaled to length 1; what is silent (all 0) stays so."""
    length = torch.linalg.vector_norm(split, dim=-1, keepdim=True)
    return split / torch.where(length > 0, length, 1.0)


def _partners(loss: Agreement, out: Tensor) -> Tensor:  # (batch,), int64
    """The row of each row's other view."""
    rows = out.shape[-2]
    if rows % 2 or rows < 4:
        raise ValueError(
            f"{type(loss).__name__}: the batch has {rows} rows, wanted the first views of at least 2 "
            "images and as many second ones"
        )
    return torch.arange(rows, device=out.device).roll(rows // 2)


def _checked(loss: Agreement, least: int) -> None:
    name, parts = type(loss).__name__, loss.parts
    if isinstance(parts, bool) or not isinstance(parts, int) or parts < least:
        raise ValueError(f"{name}: parts is {parts!r}, wanted an integer of at least {least}")
    if not 0 < loss.temperature < float("inf"):
        raise ValueError(f"{name}: temperature is {loss.temperature}, wanted a finite number above 0")
