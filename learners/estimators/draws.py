"""Draws of random coordinates: symmetric, with mean 0 and variance 1, in the dtype and place of a spec."""

from math import prod

import torch
from torch import Generator, Tensor

from analog.spec import Spec

_SIGNS = 1.0 - 2.0 * ((torch.arange(256)[:, None] >> torch.arange(8)) & 1)  # (256, 8)


def draw_normal(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
    """Standard normal numbers of the given shape."""
    return torch.randn(shape, generator=generator, dtype=spec.dtype, device=spec.on)


def draw_signs(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
    """Fair signs of the given shape, one random bit each."""
    count = prod(shape)
    words = torch.randint(
        -(2**63),
        2**63 - 1,
        (count // 64 + 1,),
        generator=generator,
        device=generator.device,
        dtype=torch.int64,
    )
    signs = _SIGNS.to(spec.on, spec.dtype).index_select(0, words.view(torch.uint8).int().to(spec.on))
    return signs.flatten()[:count].view(shape)


def draw_uniform(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
    """Numbers of the given shape, uniform between -sqrt(3) and sqrt(3)."""
    return (torch.rand(shape, generator=generator, dtype=spec.dtype, device=spec.on) - 0.5) * 12**0.5


def draw_sparse(shape: tuple[int, ...], spec: Spec, generator: Generator, *, rarity: float) -> Tensor:
    """Numbers of the given shape: +-sqrt(rarity) with probability 1/rarity, else 0."""
    hit = torch.rand(shape, generator=generator, dtype=spec.dtype, device=spec.on) * rarity < 1
    return draw_signs(shape, spec, generator) * hit * rarity**0.5
