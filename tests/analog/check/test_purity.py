"""Tests of the laws that refuse functions that alter their arguments."""

import re
from typing import Any

import pytest
import torch

from analog import ContractError, Ideal
from analog.check.purity import check_purity
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_purity,
)


def halved(cells: IdealCells, there: bool) -> IdealCells:
    return IdealCells(cells.knobs.half()) if there else cells


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"pulse": lambda c, d, n: halved(IdealCells(c.knobs + d), bool(c.knobs.any()))},
            "layer 0: pulse gave cells.knobs of .* torch.float16, wanted .* torch.float32; .* .size 0.01.$",
        ),
        (
            {"pulse": lambda c, d, n: halved(IdealCells(c.knobs + d), not bool(c.knobs.any()))},
            "pulse gave cells.knobs of .* torch.float16, .* .size 0.01, of blank cells.$",
        ),
        (
            {"perturb": lambda c, o: halved(IdealCells(c.knobs + o), bool(o.abs().max() > 50))},
            "perturb gave cells.knobs of .* torch.float16, .* .size 100.$",
        ),
        (
            {"pulse": lambda c, d, n: IdealCells((c.knobs + d) / (d.abs() < 50))},
            "pulse gave cells.knobs that is not finite .size 100.$",
        ),
        (
            {"pulse": lambda c, d, n: IdealCells(c.knobs + (d.mul_(0.5) if d.abs().max() > 50 else d))},
            "pulse altered what was sent; device functions are pure$",
        ),
        *(
            (
                {"age": lambda c, s, n, wait=wait: halved(c, s == wait)},
                "age gave cells.knobs .*" + re.escape(f"({wait:g} s)"),
            )
            for wait in (0.0, 1e-6, 1.0, 1e5, 1e9)
        ),
        ({"bounds": lambda c: (c.knobs.mul_(0.5), c.knobs)}, "bounds altered knobs"),
        ({"worn_out": lambda c: c.knobs.mul_(0.5).any(-1).any(-1).any(-1)}, "worn_out altered knobs"),
        ({"sense": lambda c, u, n: u / (u.abs() < 50)}, "sense gave values that are not finite .size 100.$"),
        ({"fire": lambda c, u, n: u / (u.dtype == torch.float32)}, "fire gave values .* .size 0.5.$"),
    ],
    ids=range(14),
)
def test_what_is_of_another_form_at_times_is_named_by_when(change: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        judge(check_purity, bent(Ideal(), **change))
