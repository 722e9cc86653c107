"""Files are replaced whole, whoever else writes them, and keep their mode and what links to them."""

import os
import stat
import threading
from pathlib import Path

import pytest

from analog.io import files
from analog.io.files import replace_file


def test_writers_side_by_side_leave_one_whole_file_and_nothing_else(tmp_path: Path) -> None:
    path, failures = tmp_path / "chip", []
    blocks = [bytes([i]) * 20_000 for i in range(4)]

    def write(block: bytes) -> None:
        try:
            for _ in range(25):
                replace_file(path, block)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(block,)) for block in blocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and path.read_bytes() in blocks
    assert [entry.name for entry in tmp_path.iterdir()] == ["chip"]


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    path, other = tmp_path / "chip", tmp_path / f"{files._prefix(tmp_path / 'chip2')}0"
    killed, living = (tmp_path / f"{files._prefix(path)}{word}" for word in ("killed", "living"))
    for part in (killed, living, other):
        part.write_bytes(b"half")
    with living.open("rb") as held:
        assert files._lock(held.fileno())
        replace_file(path, b"whole")
        assert not killed.exists() and living.exists() and other.exists()
    replace_file(path, b"whole")
    assert not living.exists() and path.read_bytes() == b"whole"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_file_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "chip"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_bytes() == b"new"


def test_a_new_file_has_the_mode_of_new_files(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    replace_file(tmp_path / "chip", b"new")
    assert (tmp_path / "chip").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_stays_and_what_it_points_to_is_new(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link, dangling = tmp_path / "there" / "chip", tmp_path / "link", tmp_path / "dangling"
    target.write_bytes(b"old")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "there" / "second")
    replace_file(link, b"new")
    replace_file(dangling, b"second")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert dangling.is_symlink() and (tmp_path / "there" / "second").read_bytes() == b"second"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="is no file and cannot be replaced"):
            replace_file(path, b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_may_be_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_is_swept_away_before_it_is_locked_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sweepers, create = tmp_path / "chip", [], os.open

    def meets_a_sweeper(part: Path, flags: int, mode: int) -> int:
        """The first part is locked by a sweeper that removes it a moment later."""
        descriptor = create(part, flags, mode)
        if not sweepers:
            held = part.open("rb")
            assert files._lock(held.fileno())
            sweepers.append(threading.Timer(0.05, lambda: (part.unlink(), held.close())))
            sweepers[0].start()
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "open", meets_a_sweeper)
        replace_file(path, b"whole")
    sweepers[0].join()
    assert path.read_bytes() == b"whole" and [entry.name for entry in tmp_path.iterdir()] == ["chip"]
