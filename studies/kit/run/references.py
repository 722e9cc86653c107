"""Parts on the command line: a device, an answer format or a method is named by where it is imported from.

`analog:Mismatched` is that class with its defaults, `mine:Memristor(levels=32)` with arguments, and
`analog.effects:Endurance(analog:Mismatched(severity=0.5))` holds another part. The name of a function alone
is the function, so that `python -m studies` can be given whatever can be imported.
"""

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from pkgutil import iter_modules
from typing import Any

_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_QUOTED_OR_REFERENCE = re.compile(
    rf"""(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<module>{_NAME}):(?P<name>{_NAME})"""
)
_EXAMPLES = "as in analog:Mismatched or mine:Memristor(levels=32)"


class BadReference(Exception):
    """A name on the command line under which nothing suitable could be imported."""


def resolve(reference: str, *, takes: int = 0) -> Any:
    """Import the object that a reference names, and call it if it has arguments or is a class.

    Args:
        reference: `module:name`, or `module:name(...)` with numbers, strings, tuples, lists, dictionaries,
            None and further references as arguments.
        takes: how many positional arguments the caller has for what is named, such as a loss for a recipe.
            What wants them before those in the reference is not called yet: it is given back as a function
            of them.

    Raises:
        BadReference: in one line, what was wrong.
    """
    references: dict[str, str] = {}

    def abbreviated(match: re.Match[str]) -> str:
        if match["quoted"] is not None:
            return match[0]
        word = f"_reference_{len(references)}"
        references[word] = match[0]
        return word

    try:
        expression = _QUOTED_OR_REFERENCE.sub(abbreviated, reference)
        if not expression.startswith("_reference_0"):
            raise ValueError(f"wanted module:name or module:name(word=value), {_EXAMPLES}")
        node = ast.parse(expression, mode="eval").body
        if not isinstance(node.func if isinstance(node, ast.Call) else node, ast.Name):
            raise ValueError(f"wanted module:name or module:name(word=value), {_EXAMPLES}")
        return _evaluated(node, references, takes)
    except SyntaxError as error:
        problem = f"{error.msg}; wanted module:name(word=value), {_EXAMPLES}"
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        problem = " ".join(str(error).partition(" on line")[0].split()) or type(error).__name__
    except (Exception, SystemExit) as error:  # whatever a user's module or class does
        problem = one_line(error)
    if (file := re.match(r"(?:\./)?([\w./]*?)\.py\b", reference)) is not None:
        problem = f"for a file write {file[1].replace('/', '.')}{reference[file.end() :] or ':name'}"
    raise BadReference(f"{reference}: {problem}")


def reference(part: Any) -> str:
    """The inverse of `resolve`: where a part is imported from, and the arguments that are not the defaults.

    Args:
        part: a dataclass whose fields are such parts or numbers, strings, tuples; or a function or class.
    """
    if isinstance(part, partial):
        arguments = [f"{name}={argument_text(value)}" for name, value in part.keywords.items()]
        return f"{reference(part.func)}({', '.join(arguments)})"
    kind = part if isinstance(part, type) or hasattr(part, "__qualname__") else type(part)
    place = f"{kind.__module__}:{kind.__qualname__}"
    if kind is part or not dataclasses.is_dataclass(part):
        return place
    changed = [
        f"{field.name}={argument_text(value)}"
        for field in dataclasses.fields(part)
        if field.init and (value := getattr(part, field.name)) != default_of(field)
    ]
    return place + (f"({', '.join(changed)})" if changed else "")


def public_reference(part: Any) -> str:
    """`reference`, with each part named from the outermost package that has it: `analog:Mismatched`."""

    def shortened(match: re.Match[str]) -> str:
        if match["quoted"] is not None:
            return match[0]
        packages = match["module"].split(".")
        outer = (".".join(packages[:k]) for k in range(1, len(packages) + 1))
        imported = import_part(match[0])
        return next(f"{name}:{match['name']}" for name in outer if _has(name, match["name"], imported))

    return _QUOTED_OR_REFERENCE.sub(shortened, reference(part))


