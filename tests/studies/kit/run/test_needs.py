"""A run tells which modules, files and data of one's own it takes, and no archive where they lie."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from studies.kit.run.needs import needs, write_surroundings


@dataclass(frozen=True)
class Args:
    data: Any = "digits"
    table: Any = None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, with a folder to work in, one of modules, and data."""
    for file in (
        "work/mine_here.py",
        "work/src/mine_src.py",
        "lib/mine_lib/__init__.py",
        "lib/mine_lib/a.py",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / "work/mine_data.py").write_text("import mine_here\n")
    (tmp_path / "data/mnist").mkdir(parents=True)
    (tmp_path / "work/pictures").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for folder in ("work", "work/src", "lib"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    monkeypatch.setenv("MORTAL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [n for n in sys.modules if n.startswith("mine_")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize(
    ("modules", "args", "wanted"),
    [
        (["analog.chip", "studies.hardware.zoo"], Args(), []),
        (["mine_here"], Args(), [("module mine_here", "mine_here.py", "the folder of the run")]),
        (
            ["mine_src"],
            Args(),
            [("module mine_src", "src/mine_src.py", "the folder of the run, with src on PYTHONPATH")],
        ),
        (["mine_lib.a"], Args(), [("module mine_lib.a", "mine_lib/a.py", "a folder on PYTHONPATH")]),
        (["mine_lib"], Args(), [("module mine_lib", "mine_lib/__init__.py", "a folder on PYTHONPATH")]),
        (["pytest"], Args(), [("module pytest", "pytest/__init__.py", "installed")]),
        ([], Args("mnist"), [("data", "mnist", "$MORTAL_DATA")]),
        ([], Args("fashion-mnist"), [("data", "fashion-mnist", "downloaded once")]),
        ([], Args("pictures"), [("data", "pictures", "the folder of the run")]),
        ([], Args(table=Path("pulses.csv")), [("table", "pulses.csv", "the folder of the run")]),
        (
            [],
            Args("mine_data:halves"),
            [
                ("module mine_data", "mine_data.py", "the folder of the run"),
                ("module mine_here", "mine_here.py", "the folder of the run"),
            ],
        ),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_a_run_takes_is_told_without_a_place_on_the_machine(
    home: Path, modules: list[str], args: Args, wanted: list[tuple[str, str, str]]
) -> None:
    found = needs(modules, args)
    assert [tuple(line.values()) for line in found] == wanted and str(home) not in str(found)


def test_where_it_was_called_is_kept_beside_from_the_users_home_on(home: Path) -> None:
    for needed, variables in (
        (needs(["mine_lib"], Args("mnist")), {"PYTHONPATH": "~/lib", "MORTAL_DATA": "~/data"}),
        ([], {}),
    ):
        write_surroundings(home, needed)
        told = json.loads((home / "surroundings.json").read_text())
        assert told == {"folder": "~/work", "variables": variables}
