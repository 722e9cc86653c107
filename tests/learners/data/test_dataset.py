"""Data sets of one's own: from batches, from torch, flattened with their shape kept."""

from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from analog import stream
from learners import Batch
from learners.data import BadData, Dataset

X = torch.rand(12, 3, 2, 2, generator=stream(0, "x"))
Y = torch.arange(12) % 3


class Thumbnails(TorchDataset[Any]):
    """Pairs as torchvision gives them without a transform: a picture and a Python integer."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return Image.new("RGB", (4, 2), (index * 51, 0, 255)), index % 2


def test_images_become_rows_and_keep_their_shape() -> None:
    data = Dataset.from_batches("mine", Batch(X, Y), Batch(X[:3], Y[:3]), class_names="abc")
    assert data.train.x.shape == (12, 12) and data.shape == (3, 2, 2) and data.class_names == ("a", "b", "c")
    assert repr(data) == "Dataset(mine, 12 examples of 3 x 2 x 2 to learn from, 3 to judge by, 3 classes)"
    flat = Dataset.from_batches("mine", Batch(X.flatten(1), Y), Batch(X[:3].flatten(1), Y[:3]))
    assert flat.checksum == data.checksum and flat.shape == (12,)


def test_torch_data_sets_and_loaders_are_read_in_their_own_order() -> None:
    pairs = TensorDataset(X, Y)
    whole = Dataset.from_torch("mine", pairs, DataLoader(pairs, 5, shuffle=True))
    assert torch.equal(whole.train.x, X.flatten(1)) and whole.checksum is not None
    assert torch.equal(whole.test.x, whole.train.x) and torch.equal(whole.train.target, Y)
    parted = Dataset.from_torch("mine", pairs, seed=4)
    assert parted.split_seed == 4 and parted.test.target.tolist() == [0, 1, 2]


def test_pictures_become_numbers_planes_first() -> None:
    data = Dataset.from_torch("mine", Thumbnails(), Thumbnails())
    assert data.shape == (3, 2, 4) and data.classes == 2
    assert torch.equal(data.train.x[3].view(3, 2, 4)[:, 0, 0], torch.tensor([153 / 255, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("train", "says"),
    [
        (TensorDataset(X), "mine: train: example 0: .*; wanted a pair of a tensor and a class number"),
        (
            [(torch.zeros(2), 0), (torch.zeros(3), 1)],
            r"examples are of shapes \(2,\) and \(3,\); make them one",
        ),
        ([], "mine: train: has no example at all"),
        (7, "mine: train: is a int, wanted a torch.utils.data.Dataset"),
        ([(torch.zeros(2), 0.5)] * 3, r"targets are torch.float32 \(3,\), wanted class numbers"),
    ],
)
def test_what_gives_no_pairs_is_refused(train: Any, says: str) -> None:
    with pytest.raises(BadData, match=says):
        Dataset.from_torch("mine", train, train)


def test_targets_may_be_values() -> None:
    values = torch.rand(12, 2, generator=stream(0, "y"))
    data = Dataset.from_batches("mine", Batch(X, values), Batch(X[:3], values[:3]))
    assert data.classes == 0 and data.outputs == 2 and torch.equal(data.train.target, values)
    assert repr(data).endswith("3 to judge by, 2 values)")
    parted = Dataset.from_split("mine", Batch(X, values))
    assert len(parted.test.x) == 2 and len(parted.train.x) == 10 and parted.outputs == 2
    classes = Dataset.from_batches("mine", Batch(X, Y), Batch(X[:3], Y[:3]))
    assert classes.outputs == classes.classes == 3 and classes.checksum != data.checksum


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (
            Y.float(),
            Y.float(),
            r"target is torch.float32 \(12,\), wanted int64 class numbers \(12,\) or float32",
        ),
        (Y[:, None].double(), Y[:, None].double(), r"target is torch.float64 \(12, 1\), wanted"),
        (Y[:, None].float(), Y, r"targets are \(12,\) here and \(12, 1\) there"),
        (Y[:, None].float() / 0, Y[:, None].float(), "wanted some, all finite"),
        (torch.zeros(12, 0), torch.zeros(12, 0), r"targets are \(12, 0\) values, wanted some"),
    ],
)
def test_values_that_are_none_are_refused(train: Any, test: Any, says: str) -> None:
    with pytest.raises(BadData, match=says):
        Dataset.from_batches("mine", Batch(X, train), Batch(X, test))
