"""Pictures in class folders, or in a zip of such: CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png.

Class folders are the direct subfolders of the folder, or of its train/ and test/, and the pictures of a class
lie directly in its own. Nothing hidden counts. What holds fewer pictures than other files is something else.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..learner import Batch
from .bad_data import BadData, describe_error
from .picture_files import PictureFiles, is_picture, opened, visible

_TESTS: Final = ("test", "val", "validation")  # what the folder of the test examples may be called
_GRAY: Final = ("1", "L", "LA")
_DEEP: Final = ("F", "I", "I;16", "I;16B", "I;16L")  # more than 8 bits a pixel


class Pictures(NamedTuple):
    """Pictures as read: bytes of each half, and what their class folders are called."""

    train: Batch  # x (examples, planes, height, width) uint8, target (examples,) int64
    test: Batch | None  # likewise; None where they lie in class folders that are not split
    class_names: tuple[str, ...]


def read_pictures(where: Path) -> Pictures:
    """Read the pictures that lie in class folders, all of one size.

    The folders' names, sorted, are classes 0, 1, ...; what is no picture by its name is passed over, as is
    what is hidden. No folder may lie in a class folder, and nothing below one is looked at. Pictures that are
    all gray have one plane, else all have three, red, green and blue; transparency is dropped.

    Args:
        where: a folder or a zip with train/CLASS/... and test/CLASS/... (or val/), or CLASS/... alone.

    Raises:
        BadData: naming the picture or folder, what was found and what was wanted.
    """
    with opened(where) as place:
        place = _unwrapped(place)
        _require_mostly_pictures(place)
        tops = {path[0] for path in place.folders}
        ends = [name for name in _TESTS if name in tops]
        if "train" in tops and ends:
            train, test = place.below("train"), place.below(ends[0])
        elif ends and "train" not in tops and tops <= set(_TESTS):
            raise BadData(f"{where}: has a folder {ends[0]} but no folder train")
        else:
            train, test = place.below("train") if "train" in tops else place, None
        names = _classes(train)
        halves = [_decoded(half, names) for half in (train, test) if half is not None]
        if test is not None:
            _require_same_classes(test, names)
        sizes = [size for _, _, size in halves]
        if len({*sizes}) > 1:
            raise BadData(f"{where}: train and test pictures differ in size: {' and '.join(sizes)} pixels")
    planes = 3 if any(colored for _, colored, _ in halves) else 1
    batches = [batch._replace(x=batch.x[:, :planes]) for batch, _, _ in halves]
    return Pictures(batches[0], batches[1] if test is not None else None, names)


def has_class_folders(where: Path) -> bool:
    """Whether a folder has folders in it that may be classes.

    Raises:
        BadData: it has none and holds pictures, as do the folders beside it: it is a class itself.
    """
    below = visible(where)
    if any(path.is_dir() for path in below) or not any(map(is_picture, below)):
        return any(path.is_dir() for path in below)
    parent = where.resolve().parent
    beside = {path.resolve() for path in visible(parent) if path.is_dir()}
    classes = [path for path in beside if any(map(is_picture, visible(path)))]
    if 1 < len(classes) >= len(beside) / 2:
        up = parent.parent if parent.name in ("train", *_TESTS) else parent
        raise BadData(f"{where}: holds pictures and no class folders; name the folder one level up, {up}")
    return False


def _require_mostly_pictures(place: PictureFiles) -> None:
    pictures, files = len(place.pictures), len(place.pictures) + len(place.others)
    if 2 * pictures < files:
        raise BadData(
            f"{place.where}: this does not look like class folders, for {pictures} of {files} files are "
            "pictures; wanted CLASS/*.png"
        )


def _unwrapped(place: PictureFiles) -> PictureFiles:
    """What lies in the one folder around everything, where there is one."""
    tops = {path[0] for path in (*place.pictures, *place.folders)}
    deep = any(len(path) > 1 for path in place.folders)
    wrapped = len(tops) == 1 and deep and not tops & {"train", *_TESTS}
    return _unwrapped(place.below(*tops)) if wrapped else place


def _classes(place: PictureFiles) -> tuple[str, ...]:
    """The names of the class folders, sorted; none of them is empty."""
    loose = [path[0] for path in place.pictures if len(path) == 1]
    if loose:
        raise BadData(f"{place.where}: {loose[0]} lies in no class folder; wanted CLASS/*.png")
    deeper = sorted(path for path in place.folders if len(path) > 1)
    if deeper:
        raise BadData(
            f"{place.where.joinpath(*deeper[0])}: is a folder in a class folder; pictures of a class lie "
            "directly in its own, CLASS/*.png"
        )
    names = sorted({path[0] for path in place.folders})
    filled = {path[0] for path in place.pictures}
    empty = [name for name in names if name not in filled]
    if empty or not names:
        raise BadData(f"{place.where.joinpath(*empty[:1])}: has no picture in it (.png, .jpg, ...)")
    if len(names) < 2:
        raise BadData(f"{place.where}: has the one class folder {names[0]}, wanted two or more")
    return tuple(names)


def _require_same_classes(test: PictureFiles, names: tuple[str, ...]) -> None:
    found = _classes(test)
    for here, there, half in ((names, found, test.where), (found, names, test.where.with_name("train"))):
        lacking = [name for name in here if name not in there]
        if lacking:
            raise BadData(f"{half}: has no pictures of class {', '.join(lacking)}")


def _decoded(place: PictureFiles, names: tuple[str, ...]) -> tuple[Batch, bool, str]:
    """The pictures of a half with three planes, whether any has colors, and their size in words."""
    numbers = {name: number for number, name in enumerate(names)}
    pictures = [path for path in place.pictures if path[0] in numbers]
    first, _ = _pixels(place, pictures[0])
    x, colored = np.empty((len(pictures), *first.shape), np.uint8), False
    for i, path in enumerate(pictures):
        pixels, has_colors = _pixels(place, path)
        if pixels.shape != first.shape:
            one, other = (place.where.joinpath(*p) for p in (path, pictures[0]))
            raise BadData(
                f"{one}: is {_size(pixels)} pixels, {other} is {_size(first)}; make all pictures of one size"
            )
        x[i] = pixels
        colored |= has_colors
    planes_first = torch.from_numpy(x).permute(0, 3, 1, 2)
    return Batch(planes_first, _numbers(pictures, numbers)), colored, _size(first)


def _size(pixels: NDArray[np.uint8]) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _numbers(pictures: Sequence[tuple[str, ...]], numbers: dict[str, int]) -> Tensor:
    return torch.tensor([numbers[path[0]] for path in pictures], dtype=torch.int64)


def _pixels(place: PictureFiles, path: tuple[str, ...]) -> tuple[NDArray[np.uint8], bool]:
    """One picture as (height, width, 3), and whether it has colors."""
    from PIL import UnidentifiedImageError  # slow to import
    from PIL.Image import open as open_picture

    name = place.where.joinpath(*path)
    try:
        with open_picture(io.BytesIO(place.read(path))) as picture:
            mode, pixels = picture.mode, np.array(picture.convert("RGB"))
    except UnidentifiedImageError as error:  # whose words name an object in memory
        raise BadData(f"{name}: is no picture that can be read: of no known format") from error
    except Exception as error:  # whatever a decoder makes of bytes that are no picture
        raise BadData(f"{name}: is no picture that can be read: {describe_error(error)}") from error
    if mode in _DEEP:
        raise BadData(f"{name}: has more than 8 bits a pixel (mode {mode}); convert it to 8")
    return pixels, mode not in _GRAY
