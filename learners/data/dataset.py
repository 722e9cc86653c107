"""The record of a data set: examples to learn from and examples to judge by."""

import hashlib
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..learner import Batch
from .bad_data import BadData
from .examples import read_examples
from .split import split


class Dataset(NamedTuple):
    """Examples to learn from and examples to judge by: rows of numbers, with classes or values as targets."""

    name: str
    train: Batch  # x (examples, features) float32, target (examples,) int64 or (examples, values) float32
    test: Batch
    classes: int  # 0 where targets are values
    checksum: str  # MD5 over all numbers
    shape: tuple[int, ...] = ()  # of an example before it became a row: (planes, height, width) of an image
    class_names: tuple[str, ...] = ()  # of class 0, 1, ..., where they have names
    split_seed: int | None = None  # by which test examples were held out; None: they came apart

    @property
    def features(self) -> int:
        """How many numbers an example has."""
        return self.train.x.shape[-1]

    @property
    def outputs(self) -> int:
        """How many outputs a chip needs: one for each class, or for each value."""
        return self.classes or self.train.target.shape[-1]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.shape or (self.features,)))
        split = "" if self.split_seed is None else f", held out of all by seed {self.split_seed}"
        targets = f"{self.classes} classes" if self.classes else f"{self.outputs} values"
        return (
            f"Dataset({self.name}, {len(self.train.x):,} examples of {shape} to learn from, "
            f"{len(self.test.x):,} to judge by{split}, {targets})"
        )

    @classmethod
    def from_batches(
        cls, name: str, train: Batch, test: Batch, *, class_names: Sequence[str] = ()
    ) -> "Dataset":
        """Make a data set of two halves, with a checksum over all that they hold.

        Args:
            name: what tables and files call it.
            train: x (examples, features), or (examples, planes, height, width), which become rows; target
                (examples,) int64, or values (examples, values) float32.
            test: likewise.
            class_names: of class 0, 1, ..., where they have names.

        Raises:
            BadData: the halves differ in the shape of examples or targets, have no or too few targets, or
                all examples to learn from are of one class.
        """
        shape = tuple(train.x.shape[1:])
        for part in (train, test):
            _require_pairs(name, part, train)
        train, test = (Batch(part.x.flatten(1), part.target) for part in (train, test))
        digest = hashlib.md5(usedforsecurity=False)
        for tensor in (train.x, train.target, test.x, test.target):
            digest.update(tensor.contiguous().numpy().data)
        if train.target.ndim > 1:
            return cls(name, train, test, 0, digest.hexdigest(), shape)
        classes = int(train.target.max()) + 1
        if int(train.target.min()) == classes - 1:
            named = class_names[classes - 1] if class_names else classes - 1
            raise BadData(
                f"{name}: all {len(train.x):,} training examples are of class {named}, wanted two or more"
            )
        return cls(name, train, test, classes, digest.hexdigest(), shape, tuple(class_names))

    @classmethod
    def from_torch(cls, name: str, train: Any, test: Any = None, *, seed: int = 0) -> "Dataset":
        """Read torch data sets of pairs (example, class number) into memory.

        Args:
            name: what tables and files call it.
            train: a `torch.utils.data.Dataset` or a `DataLoader`, of whose data set everything is read.
                Examples are tensors, arrays or pictures, all of one shape; bytes become numbers from 0 to 1.
            test: likewise; None holds a fifth of every class out of `train`.
            seed: by which it is chosen; it stands in `split_seed`.

        Raises:
            BadData: saying which example is no such pair.
        """
        halves = read_examples(f"{name}: train", train), None
        if test is not None:
            return cls.from_batches(name, halves[0], read_examples(f"{name}: test", test))
        return cls.from_split(name, halves[0], seed=seed)

    @classmethod
    def from_split(
        cls, name: str, examples: Batch, *, seed: int = 0, class_names: Sequence[str] = ()
    ) -> "Dataset":
        """Make a data set by holding a fifth of every class out of the examples, to judge by.

        Args:
            name: what tables and files call it.
            examples: as `from_batches` takes them.
            seed: by which they are chosen; it stands in `split_seed`.
            class_names: of class 0, 1, ..., where they have names.

        Raises:
            BadData: a class has one example only.
        """
        train, test = split(name, examples, seed, class_names)
        return cls.from_batches(name, train, test, class_names=class_names)._replace(split_seed=seed)


def _require_pairs(name: str, part: Batch, like: Batch) -> None:
    """Refuse a half that has no target for each example, or examples or targets of another shape."""
    target, count, shape = part.target, len(part.x), tuple(like.x.shape[1:])
    has_values = isinstance(target, Tensor) and target.dtype == torch.float32 and target.ndim == 2
    has_classes = isinstance(target, Tensor) and target.dtype == torch.int64 and target.ndim == 1
    if not (has_values or has_classes) or len(target) != count:
        came = f"{target.dtype} {tuple(target.shape)}" if isinstance(target, Tensor) else repr(target)
        raise BadData(
            f"{name}: target is {came}, wanted int64 class numbers ({count},) or float32 values "
            f"({count}, values)"
        )
    if tuple(part.x.shape[1:]) != shape or not prod(part.x.shape):
        raise BadData(f"{name}: examples are {tuple(part.x.shape)} here and (..., {shape}) there")
    if target.shape[1:] != like.target.shape[1:]:
        raise BadData(f"{name}: targets are {tuple(target.shape)} here and {tuple(like.target.shape)} there")
    if has_classes and int(target.min()) < 0:
        raise BadData(f"{name}: the class number {int(target.min())} is negative; they begin at 0")
    if has_values and not (target.numel() and bool(target.isfinite().all())):
        raise BadData(f"{name}: targets are {tuple(target.shape)} values, wanted some, all finite")
