"""An update rule that is itself learned, by playing `MortalChip-v0`, and the search that teaches it.

The search is augmented random search, version 1 (Mania, Guy and Recht, NeurIPS 2018,
https://arxiv.org/abs/1803.07055): directions are tried both ways, steps are in units of the returns' standard
deviation. Where we differ: both ways, and all directions, meet the same chips with the same random
numbers, so that only the weights make a difference.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from analog.environment import MortalChips

PULSE_SCALE, PROBE_SCALE = 0.1, 0.1  # full scale, the largest pulse and the size of probes; on training chips
DECAYS = (0.0, 0.8, 0.95)  # how slowly the three means of each knob forget
WEIGHT_COUNT = 3 * len(DECAYS)
SEARCH_SCALE = 0.1  # sd of the directions tried, in the space of weights; chosen on training chips
SEARCH_LEARNING_RATE = 0.1  # at first, falling to zero; chosen on training chips
CHIPS_PER_DIRECTION = 8  # new chips on which each direction is tried


class LearnedUpdate:
    """An update rule for each row of weights; it remembers the life of a chip and no more.

    drive = tanh of a weighted sum of means of (difference along the probe) * probe, each in units of the
    usual difference and weighed by 1, the share of the budget that is left, and the loss.

    Args:
        weights: (rows, WEIGHT_COUNT); rows that differ by a multiple of `chips` send the same probes.
    """

    def __init__(self, weights: Tensor, generator: Generator, chips: int, knobs: int) -> None:
        self.weights = weights.view(-1, len(DECAYS), 3)  # (rows, means, contexts)
        self.generator, self.chips = generator, chips
        self.probe = torch.zeros(len(weights), knobs)  # what was sent last: nothing
        self.means = torch.zeros(len(weights), len(DECAYS), knobs)
        self.square = torch.zeros(len(weights), 1)
        self.decays, self.age = torch.tensor(DECAYS)[:, None], 0

    def act(self, observation: dict[str, Any]) -> Any:
        """The next drive and the next probe."""
        loss, probed, left = (torch.from_numpy(observation[word]) for word in ("loss", "probed", "left"))
        difference = (probed - loss) / PROBE_SCALE
        self.means.mul_(self.decays).add_((1 - self.decays) * (difference * self.probe).unsqueeze(1))
        if self.age:
            self.square = 0.95 * self.square + 0.05 * difference**2
        typical = (self.square / (1 - 0.95**self.age + 1e-9)).sqrt() + 1e-6
        context = torch.cat([torch.ones_like(left), left, loss], -1)
        drive = (self.weights @ context.unsqueeze(-1)).mT @ self.means / typical.unsqueeze(-1)
        self.age += 1
        signs = torch.randint(0, 2, (self.chips, self.probe.shape[-1]), generator=self.generator) * 2.0 - 1
        self.probe = signs.repeat(len(self.weights) // self.chips, 1)
        return torch.cat([drive.squeeze(1).tanh(), self.probe], -1).numpy()


class Episodes(NamedTuple):
    """What came of episodes played side by side, one on each chip."""

    returns: Any  # (chips,)
    observation: dict[str, Any]  # the last
    reads: Any  # (chips,), of the whole episode


def train_chips(chips: MortalChips, update: LearnedUpdate, seeds: list[int], steps: int) -> Episodes:
    """Let a learned update train chips, an episode of so many steps on each."""
    observation, infos = chips.reset(seed=seeds)
    returns = np.zeros(chips.num_envs)
    for _ in range(steps):
        observation, reward, _, _, infos = chips.step(update.act(observation))
        returns += reward
    return Episodes(returns, observation, infos["reads"])


class SearchStep(NamedTuple):
    """What a step of the search comes to."""

    weights: Tensor  # (WEIGHT_COUNT,)
    mean_return: float
    reads: int  # of all chips together


def search_step(
    weights: Tensor, chips: MortalChips, steps: int, learning_rate: float, generator: Generator
) -> SearchStep:
    """Take one step of augmented random search: every direction both ways, on the same new chips."""
    directions = chips.num_envs // (2 * CHIPS_PER_DIRECTION)
    noise = torch.randn((directions, len(weights)), generator=generator)
    both = torch.cat([weights + SEARCH_SCALE * noise, weights - SEARCH_SCALE * noise])
    rows = both.repeat_interleave(CHIPS_PER_DIRECTION, 0)
    seeds = torch.randint(2**40, (CHIPS_PER_DIRECTION,), generator=generator).tolist() * (2 * directions)
    update = LearnedUpdate(rows, generator, CHIPS_PER_DIRECTION, chips.knobs)
    episodes = train_chips(chips, update, seeds, steps)
    returns = torch.from_numpy(episodes.returns).float()
    up, down = returns.view(2, directions, CHIPS_PER_DIRECTION).mean(-1)
    scale = float(torch.cat([up, down]).std()) + 1e-6
    weights = weights + learning_rate / (directions * scale) * ((up - down) @ noise)
    return SearchStep(weights, float(returns.mean()), int(episodes.reads.sum()))
