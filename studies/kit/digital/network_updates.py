"""Torch networks that learn by an `Update` of ours, tuned or not, as one layer's knobs would."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from learners import Update
from learners.updates import current_hyperparameters


class UpdatedNetwork:
    """A torch network whose parameters an update moves; they become parts of one tensor.

    Args:
        network: in float32, on the CPU.
        update: of one chip: its hyper-parameters are single numbers.
    """

    def __init__(self, network: nn.Module, update: Update) -> None:
        self._parameters = [*network.parameters()]
        self._vector = parameters_to_vector(self._parameters).detach()
        vector_to_parameters(self._vector, self._parameters)  # which share its memory from here on
        self._update, self._state = update, update.init((torch.zeros_like(self._vector)[None, None],))

    def descend(self, loss: Tensor) -> None:
        """Take one step on a loss, (), of the parameters as they are."""
        gradients = torch.autograd.grad(loss, self._parameters)
        knobs = (parameters_to_vector(gradients)[None, None],)
        (drive,), self._state = self._update.step(knobs, self._state)
        self._vector.add_(drive[0, 0])

    def hyperparameters(self) -> dict[str, float]:
        """The hyper-parameters of the update as they stand, by name; none where it tells of none."""
        levels = current_hyperparameters(self._update, self._state)
        return {name: float(value) for name, value in levels[0].items()} if levels else {}


class Progress(NamedTuple):
    """How far a training has come."""

    step: int  # taken so far
    loss: float  # mean over the steps since the last report
    hyperparameters: dict[str, float]


def train_network(network: UpdatedNetwork, losses: Iterable[Tensor], every: int) -> Iterator[Progress]:
    """Let a network take a step on each loss, and report now and then.

    Args:
        network: to be trained.
        losses: each computed when it is asked for, of the parameters as they stand then.
        every: so many steps; steps after the last report are not reported.
    """
    total = 0.0
    for step, loss in enumerate(losses, 1):
        network.descend(loss)
        total += loss.item()
        if step % every == 0:
            yield Progress(step, total / every, network.hyperparameters())
            total = 0.0
