"""The page of results is what the archived rows give, and what README quotes stands on it."""

import re
from functools import cache

import pytest

from studies.kit.report.results_page import results_page
from studies.kit.run.archive import read_archive
from studies.kit.run.catalog import study_of
from tests.source import ROOT

ARCHIVES, PAGE = ROOT / "docs/archive", ROOT / "docs/results.md"
PLACES = sorted(path.parent for path in ARCHIVES.glob("*/*/manifest.json"))
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/sources").glob("*.md")),
]
QUOTES = [
    quote
    for page in PAGES
    for quote in re.findall(
        r"^\|(.*)\| *\[rows\]\((?:docs/|\.\./)?archive/([^)]+)\) *\|$", page.read_text(), re.M
    )
]
LANGUAGE = ROOT / "docs/language.md"


def test_the_page_of_results_is_made_from_the_archive() -> None:
    """If this fails: python -m studies results."""
    assert PAGE.read_text() == results_page(ARCHIVES)


@pytest.mark.parametrize(("text", "place"), QUOTES, ids=[place for _, place in QUOTES])
def test_every_number_that_is_quoted_is_in_the_table_of_its_archive(text: str, place: str) -> None:
    measured = _numbers_of_table(place)
    quoted = re.findall(r"\d[\d.,]*\d|\d", text.split("|")[-1])  # the cell before the link
    assert quoted and {*quoted} <= measured, f"not in the archived table: {sorted({*quoted} - measured)}"


@cache
def _numbers_of_table(place: str) -> frozenset[str]:
    kept = read_archive(ARCHIVES / place)
    table = " ".join(str(cell) for row in study_of(kept.manifest).table(kept.rows) for cell in row.values())
    return frozenset(re.findall(r"\d[\d.,]*\d|\d", table.replace("+-", " ")))


def test_readme_and_pages_quote_archives() -> None:
    assert len({place for _, place in QUOTES}) > 3


def test_what_chips_are_said_to_write_they_wrote() -> None:
    """The table of samples: ways in its first line, the beginnings of texts in its last."""
    (names, texts) = re.findall(r"^\| (teacher, .*|.*<br>.*) \|$", LANGUAGE.read_text(), re.M)
    places = {place for _, place in QUOTES if place.startswith("language_heirs")}
    ends = [r for place in sorted(places) for r in read_archive(ARCHIVES / place).rows if "text" in r]
    for name, text in zip(names.split(" | "), texts.split(" | "), strict=True):
        nats = float(name.split(", ")[1].removesuffix(" nats"))
        written = [r["text"] for r in ends if round(r["nats"][0], 2) == nats]
        assert any(t.strip("\n").startswith(text.replace("<br>", "\n")) for t in written), name
