"""Data sets in IDX format: MNIST's four files, from a folder or downloaded once.

MNIST: LeCun, Bottou, Bengio and Haffner (1998), https://doi.org/10.1109/5.726791. Fashion-MNIST: Xiao, Rasul
and Vollgraf (2017), https://arxiv.org/abs/1708.07747.
"""

import gzip
import hashlib
import os
import zlib
from math import prod
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from .bad_data import BadData, describe_error

_DEFLATE: Final = 1032  # the highest factor by which gzip packs, https://www.zlib.net/zlib_tech.html
_BYTES: Final = 0x800  # IDX magic number of unsigned bytes, to which the number of dimensions is added
_LABELS: Final = 0x801
_FILES: Final = {  # the name that MNIST's file has; the digit is the number of dimensions
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}
_MNIST_MD5: Final = (  # of the uncompressed files, in the order above
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
)
SOURCES: Final = {  # base address, MD5 of the four compressed files
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


def read_named(name: str) -> dict[str, Tensor]:
    """The parts of a data set of `SOURCES`, from $MORTAL_DATA/NAME if it exists, else downloaded once.

    Returns:
        Tensors of the shapes that `read_folder` gives, by their names.

    Raises:
        BadData: naming the file, what was found and what was wanted.
    """
    home = os.environ.get("MORTAL_DATA")
    if home and is_folder(Path(home) / name):
        return read_folder(name, Path(home).expanduser() / name, _MNIST_MD5 if name == "mnist" else None)
    return read_folder(name, _download(name))


def _download(name: str) -> Path:
    import pooch  # slow to import

    base, sums = SOURCES[name]
    folder = Path(pooch.os_cache("mortal")) / name
    for file, md5 in zip(_FILES.values(), sums, strict=True):
        try:
            pooch.retrieve(f"{base}{file}.gz", known_hash=f"md5:{md5}", fname=f"{file}.gz", path=folder)
        except (OSError, ValueError) as error:
            raise BadData(
                f"data: cannot download {name} ({error}); put its four IDX files into a folder and pass "
                f"--data FOLDER, or set MORTAL_DATA to the folder that holds {name}/"
            ) from error
    return folder


def read_folder(name: str, folder: Path, sums: tuple[str, ...] | None = None) -> dict[str, Tensor]:
    """The parts of a data set whose four IDX files, gzipped or not, lie in a folder.

    Args:
        name: of the data set, for messages.
        folder: where the files lie, under MNIST's names, but for the number of dimensions in them.
        sums: MD5 of the four uncompressed files; None takes any.

    Returns:
        uint8: "train images" and "test images" (examples, rows, columns), or with one or more axes of any
        sizes behind that of the examples; "train labels" and "test labels" (examples,).

    Raises:
        BadData: naming the file, what was found and what was wanted.
    """
    parts = {}
    for i, (what, file) in enumerate(_FILES.items()):
        content, sizes, path = _read(_find(folder, file), labels="labels" in what)
        if sums and hashlib.md5(content, usedforsecurity=False).hexdigest() != sums[i]:
            raise BadData(f"{path}: not the original {name} {what}: its MD5 should be {sums[i]}")
        offset = len(content) - prod(sizes)
        parts[what] = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=offset).reshape(sizes)
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
    return parts


def has_idx(folder: Path) -> bool:
    """Whether any of the four files lies in a folder, gzipped or not."""
    return any(_matches(folder, file) for file in _FILES.values())


def is_folder(path: Path) -> bool:
    """Whether there is a folder that may be looked into.

    Raises:
        BadData: nobody may know, or no folder can have such a name.
    """
    try:
        return path.expanduser().is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadData(f"data: {path}: {describe_error(error)}") from error


def _matches(folder: Path, file: str) -> list[Path]:
    """The files of such a name, with any number of dimensions in it, those that are not gzipped first."""
    pattern = f"{file[:-7]}[0-9]{file[-6:]}"
    return [path for end in ("", ".gz") for path in sorted(folder.glob(pattern + end)) if path.is_file()]


def _find(folder: Path, file: str) -> Path:
    found = _matches(folder, file)
    if not found:
        raise BadData(f"{folder}: has neither {file} nor {file}.gz")
    return found[0]


def _read(path: Path, *, labels: bool) -> tuple[bytes, list[int], Path]:
    """A file's content up to the end that its header states, and the sizes in its header."""
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            start = stream.read(4)
            header = start + stream.read(4 * _dimensions(path, start, labels=labels))
            sizes = _sizes(path, header)
            wanted, room = prod(sizes), path.stat().st_size
            room = _DEFLATE * room if packed else room - len(header)  # what the file may hold at most
            content = stream.read(wanted + 1) if wanted <= room else b""
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadData(f"{path}: cannot be read: it is no gzip file, or a damaged one") from error
    except OSError as error:
        raise BadData(f"{path}: cannot be read: {describe_error(error)}") from error
    if len(content) != wanted:
        there = f"at most {room}" if wanted > room else len(content) if len(content) < wanted else "more"
        raise BadData(f"{path}: header promises {sizes}, {wanted} bytes, the file has {there}")
    return header + content, sizes, path


def _dimensions(path: Path, start: bytes, *, labels: bool) -> int:
    """How many dimensions the first four bytes of a file state."""
    if len(start) < 4:
        raise BadData(f"{path}: {len(start)} bytes, too short for an IDX header")
    found = int.from_bytes(start, "big")
    dimensions = found - _BYTES
    if dimensions == 1 if labels else 2 <= dimensions <= 255:
        return dimensions
    swapped = "; are images and labels swapped?" if 1 <= dimensions <= 255 else ""
    wanted = f"{_LABELS:#x}" if labels else "0x803, or another number of dimensions (0x802 and above)"
    raise BadData(f"{path}: magic number is {found:#x}, wanted {wanted}{swapped}")


def _sizes(path: Path, header: bytes) -> list[int]:
    """How many examples, rows and columns a header states."""
    wanted = 4 + 4 * (header[3])
    if len(header) < wanted:
        raise BadData(f"{path}: {len(header)} bytes, too short for an IDX header of {wanted}")
    sizes = [int.from_bytes(header[i : i + 4], "big") for i in range(4, wanted, 4)]
    if prod(sizes) == 0:
        raise BadData(f"{path}: header promises {sizes}, no example at all")
    return sizes
