"""Data sets in numpy's .npz, under the usual names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.lib.format import MAGIC_PREFIX
from torch import Tensor

from ..learner import Batch
from .bad_data import BadData, describe_error
from .examples import as_classes, as_numbers

_SPLIT: Final = (  # train x, train target, test x, test target
    ("x_train", "y_train", "x_test", "y_test"),  # Keras
    ("X_train", "y_train", "X_test", "y_test"),  # scikit-learn
    ("train_images", "train_labels", "test_images", "test_labels"),  # MedMNIST
    ("train_x", "train_y", "test_x", "test_y"),
    ("train_data", "train_labels", "test_data", "test_labels"),
)
_WHOLE: Final = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("data", "labels"))


_WANTED: Final = "wanted a .npz, as numpy.savez(path, x=..., y=...) writes it"


class Arrays(NamedTuple):
    """Examples as read from a file: float32, images planes first."""

    train: Batch  # x (examples, ...), target (examples,) int64
    test: Batch | None  # None where the file is not split


def read_npz(path: Path) -> Arrays:
    """Read a .npz whose arrays have usual names; bytes become numbers from 0 to 1.

    Images (examples, height, width) get one plane; those whose last axis is 1, 3 or 4 long, (examples,
    height, width, planes), have their planes moved to the front.

    Args:
        path: x_train, y_train, x_test, y_test, or any of the names in the message of the error; x and y alone
            are not split.

    Raises:
        BadData: naming the arrays that are there and the names that are known.
    """
    with _opened(path) as file:
        found = sorted(file.files)
        names = next((n for n in (*_SPLIT, *_WHOLE) if set(n) <= set(found)), None)
        if names is None:
            known = "; ".join(", ".join(n) for n in (*_SPLIT, *_WHOLE))
            has = f"has arrays {', '.join(found)}" if found else "has no array"
            raise BadData(f"{path}: {has}; known names are {known}")
        arrays = [_tensor(f"{path}: {name}", _array(f"{path}: {name}", file, name)) for name in names]
    halves = [_half(f"{path}: {names[i]}", *arrays[i : i + 2]) for i in range(0, len(arrays), 2)]
    return Arrays(halves[0], halves[1] if len(halves) > 1 else None)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The arrays of a file, each read once it is asked for."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BadData(f"{path}: cannot be read: {describe_error(error)}") from error
    with raw:  # numpy leaves damaged files open
        if raw.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
            raise BadData(f"{path}: is one array, as numpy.save writes it; {_WANTED}")
        raw.seek(0)
        try:
            file = np.load(raw, allow_pickle=False)
        except Exception as error:  # numpy takes what it does not know for a pickle, and says so
            raise BadData(
                f"{path}: cannot be read: it is no zip of arrays, or a damaged one; {_WANTED}"
            ) from error
        with file:
            yield file


def _array(name: str, file: Any, key: str) -> Any:
    try:
        return file[key]
    except Exception as error:  # whatever numpy, zip and zlib make of damaged bytes, in words of their own
        raise BadData(
            f"{name}: cannot be read: it is damaged, or holds Python objects; wanted an array of numbers"
        ) from error


def _tensor(name: str, array: Any) -> Tensor:
    if isinstance(array, bytes):  # of a file in the zip that numpy knows not
        raise BadData(f"{name}: is no array, wanted one of numbers")
    kind = array.dtype.kind
    if kind not in "buif":
        raise BadData(f"{name}: holds {array.dtype}, wanted numbers")
    exact = array.astype(np.float64 if kind == "f" and array.itemsize > 8 else array.dtype.newbyteorder("="))
    return torch.from_numpy(np.ascontiguousarray(exact))


def _half(name: str, x: Tensor, target: Tensor) -> Batch:
    if x.ndim < 2 or not x.numel() or len(x) != len(target):
        raise BadData(
            f"{name}: is {tuple(x.shape)} and its targets {tuple(target.shape)}; wanted (examples, ...) and "
            "a target for each"
        )
    if x.ndim == 3:
        x = x.unsqueeze(1)
    elif x.ndim == 4 and x.shape[-1] in (1, 3, 4):
        x = x.movedim(-1, 1)
    numbers = as_numbers(x)
    if not bool(torch.isfinite(numbers).all()):
        raise BadData(f"{name}: has values that are NaN or infinite")
    return Batch(numbers, as_classes(name, target))
