"""The page of results is what the archived rows give, and what README quotes stands on it."""

import re

import pytest

from studies.kit.report.results_page import results_page
from studies.kit.run.archive import read_archive
from studies.kit.run.catalog import study_of
from tests.source import ROOT

ARCHIVES, PAGE = ROOT / "docs/archive", ROOT / "docs/results.md"
PLACES = sorted(path.parent for path in ARCHIVES.glob("*/*/manifest.json"))
QUOTES = re.findall(
    r"^\|(.*)\| *\[rows\]\(docs/archive/([^)]+)\) *\|$", (ROOT / "README.md").read_text(), re.M
)


def test_the_page_of_results_is_made_from_the_archive() -> None:
    """If this fails: python -m studies results."""
    assert PAGE.read_text() == results_page(ARCHIVES)


@pytest.mark.parametrize(("text", "place"), QUOTES, ids=[place for _, place in QUOTES])
def test_every_number_that_readme_quotes_is_in_the_table_of_its_archive(text: str, place: str) -> None:
    kept = read_archive(ARCHIVES / place)
    table = " ".join(str(cell) for row in study_of(kept.manifest).table(kept.rows) for cell in row.values())
    measured = set(re.findall(r"\d[\d.,]*\d|\d", table.replace("+-", " ")))
    quoted = re.findall(r"\d[\d.,]*\d|\d", text.split("|")[-1])  # the cell before the link
    assert quoted and {*quoted} <= measured, f"not in the archived table: {sorted({*quoted} - measured)}"


def test_readme_quotes_archives() -> None:
    assert QUOTES or not PLACES
