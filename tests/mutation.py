"""Mutation score: the share of small faults, planted in modules one at a time, that their tests notice.

    python tests/mutation.py estimators laws --sample 60 --seed 0

A mutant swaps an operator, a comparison or a reduction, moves a constant, drops a statement, a sign, a
branch or a raise. Each is run in a fork that has torch loaded, against the tests named beside its module in
`MODULES`, stopped at the first failure; one that hangs counts as noticed. Mutants that change no behavior
are listed by their text in equivalent_mutants.txt, each with its reason, and are left out of the score.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
MODULES: dict[str, dict[str, tuple[str, ...]]] = {  # room: module: the tests that should notice
    "estimators": {
        f"learners/estimators/{name}.py": ("tests/learners/estimators", "tests/learners/check")
        for name in ("base", "node", "weight", "active", "flipout", "estimate", "gradient", "probing")
    },
    "schemes": {
        "learners/estimators/schemes.py": ("tests/learners/estimators", "tests/learners/theory/test_laws.py")
    },
    "probes": {
        f"learners/estimators/{name}.py": ("tests/learners/estimators", "tests/learners/theory/test_laws.py")
        for name in ("distributions", "joint_distributions", "structured_distributions")
    },
    "laws": {
        f"learners/theory/{name}.py": ("tests/learners/theory",)
        for name in ("laws", "best_settings", "tuning")
    },
    "control variates": {
        f"learners/estimators/{name}.py": ("tests/learners/estimators",)
        for name in ("control_variates", "feedback", "weight_mirrors")
    },
    "device check": {
        str(path.relative_to(ROOT)): ("tests/analog/check",)
        for path in sorted((ROOT / "analog" / "check").glob("*.py"))
    },
    "learner check": {
        str(path.relative_to(ROOT)): ("tests/learners/check",)
        for path in sorted((ROOT / "learners" / "check").glob("*.py"))
    },
    "devices": {
        f"analog/devices/{name}.py": ("tests/analog/devices",) for name in ("pulsed", "programmed", "trains")
    },
}
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
    """One fault: where it is, what stood there, what stands there now, and the whole module with it."""

    number: int  # of the line
    line: str
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.line} | {self.before} -> {self.after}"


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its text."""
    tree, lines, found = ast.parse(source), source.splitlines(), []
    for path, node in _sites(tree, ()):
        for changed in _changes(node):
            whole = copy.deepcopy(tree)
            _replace(whole, path, changed)
            text = ast.unparse(ast.fix_missing_locations(whole))
            before, after = (
                " ".join(ast.unparse(n).split())[:160] for n in (node, ast.fix_missing_locations(changed))
            )
            number = node.lineno
            found.append(Mutant(number, lines[number - 1].strip(), before, after, text))
    return found


def _sites(
    node: ast.AST, path: tuple[tuple[str, int | None], ...]
) -> Iterator[tuple[tuple[tuple[str, int | None], ...], ast.AST]]:
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
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant) and field == "target":
            continue
        children = (
            [(i, child) for i, child in enumerate(value)] if isinstance(value, list) else [(None, value)]
        )
        for i, child in children:
            if isinstance(child, ast.AST):
                yield from _sites(child, (*path, (field, i)))


def _changes(node: ast.AST) -> Iterator[ast.AST]:
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


def _replace(tree: ast.AST, path: tuple[tuple[str, int | None], ...], new: ast.AST) -> None:
    *way, (field, i) = path
    node = tree
    for name, k in way:
        node = getattr(node, name) if k is None else getattr(node, name)[k]
    if i is None:
        setattr(node, field, copy.deepcopy(new))
    else:
        getattr(node, field)[i] = copy.deepcopy(new)


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and gives the mutant in its place."""

    def __init__(self, module: str, source: str) -> None:
        self.path, self.source = ROOT / module, source
        self.package = self.path.name == "__init__.py"
        self.name = ".".join(Path(module).with_suffix("").parts).removesuffix(".__init__")

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        if name != self.name:
            return None
        spec = importlib.util.spec_from_file_location(name, self.path, loader=self)
        if spec and self.package:
            spec.submodule_search_locations = [str(self.path.parent)]
        return spec

    def create_module(self, spec: object) -> None:
        return None

    def exec_module(self, module: object) -> None:
        exec(compile(self.source, str(self.path), "exec"), vars(module))


def survives(module: str, source: str, tests: tuple[str, ...], limit: float) -> bool:
    """Whether every one of the tests passes with this source as the module, within a time limit in s."""
    child = os.fork()
    if not child:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        sys.meta_path.insert(0, _Planted(module, source))
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        os._exit(int(pytest.main([*options, *_mirrored_first(module, tests)])))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _mirrored_first(module: str, tests: tuple[str, ...]) -> list[str]:
    """The tests as files, that of the module itself in front."""
    files = [
        path
        for test in tests
        for path in (sorted((ROOT / test).rglob("test_*.py")) if (ROOT / test).is_dir() else [ROOT / test])
    ]
    mirrored = f"test_{Path(module).stem.strip('_')}.py"
    return [str(path) for path in sorted(files, key=lambda path: path.name != mirrored)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(MODULES)}, or files; by default all rooms"
    )
    parser.add_argument("--sample", type=int, default=60, help="mutants of a room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=300.0, help="s that the tests of one mutant may take")
    args = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for heavy in (
        "torch",
        "scipy.stats",
        "hypothesis",
        "pytest",
        "gymnasium",
        "matplotlib.pyplot",
        "sklearn.datasets",
    ):
        importlib.import_module(heavy)  # once, here, not in every fork
    equivalent = (
        {line.split("  # ")[0].strip() for line in EQUIVALENT.read_text().splitlines()}
        if EQUIVALENT.exists()
        else set()
    )
    for room in args.rooms or MODULES:
        _score(room, MODULES.get(room) or _named(room), args, equivalent)


def _named(module: str) -> dict[str, tuple[str, ...]]:
    for modules in MODULES.values():
        if module in modules:
            return {module: modules[module]}
    raise SystemExit(f"{module} is no room and no module of one: {', '.join(MODULES)}")


def _score(
    room: str, modules: dict[str, tuple[str, ...]], args: argparse.Namespace, equivalent: set[str]
) -> None:
    from scipy.stats import binomtest

    all_mutants = [(module, m) for module in modules for m in mutants((ROOT / module).read_text())]
    candidates = [(module, m) for module, m in all_mutants if f"{module}: {m}" not in equivalent]
    sample = random.Random(f"{args.seed} {room}").sample(candidates, min(args.sample, len(candidates)))
    for module in {module for module, _ in sample}:
        healthy = ast.unparse(ast.parse((ROOT / module).read_text()))
        if not survives(module, healthy, modules[module], args.limit):
            raise SystemExit(f"the tests of {module} fail without any mutant: {' '.join(modules[module])}")
    killed = 0
    for count, (module, mutant) in enumerate(sample, 1):
        begun = time.monotonic()
        survived = survives(module, mutant.source, modules[module], args.limit)
        killed += not survived
        if survived:
            print(f"survived {module}:{mutant.number}: {mutant}", flush=True)
        print(f"{count}/{len(sample)} {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)
    low, high = binomtest(killed, len(sample)).proportion_ci(method="exact")
    print(
        f"{room}: {killed} of {len(sample)} noticed, {killed / len(sample):.1%} ({low:.1%} to {high:.1%}); "
        f"drawn from {len(candidates)}, {len(all_mutants) - len(candidates)} equivalent",
        flush=True,
    )


if __name__ == "__main__":
    main()
