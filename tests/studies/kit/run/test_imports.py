"""Imports are followed by reading code, as Python would follow them."""

import ast
from pathlib import Path

import pytest

from studies.kit.run.imports import ImportGraph
from tests.source import modules


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("import a.b.c", "a a.b a.b.c"),
        ("import a.b.c as d", "a a.b a.b.c"),
        ("from a.b import c", "a a.b a.b.c"),
        ("from a.b.c import VALUE", "a a.b a.b.c"),
        ("def run():\n    from a.b import *", "a a.b"),
        ("from a import face", "a a.b a.b.c"),
        ("import json, torch", ""),
        ("from space import part", "space.part"),
        ("import nowhere", ""),
        ("import a.nothing", "a a.b a.b.c"),
    ],
)
def test_what_is_imported_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, wanted: str
) -> None:
    """A package's `__init__` is run with any module in it."""
    files = {"root.py": code, "a/__init__.py": "", "a/b/__init__.py": "", "a/b/c.py": "VALUE = 1"}
    files |= {"space/part.py": ""}
    if "face" in code or "nothing" in code:
        files["a/__init__.py"] = "from .b.c import VALUE as face"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert {*ImportGraph(["root"]).code} == {*wanted.split(), "root"}


def test_importing_a_module_of_ours_does_nothing_to_another() -> None:
    """So packages need not be followed for what they import besides what was asked of them."""
    for name, tree in modules().items():
        if name == "analog.environment.__init__":
            continue  # makes itself known to gymnasium
        defined = {getattr(s, "name", None) for s in tree.body} | {"__name__"}
        for statement in tree.body:
            if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
                raise AssertionError(f"{name} calls {ast.unparse(statement)}")
            for target in getattr(statement, "targets", []):
                assert isinstance(target, ast.Name | ast.Tuple), f"{name} sets {ast.unparse(target)}"
            for decorator in getattr(statement, "decorator_list", []):
                root = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(root, ast.Attribute) and root.attr == "register":
                    assert ast.unparse(root.value) in defined, f"{name} registers with {ast.unparse(root)}"
