"""The settings under which an agent teaches a chip: what is to be learnt, what may be done, how much."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..devices.mismatched import Mismatched
from ..layers.crossbar import Layer, dense
from ..spec import Budget

Act = Literal["pulse", "probe"]


class Task(NamedTuple):
    """A task that a chip is to learn: stimuli, their targets, and the loss of an answer.

    All stimuli are read in every step, so that the loss falls by what the chip learnt and not by chance of
    which were shown; being always the same, they are not shown to the agent.
    """

    layers: tuple[Layer, ...]  # of the chip that is to learn it
    x: Tensor  # (stimuli, features_in)
    target: Any  # whatever the loss takes
    loss: Callable[[Tensor, Any], Tensor]  # (out (..., stimuli, features), target) -> (..., stimuli)


def xor() -> Task:
    """Four stimuli, wanted 1 V where just one of two inputs is on and -1 V elsewhere: 2-4-1, 17 knobs."""
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    target = torch.tensor([[-1.0], [1.0], [1.0], [-1.0]])
    return Task((dense(2, 4), dense(4, 1, linear=True)), x, target, _half_squared_error)


def _half_squared_error(out: Tensor, target: Tensor) -> Tensor:
    """The value of `learners.SquaredError`, which may not be imported on this side of the wall."""
    return 0.5 * (out - target).square().sum(-1)


@dataclass(frozen=True)
class EnvSettings:
    """The terms on which chips are taught in `MortalChip-v0`.

    Raises:
        TypeError: the device is a class.
        ValueError: a setting is out of its range.
    """

    device: Device = Mismatched()
    task: Task | None = None  # by default `xor()`
    act: Act = "pulse"  # an action is a drive; or "probe": a drive, then a probe, one after the other
    pulse_scale: float = 0.1  # full scale, the drive that an action of 1 asks for
    probe_scale: float = 0.1  # full scale, the probe that an action of 1 asks for
    observation_range: float = 10.0  # V (or units of loss); what is beyond shows as its end
    budget: Budget = Budget(reads=2000)  # of an episode
    wait: float = 0.0  # s that pass on the chip's clock between two steps
    on: str = "cpu"  # where tensors live

    def __post_init__(self) -> None:
        if isinstance(self.device, type):
            name = self.device.__name__
            raise TypeError(f"MortalChip: got the class {name}, wanted a device; write {name}()")
        if self.act not in ("pulse", "probe"):
            raise ValueError(f"MortalChip: act is {self.act!r}, wanted 'pulse' or 'probe'")
        for name in ("pulse_scale", "probe_scale", "observation_range"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"MortalChip: {name} is {getattr(self, name)}, wanted a finite one above 0")
        if not 0 <= self.wait < math.inf:
            raise ValueError(f"MortalChip: wait is {self.wait} s, wanted a finite time of at least 0")
        if self.task is not None:
            shape, wanted = tuple(self.task.x.shape), self.task.layers[0].features_in
            if len(shape) != 2 or shape[0] == 0 or shape[1] != wanted:
                raise ValueError(f"MortalChip: task.x is {shape}, the first layer wants (stimuli, {wanted})")
