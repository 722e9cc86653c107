"""Reading the project's own source: imports and calls, for the walls that the tests keep."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("analog", "learners", "distill", "studies")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the four packages by its dotted name."""
    return {
        ".".join(p.relative_to(ROOT).with_suffix("").parts): ast.parse(p.read_text())
        for package in PACKAGES
        for p in sorted((ROOT / package).rglob("*.py"))
    }


def imports(name: str, tree: ast.Module) -> set[str]:
    """Dotted names of what a module imports from the four packages, submodules resolved."""
    package = name.removesuffix(".__init__") if name.endswith(".__init__") else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                path = ROOT.joinpath(*base.split("."), alias.name)
                is_module = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
                found.add(f"{base}.{alias.name}" if is_module else base)
    return {f for f in found if f.split(".")[0] in PACKAGES}