def short_reference(reference: str) -> str:
    """The class and the first argument that a reference names, for tables."""
    name = re.sub(rf"{_NAME}:", "", reference)
    try:
        call = ast.parse(name, mode="eval").body
    except SyntaxError:  # other words
        return name
    if not isinstance(call, ast.Call):
        return name
    first, *more = [ast.get_source_segment(name, part) for part in (*call.args, *call.keywords)]
    return f"{ast.unparse(call.func)}({first}{', ...' if more else ''})"


def one_line(error: BaseException) -> str:
    """An error as its kind and its words, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _evaluated(node: ast.expr, references: dict[str, str], takes: int = 0) -> Any:
    match node:
        case ast.Name(id=word) if word in references:
            imported = import_part(references[word])
            if isinstance(imported, type) and not _wants(imported, takes, (), {}):
                return imported()
            return imported
        case ast.Call(func=ast.Name(id=word)) if word in references:
            return _called(references[word], node, references, takes)
        case ast.Tuple(elts=items):
            return tuple(_evaluated(item, references) for item in items)
        case ast.List(elts=items):
            return [_evaluated(item, references) for item in items]
    try:
        return ast.literal_eval(node)
    except ValueError:
        wanted = "values are numbers, strings, tuples and module:name(...)"
        raise ValueError(f"{ast.unparse(node)} is no value; {wanted}") from None


def _called(place: str, call: ast.Call, references: dict[str, str], takes: int) -> Any:
    imported = import_part(place)
    if any(k.arg is None for k in call.keywords):
        raise ValueError("wanted module:name(word=value)")
    positional = [_evaluated(a, references) for a in call.args]
    keywords = {str(k.arg): _evaluated(k.value, references) for k in call.keywords}
    words = inspect.signature(imported).parameters
    unknown = [word for word in keywords if word not in words]
    if unknown and all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in words.values()):
        raise ValueError(f"{place.partition(':')[2]} has no {unknown[0]!r}{_perhaps(unknown[0], words)}")
    if _wants(imported, takes, positional, keywords):
        given = inspect.signature(imported).bind(*[None] * takes, *positional, **keywords).arguments
        return partial(imported, **dict([*given.items()][takes:]))
    return imported(*positional, **keywords)


def _wants(function: Any, takes: int, positional: Iterable[Any], keywords: dict[str, Any]) -> bool:
    """Whether a function cannot be called with these arguments, but with so many more before them."""
    signature = inspect.signature(function)
    try:
        signature.bind(*positional, **keywords)
    except TypeError:
        try:
            signature.bind(*[None] * takes, *positional, **keywords)
        except TypeError:
            return False
        return takes > 0
    return False


def _has(module: str, name: str, imported: Any) -> bool:
    try:
        return import_part(f"{module}:{name}") is imported
    except ValueError:
        return False


def import_part(place: str) -> Any:
    """Import what `module:name` names, and leave it as it is: a class is not called.

    Raises:
        ValueError: there is no such module, or it has no such name.
    """
    name, _, path = place.partition(":")
    try:
        imported: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}{_perhaps_module(str(error.name))}") from error
    for word in path.split("."):
        if not hasattr(imported, word):
            raise ValueError(f"{name} has no {word!r}{_perhaps(word, dir(imported))}")
        imported = getattr(imported, word)
    return imported


def _perhaps(word: str, known: Any) -> str:
    """The nearest known word, else all of them if they are few."""
    public = [k for k in known if not k.startswith("_")]
    folded = {k.lower(): k for k in public}
    near = get_close_matches(word.lower(), folded, 1)
    return (
        f", perhaps {folded[near[0]]!r}"
        if near
        else f"; it has {', '.join(public)}"
        if len(public) <= 30
        else ""
    )


def _perhaps_module(missing: str) -> str:
    """The nearest module that there is beside a missing one."""
    package, _, name = missing.rpartition(".")
    try:
        paths = importlib.import_module(package).__path__ if package else None
    except (ImportError, AttributeError):
        return ""
    near = get_close_matches(name, [module.name for module in iter_modules(paths)], 1)
    return f", perhaps {'.'.join([package, near[0]] if package else near)!r}" if near else ""


def argument_text(value: Any) -> str:
    """A value as an argument in a reference."""
    if dataclasses.is_dataclass(value) or isinstance(value, partial) or hasattr(value, "__qualname__"):
        return reference(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(argument_text, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def default_of(field: Any) -> Any:
    """The default of a dataclass's field."""
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()
