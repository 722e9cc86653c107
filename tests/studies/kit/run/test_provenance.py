"""Results know what made them: an edit counts exactly if rows can depend on it."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analog.effects import Endurance
from studies.handing_on import heirs
from studies.kit.run.canonical import without_presentation
from studies.kit.run.catalog import catalog
from studies.kit.run.imports import ImportGraph
from studies.kit.run.provenance import code_digests, combined, commits
from studies.kit.run.study import Study

STUDY = """
'''A study of one's own.'''
from dataclasses import dataclass

import mine.colors
from mine import constants
from mine.colors import GREEN
from studies.kit.run.study import Row

RATE = 3e-3
SHADE = "red"


@dataclass(frozen=True)
class Args:
    device: object = None  # hardware
    seed: int = 0


def plan(args):
    '''One trial.'''
    return [args]


def run(trial):
    yield {"rate": RATE * constants.FACTOR}


def _percent(value):
    return 100 * value


def table(rows):
    return [{"rate": _percent(r["rate"])} for r in rows]


def figures(rows, folder):
    color = SHADE or GREEN
    return []
"""
DEVICE = """
from dataclasses import dataclass
from analog import Mismatched
from .constants import FACTOR

@dataclass(frozen=True)
class FeFET(Mismatched):
    levels: int = 32
"""
FILES = {
    "__init__.py": "",
    "study.py": STUDY,
    "device.py": DEVICE,
    "constants.py": "FACTOR = 1.0\n",
    "colors.py": "GREEN = 1\n",
    "unrelated.py": "X = 1\n",
}
Digest = Callable[[], str]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's package, outside of ours."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if n.partition(".")[0] == "mine"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


@pytest.fixture
def digest(mine: Path) -> Digest:
    study: Any = importlib.import_module("mine.study")
    return lambda: combined(code_digests("mine.study", study.Args()))


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("study.py", "3e-3", "1e-5"),  # a learning rate
        ("study.py", "RATE *", "2 * RATE *"),
        ("study.py", "seed: int = 0", "seed: int = 1"),
        ("constants.py", "1.0", "2.0"),
        ("__init__.py", "", "import torch\ntorch.set_default_dtype(torch.float64)\n"),
    ],
)
def test_what_rows_depend_on_counts(mine: Path, digest: Digest, file: str, before: str, after: str) -> None:
    first = digest()
    _edit(mine / file, before, after)
    assert digest() != first


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("study.py", "# hardware", "# the hardware"),
        ("study.py", "One trial.", "The trials."),
        ("study.py", "A study of one's own.", "My study."),
        ("study.py", 'SHADE = "red"', 'SHADE = "blue"'),
        ("study.py", "color = SHADE or GREEN", "color = GREEN"),
        ("study.py", "100 * value", "f'{value:.2f}'"),
        ("study.py", "_percent(r", "round(r"),
        ("study.py", "def table", "# closing\n\n\ndef table"),
        ("unrelated.py", "1", "2"),
        ("constants.py", "FACTOR = 1.0", "# a comment\nFACTOR = (\n    1.0\n)"),
    ],
)
def test_what_no_row_depends_on_does_not_count(
    mine: Path, digest: Digest, file: str, before: str, after: str
) -> None:
    first = digest()
    _edit(mine / file, before, after)
    assert digest() == first


def test_a_module_for_pictures_counts_once_rows_use_it(mine: Path) -> None:
    text = STUDY.replace("import mine.colors\n", "")
    (mine / "study.py").write_text(text)
    study: Any = importlib.import_module("mine.study")
    args = study.Args()
    assert "mine.colors" not in code_digests("mine.study", args)
    (mine / "study.py").write_text(text.replace("RATE * ", "RATE * GREEN * "))
    assert "mine.colors" in code_digests("mine.study", args)


def test_a_study_that_another_module_imports_counts_whole(mine: Path, digest: Digest) -> None:
    _edit(mine / "constants.py", "FACTOR = 1.0", "from .study import SHADE\nFACTOR = len(SHADE)")
    first = digest()
    _edit(mine / "study.py", '"red"', '"blue"')
    assert digest() != first


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_device_brings_its_file_and_what_that_imports(mine: Path, wrapped: bool) -> None:
    device = importlib.import_module("mine.device").FeFET()
    args: Any = heirs.Args(device=Endurance(device) if wrapped else device)
    before = code_digests(heirs.__name__, args)
    _edit(mine / "constants.py", "1.0", "2.0")
    after = code_digests(heirs.__name__, args)
    _edit(mine / "device.py", "32", "64")
    last = code_digests(heirs.__name__, args)
    edited = [{m for m in a if a[m] != b[m]} for a, b in ((before, after), (after, last))]
    assert edited == [{"mine.constants"}, {"mine.device"}]


def test_a_part_whose_code_is_in_no_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {"__name__": "notebook"}
    exec(
        DEVICE.replace("from .constants import FACTOR\n", ""), namespace | {"__name__": "builtins"}, namespace
    )
    namespace["FeFET"].__module__ = "notebook"
    with pytest.raises(ValueError, match="'notebook' is in no file"):
        code_digests(heirs.__name__, heirs.Args(device=namespace["FeFET"]()))


def test_of_our_packages_only_what_is_imported_counts() -> None:
    modules = code_digests(heirs.__name__, heirs.Args())
    assert {"analog.chip", "analog.devices.mismatched", "distill.formats.answer_format", heirs.__name__} <= {
        *modules
    }
    assert not {"analog.calibrate", "studies.__main__", "torch", "dataclasses"} & {*modules}


def test_no_row_of_ours_depends_on_how_it_is_reported() -> None:
    studies = {entry.module: without_presentation for entry in catalog().values()}
    modules = ImportGraph(studies, studies).code
    assert {"studies.kit.run.study", "analog.chip"} <= {*modules}
    drawers = ("studies.kit.report", "studies.kit.run.command_line", "studies.kit.run.runner")
    assert not [name for name in modules if name.startswith(drawers)]


@pytest.mark.parametrize("place", ["lib/python3/site-packages", "lib/site-packages/deeper"])
def test_our_packages_count_wherever_they_are_installed(
    mine: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Other packages there are told by their versions."""
    site = mine.parent / place
    for package in ("learners", "library"):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").write_text("from .rule import rate\n")
        (site / package / "rule.py").write_text("rate = 1\n")
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(site)
    _edit(
        mine / "constants.py", "FACTOR = 1.0", "from learners import rate\nfrom library import rate as FACTOR"
    )
    before = code_digests("mine.constants", Study)
    assert {"learners", "learners.rule"} <= {*before} and not {"library", "library.rule"} & {*before}
    _edit(site / "learners" / "rule.py", "1", "2")
    assert code_digests("mine.constants", Study) != before


def test_the_commit_is_told(mine: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(mine), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (mine / ".gitignore").write_text("colors.py\n")
    git("add", ".")
    git("commit", "-qm", "all")
    clean = {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert commits(["mine.study"]) == {"mine": clean}
    assert commits(["mine.colors"]) == {}
    (mine / "rows.jsonl").write_text("{}")
    assert commits(["mine.study"]) == {"mine": clean}
    _edit(mine / "constants.py", "1.0", "2.0")
    assert commits(["mine.study"]) == {"mine": clean | {"dirty": True}}


def test_no_repository_and_no_git_are_no_failure(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commits(["mine.study"]) == {}
    monkeypatch.setenv("PATH", "")
    assert commits(["mine.study"]) == {}


def _edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after) if before else after)
