"""What is said of the fields of a class, or the values of a module, in comments and in `setting`."""

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, Final

from analog.settings import settings

PACKAGES: Final = ("analog", "learners", "distill", "studies")


def comments_of_fields(owner: Any) -> dict[str, str]:
    """The comment of every annotated field, or assigned value, of a module, or of a class and its bases.

    Args:
        owner: a class or module; a comment stands behind the field or on the lines before it.
    """
    if not inspect.isclass(owner):
        return _comments_in(owner)
    ours = [kind for kind in reversed(owner.__mro__) if kind.__module__.partition(".")[0] in PACKAGES]
    return {name: text for kind in ours for name, text in _comments_in(kind).items()}


def _comments_in(owner: Any) -> dict[str, str]:
    try:
        source = inspect.getsource(owner)
    except (OSError, TypeError):
        return {}
    source = inspect.cleandoc(f"\n{source}")
    tree = ast.parse(source)
    body = (
        tree.body[0].body if inspect.isclass(owner) and isinstance(tree.body[0], ast.ClassDef) else tree.body
    )
    comments = _comments(source)
    return {
        name: text
        for node in body
        for name in _names(node)
        if (text := comments.get(node.end_lineno or 0, ("", False))[0] or _before(comments, node.lineno))
    }


def settings_of(owner: type) -> dict[str, str]:
    """The meaning of each parameter of a device that states it, and what it may be."""
    if not is_dataclass(owner):
        return {}
    return {name: f"{s.meaning}; {s.wanted}" for name, s in settings(owner).items() if s.meaning}


def _names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]):
            yield name
        case ast.Assign(targets=[ast.Tuple(elts=names)]):
            yield from (each.id for each in names if isinstance(each, ast.Name))


def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """The comment of each line, and whether it has the line to itself."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        t.start[0]: (t.string.lstrip("#: "), not t.line[: t.start[1]].strip())
        for t in tokens
        if t.type == tokenize.COMMENT and not t.string.startswith(("# type", "# noqa"))
    }


def _before(comments: dict[int, tuple[str, bool]], line: int) -> str:
    """The comment that fills the lines before one."""
    found: list[str] = []
    while (above := comments.get(line - 1 - len(found))) and above[1]:
        found.insert(0, above[0])
    return " ".join(found)
