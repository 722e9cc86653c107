"""The command line lists, explains, runs and refuses."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.kit.run.archive import archive
from studies.kit.run.catalog import catalog
from studies.kit.run.results import read_rows


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["studies", *words])
    return main()


def test_the_list_names_every_study(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch) == 0
    shown = capsys.readouterr().out
    for study in catalog().values():
        assert study.claim in shown and f" {study.name} " in shown


def test_the_command_line_runs_reports_and_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["heirs", "--heirs", "1", "--epochs", "0.1", "--hidden", "4", "--out", str(tmp_path)]
    words += ["--device", "analog:Mismatched(severity=0.5)"]
    assert command(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "heirs.png" in shown and "report.html" in shown
    table = shown[shown.index("┏") :]
    (tmp_path / "report.html").unlink()
    assert command(monkeypatch, "report", str(tmp_path)) == 0
    assert capsys.readouterr().out == table and (tmp_path / "report.html").exists()
    for refused, status, said in (
        ((*words, "--seed", "1"), 1, "other arguments"),
        (("heirs", "--data", str(tmp_path)), 1, "BadData"),
        (("heirz",), 2, "no study is called 'heirz'; perhaps you meant heirs"),
        (("zoo", "--devices", "fefet.py:FeFET"), 2, "fefet.py:FeFET: for a file write fefet:FeFET"),
        (("report", str(tmp_path / "nowhere")), 1, "not a results folder"),
    ):
        assert command(monkeypatch, *refused) == status
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert said in line and out == ""  # no bar of a run that never began


@pytest.mark.parametrize("name", [*catalog()])
def test_help_shows_each_flag_with_its_meaning(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, name, "--help")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "--seed" in shown and "--workers" in shown and "processes" in shown
    assert "torch threads" in shown and "results folder" in shown and "dask scheduler" in shown
    assert "{seed" not in shown


def test_a_study_of_ones_own_runs_from_its_folder(tmp_path: Path) -> None:
    """Also with workers, which import it too; an edit of a number in what it imports is another run."""
    study, helper = tmp_path / "mine" / "study.py", tmp_path / "mine" / "numbers_of_mine.py"
    study.parent.mkdir()
    helper.write_text("COUNT = 4\n")
    toy = (Path(__file__).parent / "toy.py").read_text()
    assert "range(4)" in toy and "import torch\n" in toy
    toy = toy.replace("import torch\n", "import torch\nfrom mine.numbers_of_mine import COUNT\n")
    study.write_text(toy.replace("range(4)", "range(COUNT)"))
    command = [sys.executable, "-m", "studies", "mine.study", "--trials", "2", "--threads", "1"]
    place = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), *sys.path])}
    for folders, more in ((1, ["--workers", "2"]), (2, [])):
        done = subprocess.run(
            [*command, *more], cwd=tmp_path, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        made = [*(tmp_path / "results").iterdir()]
        assert len(made) == folders
        helper.write_text("COUNT = 3\n")
    for folder in made:  # what it takes is told; where that lies, in no page and no archive
        page, place = (folder / "report.html").read_text(), (folder / "surroundings.json").read_text()
        assert "mine/study.py" in page and "mine/numbers_of_mine.py" in page and str(tmp_path) not in page
        assert tmp_path.name in place
        kept = archive(folder, tmp_path / "archives")
        assert "mine/study.py" in (kept / "manifest.json").read_text()
        assert not any(str(tmp_path).encode() in path.read_bytes() for path in kept.iterdir())


def test_archived_results_go_on_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["tests.studies.toy", "--trials", "2"]
    assert command(monkeypatch, *words, "--broken", "1") == 1
    (folder,) = (tmp_path / "results").iterdir()
    (line,) = capsys.readouterr().err.splitlines()
    place = folder.relative_to(tmp_path) / "traceback.txt"
    assert line == f"ArithmeticError: broken on purpose, raised by trial 'toy 1'; see {place}"
    assert "tests/studies/toy.py" in place.read_text()
    assert command(monkeypatch, "report", str(folder)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "unfinished: 1 of 2 trials"
    assert command(monkeypatch, "archive", str(folder)) == 1
    assert "docs/archive: there is no such folder here" in capsys.readouterr().err
    (tmp_path / "docs" / "archive").mkdir(parents=True)
    assert command(monkeypatch, "archive", str(folder)) == 0
    place = tmp_path / "docs" / "archive" / "toy" / folder.name.removeprefix("toy-")
    assert capsys.readouterr().out.splitlines()[-1] == f"archive: {place.relative_to(tmp_path)}"
    assert command(monkeypatch, "archive", str(place)) == 1
    assert "is an archive already" in capsys.readouterr().err
    assert command(monkeypatch, "restore", str(place)) == 1
    assert "holds results already" in capsys.readouterr().err
    shutil.rmtree(folder)
    assert command(monkeypatch, "restore", str(place)) == 0
    assert len((folder / "rows.jsonl").read_text().splitlines()) == 5


def test_runs_are_listed_compared_and_reported_also_from_archives(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for trials in ("1", "2"):
        assert command(monkeypatch, "tests.studies.toy", "--trials", trials) == 0
    capsys.readouterr()
    assert command(monkeypatch, "list") == 0
    listed = capsys.readouterr().out
    assert "1 of 1" in listed and "2 of 2" in listed and "--trials 2" in listed
    one, two = sorted((tmp_path / "results").iterdir(), key=lambda folder: len(read_rows(folder)))
    assert command(monkeypatch, "compare", str(one), str(two)) == 0
    shown = capsys.readouterr().out
    assert "1 trials of the second alone (toy 1)" in shown and "trials" in shown and "8" in shown
    (tmp_path / "docs" / "archive").mkdir(parents=True)
    assert command(monkeypatch, "archive", str(two)) == 0
    (place,) = (tmp_path / "docs" / "archive" / "toy").iterdir()
    before = sorted(place.iterdir())
    assert command(monkeypatch, "report", str(place)) == 0
    assert sorted(place.iterdir()) == before  # a report is no part of an archive
    made = tmp_path / "reports" / f"toy-{place.name}" / "report.html"
    assert made.read_bytes() == (two / "report.html").read_bytes()
    assert str(made) in capsys.readouterr().out


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
    assert "column reading, row 3: is NaN" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


INTERRUPTED = """
import signal, sys
import studies.__main__
from tests.studies import toy

