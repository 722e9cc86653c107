"""The ladder of 1989: its checks differ from their rungs by one thing, and the price of naming stays."""

from typing import Any

import pytest

from analog import stream
from studies.optimizers.lecun1989 import LADDER, TOY, RungName, figures, table

CHECKS = [name for name, rung in LADDER.items() if rung.beside is not None]


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_alters_its_rung_by_one_thing(name: RungName) -> None:
    check = LADDER[name]
    assert check.beside is not None
    rung = LADDER[check.beside]
    settings = [a != b for a, b in zip(check.schedule, rung.schedule, strict=True)]
    kinds = [getattr(each.network, "args", ()) for each in (check, rung)]
    functions = [getattr(each.network, "func", each.network) for each in (check, rung)]
    assert sum(settings) + (kinds[0] != kinds[1] or functions[0] is not functions[1]) == 1
    assert (check.images, check.averaged) == (rung.images, 0) and check.said and check.published is None


def test_every_rung_names_an_image_at_the_price_of_1989() -> None:
    for name, rung in LADDER.items():
        network = rung.network([stream(0, "price")])
        if name != "micro-ViT":
            assert network.products == 63_660
        assert len(network.knobs) >= network.parameters


def rows(name: str, error: float) -> dict[str, Any]:
    shares = [error, error + 0.002]
    row = {"what": "end", "rung": name, "passes": 23, "images": 60, "train": shares, "test": shares}
    row |= {"misses": [1, 2], "whole test": shares, "images of test": 2007, "images of whole test": 10_000}
    return row | {"products": 63_660}


def test_a_check_is_told_in_points_above_its_rung() -> None:
    lines = table([rows("base", 0.04), rows("base, ReLU", 0.0425), rows("weight norm", 0.02)])
    assert [line["points above"] for line in lines] == ["", "base: +0.25", ""]  # its rung was not run
    assert lines[1]["published test %"] == "no substantial gain"
    assert figures([rows("base, ReLU", 0.04)])


def test_times_are_of_a_whole_training() -> None:
    time = {"what": "times", "rung": "base", "passes": 23, "images": 7291, "products": 63_660}
    (line,) = table([time | {"training": 90.0, "naming": 5e-5}])
    assert line["one seed trains, min"] == "1.5" and line["naming one, us"] == "50"
    assert "errors" in TOY.measure and "times" not in TOY.measure
