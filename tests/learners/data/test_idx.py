"""IDX files: read as they are, checked, cached and named when they are bad."""

import functools
import gzip
import hashlib
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from analog import stream
from learners.data import BadData, load_data
from learners.data import idx as idx_files


def idx(array: torch.Tensor) -> bytes:
    head = b"".join(n.to_bytes(4, "big") for n in (0x800 + array.ndim, *array.shape))
    return head + array.to(torch.uint8).numpy().tobytes()


NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = stream(0, "idx")
    for name, count in ((NAMES[0], 30), (NAMES[2], 12)):
        (tmp_path / name).write_bytes(idx(torch.randint(0, 256, (count, 4, 3), generator=generator)))
    for name, count in ((NAMES[1], 30), (NAMES[3], 12)):
        (tmp_path / name).write_bytes(idx(torch.arange(count) % 5))
    return tmp_path


def test_idx_is_read_gzipped_or_not(folder: Path) -> None:
    plain = load_data(str(folder))
    assert plain.train.x.shape == (30, 12) and plain.test.x.shape == (12, 12)
    assert plain.classes == 5 and plain.features == 12 and plain.shape == (1, 4, 3)
    raw = torch.frombuffer(bytearray((folder / NAMES[0]).read_bytes()[16:]), dtype=torch.uint8)
    assert torch.equal((plain.train.x * 255).round().to(torch.uint8).flatten(), raw)
    assert plain.train.target.tolist() == [i % 5 for i in range(30)]
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert load_data(str(folder)).checksum == plain.checksum


@pytest.mark.parametrize("sizes", [(7,), (2, 4, 3), (2, 1, 4, 3)])
def test_idx_of_any_rank_is_read(folder: Path, sizes: tuple[int, ...]) -> None:
    generator, rank = stream(0, "rank"), len(sizes) + 1
    for name, count in ((NAMES[0], 30), (NAMES[2], 12)):
        images = torch.randint(0, 256, (count, *sizes), generator=generator)
        (folder / name).unlink()
        (folder / name.replace("idx3", f"idx{rank}")).write_bytes(idx(images))
    data = load_data(str(folder))
    assert data.shape == sizes and torch.equal(data.test.x, images.flatten(1).float() / 255)


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda f: (f / name).write_bytes((f / name).read_bytes()[:size])  # type: ignore[return-value]


def replace(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda f: (f / name).write_bytes(content)  # type: ignore[return-value]


def swap(a: str, b: str) -> Callable[[Path], None]:
    def exchange(f: Path) -> None:
        one, two = (f / a).read_bytes(), (f / b).read_bytes()
        (f / a).write_bytes(two)
        (f / b).write_bytes(one)

    return exchange


def zipped(name: str, harm: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(f: Path) -> None:
        (f / f"{name}.gz").write_bytes(harm(gzip.compress((f / name).read_bytes())))
        (f / name).unlink()

    return write


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda f: (f / NAMES[1]).unlink(), "has neither train-labels-idx1-ubyte nor"),
        (cut(NAMES[0], 200), "header promises .* 360 bytes, the file has at most 184"),
        (cut(NAMES[0], 7), "too short for an IDX header"),
        (cut(NAMES[0], 0), "too short"),
        (replace(NAMES[0], b"\x89PNG" * 50), "magic number is 0x89504e47"),
        (swap(NAMES[0], NAMES[1]), "images and labels swapped"),
        (swap(NAMES[1], NAMES[3]), "30 train images but 12 train labels"),
        (replace(NAMES[2], idx(torch.zeros(12, 3, 4))), "differ in size"),
        (replace(NAMES[3], idx(torch.full((12,), 9))), "a class that no training label does"),
        (replace(NAMES[1], idx(torch.zeros(0))), "header promises"),
        (zipped(NAMES[0], lambda b: b[:60]), "cannot be read: it is no gzip file, or a damaged one"),
        (zipped(NAMES[0], lambda b: b"junk" + b), "cannot be read: it is no gzip file"),
        (zipped(NAMES[0], lambda b: b[:40] + b"\xff\xff\xff\xff" + b[44:]), "cannot be read: it is no gzip"),
    ],
)
def test_bad_files_are_named_and_refused(folder: Path, harm: Callable[[Path], None], says: str) -> None:
    harm(folder)
    with pytest.raises(BadData, match=says):
        load_data(str(folder))


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    known = "digits, mnist, fashion-mnist, cifar10, friedman1"
    with pytest.raises(BadData, match=f"is no folder, nor .zip or .npz, nor one of {known}, nor module:attr"):
        load_data(str(tmp_path / "nowhere"))


def test_named_sets_are_taken_from_the_users_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("fashion-mnist", "mnist"):
        (home / name).mkdir()
        for file in NAMES:
            (home / name / file).write_bytes((folder / file).read_bytes())
    monkeypatch.setenv("MORTAL_DATA", str(home))
    assert load_data("fashion-mnist").name == "fashion-mnist"
    with pytest.raises(BadData, match="not the original mnist train images: its MD5 should be 6bbc9ace"):
        load_data("mnist")


@pytest.mark.skipif(
    not (Path(os.environ.get("MORTAL_DATA", "/nowhere")) / "mnist").is_dir(),
    reason="no MNIST at $MORTAL_DATA",
)
def test_the_real_mnist() -> None:
    made = load_data("mnist")
    assert made.train.x.shape == (60_000, 784) and made.test.x.shape == (10_000, 784)
    assert made.train.target[:5].tolist() == [5, 0, 4, 1, 9]
    assert made.test.target.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """Serves the folder's four files, gzipped, as the data sets' own servers do."""
    for name in NAMES:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}/"
        made.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        del words


def test_a_download_is_cached_and_checked(
    server: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MORTAL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    right = tuple(hashlib.md5((folder / f"{n}.gz").read_bytes()).hexdigest() for n in NAMES)
    monkeypatch.setitem(idx_files.SOURCES, "fashion-mnist", (server, right))
    first = load_data("fashion-mnist")
    assert first.checksum == load_data(str(folder)).checksum
    monkeypatch.setitem(idx_files.SOURCES, "fashion-mnist", ("http://127.0.0.1:9/", right))
    assert load_data("fashion-mnist").checksum == first.checksum  # from the cache, nobody is asked
    monkeypatch.setitem(idx_files.SOURCES, "mnist", (server, ("0" * 32,) * 4))
    with pytest.raises(BadData, match="cannot download mnist .*--data FOLDER"):
        load_data("mnist")
    monkeypatch.setitem(idx_files.SOURCES, "mnist", ("http://127.0.0.1:9/", right))
    with pytest.raises(BadData, match="cannot download mnist"):
        load_data("mnist")
