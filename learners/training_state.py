"""Where a training stands, and what it came to: records that `train` hands out and takes back."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from analog.port import Port
from analog.streams import stream

from .learner import Learner


class Arguments(NamedTuple):
    """The arguments of a training by which all its steps are determined, beside the chip and the data."""

    epochs: float
    seed: int
    batch_size: int
    learner: int  # a checksum of its repr


class TrainingState(NamedTuple):
    """Where a training stands: all that going on bitwise takes, beside the chip itself."""

    steps: int  # made so far
    learner: Any  # the learner's own state
    order: Tensor  # state of the generator of the order of examples, when this epoch began
    probes: Tensor  # state of the generator of the probes
    reads: int  # vectors driven through the chip by learning so far
    best: float  # mean accuracy at the best evaluation so far
    waited: int  # evaluations since
    arguments: Arguments  # of the training
    accuracy: Tensor | None = None  # (*fleet,) float64, at an evaluation after the last of these steps

    def __repr__(self) -> str:
        return f"TrainingState(steps={self.steps}, reads={self.reads})"


@dataclass(frozen=True)
class Run:
    """The result of training.

    accuracy: (*fleet,) float64, on the test examples at the last evaluation; None where there was none, or
        where targets are no class numbers. Of a training that was over before, that of its end.
    losses: (steps of this call, *fleet), mean loss of each step's baseline reading.
    curve: (steps made, accuracy) at each evaluation of this call.
    reads: vectors driven through the chip by learning; evaluation is not counted.
    state: to go on from with `train(..., state=run.state)`.
    """

    accuracy: Tensor | None
    losses: Tensor
    curve: tuple[tuple[int, Tensor], ...]
    reads: int
    state: TrainingState

    def __repr__(self) -> str:
        accuracy = "None"
        if self.accuracy is not None:
            count = self.accuracy.numel()
            accuracy = f"{float(self.accuracy.mean()):.4f}{f', mean of {count} chips' if count > 1 else ''}"
        return f"Run(accuracy={accuracy}, steps={self.state.steps}, reads={self.reads})"


def begin(learner: Learner, port: Port, arguments: Arguments, user: str = "train") -> TrainingState:
    """The state of a training before its first step; nothing is sent to the chip.

    Args:
        learner: what will learn.
        port: the wires of the chip that will.
        arguments: of the training.
        user: whose training it is; its random streams have this name.
    """
    order = stream(arguments.seed, user, "order").get_state()
    probes = stream(arguments.seed, user, "probes", on=port.spec.on).get_state()
    return TrainingState(0, learner.init(port.spec), order, probes, 0, -1.0, 0, arguments)
