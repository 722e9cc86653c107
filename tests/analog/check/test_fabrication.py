"""Tests of the laws that refuse what no factory may deliver."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from analog import ContractError, Costs, Device, Ideal, Mismatched, load
from analog.check import fabrication
from analog.check.fabrication import check_fabrication, check_files, check_parameters
from analog.devices.ideal import IdealCells
from analog.effects import Endurance
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_parameters,
    check_fabrication,
    check_files,
)


@dataclass(frozen=True)
class Unset(Mismatched):
    """A parameter of which nothing is said."""

    extra: float = 1.0


class Telling(Ideal):
    """An ideal device that says something else of itself."""

    couples: Any = frozenset()
    costs: Any = Costs()

    def __init__(self, **says: Any) -> None:
        for name, value in says.items():
            object.__setattr__(self, name, value)


@pytest.mark.parametrize(
    ("device", "says"),
    [
        (Unset(), "parameter extra of Unset has no meaning, unit or range"),
        (Endurance(Unset()), "parameter extra of Unset has no meaning, unit or range"),
        (Telling(couples={"chips"}), "wanted a frozenset of some of"),
        (Telling(couples=frozenset({"chips", "moon"})), "wanted a frozenset of some of"),
        (Telling(costs=3.0), "wanted Costs; is costs a property"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_device_says_of_itself_is_of_the_form_that_is_wanted(device: Device, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        judge(check_parameters, device)


def test_a_chip_that_hangs_on_the_day_is_named() -> None:
    """The day is the same while the check runs; a clock that runs ahead shows it."""

    def dated(rows: int, cols: int, birth: Any) -> IdealCells:
        return IdealCells(birth.normal("knobs", rows, cols) + time.time() // 1e6)

    with pytest.raises(ContractError, match=r"fabricate reads the computer's clock \(time.time\)"):
        judge(check_fabrication, bent(Ideal(), fabricate=dated))


def test_dice_of_another_generator_are_named() -> None:
    def thrown(rows: int, cols: int, birth: Any) -> IdealCells:
        return IdealCells(birth.normal("knobs", rows, cols) + torch.rand(()))

    with pytest.raises(ContractError, match="torch.* was used by fabricate; draw from `birth` only"):
        judge(check_fabrication, bent(Ideal(), fabricate=thrown))


class Holding(NamedTuple):
    """Knobs and something else."""

    knobs: Tensor
    other: Any


def holding(other: Any) -> Device:
    return bent(
        Ideal(), fabricate=lambda r, c, b: Holding(b.normal("knobs", r, c), other(b.normal("o", r, c)))
    )


def marked(normals: Tensor) -> Tensor:
    normals.mark = 1  # type: ignore[attr-defined]
    return normals


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda n: n.unsqueeze(-1), "cells.other has 4 axes for one chip, wanted at most"),
        (lambda n: n.tolist(), r"cells.other\S* is \w+, wanted a tensor"),
        (lambda n: n.requires_grad_(), "cells.other requires a gradient"),
        (marked, "cells.other carries mark; a file keeps numbers alone"),
        (
            lambda n: n * torch.tensor([1.0] * (n.shape[-1] - 1) + [torch.inf]).to(n),
            "other is not finite at birth",
        ),
    ],
)
def test_cells_are_of_the_form_that_a_file_keeps(other: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        judge(check_fabrication, holding(other))


def test_a_field_of_complex_numbers_goes_through_a_file() -> None:
    judge(check_files, holding(lambda n: torch.complex(n.double(), n.double())))


def test_a_file_that_alters_cells_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(*given: Any) -> Any:
        chip = load(*given)
        chip._cells[1].knobs[..., 0, 0] += 1e-12
        return chip

    monkeypatch.setattr(fabrication, "load", altered)
    with pytest.raises(ContractError, match="layer 1: a file altered cells.knobs"):
        judge(check_files, Ideal())


def test_knobs_are_of_the_shape_and_dtype_that_the_layer_asks_for() -> None:
    for knobs, says in (
        (lambda n: n.mT, "cells.knobs is"),
        (lambda n: n.half(), "cells.knobs is torch.float16"),
    ):
        device = bent(
            Ideal(),
            fabricate=lambda r, c, b, knobs=knobs: Holding(knobs(b.normal("k", r, c)), b.normal("k", r, c)),
        )
        with pytest.raises(ContractError, match=says):
            judge(check_fabrication, device)
