"""Studies are resumable: killed for real, at any moment, they end with the rows of an uninterrupted run."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from studies.kit.run.executors import WorkersLost
from studies.kit.run.results import read_rows
from studies.kit.run.rows import ResultsError
from studies.kit.run.runner import RunOptions, TrialFailed, run_study
from studies.kit.run.study import Row
from tests.sampled import sampled
from tests.studies import toy

CHILD = """
import multiprocessing, os, signal, sys
from pathlib import Path
from studies.kit.run.runner import RunOptions, run_study
from tests.studies import toy
folder, workers, number, row = Path(sys.argv[1]), *map(int, sys.argv[2:])
lived = toy.run

def killed(trial):
    for k, shown in enumerate(lived(trial)):
        if (trial.number, k) == (number, row):
            os.kill(os.getpid() if workers == 1 else multiprocessing.parent_process().pid, signal.SIGKILL)
        yield shown

toy.run = killed
if __name__ == "__main__":
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    run_study(toy, args, RunOptions(folder, workers=workers, threads=1))
"""


def rows_text(folder: Path) -> str:
    return (folder / "rows.jsonl").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    return run_study(toy, args, RunOptions(tmp_path_factory.mktemp("whole"), threads=1))


@pytest.mark.parametrize(
    ("workers", "moments"),
    [(1, sampled([(1, 0), (2, 2), (4, 3), (5, 1)], 2)), (2, sampled([(2, 2), (4, 0), (5, 3)], 3))],
    ids=["alone", "with workers"],
)
def test_killed_at_any_moment_it_goes_on_to_the_same_rows(
    tmp_path: Path, whole: Path, workers: int, moments: list[tuple[int, int]]
) -> None:
    """Killed by a trial of its own, between trials and inside them, whatever else the computer does."""
    script, folder = tmp_path / "child.py", tmp_path / "killed"
    script.write_text(CHILD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    for moment in moments:
        command = [sys.executable, str(script), str(folder), str(workers), *map(str, moment)]
        assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    if workers == 2:
        _wait_for_orphans(str(script))
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    run_study(toy, args, RunOptions(folder, workers=workers, threads=1))
    assert rows_text(folder) == rows_text(whole)
    assert not (folder / "spool").exists()
    assert (folder / "table.csv").read_text() == "rows\n24\n"


def _wait_for_orphans(mark: str) -> None:
    """Workers whose parent was killed must be gone within seconds, of a computer that does nothing else."""
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        alive = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True).stdout.split()
        if not alive:
            return
        time.sleep(0.2)
    pytest.fail(f"workers outlived their parent: {alive}")


def test_workers_change_nothing_and_keep_the_plans_order(tmp_path: Path, whole: Path) -> None:
    """Earlier trials take longer, so that later ones finish first and must wait their turn."""
    args = toy.Args(trials=6, wait=0.05, uneven=True)
    folder = run_study(toy, args, RunOptions(tmp_path / "two", workers=2, threads=1))
    assert rows_text(folder) == rows_text(whole)
    times = [json.loads(line)["trial"] for line in (folder / "times.jsonl").read_text().splitlines()]
    assert sorted(times) == [f"toy {i}" for i in range(6)]


def test_a_torn_line_is_cut_and_only_missing_trials_run(tmp_path: Path) -> None:
    args = toy.Args(trials=3)
    folder = run_study(toy, args, RunOptions(tmp_path))
    text = rows_text(folder)
    lines = text.splitlines(keepends=True)
    spool = folder / "spool"
    spool.mkdir()  # killed while trial 1 was being appended from its spool file
    (spool / "1.json").write_text("".join(lines[5:10]))
    (folder / "rows.jsonl").write_text("".join(lines[:6]) + lines[6][:9])
    (folder / "times.jsonl").unlink()
    run_study(toy, args, RunOptions(tmp_path))
    assert rows_text(folder) == text
    assert [json.loads(t)["trial"] for t in (folder / "times.jsonl").read_text().splitlines()] == ["toy 2"]


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_shown_as_they_come(tmp_path: Path, workers: int) -> None:
    shown: list[str] = []
    args = toy.Args(trials=2, wait=0.3)
    run_study(toy, args, RunOptions(tmp_path, workers, threads=1), lambda name, row: shown.append(name))
    assert shown == ["toy 0"] * 4 + ["toy 1"] * 4 if workers == 1 else len(shown) >= 2


def test_the_manifest_says_what_made_the_rows(tmp_path: Path) -> None:
    from studies.handing_on import heirs

    args = heirs.Args(teachers=2, heirs=2, epochs=0.05)
    made = json.loads((run_study(heirs, args, RunOptions(tmp_path, threads=1)) / "manifest.json").read_text())
    by = made["made_by"]
    assert by["device"]["class"] == "analog.devices.mismatched:Mismatched" and by["device"]["severity"] == 1.0
    assert by["heirs"] == 2 and by["seed"] == 0 and by["threads"] == 1 and by["torch"] == torch.__version__
    assert len(by["data_md5"]) == 32 and by["data_sizes"] == [1437, 360]
    assert made["claim"].startswith("A dying chip") and made["seeds"]["trials"] == ["teacher 0", "teacher 1"]
    assert made["versions"]["scipy"]


def test_a_folder_made_by_other_code_names_the_edited_modules(tmp_path: Path) -> None:
    folder = run_study(toy, toy.Args(trials=1), RunOptions(tmp_path, threads=1))
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["made_by"]["code_digest"] = manifest["modules"]["tests.studies.toy"] = "other"
    path.write_text(json.dumps(manifest))
    with pytest.raises(ResultsError, match=r"edited since: tests\.studies\.toy\)"):
        run_study(toy, toy.Args(trials=1), RunOptions(tmp_path, threads=1))


def test_a_folder_made_by_other_arguments_is_refused(tmp_path: Path) -> None:
    run_study(toy, toy.Args(trials=2), RunOptions(tmp_path, threads=1))
    before = rows_text(tmp_path)
    with pytest.raises(ResultsError, match=r"other arguments \(trials was 2, is 3\); give another --out"):
        run_study(toy, toy.Args(trials=3), RunOptions(tmp_path, threads=1))
    with pytest.raises(ResultsError, match="threads was 1, is 2"):
        run_study(toy, toy.Args(trials=2), RunOptions(tmp_path, threads=2))
    assert rows_text(tmp_path) == before
    run_study(toy, toy.Args(trials=2), RunOptions(tmp_path, threads=1))
    assert rows_text(tmp_path) == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"made_by": 3}'])
def test_a_spoilt_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ResultsError, match="not a manifest"):
        run_study(toy, toy.Args(), RunOptions(tmp_path))


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    from filelock import FileLock

    tmp_path.mkdir(exist_ok=True)
    with FileLock(tmp_path / "lock"), pytest.raises(ResultsError, match="another run"):
        run_study(toy, toy.Args(), RunOptions(tmp_path))


def test_the_default_folder_tells_arguments_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a, b, again = (run_study(toy, toy.Args(trials=n)) for n in (1, 2, 1))
    assert a == again and a != b and a.parent == Path("results") and len(read_rows(b)) == 8


def test_threads_are_given_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    run_study(toy, toy.Args(trials=1), RunOptions(tmp_path, threads=before + 1))
    assert torch.get_num_threads() == before


def test_bad_options_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bad in ({"workers": 0}, {"threads": 0}):
        with pytest.raises(ValueError, match="is 0; wanted a whole number of at least 1"):
            RunOptions(tmp_path, **bad)
    with pytest.raises(ValueError, match="toy: these arguments make no trial at all"):
        run_study(toy, toy.Args(trials=0), RunOptions(tmp_path))
    monkeypatch.setattr(toy, "plan", lambda args: [toy.Trial(0, args)] * 2)
    with pytest.raises(ValueError, match="different names"):
        run_study(toy, toy.Args(), RunOptions(tmp_path))


def test_trials_run_on_a_cluster_and_report_from_there(tmp_path: Path, whole: Path) -> None:
    """A real dask scheduler with a worker process of its own, on this machine."""
    distributed = pytest.importorskip("distributed")
    seen: list[tuple[str, Row]] = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        args = toy.Args(trials=6, wait=0.05, uneven=True)
        options = RunOptions(tmp_path, threads=1, cluster=cluster.scheduler_address)
        folder = run_study(toy, args, options, lambda name, row: seen.append((name, row)))
    assert rows_text(folder) == rows_text(whole)
    assert sorted(name for name, row in seen if row == {"done": 1.0}) == [f"toy {i}" for i in range(6)]
    assert ("toy 0", 0) in [(name, row.get("k")) for name, row in seen]  # told while it was going on


def test_what_finished_is_kept_when_another_trial_fails(tmp_path: Path) -> None:
    args = toy.Args(trials=4, broken=1)
    for workers, kept in ((1, ["toy 0"]), (2, ["toy 0", "toy 2", "toy 3"])):
        folder = tmp_path / str(workers)
        with pytest.raises(TrialFailed, match="ArithmeticError: broken on purpose, raised by trial 'toy 1'"):
            run_study(toy, args, RunOptions(folder, workers, threads=1))
        names = [json.loads(t)["trial"] for t in (folder / "times.jsonl").read_text().splitlines()]
        assert sorted(names) == kept


def test_a_killed_worker_is_told_and_nothing_is_lost(tmp_path: Path, whole: Path) -> None:
    killed = []

    def kill(name: str, row: Row) -> None:
        if name == "toy 1" and not killed:
            killed.append(multiprocessing.active_children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    args = toy.Args(trials=6, wait=0.05, uneven=True)
    with pytest.raises(WorkersLost, match="a worker process was killed"):
        run_study(toy, args, RunOptions(tmp_path, workers=2, threads=1), kill)
    assert multiprocessing.active_children() == []
    run_study(toy, args, RunOptions(tmp_path, threads=1))
    assert rows_text(tmp_path) == rows_text(whole)


def test_the_environment_says_how_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, threads in (("3", 3), ("2,1", 2), ("", None), ("many", None)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert RunOptions().worker_threads == (threads or os.cpu_count())
    assert RunOptions(threads=5).worker_threads == 5
