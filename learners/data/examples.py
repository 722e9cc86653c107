"""Examples as others keep them (pictures, arrays, torch data sets) made into tensors."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..learner import Batch
from .bad_data import BadData, describe_error


def as_numbers(x: Tensor) -> Tensor:
    """Float32 numbers, bytes and 16-bit integers scaled to 0 to 1.

    Args:
        x: (examples, ...), of any dtype.
    """
    largest = {torch.uint8: 255, torch.uint16: 65535}.get(x.dtype)
    numbers = x.to(torch.float32, memory_format=torch.contiguous_format)
    return numbers if largest is None else numbers.div_(largest)


def as_classes(name: str, target: Tensor) -> Tensor:
    """Class numbers (examples,) int64, of such numbers in any form, or of one-hot rows.

    Args:
        name: of the data, for messages.
        target: (examples,), (examples, 1), or one-hot (examples, classes).

    Raises:
        BadData: it holds none.
    """
    if target.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch compares none of these
        target = target.to(torch.int64)
    labels = target.squeeze(-1) if target.ndim == 2 and target.shape[1] == 1 else target
    if labels.ndim == 2 and bool((labels.sum(1) == 1).all()) and bool((labels.max(1).values == 1).all()):
        labels = labels.argmax(1)
    if labels.ndim != 1 or labels.is_complex() or not bool((labels.to(torch.int64) == labels).all()):
        raise BadData(
            f"{name}: targets are {target.dtype} {tuple(target.shape)}, wanted class numbers (examples,), "
            "(examples, 1), or one-hot rows"
        )
    return labels.to(torch.int64)


def read_examples(name: str, data: Any) -> Batch:
    """All examples of a torch data set, or of a DataLoader's, in its own order.

    Args:
        name: of the data, for messages.
        data: gives pairs (example, class number), or is a `Batch` already.

    Returns:
        x (examples, ...) float32, target (examples,) int64.

    Raises:
        BadData: saying which example is no such pair.
    """
    if isinstance(data, Batch):
        return Batch(as_numbers(data.x), data.target)
    source: Any = data.dataset if isinstance(data, DataLoader) else data
    if not hasattr(source, "__getitem__") and not isinstance(source, Iterable):
        raise BadData(f"{name}: is a {type(source).__name__}, wanted a torch.utils.data.Dataset")
    count = len(source) if hasattr(source, "__len__") and hasattr(source, "__getitem__") else None
    items = source if count is None else (source[i] for i in range(count))
    pairs = [_pair(f"{name}: example {i}", item) for i, item in enumerate(items)]
    if not pairs:
        raise BadData(f"{name}: has no example at all")
    shapes = sorted({tuple(x.shape) for x, _ in pairs})
    if len(shapes) > 1:
        raise BadData(f"{name}: examples are of shapes {shapes[0]} and {shapes[1]}; make them one")
    x = torch.stack([x for x, _ in pairs])
    return Batch(as_numbers(x), as_classes(name, torch.tensor([target for _, target in pairs])))


def _pair(name: str, item: Any) -> tuple[Tensor, int | float]:
    """The example, and the number of its class."""
    try:
        x, target = item
        if not isinstance(x, Tensor):
            x = np.asarray(x)  # an array, or a picture: (height, width), (height, width, planes)
            x = torch.tensor(np.moveaxis(x, -1, 0) if x.ndim == 3 and hasattr(item[0], "mode") else x)
        return x, torch.as_tensor(target).item()
    except Exception as error:
        raise BadData(
            f"{name}: {describe_error(error)}; wanted a pair of a tensor and a class number"
        ) from error
