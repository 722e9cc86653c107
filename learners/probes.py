"""Probe laws (how a direction is drawn) and difference schemes (how losses become a slope along it)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from analog.port import Spec

Law = Callable[[tuple[int, ...], Spec, Generator], Tensor]  # (shape, spec, rng): mean 0, variance 1

_SIGNS = 1.0 - 2.0 * ((torch.arange(256).unsqueeze(-1) >> torch.arange(8)) & 1)  # (256, 8)


def gaussian(shape: tuple[int, ...], spec: Spec, rng: Generator) -> Tensor:
    """Standard normal coordinates; kurtosis 3."""
    return torch.randn(shape, generator=rng, dtype=spec.dtype, device=spec.on)


def rademacher(shape: tuple[int, ...], spec: Spec, rng: Generator) -> Tensor:
    """Fair signs, one random bit each; kurtosis 1, the least possible."""
    count = torch.Size(shape).numel()
    words = torch.randint(
        -(2**63), 2**63 - 1, (count // 64 + 1,), generator=rng, device=rng.device, dtype=torch.int64
    )
    signs = _SIGNS.to(spec.dtype).to(spec.on).index_select(0, words.view(torch.uint8).int().to(spec.on))
    return signs.flatten()[:count].view(shape)


class Scheme(Protocol):
    """How directions v are measured, and what the losses then say about the slope along each."""

    def send(self, directions: Tensor) -> Tensor:
        """(K, ...) -> (probes, ...): what is measured, not yet scaled by the probe size."""
        ...

    def directions(self, sent: Tensor) -> Tensor:
        """The inverse: (probes, ...) -> (K, ...)."""
        ...

    def slopes(self, losses: Tensor, quiet_loss: Tensor, size: float) -> Tensor:
        """(probes, ...) losses at probes of the given size, (...) without -> (K, ...) slopes."""
        ...


@dataclass(frozen=True)
class OneSided:
    """L(+v) against one quiet measurement shared by all K directions."""

    def send(self, directions: Tensor) -> Tensor:
        return directions

    def directions(self, sent: Tensor) -> Tensor:
        return sent

    def slopes(self, losses: Tensor, quiet_loss: Tensor, size: float) -> Tensor:
        return (losses - quiet_loss) / size


@dataclass(frozen=True)
class Antithetic:
    """L(+v) against L(-v), side by side; cancels curvature, twice the readings."""

    def send(self, directions: Tensor) -> Tensor:
        return torch.stack((directions, -directions), 1).flatten(0, 1)

    def directions(self, sent: Tensor) -> Tensor:
        return sent[::2]

    def slopes(self, losses: Tensor, quiet_loss: Tensor, size: float) -> Tensor:
        del quiet_loss  # the pair is its own baseline
        return (losses[::2] - losses[1::2]) / (2 * size)


one_sided = OneSided()
antithetic = Antithetic()
