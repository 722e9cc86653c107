"""Data sets: loaded by name or by the user, and refused by what is wrong with them."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset

from learners import Batch
from learners.data import BadData, Dataset, load_data


def test_digits_split_is_fixed_and_disjoint() -> None:
    made = load_data("digits")
    assert made.checksum == load_data("digits").checksum
    assert len(made.train.x) == 1437 and len(made.test.x) == 360 and made.classes == 10
    assert float(made.train.x.min()) >= 0 and float(made.train.x.max()) == 1.0


def dots() -> Dataset:
    x = torch.arange(8.0).view(4, 2)
    half = Batch(x, torch.tensor([0, 1, 1, 2]))
    return Dataset.from_batches("dots", half, half)


DOTS = dots()


@pytest.mark.parametrize("name", ["dots", "DOTS"])
def test_a_data_set_of_ones_own_is_named_by_module_and_attribute(name: str) -> None:
    data = load_data(f"{__name__}:{name}")
    assert data.name == "dots" and data.classes == 3 and data.features == 2
    assert data.train.unlabeled.target is None and data.train.unlabeled.x is data.train.x


def torch_halves() -> tuple[TensorDataset, TensorDataset]:
    return TensorDataset(DOTS.train.x, DOTS.train.target), TensorDataset(DOTS.test.x, DOTS.test.target)


def test_torch_data_sets_of_ones_own_are_named_likewise() -> None:
    data = load_data(f"{__name__}:torch_halves")
    assert data.checksum == DOTS.checksum and data.name == "torch_halves"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("no_such_module:data", "No module named 'no_such_module'"),
        ("math:data", "has no attribute 'data'"),
        ("math:pi", "is float, wanted a learners.data.Dataset, a torch data set of pairs"),
    ],
)
def test_a_module_without_a_data_set_is_refused(where: str, says: str) -> None:
    with pytest.raises(BadData, match=says):
        load_data(where)


def test_a_folder_of_neither_kind_is_told_of_both(tmp_path: Path) -> None:
    for name in ("notes.txt", "loose.png"):
        (tmp_path / name).touch()
        with pytest.raises(
            BadData, match=r"neither class folders of pictures \(CLASS/\*.png\) nor IDX files"
        ):
            load_data(tmp_path)


def test_values_are_given_to_those_that_ask_for_them() -> None:
    data = load_data("friedman1", values=True)
    assert data.outputs == 1 and data.features == 10 and len(data.train.x) == 1600 and len(data.test.x) == 400
    assert abs(float(data.train.target.mean())) < 1e-5 and abs(float(data.train.target.std()) - 1) < 1e-5
    x, y = data.test.x.double(), data.test.target.double().squeeze(1)
    curve = (
        10 * (torch.pi * x[:, 0] * x[:, 1]).sin() + 20 * (x[:, 2] - 0.5).square() + 10 * x[:, 3] + 5 * x[:, 4]
    )
    assert float(torch.corrcoef(torch.stack([curve, y]))[0, 1]) > 0.999999
    with pytest.raises(BadData, match="'friedman1' has values for targets, wanted classes"):
        load_data("friedman1")
