"""Dice of their own for the parts of a learner, so that none hears how often another threw."""

import torch
from torch import Generator


def apart(generator: Generator, parts: int) -> list[Generator]:
    """So many independent generators, seeded by one throw of `generator` each."""
    seeds = torch.randint(2**62, (parts,), generator=generator, device=generator.device).tolist()
    return [Generator(generator.device).manual_seed(seed) for seed in seeds]
