"""Mutants: small faults planted in a module's text, one at a time.

A mutant swaps an operator, a comparison or a reduction, moves a constant, drops a statement, a sign, a branch
or a raise. Messages, annotations and `__all__` are left alone, and so is the `strict` of a `zip`: it asserts
that lengths are equal, and where they are, nothing depends on it.
"""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

Path = tuple[tuple[str, int | None], ...]  # from a module down to a node: fields, and places in their lists
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_NAMES = {"sum": "mean", "mean": "sum", "min": "max", "amin": "amax", "minimum": "maximum", "any": "all"}
_NAMES |= {
    "floor": "ceil",
    "norm": "sum",
    "exp": "log1p",
    "square": "abs",
    "sqrt": "square",
    "normal": "uniform",
}
_NAMES |= {new: old for old, new in _NAMES.items() if new not in _NAMES}


class Mutant(NamedTuple):
    """One fault: where it is, what stood there, and what stands there now."""

    number: int  # of the line
    line: str
    before: str
    after: str
    function: tuple[str, int] | None  # qualified name and first line of what changed; None: what import runs
    module: ast.Module  # without the fault
    path: Path
    changed: ast.AST

    @property
    def tree(self) -> ast.Module:
        """The whole module with the fault, made when it is asked for."""
        whole = copy.deepcopy(self.module)
        _replace(whole, self.path, self.changed)
        return ast.fix_missing_locations(whole)

    def __str__(self) -> str:
        return f"{self.line} | {self.before} -> {self.after}"


def mutants(source: str, sizes: bool = True) -> list[Mutant]:
    """Every mutant of a module, in the order of its text.

    Args:
        source: the module's text.
        sizes: whether numbers are moved too that say how much or how many: all but the integers 0 and 1.
    """
    tree, lines, found = ast.parse(source), source.splitlines(), []
    for path, node in _sites(tree, ()):
        for changed in _changes(node, sizes):
            changed = ast.fix_missing_locations(
                ast.copy_location(copy.copy(changed), node)
            )  # may stand in it
            before, after = (" ".join(ast.unparse(n).split())[:160] for n in (node, changed))
            line = lines[node.lineno - 1].strip()
            function = _function(tree, path)
            found.append(Mutant(node.lineno, line, before, after, function, tree, path, changed))
    return found


def _function(tree: ast.Module, path: Path) -> tuple[str, int] | None:
    """The outermost function whose body a path leads into."""
    node: ast.AST = tree
    names: list[str] = []
    for field, k in path:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return (".".join(names), first) if field == "body" else None
        node = getattr(node, field) if k is None else getattr(node, field)[k]
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
    return None


def _sites(node: ast.AST, path: Path) -> Iterator[tuple[Path, ast.AST]]:
    """Nodes that run: annotations, decorators, docstrings, messages and `__all__` are passed over."""
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return
    yield path, node
    if isinstance(node, ast.Raise):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "ctx", "bases", "type_params"):
            continue
        if field == "keywords" and isinstance(node, ast.Call) and ast.unparse(node.func) == "zip":
            continue
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant) and field == "target":
            continue
        children = (
            [(i, child) for i, child in enumerate(value)] if isinstance(value, list) else [(None, value)]
        )
        for i, child in children:
            if isinstance(child, ast.AST):
                yield from _sites(child, (*path, (field, i)))


def _changes(node: ast.AST, sizes: bool) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY and not _is_text(node):
        yield ast.BinOp(node.left, _BINARY[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _BINARY:
        yield ast.AugAssign(node.target, _BINARY[type(node.op)](), node.value)
        yield ast.Pass()
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in _COMPARE.get(type(op), ()):
                yield ast.Compare(node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.If | ast.While) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield type(node)(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Raise) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Yield)
    ):
        yield ast.Pass()
    elif isinstance(node, ast.Constant):
        if sizes or (isinstance(node.value, int) and node.value in (0, 1)):
            yield from _constants(node.value)
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield ast.Attribute(node.value, _NAMES[node.attr], node.ctx)
    elif (
        isinstance(node, ast.Name)
        and node.id in ("min", "max", "any", "all")
        and isinstance(node.ctx, ast.Load)
    ):
        yield ast.Name(_NAMES[node.id], node.ctx)
    elif isinstance(node, ast.Continue | ast.Break):
        yield ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr | ast.Constant)
        and not isinstance(getattr(side, "value", 0), int | float)
        for side in (node.left, node.right)
    )


def _constants(value: object) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
    elif isinstance(value, float):
        yield ast.Constant(2 * value if value else 1.0)


def _replace(tree: ast.AST, path: Path, new: ast.AST) -> None:
    *way, (field, i) = path
    node = tree
    for name, k in way:
        node = getattr(node, name) if k is None else getattr(node, name)[k]
    if i is None:
        setattr(node, field, copy.deepcopy(new))
    else:
        getattr(node, field)[i] = copy.deepcopy(new)
