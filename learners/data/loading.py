"""Data sets by name: embedded digits, MNIST, files and folders of your own, or a function of your own."""

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from analog.streams import stream

from ..learner import Batch
from .bad_data import BadData, describe_error
from .batches import take
from .cifar10 import find_cifar10
from .dataset import Dataset
from .examples import as_numbers
from .idx import SOURCES, has_idx, is_folder, read_folder, read_named
from .images import has_class_folders, read_pictures
from .npz import read_npz


def load_data(where: str | Path, *, seed: int = 0, values: bool = False) -> Dataset:
    """Load a data set; the numbers of pictures are from 0 to 1, planes first.

    "mnist" and "fashion-mnist" are read from $MORTAL_DATA/NAME when that folder exists, else downloaded once
    into the user's cache and checked against their MD5. "cifar10" is read from $MORTAL_DATA/cifar10.
    "friedman1" has values for targets, none of the others has: to be learned by `SquaredError()`.

    Args:
        where: one of
            "digits", "mnist", "fashion-mnist", "cifar10", "friedman1";
            a folder, or a .zip, of pictures of one size: train/CLASS/*.png and test/CLASS/*.png, or
            CLASS/*.png. Classes are direct subfolders, pictures lie directly in them;
            a folder of four IDX files, gzipped or not, of any number of dimensions;
            a .npz with x_train, y_train, x_test, y_test, or under other usual names;
            "module:attribute", a `Dataset`, a torch data set of pairs, two of those (to learn from and to
            judge by), or a function that returns one of these.
        seed: by which a fifth of every class is held out to judge by, where the data are not split; it then
            stands in the data set's `split_seed` and repr.
        values: whether targets may be values instead of classes.

    Raises:
        BadData: naming the file or the module, what was found and what was wanted.
    """
    data = _load(str(where), seed)
    if not (data.classes or values):
        raise BadData(f"data: {str(where)!r} has values for targets, wanted classes")
    return data


def _load(name: str, seed: int) -> Dataset:
    """The data set of a name, a path or a reference."""
    if name == "digits":
        return _digits()
    if name == "friedman1":
        return _friedman1()
    if name in SOURCES:
        return _from_idx(name, read_named(name))
    if name == "cifar10":
        return _read(find_cifar10(), seed)._replace(name=name)
    path = Path(name)
    if is_folder(path) or path.suffix.lower() in (".zip", ".npz"):
        return _read(path.expanduser(), seed)
    if ":" in name:
        return _import(name, seed)
    known = ", ".join(("digits", *SOURCES, "cifar10", "friedman1"))
    raise BadData(f"data: {name!r} is no folder, nor .zip or .npz, nor one of {known}, nor module:attribute")


def held_out(data: Dataset) -> Dataset:
    """A data set whose test examples are a fifth of the training examples, to choose settings by."""
    order = torch.randperm(len(data.train.x), generator=stream(0, "data", "held out", data.name))
    cut = len(order) // 5
    return data._replace(train=take(data.train, order[cut:]), test=take(data.train, order[:cut]))


def _digits() -> Dataset:
    """Alpaydin and Kaynak's optical digits, 8 x 8 (https://doi.org/10.24432/C50P49): 1,437 and 360."""
    from sklearn.datasets import load_digits  # slow to import

    raw = load_digits()
    x = torch.tensor(raw.images, dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(raw.target, dtype=torch.int64)
    order = torch.randperm(len(x), generator=stream(0, "data", "digits"))
    test, train = order[:360], order[360:]
    return Dataset.from_batches("digits", Batch(x[train], y[train]), Batch(x[test], y[test]))


def _friedman1() -> Dataset:
    """Friedman's first function (https://doi.org/10.1214/aos/1176347963) of 10 uniform inputs, 5 of which say
    nothing, without noise, standardized: 1,600 and 400."""
    from sklearn.datasets import make_friedman1  # slow to import

    x, y = (torch.tensor(part, dtype=torch.float32) for part in make_friedman1(2_000, random_state=0))
    y = ((y - y[:1_600].mean()) / y[:1_600].std()).unsqueeze(-1)
    return Dataset.from_batches("friedman1", Batch(x[:1_600], y[:1_600]), Batch(x[1_600:], y[1_600:]))


def _read(path: Path, seed: int) -> Dataset:
    """The data set that a folder or a file holds."""
    folder, ending = path.is_dir(), path.suffix.lower()
    if not folder and not path.is_file():
        raise BadData(f"data: {path}: there is no such file")
    if folder and has_idx(path):
        return _from_idx(path.name, read_folder(path.name, path))
    if ending == ".npz" and not folder:
        arrays = read_npz(path)
        return _from_halves(path.stem, arrays.train, arrays.test, seed)
    if folder and not has_class_folders(path):
        raise BadData(
            f"{path}: has neither class folders of pictures (CLASS/*.png) nor IDX files as MNIST has them"
        )
    train, test, names = read_pictures(path)
    return _from_halves(path.name if folder else path.stem, train, test, seed, names)


def _from_halves(
    name: str, train: Batch, test: Batch | None, seed: int, class_names: tuple[str, ...] = ()
) -> Dataset:
    """The data set of two halves as they were read, or of one that is to be split."""
    train = train._replace(x=as_numbers(train.x))
    if test is None:
        return Dataset.from_split(name, train, seed=seed, class_names=class_names)
    if int(test.target.max()) > int(train.target.max()):
        raise BadData(f"{name}: the test labels name a class that no training label does")
    return Dataset.from_batches(name, train, test._replace(x=as_numbers(test.x)), class_names=class_names)


def _from_idx(name: str, parts: dict[str, Tensor]) -> Dataset:
    train, test = (
        Batch(_with_planes(parts[f"{half} images"]).float() / 255, parts[f"{half} labels"].long())
        for half in ("train", "test")
    )
    return Dataset.from_batches(name, train, test)


def _with_planes(images: Tensor) -> Tensor:
    """The images (examples, rows, columns) with one plane; what has another number of axes, as it is."""
    return images.unsqueeze(1) if images.ndim == 3 else images


def _import(where: str, seed: int) -> Dataset:
    module, _, name = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
        data = found() if callable(found) else found
    except (Exception, SystemExit) as error:  # whatever a user's module does
        raise BadData(f"data: {where!r}: {type(error).__name__}: {describe_error(error)}") from error
    if isinstance(data, Dataset):
        return data
    halves: tuple[Any, ...] = data if type(data) is tuple else (data,)
    if not 1 <= len(halves) <= 2 or not all(_gives_examples(half) for half in halves):
        raise BadData(
            f"data: {where!r} is {type(data).__name__}, wanted a learners.data.Dataset, a torch data set of "
            "pairs, or two of those"
        )
    return Dataset.from_torch(name, *halves, seed=seed)


def _gives_examples(half: object) -> bool:
    return isinstance(half, Batch) or hasattr(half, "__getitem__") or hasattr(half, "__iter__")
