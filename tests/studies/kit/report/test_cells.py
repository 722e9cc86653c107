"""Cells are read as the numbers that they show."""

import pytest

from studies.kit.report.cells import CellNumber, number_of, shown


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("96.1 +- 0.3", CellNumber(96.1, 0.3)),
        ("-1.5 ± 2", CellNumber(-1.5, 2.0)),
        ("96.1 (all equal)", CellNumber(96.1)),
        ("96.1 +- <0.01", CellNumber(96.1, 0.01)),
        ("all equal", None),
        ("1,200,000", CellNumber(1.2e6)),
        ("4.7e+02", CellNumber(470.0)),
        ("+3.25", CellNumber(3.25)),
        (3, CellNumber(3.0)),
        (0.5, CellNumber(0.5)),
        ("", None),
        ("3 of 12", None),
        ("dead", None),
        ("91.1 / 95.8", None),
        (True, None),
        ("e", None),
        (",", None),
    ],
)
def test_a_cell_is_a_number_or_words(cell: object, wanted: CellNumber | None) -> None:
    assert number_of(cell) == wanted


def test_an_interval_is_shown_by_its_sign() -> None:
    assert shown("96.1 +- 0.3") == "96.1 ± 0.3"
