"""Code in canonical form differs exactly if what it does may differ."""

import ast

import pytest

from studies.kit.run.canonical import canonical, without_presentation


def text(code: str) -> str:
    return canonical(ast.parse(code))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1  # one", "x = (1)"),
        ("def f():\n    'says'\n    return 1", "def f(): return 1"),
        ("class A:\n    x: int\n    'its meaning'", "class A:\n    x: int"),
    ],
)
def test_form_is_left_out(one: str, other: str) -> None:
    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = '1'", "x = 1"),
        ("x = b'1'", "x = '1'"),
        ("x = None", "x = ..."),
        ("f(None)", "f()"),
        ("f(a, b)", "f(a)(b)"),
        ("f([a], b)", "f([a, b])"),
        ("x = a - (b - c)", "x = (a - b) - c"),
        ("def f(a, /, b): ...", "def f(a, b, /): ..."),
        ("x[1:]", "x[:1]"),
        ("from a import b", "from .a import b"),
    ],
)
def test_code_is_not(one: str, other: str) -> None:
    assert text(one) != text(other)


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("def run(): pass\ndef table(rows): pass", "run"),
        ("def run(): table([])\ndef table(rows): pass", "run table"),
        ("def run(): _a()\ndef _a(): pass\ndef table(rows): _a()", "run _a"),
        ("def run(): pass\ndef _b(): pass\ndef _a(): _b()\ndef figures(rows): _a()", "run"),
        ("def run(): pass\ndef unused(): pass\ndef table(rows): pass", "run"),
        ("def run(): pass\nclass Joins(Others): pass\ndef table(rows): pass", "run Joins"),
        ("def run(): pass\n@f.register\ndef _a(): pass\ndef table(rows): _a()", "run _a"),
        ("def run(): pass\nTOY = Args()\nclass Args: pass\ndef plan(a=Args()): pass", "run Args plan"),
    ],
)
def test_tables_and_figures_go_with_what_only_they_use(code: str, left: str) -> None:
    body = without_presentation(ast.parse(code)).body
    assert [getattr(s, "name", "?") for s in body] == left.split()
