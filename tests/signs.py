"""Every sign vector there is: what exact tests enumerate instead of sampling."""

import itertools

import torch
from torch import Tensor


def signs(count: int) -> Tensor:  # (2^count, count), float64
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=count)), dtype=torch.float64)


def moments(estimates: Tensor) -> tuple[Tensor, Tensor]:  # (n, D) -> mean, covariance
    mean = estimates.mean(0)
    return mean, (estimates - mean).T @ (estimates - mean) / len(estimates)
