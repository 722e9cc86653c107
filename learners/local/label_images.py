"""Images that carry a label in their first pixels, and what a read-out sees of a network's activity.

G. Hinton, "The forward-forward algorithm: some preliminary investigations" (2022),
https://arxiv.org/abs/2212.13345, section 3.3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .normalization import Normalization, normalize


def readout_features(
    taps: Sequence[Tensor], skipped: int = 1, normalization: Normalization = normalize
) -> Tensor:
    """A read-out's inputs: normalized activities of all layers but the lowest `skipped`.

    Args:
        taps: of every layer, (..., batch, features).
        normalization: of each.

    Returns:
        (..., batch, all their features)
    """
    return torch.cat([normalization(tap) for tap in taps[skipped:]], -1)


def embed_label(x: Tensor, label: Tensor, classes: int, brightness: float) -> Tensor:
    """Images whose first pixels say a label, one of N: (..., batch, pixels) for labels (..., batch)."""
    one_hot = torch.nn.functional.one_hot(label, classes).to(x.dtype) * brightness
    rest = x[..., classes:]
    return torch.cat((one_hot, rest.expand(*one_hot.shape[:-1], rest.shape[-1])), -1)


def embed_neutral_label(x: Tensor, classes: int, brightness: float) -> Tensor:
    """Images (..., batch, pixels) whose first pixels say every label a little."""
    return torch.cat((torch.full_like(x[..., :classes], brightness / classes), x[..., classes:]), -1)
