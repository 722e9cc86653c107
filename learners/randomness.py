"""Dice of their own for the parts of a learner, so that none hears how often another threw."""

import torch
from torch import Generator


def apart(rng: Generator, parts: int) -> list[Generator]:
    """So many independent generators, seeded by one throw of `rng` each."""
    seeds = torch.randint(2**62, (parts,), generator=rng, device=rng.device).tolist()
    return [Generator(rng.device).manual_seed(seed) for seed in seeds]
