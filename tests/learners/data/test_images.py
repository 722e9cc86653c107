"""Pictures in class folders or in a zip: read as they are, planes first, and named when they are bad."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analog import stream
from learners.data import BadData, load_data

SHAPES = {"RGB": (5, 4, 3), "L": (5, 4)}  # (height, width, planes)


def pixels(mode: str, *path: str) -> np.ndarray:
    generator = stream(0, "pictures", *path)
    return torch.randint(0, 256, SHAPES[mode], generator=generator).to(torch.uint8).numpy()


def write(root: Path, mode: str = "RGB", halves: tuple[str, ...] = ("train/", "test/")) -> Path:
    for half in halves:
        for kind in ("cat", "ant", "bee"):
            (root / half / kind).mkdir(parents=True)
            for i in range(5 if half != "test/" else 2):
                Image.fromarray(pixels(mode, half, kind, str(i))).save(root / half / kind / f"{i}.png")
    return root


@pytest.mark.parametrize("mode", SHAPES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("half", ["test", "val"])
def test_pictures_are_read_planes_first(mode: str, packed: bool, half: str, tmp_path: Path) -> None:
    root = write(tmp_path / "pets", mode)
    (root / "train/cat/notes.txt").write_text("no picture, passed over")
    (root / ".hidden").write_text("")
    (root / "test").rename(root / half)
    where = Path(shutil.make_archive(str(root), "zip", tmp_path, "pets")) if packed else root
    data = load_data(str(where))
    planes = 3 if mode == "RGB" else 1
    assert data.shape == (planes, 5, 4) and data.features == planes * 20 and data.name == "pets"
    assert data.class_names == ("ant", "bee", "cat") and data.classes == 3 and data.split_seed is None
    assert data.train.target.tolist() == [0] * 5 + [1] * 5 + [2] * 5 and len(data.test.x) == 6
    wanted = torch.from_numpy(pixels(mode, "train/", "bee", "3")).float() / 255
    wanted = wanted.movedim(-1, 0) if mode == "RGB" else wanted[None]
    assert torch.equal(data.train.x[8].view(data.shape), wanted) and data.train.x.is_contiguous()
    assert data.checksum == load_data(where).checksum


def test_class_folders_alone_are_split_by_seed_and_say_so(tmp_path: Path) -> None:
    root = write(tmp_path / "pets", halves=("",))
    one, other, again = (load_data(str(root), seed=seed) for seed in (1, 2, 1))
    assert one.checksum == again.checksum != other.checksum
    assert len(one.train.x) == 12 and one.test.target.tolist() == [0, 1, 2]
    assert one.split_seed == 1 and "held out of all by seed 1" in repr(one)
    every = torch.cat((one.train.x, one.test.x)).unique(dim=0)
    assert len(every) == 15


def test_a_gray_picture_among_colored_ones_gets_three_planes(tmp_path: Path) -> None:
    root = write(tmp_path / "pets")
    gray = pixels("L", "gray")
    Image.fromarray(gray).save(root / "train/ant/0.png")
    data = load_data(str(root))
    planes = data.train.x[0].view(data.shape)
    assert data.shape[0] == 3 and torch.equal(planes[0], planes[2])
    assert torch.equal(planes[0], torch.from_numpy(gray).float() / 255)


def deep(path: Path) -> None:
    Image.fromarray(np.full((5, 4), 7_000, np.uint16)).save(path)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (
            lambda r: Image.new("RGB", (4, 6)).save(r / "train/bee/2.png"),
            r"train/bee/2.png: is 4 x 6 pixels, \S*/pets/train/ant/0.png is 4 x 5; make all",
        ),
        (
            lambda r: (r / "test/cat/0.png").write_bytes(b"GIF87a"),
            r"test/cat/0.png: is no picture that can be read: [^<>]*$",
        ),
        (lambda r: deep(r / "train/cat/0.png"), r"train/cat/0.png: has more than 8 bits a pixel"),
        (lambda r: (r / "train/dog").mkdir(), r"train/dog: has no picture in it"),
        (lambda r: shutil.rmtree(r / "test/bee"), r"test: has no pictures of class bee"),
        (lambda r: shutil.rmtree(r / "train/bee"), r"train: has no pictures of class bee"),
        (lambda r: shutil.rmtree(r / "train"), r"has a folder test but no folder train"),
        (
            lambda r: shutil.copy(r / "train/bee/1.png", r / "train/1.png"),
            "train: 1.png lies in no class folder",
        ),
        (
            lambda r: [Image.new("RGB", (9, 9)).save(p) for p in (r / "test").rglob("*.png")],
            "train and test pictures differ in size: 4 x 5 and 9 x 9 pixels$",
        ),
    ],
)
def test_bad_pictures_and_folders_are_named(harm: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    root = write(tmp_path / "pets")
    harm(root)
    with pytest.raises(BadData, match=says) as refused:
        load_data(str(root))
    assert "\n" not in str(refused.value)


def clutter(root: Path, name: str, files: int) -> None:
    """A project that has nothing to do with it, deeper than anybody looks."""
    deep = root / name / "src/a/b/c/d"
    deep.mkdir(parents=True)
    for i in range(files):
        (root / name / f"{i}.py").write_text("")
        (deep / f"{i}.py").write_text("")


def test_folders_of_other_projects_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path / "photos", halves=("",))
    clutter(tmp_path, "project", 20)
    with pytest.raises(BadData, match=r"does not look like class folders, for 15 of 35 files are pictures;"):
        load_data(str(tmp_path))
    (tmp_path / ".cache").mkdir()
    shutil.rmtree(tmp_path / "project")
    assert load_data(str(tmp_path)).class_names == ("ant", "bee", "cat")  # in the one folder around all


@pytest.mark.parametrize("packed", [False, True])
def test_classes_are_direct_subfolders_and_pictures_lie_directly_in_them(
    packed: bool, tmp_path: Path
) -> None:
    root = write(tmp_path / "pets", halves=("",))
    for hidden in (".thumbnails", "__MACOSX", "cat/.thumbnails"):
        (root / hidden).mkdir()
        shutil.copy(root / "bee/1.png", root / hidden / "1.png")

    def where() -> Path:
        return Path(shutil.make_archive(str(root), "zip", tmp_path, "pets")) if packed else root

    assert load_data(where()).class_names == ("ant", "bee", "cat")
    (root / "cat/black").mkdir()
    shutil.copy(root / "bee/1.png", root / "cat/black/1.png")
    with pytest.raises(BadData, match=r"cat/black: is a folder in a class folder; pictures of a class lie"):
        load_data(where())


def test_a_class_folder_is_answered_with_the_folder_above(tmp_path: Path) -> None:
    alone, halves = write(tmp_path / "pets", halves=("",)), write(tmp_path / "split")
    for folder, above in ((alone / "cat", alone), (halves / "train/cat", halves)):
        (folder / ".hidden").mkdir()
        with pytest.raises(BadData, match=rf"cat: holds pictures .*; name the folder one level up, {above}$"):
            load_data(folder)
    shutil.rmtree(alone / "ant"), shutil.rmtree(alone / "bee")
    with pytest.raises(BadData, match=r"cat: has neither class folders of pictures"):
        load_data(alone / "cat")


def test_what_cannot_be_split_or_told_apart_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "pets", halves=("",))
    for i in range(1, 5):
        (root / "ant" / f"{i}.png").unlink()
    with pytest.raises(BadData, match="pets: class ant has one example; to hold some out"):
        load_data(str(root))
    shutil.rmtree(root / "ant"), shutil.rmtree(root / "bee")
    with pytest.raises(BadData, match="pets: has the one class folder cat"):
        load_data(str(root))


def test_a_zip_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(b"PK nothing")
    with pytest.raises(BadData, match=r"pets.zip: cannot be read: File is not a zip file"):
        load_data(str(tmp_path / "pets.zip"))
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(BadData, match=r"empty.zip: has no picture in it"):
        load_data(str(tmp_path / "empty.zip"))
    with pytest.raises(BadData, match=r"none.zip: there is no such file"):
        load_data(str(tmp_path / "none.zip"))
