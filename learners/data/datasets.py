"""Data sets: scikit-learn's embedded digits, MNIST, Fashion-MNIST, any four IDX files, or one of your own."""

import hashlib
import importlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from analog.streams import stream

from ..learner import Batch
from .batches import take
from .idx import SOURCES, BadData, is_folder, read_folder, read_named


class Dataset(NamedTuple):
    """Examples to learn from and examples to judge by: rows of numbers, and class numbers as targets."""

    name: str
    train: Batch  # x (examples, features) float32, target (examples,) int64
    test: Batch
    classes: int
    checksum: str  # MD5 over all numbers

    @property
    def features(self) -> int:
        """How many numbers an example has."""
        return self.train.x.shape[-1]

    @classmethod
    def from_batches(cls, name: str, train: Batch, test: Batch) -> "Dataset":
        """Make a data set of two halves, with a checksum over all that they hold.

        Args:
            name: what tables and files call it.
            train: x (examples, features), target (examples,) int64.
            test: likewise.
        """
        digest = hashlib.md5(usedforsecurity=False)
        for part in (train.x, train.target, test.x, test.target):
            digest.update(part.contiguous().numpy().tobytes())
        return cls(name, train, test, int(train.target.max()) + 1, digest.hexdigest())


def load_data(where: str) -> Dataset:
    """Load a data set; the numbers of ours are from 0 to 1.

    "mnist" and "fashion-mnist" are read from $MORTAL_DATA/NAME when that folder exists, else downloaded once
    into the user's cache and checked against their MD5.

    Args:
        where: "digits", "mnist", "fashion-mnist", a folder that holds four IDX files, gzipped or not, or
            "module:attribute", a `Dataset` of your own or a function that returns one.

    Raises:
        BadData: naming the file or the module, what was found and what was wanted.
    """
    if where == "digits":
        return _digits()
    if where in SOURCES:
        return _from_idx(where, read_named(where))
    if is_folder(Path(where)):
        folder = Path(where).expanduser()
        return _from_idx(folder.name, read_folder(folder.name, folder))
    if ":" in where:
        return _import(where)
    known = ", ".join(("digits", *SOURCES))
    raise BadData(f"data: {where!r} is no folder, nor one of {known}, nor module:attribute")


def held_out(data: Dataset) -> Dataset:
    """A data set whose test examples are a fifth of the training examples, to choose settings by."""
    order = torch.randperm(len(data.train.x), generator=stream(0, "data", "held out", data.name))
    cut = len(order) // 5
    return data._replace(train=take(data.train, order[cut:]), test=take(data.train, order[:cut]))


def _digits() -> Dataset:
    """Alpaydin and Kaynak's optical digits, 8 x 8 (https://doi.org/10.24432/C50P49): 1,437 and 360."""
    from sklearn.datasets import load_digits  # slow to import

    raw = load_digits()
    x = torch.tensor(raw.data, dtype=torch.float32) / 16
    y = torch.tensor(raw.target, dtype=torch.int64)
    order = torch.randperm(len(x), generator=stream(0, "data", "digits"))
    test, train = order[:360], order[360:]
    return Dataset.from_batches("digits", Batch(x[train], y[train]), Batch(x[test], y[test]))


def _from_idx(name: str, parts: dict[str, Tensor]) -> Dataset:
    train, test = (
        Batch(parts[f"{half} images"].flatten(1).float() / 255, parts[f"{half} labels"].long())
        for half in ("train", "test")
    )
    return Dataset.from_batches(name, train, test)


def _import(where: str) -> Dataset:
    module, _, name = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        data = found() if callable(found) else found
    except (Exception, SystemExit) as error:  # whatever a user's module does
        words = " ".join(str(error).split())
        raise BadData(f"data: {where!r}: {type(error).__name__}: {words}") from error
    if not isinstance(data, Dataset):
        raise BadData(f"data: {where!r} is {type(data).__name__}, wanted a learners.data.Dataset")
    return data
