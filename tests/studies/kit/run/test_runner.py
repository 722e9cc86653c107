"""Studies are resumable: killed for real, at any moment, they end with the rows of an uninterrupted run."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from studies.hardware import calibrate
from studies.kit.run.results import Refused
from studies.kit.run.results import Results
from studies.kit.run.results import manifest
from studies.kit.run.results import read
from studies.kit.run.runner import conduct
from studies.kit.run.study import How
from studies.kit.run.study import plain
from tests.studies import toy

CHILD = """
import sys
from pathlib import Path
from studies.kit.run.runner import conduct
from studies.kit.run.study import How
from tests.studies import toy
if __name__ == "__main__":
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    conduct(toy, args, How(Path(sys.argv[1]), workers=int(sys.argv[2]), threads=1))
"""


def rows_text(folder: Path) -> str:
    return (folder / "rows.jsonl").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    return conduct(toy, args, How(tmp_path_factory.mktemp("whole"), threads=1))


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same_rows(tmp_path: Path, whole: Path, workers: int) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    folder = tmp_path / "killed"
    command = [sys.executable, str(script), str(folder), str(workers)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    kills = 0
    waits = (0.1, 0.4, 0.9) if workers == 1 else (0.1, 0.9)  # between trials and inside them
    for wait in waits:
        child = subprocess.Popen(command, env=environment)
        give_up = time.monotonic() + 60
        rows = folder / "rows.jsonl"
        before = rows.stat().st_size if rows.exists() else -1
        while child.poll() is None and time.monotonic() < give_up:
            if (rows.stat().st_size if rows.exists() else -1) > before:
                break
            time.sleep(0.02)
        time.sleep(wait)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            kills += 1
        child.wait()
    assert kills >= 1 + (workers == 1)
    if workers == 2:
        _wait_for_orphans(str(script))
    subprocess.run(command, env=environment, check=True)
    assert rows_text(folder) == rows_text(whole)
    assert not (folder / "spool").exists()
    assert (folder / "drawn.txt").read_text() == "24"


def _wait_for_orphans(mark: str) -> None:
    """Workers whose parent was killed must be gone within seconds."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        alive = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True).stdout.split()
        if not alive:
            return
        time.sleep(0.2)
    pytest.fail(f"workers outlived their parent: {alive}")


def test_workers_change_nothing_and_keep_the_plans_order(tmp_path: Path, whole: Path) -> None:
    """Earlier trials take longer, so that later ones finish first and must wait their turn."""
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    folder = conduct(toy, args, How(tmp_path / "two", workers=2, threads=1))
    assert rows_text(folder) == rows_text(whole)
    times = [json.loads(line)["trial"] for line in (folder / "times.jsonl").read_text().splitlines()]
    assert sorted(times) == [f"toy {i}" for i in range(6)]


def test_a_torn_line_is_cut_and_only_missing_trials_run(tmp_path: Path) -> None:
    args = toy.Args(trials=3)
    folder = conduct(toy, args, How(tmp_path))
    text = rows_text(folder)
    lines = text.splitlines(keepends=True)
    spool = folder / "spool"
    spool.mkdir()  # killed while trial 1 was being appended from its spool file
    (spool / "1.json").write_text("".join(lines[4:8]))
    (folder / "rows.jsonl").write_text("".join(lines[:6]) + lines[6][:9])
    (folder / "times.jsonl").unlink()
    conduct(toy, args, How(tmp_path))
    assert rows_text(folder) == text
    assert [json.loads(t)["trial"] for t in (folder / "times.jsonl").read_text().splitlines()] == ["toy 2"]


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_shown_as_they_come(tmp_path: Path, workers: int) -> None:
    shown: list[str] = []
    args = toy.Args(trials=2, wait=0.3)
    conduct(toy, args, How(tmp_path, workers, threads=1), lambda name, row: shown.append(name))
    assert shown == ["toy 0"] * 4 + ["toy 1"] * 4 if workers == 1 else len(shown) >= 2


def test_the_manifest_says_what_made_the_rows(tmp_path: Path) -> None:
    from studies.handing_on import heirs

    args = heirs.Args(heirs=2, epochs=0.05)
    made = json.loads((conduct(heirs, args, How(tmp_path, threads=1)) / "manifest.json").read_text())
    by = made["made_by"]
    assert by["device"]["class"] == "analog.devices.mismatched:Mismatched" and by["device"]["severity"] == 1.0
    assert by["heirs"] == 2 and by["seed"] == 0 and by["threads"] == 1 and by["torch"] == torch.__version__
    assert len(by["data_md5"]) == 32 and by["data_sizes"] == [1437, 360]
    assert made["claim"].startswith("A dying chip") and made["seeds"]["trials"] == ["teacher 0", "teacher 1"]
    assert made["versions"]["scipy"]


