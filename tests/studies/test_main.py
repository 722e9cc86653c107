"""The command line lists, explains, runs and refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studies.__main__ import STUDIES
from studies.__main__ import main
from studies.kit.run.study import claim
from studies.kit.run.study import short_name


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["studies", *words])
    return main()


def test_the_list_names_every_study(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for study in STUDIES:
        assert claim(study) in shown


def test_the_command_line_runs_reports_and_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["heirs", "--heirs", "1", "--epochs", "0.1", "--hidden", "4", "--out", str(tmp_path)]
    words += ["--device", "analog:Mismatched(severity=0.5)"]
    assert command(monkeypatch, *words) == 0
    assert "heirs.png" in capsys.readouterr().out
    assert command(monkeypatch, *words, "--seed", "1") == 1
    assert "other arguments" in capsys.readouterr().out
    assert command(monkeypatch, "heirs", "--data", str(tmp_path)) == 1
    assert "BadData" in capsys.readouterr().out
    assert command(monkeypatch, "nonsense") == 2
    assert "no study is called" in capsys.readouterr().out


@pytest.mark.parametrize("name", [short_name(study) for study in STUDIES])
def test_help_shows_each_flag_with_its_meaning(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, name, "--help")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "--seed" in shown and "--workers" in shown and "processes" in shown
    assert "{seed" not in shown


def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "studies"], cwd=tmp_path, capture_output=True, text=True, env={**os.environ}
    )
    assert done.returncode == 0 and "heirs" in done.stdout


def test_a_bad_table_is_named_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, out = tmp_path / "mine.csv", str(tmp_path / "out")
    path.write_text("cell,pulses,reading\n1,0,0.5\n1,1,NaN\n")
    assert command(monkeypatch, "calibrate", "--data", str(path), "--out", out) == 1
    assert "column reading, row 3: is NaN" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "out").exists()
