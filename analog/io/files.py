"""Files that are replaced whole or not at all, whoever else writes them and whenever a writer is killed."""

import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # no POSIX: nothing tells a killed writer's leavings from a living one's
    fcntl = None  # type: ignore[assignment]


def replace_file(path: Path, block: bytes) -> None:
    """Write a file that takes the place of `path` once all of it is on the disk.

    A link is followed, and a file that is there keeps its mode. What killed writers of the same file left
    behind is removed.

    Raises:
        OSError: the file cannot be written, or is something else than a file; it is as it was.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is no file and cannot be replaced by one")
    _sweep(target)
    with _part(target) as (part, file):
        with suppress(FileNotFoundError):
            os.chmod(part, stat.S_IMODE(os.stat(target).st_mode))
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
        os.replace(part, target)


@contextmanager
def _part(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file beside the target that nobody else writes to, locked, and removed afterwards."""
    while True:
        part = target.with_name(f"{_prefix(target)}{uuid.uuid4().hex}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            try:
                _lock(file.fileno(), wait=True)
                if os.fstat(file.fileno()).st_nlink:  # else swept away before it was locked
                    yield part, file
                    return
            finally:
                part.unlink(missing_ok=True)


def _sweep(target: Path) -> None:
    """Remove what writers of this file left behind: parts that nobody holds a lock on."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(target.parent) as entries:
        for name in [entry.name for entry in entries if entry.name.startswith(_prefix(target))]:
            with suppress(OSError), open(target.with_name(name), "rb") as file:
                if _lock(file.fileno()):
                    target.with_name(name).unlink()


def _lock(descriptor: int, wait: bool = False) -> bool:
    """Lock a file for as long as it is open; whether that was possible."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _prefix(target: Path) -> str:
    """What parts of this file, and of no other, are called; not longer than a name may be."""
    digest = hashlib.blake2b(os.fsencode(target.name), digest_size=6).hexdigest()
    return f".{target.name[:32]}.{digest}."