def test_a_folder_made_by_other_arguments_is_refused(tmp_path: Path) -> None:
    conduct(toy, toy.Args(trials=2), How(tmp_path, threads=1))
    before = rows_text(tmp_path)
    with pytest.raises(Refused, match=r"other arguments \(trials was 2, is 3\); give another --out"):
        conduct(toy, toy.Args(trials=3), How(tmp_path, threads=1))
    with pytest.raises(Refused, match="threads was 1, is 2"):
        conduct(toy, toy.Args(trials=2), How(tmp_path, threads=2))
    assert rows_text(tmp_path) == before
    conduct(toy, toy.Args(trials=2), How(tmp_path, threads=1))
    assert rows_text(tmp_path) == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"made_by": 3}'])
def test_a_spoilt_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(Refused, match="not a manifest"):
        conduct(toy, toy.Args(), How(tmp_path))


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    from filelock import FileLock

    tmp_path.mkdir(exist_ok=True)
    with FileLock(tmp_path / "lock"), pytest.raises(Refused, match="another run"):
        conduct(toy, toy.Args(), How(tmp_path))


def test_the_default_folder_tells_arguments_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a, b, again = (conduct(toy, toy.Args(trials=n)) for n in (1, 2, 1))
    assert a == again and a != b and a.parent == Path("results") and len(read(b)) == 8


def test_threads_are_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    conduct(toy, toy.Args(trials=1), How(tmp_path, threads=before + 1))
    assert torch.get_num_threads() == before


def test_bad_ways_are_refused(tmp_path: Path) -> None:
    for bad in ({"workers": 0}, {"threads": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            How(tmp_path, **bad)
    with pytest.raises(ValueError, match="different names"):
        conduct(toy, toy.Args(trials=0), How(tmp_path))


def test_trials_run_on_a_cluster(tmp_path: Path, whole: Path) -> None:
    """A real dask scheduler with a worker process of its own, on this machine."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        args = toy.Args(trials=6, wait=0.05, uneven=True)
        folder = conduct(toy, args, How(tmp_path, threads=1, cluster=cluster.scheduler_address))
    assert rows_text(folder) == rows_text(whole)


def test_what_finished_is_kept_when_another_trial_fails(tmp_path: Path) -> None:
    args = toy.Args(trials=4, broken=1)
    for workers, kept in ((1, ["toy 0"]), (2, ["toy 0", "toy 2", "toy 3"])):
        folder = tmp_path / str(workers)
        with pytest.raises((RuntimeError, ArithmeticError), match="broken on purpose"):
            conduct(toy, args, How(folder, workers, threads=1))
        names = [json.loads(t)["trial"] for t in (folder / "times.jsonl").read_text().splitlines()]
        assert sorted(names) == kept


@pytest.mark.parametrize("rows", [[], [{"trial": 1}]])
def test_rows_that_could_not_be_found_again_are_refused(tmp_path: Path, rows: list[dict[str, int]]) -> None:
    made = Results(tmp_path, {"made_by": {}}, ["a"])
    with pytest.raises(ValueError, match="at least one row"):
        made.keep(0, rows, 0.0)


def test_code_and_devices_are_part_of_what_made_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Editing a device's file, or anything in it, gives another folder; an unknown thing is refused."""
    from studies.handing_on import heirs

    monkeypatch.syspath_prepend(tmp_path)
    source = "from analog import Mismatched\nfrom dataclasses import dataclass\n@dataclass(frozen=True)\n"
    made = []
    for name, body in (("mine_a", "class Mine(Mismatched):\n    extra: float = 1.0\n"), ("mine_b", "")):
        path = tmp_path / f"{name}.py"
        path.write_text(source + (body or "class Mine(Mismatched):\n    extra: float = 2.0\n"))
        device = importlib.import_module(name).Mine()
        before = manifest(heirs, heirs.Args(device=device), 1, ["t"])["made_by"]
        path.write_text(path.read_text() + "# edited\n")
        after = manifest(heirs, heirs.Args(device=device), 1, ["t"])["made_by"]
        assert before["code_md5"] != after["code_md5"]
        made.append(before["device"])
    assert made[0]["extra"] == 1.0 and made[1]["extra"] == 2.0
    assert plain(torch.zeros(2000)) != plain(torch.zeros(2000).index_fill(0, torch.tensor(7), 1.0))
    with pytest.raises(ValueError, match="make object a dataclass"):
        plain(object())


def test_a_file_of_measurements_is_told_by_its_content(tmp_path: Path) -> None:
    """The same path with other numbers in it is another run."""
    path = tmp_path / "pulses.csv"
    path.write_text(calibrate.EXAMPLE.read_text())
    first = manifest(calibrate, calibrate.Args(data=path), 1, ["calibrate"])["made_by"]
    again = manifest(calibrate, calibrate.Args(data=path), 1, ["calibrate"])["made_by"]
    path.write_text(calibrate.EXAMPLE.read_text().replace("0.01805", "0.01806"))
    other = manifest(calibrate, calibrate.Args(data=path), 1, ["calibrate"])["made_by"]
    assert first == again and first["data_md5"] != other["data_md5"]
