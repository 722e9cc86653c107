"""Tests of the laws that refuse what no factory may deliver."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from analog import ContractError, Costs, Device, Ideal, Mismatched
from analog.check.fabrication import check_fabrication, check_files, check_parameters
from analog.effects import Endurance
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import Law, faults_of, honest_with, judge, require_kept, require_refused

LAWS = (
    check_parameters,
    check_fabrication,
    check_files,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)


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
