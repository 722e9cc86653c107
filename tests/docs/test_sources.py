"""The pages of the sources: each is reached, cites its source, names studies that there are."""

import re

import pytest

from docs._site.archived import FENCE, archived_tables
from studies.kit.run.catalog import catalog
from tests.source import ROOT

FOLDER = ROOT / "docs" / "sources"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.stem != "index")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_says_what_was_tried_and_what_came_out(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]
    said, tried, came_out = (
        text.index(f"## {heading}") for heading in ("What it says", "What was tried", "What came out")
    )
    assert said < tried < came_out
    assert "https://" in text[:said]  # the source
    asked = [match[0] for match in FENCE.findall(text)]
    assert asked and {*asked} <= {*catalog()}
    assert text.count("```{archived}") == len(asked)
    for name in asked:
        assert f"`{name}" in text[:came_out], f"{name} is shown and was not said to be tried"


def test_every_page_is_reached_from_the_first() -> None:
    index = (FOLDER / "index.md").read_text()
    assert "sources/index" in (ROOT / "docs/index.md").read_text()
    for path in PAGES:
        assert f"({path.name})" in index and re.search(rf"^{path.stem}$", index, re.MULTILINE)
    named = {
        word for row in index.splitlines() if row.startswith("| [") for word in re.findall("`(.*?)`", row)
    }
    assert named and named <= {*catalog()}


def test_tables_are_those_of_the_archive_and_where_there_is_none_it_says_so() -> None:
    kept = "\n".join(archived_tables("heirs", ROOT, "../studies"))
    assert "python -m studies heirs" in kept and "| --- |" in kept and "](../studies/heirs.md)" in kept
    (none,) = archived_tables("soft_answers", ROOT / "tests", "../studies")
    assert "not run yet" in none
