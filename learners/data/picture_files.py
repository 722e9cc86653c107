"""The files of a folder or a zip that may be pictures: nothing hidden, and no deeper than they may lie."""

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from .bad_data import BadData, describe_error

_PICTURES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_DEPTH: Final = 4  # names in the longest path that means something: one around all, train, CLASS, picture


class PictureFiles(NamedTuple):
    """The files of a folder or of a zip, by their paths within it."""

    where: Path
    pictures: list[tuple[str, ...]]
    others: list[tuple[str, ...]]  # files that are no pictures by their names
    folders: set[tuple[str, ...]]
    read: Callable[[tuple[str, ...]], bytes]

    def below(self, *parts: str) -> "PictureFiles":
        """The files of a folder in it."""
        cut = len(parts)

        def inside(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
            return [path[cut:] for path in paths if path[:cut] == parts and len(path) > cut]

        return PictureFiles(
            self.where.joinpath(*parts),
            inside(self.pictures),
            inside(self.others),
            set(inside([*self.folders])),
            lambda path: self.read((*parts, *path)),
        )


def visible(where: Path) -> list[Path]:
    """The files and folders in a folder that are not hidden, sorted; none where nobody may look."""
    try:
        return [path for path in sorted(where.iterdir()) if not _is_hidden(path.name)]
    except PermissionError:
        return []


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, by its name."""
    return path.suffix.lower() in _PICTURES


def _walk(where: Path) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Paths below a folder, and whether they are folders, down to where pictures may lie."""
    for at, folders, files in os.walk(where, followlinks=True):
        above = Path(at).relative_to(where).parts
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from (((*above, name), True) for name in folders)
        yield from (((*above, name), False) for name in files)
        if len(above) == _DEPTH - 1:
            folders.clear()


@contextmanager
def opened(where: Path) -> Iterator[PictureFiles]:
    """The files of a folder or of a zip, while it is open.

    Raises:
        BadData: it is no zip, or cannot be read.
    """
    if where.is_dir():
        yield _place(where, sorted(_walk(where)), lambda path: where.joinpath(*path).read_bytes())
        return
    try:
        with zipfile.ZipFile(where) as archive:
            entries = {tuple(i.filename.strip("/").split("/")): i for i in archive.infolist()}
            found = [(path, entry.is_dir()) for path, entry in sorted(entries.items())]
            yield _place(where, found, lambda path: archive.read(entries[path]))
    except (zipfile.BadZipFile, OSError) as error:
        raise BadData(f"{where}: cannot be read: {describe_error(error)}") from error


def _place(
    where: Path, found: list[tuple[tuple[str, ...], bool]], read: Callable[[tuple[str, ...]], bytes]
) -> PictureFiles:
    """The place without hidden files, and with the folders that a zip need not list."""
    seen = [(path, folder) for path, folder in found if not any(map(_is_hidden, path))]
    files = [path for path, folder in seen if not folder]
    pictures = [path for path in files if is_picture(Path(path[-1]))]
    folders = {path for path, folder in seen if folder}
    folders |= {path[:depth] for path in pictures for depth in range(1, len(path))}
    return PictureFiles(
        where, pictures, [path for path in files if not is_picture(Path(path[-1]))], folders, read
    )
