"""An update rule that is itself learned, by playing `MortalChip-v0`, and the search that teaches it.

The search is augmented random search, version 1 (Mania, Guy and Recht, NeurIPS 2018,
https://arxiv.org/abs/1803.07055): directions are tried both ways, steps are in units of the returns' standard
deviation. Where we differ: both ways, and all directions, meet the same chips with the same random
numbers, so that only the weights make a difference.
"""

from typing import Any

import numpy as np
import torch
from torch import Generator
from torch import Tensor

from analog.environment import MortalChips

REACH, TREMOR = 0.1, 0.1  # full scale, the largest pulse and the size of probes; on training chips
MEANS = (0.0, 0.8, 0.95)  # how slowly the three means of each knob forget
WEIGHTS = 3 * len(MEANS)
SPREAD, RATE = 0.1, 0.1  # of the search over weights, the rate falling to zero; on training chips
PUPILS = 8  # new chips on which each direction is tried


class Rule:
    """What to pulse, one rule for each row of weights; it remembers a chip's life and no more.

    drive = tanh of a weighted sum of means of (slope along the probe) * probe, each in units of the usual
    slope and weighed by 1, the share of the budget that is left, and the loss.

    Args:
        weights: (rows, WEIGHTS); rows that differ by a multiple of `chips` send the same probes.
    """

    def __init__(self, weights: Tensor, generator: Generator, chips: int, knobs: int) -> None:
        self.weights = weights.view(-1, len(MEANS), 3)  # (rows, means, contexts)
        self.generator, self.chips = generator, chips
        self.probe = torch.zeros(len(weights), knobs)  # what was sent last: nothing
        self.means = torch.zeros(len(weights), len(MEANS), knobs)
        self.square = torch.zeros(len(weights), 1)
        self.decays, self.age = torch.tensor(MEANS)[:, None], 0

    def act(self, seen: dict[str, Any]) -> Any:
        """The next drive and the next probe."""
        loss, probed, left = (torch.from_numpy(seen[word]) for word in ("loss", "probed", "left"))
        slope = (probed - loss) / TREMOR
        self.means.mul_(self.decays).add_((1 - self.decays) * (slope * self.probe).unsqueeze(1))
        if self.age:
            self.square = 0.95 * self.square + 0.05 * slope**2
        typical = (self.square / (1 - 0.95**self.age + 1e-9)).sqrt() + 1e-6
        context = torch.cat([torch.ones_like(left), left, loss], -1)
        wanted = (self.weights @ context.unsqueeze(-1)).mT @ self.means / typical.unsqueeze(-1)
        self.age += 1
        signs = torch.randint(0, 2, (self.chips, self.probe.shape[-1]), generator=self.generator) * 2.0 - 1
        self.probe = signs.repeat(len(self.weights) // self.chips, 1)
        return torch.cat([wanted.squeeze(1).tanh(), self.probe], -1).numpy()


def taught(chips: MortalChips, rule: Rule, seeds: list[int], steps: int) -> tuple[Any, dict[str, Any]]:
    """Let a rule play: the return of each episode, and what it saw last."""
    seen, _ = chips.reset(seed=seeds)
    gained = np.zeros(chips.num_envs)
    for _ in range(steps):
        seen, reward, *_ = chips.step(rule.act(seen))
        gained += reward
    return gained, seen


def searched(
    weights: Tensor, chips: MortalChips, steps: int, rate: float, generator: Generator
) -> tuple[Tensor, float]:
    """One generation of augmented random search: every direction both ways, on the same new chips."""
    directions = chips.num_envs // (2 * PUPILS)
    tried = torch.randn((directions, len(weights)), generator=generator)
    both = torch.cat([weights + SPREAD * tried, weights - SPREAD * tried]).repeat_interleave(PUPILS, 0)
    seeds = torch.randint(2**40, (PUPILS,), generator=generator).tolist() * (2 * directions)
    rule = Rule(both, generator, PUPILS, chips.knobs)
    gained = torch.from_numpy(taught(chips, rule, seeds, steps)[0]).float()
    up, down = gained.view(2, directions, PUPILS).mean(-1)
    scale = float(torch.cat([up, down]).std()) + 1e-6
    return weights + rate / (directions * scale) * ((up - down) @ tried), float(gained.mean())
