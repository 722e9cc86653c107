"""CIFAR-10 is found where MORTAL_DATA says, as folders or in a zip, in colors; else it says what to do."""

import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from learners.data import BadData, load_data


def draw_pictures(folder: Path) -> Path:
    """Two pictures of each of two classes in each half, of one color each."""
    for half in ("train", "test"):
        for number, name in enumerate(("automobile", "bird")):
            (folder / half / name).mkdir(parents=True)
            for i in range(2):
                picture = Image.new("RGB", (4, 4), (100 * number, 50 * i, 7))
                picture.save(folder / half / name / f"{i:04}.png")
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_it_is_read_in_colors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.setenv("MORTAL_DATA", str(tmp_path))
    folder = draw_pictures(tmp_path / ("elsewhere" if zipped else "cifar10"))
    if zipped:
        (tmp_path / "cifar10").mkdir()
        with zipfile.ZipFile(tmp_path / "cifar10" / "images.zip", "w") as archive:
            for path in folder.rglob("*.png"):
                archive.write(path, path.relative_to(folder))
    data = load_data("cifar10")
    assert (data.name, data.shape, data.classes) == ("cifar10", (3, 4, 4), 2)
    assert data.class_names == ("automobile", "bird")
    colors = (data.train.x.view(4, 3, 16)[..., 0] * 255).round().int().tolist()
    assert colors == [[0, 0, 7], [0, 50, 7], [100, 0, 7], [100, 50, 7]]
    assert torch.equal(data.test.target, torch.tensor([0, 0, 1, 1]))


def test_where_it_is_missing_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MORTAL_DATA", raising=False)
    with pytest.raises(BadData, match=r"MORTAL_DATA is not set; put train/CLASS"):
        load_data("cifar10")
    monkeypatch.setenv("MORTAL_DATA", str(tmp_path))
    with pytest.raises(BadData, match=r"cifar10 has neither train/ nor one \.zip; put"):
        load_data("cifar10")
