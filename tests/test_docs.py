"""The documentation's pages name what is there; that they build and show is tested by `make browser-test`."""

import ast
import builtins
import re

import pytest

from tests.source import ROOT, modules
from tests.test_words import identifiers

DOCS = ROOT / "docs"
OURS = {"concepts.md": r"`([^`]+)`", "coming_from.md": r"^\|[^|]*\|([^|]*)\|"}  # where names of ours stand


def known_words() -> set[str]:
    """Every identifier of the project, and every module's name."""
    bound = {word for tree in modules().values() for word, _ in identifiers(tree)}
    defined = {
        node.name
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    return bound | defined | {part for name in modules() for part in name.split(".")}


@pytest.mark.parametrize("page", OURS)
def test_pages_name_what_is_there(page: str) -> None:
    text = "\n".join(re.findall(OURS[page], (DOCS / page).read_text(), re.MULTILINE))
    spans = re.findall(r"`([^`]+)`", text) if page == "coming_from.md" else text.splitlines()
    code = [re.sub(r"\"[^\"]*\"", "", span) for span in spans if not span.startswith("_")]
    words = {word for span in code for word in re.findall(r"[A-Za-z_]\w*", span)}
    assert len(words) > 20
    assert words - known_words() - set(dir(builtins)) - {"x"} == set()


def test_the_tutorials_are_linked_from_the_first_page() -> None:
    scripts = {path.stem for path in (DOCS / "tutorials").glob("plot_*.py")}
    assert len(scripts) >= 7
    assert set(re.findall(r"\(tutorials/(\w+)\.py\)", (DOCS / "index.md").read_text())) == scripts
