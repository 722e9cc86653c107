"""The promises of docstrings: a first sentence that stands alone, shapes of tensors, errors, linked sources.

Public are the classes and functions of every module, and the methods that those classes state, unless a name
begins with an underscore. A method without a docstring takes that of the class or protocol whose method it
is. Sources are looked for in all modules, those of studies too.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch import Tensor

from tests.source import modules

LEANING = ("Of ", "At ", "By ", "In ", "To ", "For ", "What ", "Whom ", "Who ", "Which ")
SHAPE = re.compile(r"\((?:[^()]*,|\.\.\.|\*?\w+ \* )[^()]*\)|\bscalar\b|shape")  # (*fleet, n), (n,), (...)
SOURCE = re.compile(r"\b(?:et al\.|[A-Z][a-zé]+(?: and|,) [A-Z][a-zé]+)[^.]{0,120}?\b(?:19|20)\d\d\b")
LINK = re.compile(r"https://\S+")


def stated(module: Any) -> Iterator[Any]:
    """The classes and functions that a module defines, and the methods of those classes."""
    for thing in vars(module).values():
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == module.__name__:
            methods = vars(thing).values() if inspect.isclass(thing) else ()
            yield from (thing, *filter(inspect.isfunction, (getattr(m, "__func__", m) for m in methods)))


def public(module: str) -> dict[str, Any]:
    """The public ones, by their names in the module."""
    things = {thing.__qualname__: thing for thing in stated(importlib.import_module(module))}
    return {name: thing for name, thing in things.items() if "<" not in name and "._" not in f".{name}"}


PUBLIC = {name: public(name) for name in modules() if not name.startswith("studies")}
PROTOCOLS = [c for things in PUBLIC.values() for c in things.values() if getattr(c, "_is_protocol", False)]


def docstring(thing: Any) -> str:
    """The docstring of a class or function; a method inherits that of a base or of a protocol."""
    inherited = [getattr(p, thing.__name__, None) for p in PROTOCOLS] if "." in thing.__qualname__ else []
    return next((words for words in map(inspect.getdoc, (thing, *inherited)) if words), "")


def definition(function: Callable[..., Any]) -> tuple[str, ast.FunctionDef]:
    """The text of a function, and its syntax."""
    text = textwrap.dedent(inspect.getsource(function))
    (tree,) = ast.parse(text).body
    assert isinstance(tree, ast.FunctionDef)
    return text, tree


def raises(node: ast.AST) -> bool:
    """Whether a function raises in its own body, not in a function that it makes."""
    if isinstance(node, ast.Raise):
        return node.exc is not None
    inner = (c for c in ast.iter_child_nodes(node) if not isinstance(c, ast.FunctionDef | ast.Lambda))
    return any(map(raises, inner))


def hides_a_raise(thing: Any) -> bool:
    """Whether a function, or the making of a class, raises and the docstring does not say what."""
    bodies = [thing]
    if inspect.isclass(thing):
        makers = (vars(thing).get(name) for name in ("__init__", "__post_init__"))
        home = inspect.getsourcefile(thing)  # an `__init__` that a dataclass generates has none
        bodies = [m for m in makers if inspect.isfunction(m) and m.__code__.co_filename == home]
    found = any(raises(definition(body)[1]) for body in bodies)
    return found and not re.search(r"\bRaises?\b|[Rr]efuse", docstring(thing))


def hides_a_shape(function: Callable[..., Any]) -> bool:
    """Whether it takes or gives a tensor of which neither docstring nor head's comments state the shape."""
    text, tree = definition(function)
    parameters = [a.annotation for a in ast.walk(tree.args) if isinstance(a, ast.arg)]
    types = [ast.unparse(a) for a in (*parameters, tree.returns) if a]
    comments = re.findall(r"#.*", text.partition('"""')[0])
    tensors = any(re.search(r"\bTensor\b", t) and "Callable" not in t for t in types)
    return tensors and not SHAPE.search("\n".join([docstring(function), *comments]))


@pytest.mark.parametrize("module", PUBLIC)
def test_the_first_sentence_of_a_docstring_stands_alone(module: str) -> None:
    first = {name: docstring(thing).partition("\n")[0] for name, thing in PUBLIC[module].items()}
    assert [name for name, words in first.items() if not words or words.startswith(LEANING)] == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_method_of_a_protocol_states_what_it_takes(protocol: Any) -> None:
    methods = [m for n, m in vars(protocol).items() if inspect.isfunction(m) and not n.startswith("_")]
    several = [m for m in methods if len(inspect.signature(m).parameters) > 2]  # self, and more than one
    assert [m.__name__ for m in several if "Args:" not in docstring(m)] == []


@pytest.mark.parametrize("module", PUBLIC)
def test_a_docstring_states_the_errors_that_are_raised(module: str) -> None:
    assert [name for name, thing in PUBLIC[module].items() if hides_a_raise(thing)] == []


@pytest.mark.parametrize("module", PUBLIC)
def test_a_docstring_states_the_shapes_of_tensors(module: str) -> None:
    functions = {name: thing for name, thing in PUBLIC[module].items() if inspect.isfunction(thing)}
    assert [name for name, function in functions.items() if hides_a_shape(function)] == []


@pytest.mark.parametrize("name", modules())
def test_a_source_that_is_named_is_linked(name: str) -> None:
    words = ast.get_docstring(modules()[name]) or ""
    assert LINK.search(words) or not SOURCE.search(words)


def test_every_gap_is_seen() -> None:
    def mute(x: Tensor) -> None:
        raise ValueError

    assert hides_a_raise(mute) and hides_a_shape(mute)
    assert SOURCE.search("weights (Mania, Guy and Recht, NeurIPS 2018)")
    assert not LINK.search("NeurIPS 2018")
