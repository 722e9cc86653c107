"""Generators of their own for the parts of a learner, so that none hears how often another drew."""

import torch
from torch import Generator


def split(generator: Generator, parts: int) -> list[Generator]:
    """Split off independent generators.

    Args:
        generator: one number is drawn from it for each.
        parts: how many are wanted.
    """
    seeds = torch.randint(2**62, (parts,), generator=generator, device=generator.device).tolist()
    return [Generator(generator.device).manual_seed(seed) for seed in seeds]
