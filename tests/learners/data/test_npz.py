"""Arrays in .npz: under all usual names, planes first, and named when they are bad."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learners.data import BadData, load_data

X = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
Y = np.array([0, 1, 2, 0, 1, 2])


def saved(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "mine.npz", **arrays)
    return str(folder / "mine.npz")


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
@pytest.mark.parametrize(
    "target", [Y, Y[:, None], Y.astype(float), Y.astype(np.uint64), Y.astype(np.longdouble), np.eye(3)[Y]]
)
def test_usual_names_and_forms_of_targets_are_read(
    names: tuple[str, ...], target: Any, tmp_path: Path
) -> None:
    data = load_data(saved(tmp_path, **dict(zip(names, (X, target, X[:3], target[:3]), strict=True))))
    assert data.shape == (1, 4, 3) and data.classes == 3 and data.split_seed is None
    assert data.train.target.tolist() == Y.tolist() and data.test.target.tolist() == Y[:3].tolist()
    assert torch.equal(data.train.x, torch.from_numpy(X).flatten(1).float() / 255)


@pytest.mark.parametrize(
    ("shape", "wanted"), [((6, 8, 7, 3), (3, 8, 7)), ((6, 3, 8, 7), (3, 8, 7)), ((6, 5), (5,))]
)
def test_planes_come_first(shape: tuple[int, ...], wanted: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    data = load_data(saved(tmp_path, x=x, y=Y), seed=3)
    assert data.shape == wanted and data.split_seed == 3 and len(data.test.x) == 3
    first = torch.from_numpy(x).float()
    first = first.movedim(-1, 1) if shape[-1] == 3 else first
    rows = torch.cat((data.train.x, data.test.x)).tolist()
    assert sorted(rows) == sorted(first.flatten(1).tolist())


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": X, "b": Y}, r"has arrays a, b; known names are x_train, y_train, x_test, y_test; "),
        ({"x": X, "y": Y[:4]}, r"mine.npz: x: is \(6, 4, 3\) and its targets \(4,\)"),
        ({"x": X, "y": Y + 0.5}, r"mine.npz: x: targets are torch.float64 \(6,\), wanted class numbers"),
        ({"x": X, "y": Y - 1}, r"mine: the class number -1 is negative"),
        ({"x": X * np.nan, "y": Y}, r"mine.npz: x: has values that are NaN"),
        ({"x": X.astype(str), "y": Y}, r"mine.npz: x: holds <U3, wanted numbers"),
        ({"x": np.array([None] * 6), "y": Y}, r"mine.npz: x: cannot be read: .* holds Python objects"),
        ({"x": X, "y": 0 * Y + 2}, r"mine: all 5 training examples are of class 2, wanted two or more"),
        ({}, "has no array; known names are x_train"),
        ({"x_train": X, "y_train": Y % 2, "x_test": X, "y_test": Y}, r"mine: the test labels name a class"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
            r"mine: examples are \(6, 1, 2, 3\) here",
        ),
    ],
)
def test_bad_arrays_are_named(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=says) as refused:
        load_data(saved(tmp_path, **arrays))
    assert "\n" not in str(refused.value)


def packed(*damaged: int) -> bytes:
    """The bytes of a good file, of which those at some places, counted from the end, are others."""
    file = io.BytesIO()
    np.savez(file, x=X, y=Y)
    content = bytearray(file.getvalue())
    for place in damaged:
        content[-place] ^= 0xFF
    return bytes(content)


WHOLE = packed()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK nothing", "it is no zip of arrays, or a damaged one"),
        (b"", "it is no zip of arrays, or a damaged one"),
        (b"some words", "it is no zip of arrays, or a damaged one"),
        (WHOLE[: len(WHOLE) // 2], "it is no zip of arrays, or a damaged one"),
        (packed(len(WHOLE) - WHOLE.index(b"fortran_order")), "x: cannot be read: it is damaged"),
        (packed(len(WHOLE) - WHOLE.index(X.tobytes())), "x: cannot be read: it is damaged"),
        (np.lib.format.MAGIC_PREFIX + b"\x01", "is one array, as numpy.save writes it; wanted a .npz"),
    ],
    ids=["PK", "empty", "words", "half", "header", "numbers", "npy"],
)
def test_a_file_that_is_no_whole_npz_is_refused_in_words(content: bytes, says: str, tmp_path: Path) -> None:
    """And not in numpy's, which takes all it does not know for a pickle."""
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(BadData, match=rf"mine.npz: .*{says}") as refused:
        load_data(str(tmp_path / "mine.npz"))
    assert not {"pickle", "CRC", "Error"} & {*str(refused.value).replace("=", " ").split()}
