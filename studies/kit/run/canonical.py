"""The code of a module as far as rows can depend on it: without comments, docstrings, tables and figures."""

import ast
from collections.abc import Iterator

KEPT = frozenset({"Args", "plan", "run"})  # names of a study that its rows come from
PRESENTATION = frozenset({"table", "figures", "TOY"})  # and those that no row depends on


def canonical(tree: ast.AST) -> str:
    """A text that is the same for the same code, whatever its comments, docstrings and line breaks.

    Empty fields are left out, because newer versions of Python add some.
    """
    return "".join(_written(tree))


def without_presentation(tree: ast.Module) -> ast.Module:
    """A study without `table`, `figures`, `TOY` and what only they use.

    Functions and constants that nothing uses are left out as well. An import, a class or the result of a call
    may matter to others, so that it is left out only if something that was left out names it and nothing that
    stays does. What is decorated or defined twice stays.
    """
    statements = [part for statement in tree.body for part in _parts(statement)]
    defined = [_defined(s) for s in statements]
    uses = [frozenset(n.id for n in ast.walk(s) if isinstance(n, ast.Name)) for s in statements]
    droppable = {
        i for i, name in enumerate(defined) if name and name not in KEPT and defined.count(name) == 1
    }
    left = {*range(len(statements))}
    names_in_use = set(PRESENTATION)  # by what was left out
    while True:
        dropped = {
            i
            for i in left & droppable
            if (defined[i] in names_in_use or _is_inert(statements[i]))
            and not any(defined[i] in uses[k] for k in left - {i})
        }
        if not dropped:
            return ast.Module([statements[i] for i in sorted(left)], [])
        left -= dropped
        names_in_use.update(*(uses[i] for i in dropped))


def _is_inert(statement: ast.stmt) -> bool:
    """Whether a definition does nothing to anything else."""
    if isinstance(statement, ast.FunctionDef):
        return True
    return isinstance(statement, ast.Assign) and not any(isinstance(n, ast.Call) for n in ast.walk(statement))


def _parts(statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement; an import of several names as several imports."""
    if isinstance(statement, ast.ImportFrom):
        yield from (ast.ImportFrom(statement.module, [a], statement.level) for a in statement.names)
    elif isinstance(statement, ast.Import):
        yield from (ast.Import([a]) for a in statement.names)
    else:
        yield statement


def _defined(statement: ast.stmt) -> str | None:
    """The one name that a statement defines and that can be left out with it; None if there is none."""
    match statement:
        case ast.FunctionDef(name=name, decorator_list=[]) | ast.ClassDef(name=name, decorator_list=[]):
            return None if name.startswith("__") else name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Import(names=[alias]) | ast.ImportFrom(names=[alias]):
            return alias.asname or alias.name.partition(".")[0]
    return None


def _written(node: object) -> Iterator[str]:
    if isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for field, value in ast.iter_fields(node):
            if value is not None and value != []:
                yield f"{field}="
                yield from _written(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)):  # a docstring
                yield from _written(item)
        yield "]"
    else:
        yield f"{node!r},"
