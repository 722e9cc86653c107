"""Mutants: each is one fault in what runs, told from the rest, in the function that it changes."""

import ast

from tests.mutants import mutants

SOURCE = """
SIZE: int = 3

@cache
def whole(x: int = 1, *, deep: bool = False) -> int:
    def inner(y):
        return y < SIZE
    if not inner(x):
        raise ValueError(f"{x + 1} is too large")
    return max(list(zip([x], [-x], strict=True))[0])

class Pair:
    size: int = 7
    def half(self):
        return self.size / 2
"""


def test_every_mutant_is_another_module_that_compiles() -> None:
    found = mutants(SOURCE)
    texts = {ast.unparse(mutant.tree) for mutant in found}
    assert len(texts) == len(found) and ast.unparse(ast.parse(SOURCE)) not in texts
    for mutant in found:
        compile(mutant.tree, "mutant", "exec")


def test_what_import_runs_is_told_from_what_a_function_runs() -> None:
    by_function: dict[object, list[str]] = {}
    for mutant in mutants(SOURCE):
        by_function.setdefault(mutant.function, []).append(f"{mutant.before} -> {mutant.after}")
    assert sorted(by_function[None]) == ["1 -> 2", "3 -> 4", "7 -> 8", "False -> True"]
    assert by_function["Pair.half", 14] == ["self.size / 2 -> self.size * 2", "2 -> 3"]
    whole = by_function["whole", 4]
    assert whole[:2] == ["y < SIZE -> y <= SIZE", "y < SIZE -> y > SIZE"] and len(by_function) == 3
    assert sum(text.endswith("-> pass") for text in whole) == 1  # the raise, but nothing in its message
    assert not any(text.startswith("True") for text in whole)  # the zip's strict
    assert {"-x -> x", "max -> min", "not inner(x) -> inner(x)"} <= set(whole)


def test_sizes_are_moved_only_if_they_are_asked_for() -> None:
    source = "a, b, c, d = x[0], 1, 2.0, 1.0\nflag, many = True, 30\n"
    moved = {f"{m.before} -> {m.after}" for m in mutants(source)}
    kept = {f"{m.before} -> {m.after}" for m in mutants(source, sizes=False)}
    assert kept == {"0 -> 1", "1 -> 2", "True -> False"}
    assert moved - kept == {"2.0 -> 4.0", "1.0 -> 2.0", "30 -> 31"}