if __name__ == "__main__":
    words = "tests.studies.toy --wait 0.3 --trials 60 --threads 1".split()
    sys.argv = ["studies", *words, *sys.argv[1:]]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
    sys.exit(studies.__main__.main())
"""


def test_an_interrupted_run_says_so_in_one_line_and_leaves_no_process(tmp_path: Path) -> None:
    out, script = tmp_path / "out", tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    child = subprocess.Popen(
        [sys.executable, str(script), "--workers", "2", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    give_up = time.monotonic() + 240
    while not (out / "rows.jsonl").exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does, to workers as well
    _, said = child.communicate(timeout=240)
    message = "interrupted; finished trials are kept, and the same command goes on from them"
    assert child.returncode == 130 and said.splitlines() == [message]
    while (left := _is_alive(child.pid)) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not left


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "words",
    [
        ("heirs", "--data", "[/red]"),
        ("[/red]",),
        ("heirs", "--device", "tests.studies.odd_parts:Exits"),
        ("heirs", "--device", "tests.studies.odd_parts:Raises"),
        ("tests.studies.odd_parts_that_exit",),
        ("towers", "--heights", "0"),
        ("towers", "--factors"),
        ("aging", "--moments", "nan"),
    ],
    ids=" ".join,
)
def test_whatever_is_wrong_is_said_in_one_line(
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, *words) in (1, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_that_knows_ascii_alone_gets_the_table() -> None:
    environment = {
        **os.environ,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "LC_ALL": "C",
        "COLUMNS": "20",
    }
    done = subprocess.run(
        [sys.executable, "-m", "studies"], capture_output=True, env={**environment, "PYTHONIOENCODING": ""}
    )
    assert done.returncode == 0 and b"heirs" in done.stdout and done.stdout.isascii()
