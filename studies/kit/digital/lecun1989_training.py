"""How LeCun's network of 1989 is trained on one image at a time: orders, shifts, dropout, SGD or AdamW."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.optim.adamw import adamw

from learners import Batch

from ..data.lecun1989 import SIDE
from .lecun1989 import Loss

CHUNK: Final = 500  # steps whose images are made ready at once


class Network(Protocol):
    """Copies of a network that learn side by side, each from an image of its own.

    knobs, gradient: (parameters of all copies,).
    """

    knobs: Tensor
    gradient: Tensor

    @property
    def loss(self) -> Loss: ...

    @property
    def dropout(self) -> float: ...

    @property
    def parameters(self) -> int:
        """Of one copy."""
        ...

    @property
    def products(self) -> int:
        """The multiplications by which a copy names an image's class."""
        ...

    def prepare(self, images: Tensor) -> Tensor:
        """What the other two take of images (..., 256)."""
        ...

    def compute_gradient(self, patches: Tensor, target: Tensor, dropped: Tensor | None = None) -> None:
        """Compute the gradient of the loss of one image for each copy, into `gradient`."""
        ...

    def predict(self, patches: Tensor) -> Tensor:
        """The class that every copy names for each image, (copies, images)."""
        ...


class Schedule(NamedTuple):
    """How a network learns."""

    passes: int  # over the images
    learning_rate: float
    adamw: bool = False  # AdamW with a rate that falls linearly to a third, instead of SGD
    shifts: bool = False  # of images by up to a pixel each way
    weight_decay: float = 0.01  # of AdamW; torch's default, as in the source


def train_passes(
    network: Network, schedule: Schedule, train: Batch, generators: list[Generator]
) -> Iterator[int]:
    """Learn, pausing after each pass with its number.

    Args:
        network: whose knobs move.
        schedule: how.
        train: images (images, 256) and labels.
        generators: of each copy's orders, shifts and dropout.
    """
    images = shift_images(train.x) if schedule.shifts else train.x.unsqueeze(0)
    classes = torch.eye(10)
    if network.loss == "squared error":
        classes = 2 * classes - 1
    step = _adamw(network, schedule.weight_decay) if schedule.adamw else _sgd(network)
    for number in range(schedule.passes):
        fall = number / max(1, schedule.passes - 1) if schedule.adamw else 0.0
        learning_rate = schedule.learning_rate * (1 - fall * 2 / 3)
        orders = torch.stack([torch.randperm(images.shape[1], generator=g) for g in generators], 1)
        with _no_denormals():
            for order in orders.split(CHUNK):
                moves = _draw_moves(order, len(images), generators)
                patches = network.prepare(images[moves, order])
                targets = classes[train.target[order]].unsqueeze(-2)
                dropped = _draw_dropout(order, network.dropout, generators) if network.dropout else None
                for i in range(len(order)):
                    network.compute_gradient(patches[i], targets[i], None if dropped is None else dropped[i])
                    step(learning_rate)
        yield number + 1


def error_rates(network: Network, images: Tensor, labels: Tensor) -> list[float]:
    """The share of images (images, 256) that each copy names wrongly."""
    predictions = torch.cat([network.predict(network.prepare(piece)) for piece in images.split(500)], -1)
    return [round(e, 6) for e in (predictions != labels).double().mean(-1).tolist()]


def shift_images(images: Tensor) -> Tensor:  # (images, 256) -> (9, images, 256)
    """The images at all nine places within a pixel; what leaves comes back opposite, as in the source."""
    square = images.unflatten(-1, (SIDE, SIDE))
    views = [square.roll((down, right), (-2, -1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return torch.stack(views).flatten(-2)


@contextmanager
def _no_denormals() -> Iterator[None]:
    """Moments of weights that are silent for long fade into numbers that processors are slow with."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _draw_moves(like: Tensor, count: int, generators: list[Generator]) -> Tensor:  # (steps, copies), int64
    if count == 1:
        return torch.zeros_like(like)
    return torch.stack([torch.randint(count, (len(like),), generator=g) for g in generators], 1)


def _draw_dropout(
    like: Tensor, share: float, generators: list[Generator]
) -> Tensor:  # (steps, copies, 1, 192)
    masks = [torch.rand(len(like), 1, 192, generator=g) >= share for g in generators]
    return torch.stack(masks, 1) / (1 - share)


def _sgd(network: Network) -> Callable[[float], object]:
    """A step of gradient descent in place, for a learning rate."""
    return lambda learning_rate: network.knobs.add_(network.gradient, alpha=-learning_rate)


def _adamw(network: Network, weight_decay: float) -> Callable[[float], object]:
    """A step of AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101) in place, for a learning
    rate: torch's, in one kernel.
    """
    mean, square = torch.zeros_like(network.knobs), torch.zeros_like(network.knobs)
    words: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "weight_decay": weight_decay, "eps": 1e-8}
    words |= {"amsgrad": False, "maximize": False, "fused": True}
    knobs, gradients = [network.knobs], [network.gradient]
    moments, count = ([mean], [square]), [torch.zeros(())]
    return lambda learning_rate: adamw(knobs, gradients, *moments, [], count, lr=learning_rate, **words)
