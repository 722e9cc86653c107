"""The mutation score's own tool: faults in what import runs are judged by the tests that meet them."""

import ast
from functools import partial
from pathlib import Path

import pytest

from tests import mutation
from tests.mutation import NOTICED, SURVIVED, fits, forked, planted

MODULE = """
def ratio(x, by=2, unused=5):
    return x / by
"""
TESTS = """
from room import ratio

def test_nothing():
    assert True

def test_ratio():
    assert ratio(6) == 3
"""


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (("unused=5", "unused=6"), SURVIVED),
        (("by=2", "by=3"), NOTICED),
        (("unused=5", "unused=[][0]"), NOTICED),
    ],
    ids=["unseen", "seen", "not imported"],
)
def test_a_fault_in_what_import_runs_is_noticed_just_where_a_test_sees_it(
    fault: tuple[str, str], outcome: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "room.py").write_text(MODULE)
    (tmp_path / "test_room.py").write_text(TESTS)
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    tests = [f"{tmp_path}/test_room.py::{name}" for name in ("test_nothing", "test_ratio")]
    work = partial(planted, "room.py", ast.parse(MODULE.replace(*fault)), tests)
    assert forked(work, 60, 600) == outcome


@pytest.mark.parametrize(("fault", "outcome"), [("by=2, name=8", SURVIVED), ("by=3, name=8", NOTICED)])
def test_cases_that_are_named_by_what_changed_are_found_under_their_new_name(
    fault: str, outcome: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "def ratio(x, by=2, name=7):\n    return x / by\n"
    (tmp_path / "lone.py").write_text(module)
    (tmp_path / "test_lone.py").write_text(
        "import pytest, lone\n\n@pytest.mark.parametrize('x', [6], ids=[str(lone.ratio.__defaults__[1])])\n"
        "def test_ratio(x):\n    assert lone.ratio(x) == 3\n"
    )
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    tree = ast.parse(module.replace("by=2, name=7", fault))
    work = partial(planted, "lone.py", tree, [f"{tmp_path}/test_lone.py::test_ratio[7]"])
    assert forked(work, 60, 600) == outcome


def test_work_that_does_not_end_counts_as_noticed() -> None:
    def forever() -> int:
        while True:
            pass

    assert forked(forever, 60, 0.05) == NOTICED and forked(lambda: SURVIVED, 60, 600) == SURVIVED


def test_a_method_that_loses_its_super_is_no_code_for_the_one_that_has_it() -> None:
    class Kept(list[int]):
        def clear(self) -> None:
            super().clear()

    def bare(self: object) -> None:
        pass

    assert fits(Kept.clear.__code__, [Kept.clear]) and not fits(bare.__code__, [Kept.clear])
