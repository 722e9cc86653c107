"""The manifest tells apart what was made by different arguments, files and parts."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from learners import CrossEntropy, SquaredError, adam, sgd
from studies.hardware import calibrate
from studies.kit.run.manifest import manifest, to_json


class Pair(NamedTuple):
    left: int = 1


class Other(NamedTuple):
    left: int = 1


@dataclass(frozen=True)
class Part:
    inner: Any = 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.zeros(2000), torch.zeros(2000).index_fill(0, torch.tensor(7), 1.0)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        (Pair(), Other()),
        (Pair(), (1,)),
        (Part(Part(1)), Part(Part(2))),
        (sgd, adam),
        (partial(sgd, 0.1), partial(sgd, 0.2)),
        (partial(sgd, rate=0.1), sgd),
        ({"a": 1}, {"b": 1}),
        (Part, Pair),
        (CrossEntropy(), SquaredError()),
    ],
)
def test_different_values_are_told_apart(one: Any, other: Any) -> None:
    assert to_json(one) != to_json(other)


@pytest.mark.parametrize("value", [object(), lambda: 1, {1: 2}, sgd(0.1), torch.Generator()])
def test_what_has_no_stable_description_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="make .* a dataclass"):
        to_json(value)


def test_a_file_of_measurements_is_told_by_its_content(tmp_path: Path) -> None:
    """The same path with other numbers in it is another run."""
    path = tmp_path / "pulses.csv"
    path.write_text(calibrate.EXAMPLE.read_text())
    first = manifest(calibrate, calibrate.Args(data=path), 1, ["calibrate"])["made_by"]
    again = manifest(calibrate, calibrate.Args(data=path), 1, ["calibrate"])["made_by"]
    path.write_text(calibrate.EXAMPLE.read_text().replace("0.01805", "0.01806"))
    other = manifest(calibrate, calibrate.Args(data=path), 1, ["calibrate"])["made_by"]
    assert first == again and first["data_md5"] != other["data_md5"]
