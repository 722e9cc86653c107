"""Real data: scikit-learn's embedded digits, or any data set in IDX format (MNIST's four files)."""

import gzip
import hashlib
import math
import os
import zlib
from math import prod
from pathlib import Path
from typing import Final
from typing import NamedTuple

import torch
from torch import Tensor

from analog.streams import stream
from learners.data.batches import kept
from learners.learner import Batch

_IMAGES, _LABELS = 0x803, 0x801  # IDX magic numbers: unsigned bytes in 3 and in 1 dimensions
_FILES: Final = {
    "train images": ("train-images-idx3-ubyte", _IMAGES),
    "train labels": ("train-labels-idx1-ubyte", _LABELS),
    "test images": ("t10k-images-idx3-ubyte", _IMAGES),
    "test labels": ("t10k-labels-idx1-ubyte", _LABELS),
}
_MNIST_MD5: Final = (  # of the uncompressed files, in the order above
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
_SOURCES: Final = {  # base address, MD5 of the four compressed files
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
}


class BadData(ValueError):
    """A data file is missing, truncated, swapped or corrupt."""


class Dataset(NamedTuple):
    """Images as rows of numbers in 0..1, labels as class numbers."""

    name: str
    train: Batch  # x (examples, pixels) float32, target (examples,) int64
    test: Batch
    classes: int
    checksum: str  # MD5 over the pixels and labels

    @property
    def pixels(self) -> int:
        return self.train.x.shape[-1]


def load(where: str) -> Dataset:
    """Load "digits", "mnist", "fashion-mnist", or a folder that holds four IDX files, gzipped or not.

    The two named sets are read from $MORTAL_DATA/NAME when that folder exists, else downloaded once
    into the user's cache and checked against their MD5.

    Raises:
        BadData: naming the file, what was found and what was wanted.
    """
    if where == "digits":
        return _digits()
    if where in _SOURCES:
        home = os.environ.get("MORTAL_DATA")
        if home and (Path(home) / where).is_dir():
            return _idx(where, Path(home) / where, _MNIST_MD5 if where == "mnist" else None)
        return _idx(where, _download(where), None)
    folder = Path(where).expanduser()
    if not folder.is_dir():
        raise BadData(f"data: {where!r} is no folder, nor one of digits, {', '.join(_SOURCES)}")
    return _idx(folder.name, folder, None)


def held_out(data: Dataset) -> Dataset:
    """A fifth of the training images, by lot, in place of the test images: what settings are chosen by."""
    order = torch.randperm(len(data.train.x), generator=stream(0, "data", "held out", data.name))
    cut = len(order) // 5
    test, train = kept(data.train, order[:cut]), kept(data.train, order[cut:])
    return data._replace(train=train, test=test)


def regions(data: Dataset, across: int = 4) -> Tensor:  # (examples, across^2)
    """Mean ink of each of so many times as many regions of every training image."""
    side = math.isqrt(data.pixels)
    if side * side != data.pixels or side < across:
        raise ValueError(f"regions: {data.pixels} pixels are no square of at least {across} x {across}")
    lines = data.train.x.unflatten(-1, (side, side)).tensor_split(across, -2)
    parts = [part for line in lines for part in line.tensor_split(across, -1)]
    return torch.stack([part.mean((-2, -1)) for part in parts], -1)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits  # slow to import

    raw = load_digits()
    x = torch.tensor(raw.data, dtype=torch.float32) / 16
    y = torch.tensor(raw.target, dtype=torch.int64)
    order = torch.randperm(len(x), generator=stream(0, "data", "digits"))
    held_out, rest = order[:360], order[360:]
    return bundled("digits", Batch(x[rest], y[rest]), Batch(x[held_out], y[held_out]))


def bundled(name: str, train: Batch, test: Batch) -> Dataset:
    """Two halves as one data set, with a checksum over all that they hold."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in (train.x, train.target, test.x, test.target):
        digest.update(part.contiguous().numpy().tobytes())
    return Dataset(name, train, test, int(train.target.max()) + 1, digest.hexdigest())


def _download(name: str) -> Path:
    import pooch  # slow to import

    base, sums = _SOURCES[name]
    folder = Path(pooch.os_cache("mortal")) / name
    for (file, _), md5 in zip(_FILES.values(), sums, strict=True):
        try:
            pooch.retrieve(f"{base}{file}.gz", known_hash=f"md5:{md5}", fname=f"{file}.gz", path=folder)
        except (OSError, ValueError) as error:
            raise BadData(
                f"data: cannot download {name} ({error}); put its four IDX files into a folder and pass "
                f"--data FOLDER, or set MORTAL_DATA to the folder that holds {name}/"
            ) from error
    return folder


def _idx(name: str, folder: Path, sums: tuple[str, ...] | None) -> Dataset:
    parts = {}
    for i, (what, (file, magic)) in enumerate(_FILES.items()):
        content, path = _content(folder, file)
        if sums and hashlib.md5(content, usedforsecurity=False).hexdigest() != sums[i]:
            raise BadData(f"{path}: not the original {name} {what}: its MD5 should be {sums[i]}")
        parts[what] = _parse(path, content, magic)
    for half in ("train", "test"):
        images, labels = parts[f"{half} images"], parts[f"{half} labels"]
        if len(images) != len(labels):
            raise BadData(
                f"{folder}: {len(images)} {half} images but {len(labels)} {half} labels; files mixed up?"
            )
    if parts["train images"].shape[1:] != parts["test images"].shape[1:]:
        raise BadData(f"{folder}: train and test images differ in size; files mixed up?")
    if parts["test labels"].max() > parts["train labels"].max():
        raise BadData(f"{folder}: the test labels name a class that no training label does")
    train, test = (
        Batch(parts[f"{h} images"].flatten(1).float() / 255, parts[f"{h} labels"].long())
        for h in ("train", "test")
    )
    return bundled(name, train, test)


def _content(folder: Path, file: str) -> tuple[bytes, Path]:
    plain, packed = folder / file, folder / f"{file}.gz"
    try:
        if plain.is_file():
            return plain.read_bytes(), plain
        if packed.is_file():
            return gzip.decompress(packed.read_bytes()), packed
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{packed if packed.is_file() else plain}: cannot be read: {error}") from error
    raise BadData(f"{folder}: has neither {file} nor {file}.gz")


def _parse(path: Path, content: bytes, magic: int) -> Tensor:
    rank = magic & 0xFF
    header = 4 + 4 * rank
    if len(content) < header:
        raise BadData(f"{path}: {len(content)} bytes, too short for an IDX header of {header}")
    words = [int.from_bytes(content[i : i + 4], "big") for i in range(0, header, 4)]
    if words[0] != magic:
        swapped = "; are images and labels swapped?" if words[0] in (_IMAGES, _LABELS) else ""
        raise BadData(f"{path}: magic number is {words[0]:#x}, wanted {magic:#x}{swapped}")
    wanted = prod(words[1:])
    if wanted == 0 or len(content) - header != wanted:
        raise BadData(
            f"{path}: header promises {words[1:]}, {wanted} bytes, the file has {len(content) - header}"
        )
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).reshape(words[1:])
