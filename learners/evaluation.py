"""What a chip is worth: the share of examples that it names rightly, or of a variance that it explains."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from analog.port import Port, require_port
from analog.verdicts import settle

from .class_numbers import require_outputs
from .data.sources import Source, as_source, in_pieces
from .flattening import flatten_examples
from .learner import Batch
from .losses import Loss

_PIECE = 2500  # examples that are measured at once, so that the taps fit in memory


def predict(port: Port, x: Tensor) -> Tensor:
    """The outputs of a chip for many examples, measured in pieces that fit in memory.

    Args:
        port: one chip, or a fleet.
        x: (examples, features_in).

    Returns:
        (*fleet, examples, features).
    """
    out = torch.cat([port.measure(chunk).out for chunk in x.split(_PIECE)], -2)
    settle()
    return out


def evaluate(port: Port, data: "Batch | DataLoader[Any]") -> Tensor:
    """The accuracy of a chip, or of each chip of a fleet: the share of examples whose class it names.

    Args:
        port: one chip, or a fleet.
        data: x (examples, ...), target (examples,) int64, or a DataLoader of such; of an order that is drawn,
            nothing depends on it.

    Returns:
        (*fleet,), float64.

    Raises:
        TypeError: what came is no port, or neither batch nor loader.
        ValueError: the target holds no class numbers, or one that the chip has no output for, or the loader
            has a sampler of its own.
    """
    require_port(port, "evaluate")
    return evaluate_source(port, as_source(data, "evaluate"))


def mean_loss(port: Port, data: Batch, loss: Loss) -> Tensor:
    """The mean loss of a chip, or of each chip of a fleet, on many examples, measured in pieces.

    Args:
        port: one chip, or a fleet.
        data: x (examples, features_in), and targets in the form that the loss asks for.
        loss: of the outputs, such as `CrossEntropy()`, whose mean is in nats an example.

    Returns:
        (*fleet,), float64.
    """
    total = torch.zeros((), dtype=torch.float64)
    for chunk in in_pieces(as_source(data, "mean_loss"), _PIECE):
        batch = chunk.to(port.spec.on, port.spec.dtype)
        total = total.to(port.spec.on) + loss(port.measure(batch.x).out, batch.target).double().sum(-1)
    settle()  # of all readings; nobody is told a loss of bad ones
    return total / len(data.x)


def r_squared(port: Port, data: Batch, output_gain: float = 1.0) -> Tensor:
    """The share of the targets' variance that a chip explains (the coefficient of determination).

    It is 1 of a chip that is always right, 0 of one that always says the mean, and below 0 of worse ones.

    Args:
        port: one chip, or a fleet.
        data: x (examples, features_in), target (examples, features).
        output_gain: by which outputs are amplified digitally before they are compared.

    Returns:
        (*fleet,), float64.

    Raises:
        ValueError: the target is not of the shape of the outputs, or has no variance.
    """
    x, target = data.to(port.spec.on, port.spec.dtype)
    said, target = output_gain * predict(port, x).double(), target.double()
    if target.shape != said.shape[-2:]:
        raise ValueError(f"r_squared: target is {tuple(target.shape)}, wanted {tuple(said.shape[-2:])}")
    spread = (target - target.mean(0)).square().sum()
    if not spread > 0:
        raise ValueError("r_squared: all targets are the same, wanted some variance")
    return 1 - (said - target).square().sum((-2, -1)) / spread


def evaluate_source(port: Port, source: Source) -> Tensor:
    """The accuracy (*fleet,) on all examples of a source, float64, as `evaluate` says.

    Raises:
        ValueError: the target holds no class numbers, or one that the chip has no output for.
    """
    spec, right = port.spec, torch.zeros((), dtype=torch.int64)
    for chunk in in_pieces(source, _PIECE):
        if not has_classes(chunk):
            raise ValueError(
                f"evaluate: target is {_words(chunk.target)}, wanted int64 class numbers ({source.count},)"
            )
        x = flatten_examples(chunk.x, chunk.target, replace(spec, fleet=()), "evaluate")
        out = port.measure(x.to(spec.on, spec.dtype)).out
        require_outputs(chunk.target, out.shape[-1], "evaluate: the last layer")
        right = right.to(spec.on) + (out.argmax(-1) == chunk.target.to(spec.on)).sum(-1)
    settle()  # of all readings; nobody is told a score of bad ones
    return right.double() / source.count


def _words(target: Any) -> str:
    return f"{target.dtype} {tuple(target.shape)}" if isinstance(target, Tensor) else type(target).__name__


def has_classes(batch: Batch) -> bool:
    """Whether each example of a batch has a class number for its target."""
    target = batch.target
    return isinstance(target, Tensor) and target.dtype == torch.int64 and target.shape == batch.x.shape[:1]
