"""Generalized advantages: how much better a step came out than a critic expected.

Schulman et al., "High-dimensional continuous control using generalized advantage estimation" (2015,
https://arxiv.org/abs/1506.02438), equation 16.
"""

import torch
from torch import Tensor


def generalized_advantages(
    reward: Tensor, value: Tensor, going: Tensor, terminated: Tensor, discount: float, trace: float
) -> Tensor:
    """Generalized advantages of every step, (..., steps, episodes); 0 where an episode is over.

    Args:
        reward: (..., steps, episodes), 0 where they are over.
        value: (..., steps, episodes), what is to be expected of each step on.
        going: (..., steps, episodes), bool: the step was played.
        terminated: (..., steps, episodes), bool: it ended the episode by the task's rules, and nothing
            follows. Where the clock ends one, the last value is taken for the next.
        discount: of what comes a step later.
        trace: how much of later errors is credited to earlier steps, 0 to 1.
    """
    gains, last = torch.zeros_like(value), torch.zeros_like(value[..., 0, :])
    for t in range(value.shape[-2] - 1, -1, -1):
        here, follows = value[..., t, :], torch.zeros_like(last, dtype=torch.bool)
        following = here
        if t + 1 < value.shape[-2]:
            follows = going[..., t + 1, :]
            following = torch.where(follows, value[..., t + 1, :], here)
        error = reward[..., t, :] + discount * following * ~terminated[..., t, :] - here
        last = (error + discount * trace * last * follows) * going[..., t, :]
        gains[..., t, :] = last
    return gains
