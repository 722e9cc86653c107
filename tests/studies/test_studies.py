"""Every study at toy size, as a function and from the command line."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analog import SONOS, Ideal, Mismatched, SoftBoundsRRAM, UnknownNeurons, WanRRAM
from studies import (
    aging,
    apprentice,
    autoencoder,
    bits,
    calibrate,
    community,
    contrastive,
    control,
    convolution,
    depth,
    forward_forward,
    handover,
    heirs,
    in_place,
    laws,
    lecun1989,
    left_out,
    lineage,
    local,
    local_targets,
    meta,
    mistakes,
    probes,
    scaling,
    speed,
    stimuli,
    temperature,
    towers,
    tuning,
    zoo,
)
from studies.__main__ import STUDIES, main
from studies.bench.conduct import conduct
from studies.bench.practice import device_from, device_words
from studies.bench.study import How, claim, short_name

TOYS: dict[Any, Any] = {
    aging: aging.Args(
        devices=(SONOS(),), remedies=("rescaling", "relearning"), moments=(1.0, 1e7), chips=1, epochs=0.3
    ),
    autoencoder: autoencoder.Args(
        learners=("LocoProp-M as published", "Adam", "Shampoo", "K-FAC", "LocoProp-S", "target propagation"),
        data="digits",
        sizes=(12, 4),
        images=300,
        batch=50,
        epochs=1,
        seeds=1,
    ),
    bits: bits.Args(
        ways=("label", "captions", "weights", "gradients", "subclasses"),
        lessons=(64,),
        teachers=1,
        heirs=1,
        hidden=8,
        epochs=0.3,
    ),
    calibrate: calibrate.Args(copies=4),
    community: community.Args(chips=(1, 3), communities=1, epochs=0.3, hidden=8),
    apprentice: apprentice.Args(
        tasks=("CartPole-v1", "Pendulum-v1"), apprentices=2, episodes=2, steps=300, rounds=2, lessons=5
    ),
    control: control.Args(
        tasks=("CartPole-v1", "Pendulum-v1"), devices=(Mismatched(),), chips=2, episodes=2, steps=300
    ),
    convolution: convolution.Args(devices=(Mismatched(),), ways=("greedy", "exact"), chips=1, passes=0.1),
    depth: depth.Args(
        ways=("plain", "decorrelated", "greedy"),
        depths=(1, 2),
        chips=2,
        tried=1,
        hidden=8,
        epochs=0.3,
        rates=(0.01,),
    ),
    forward_forward: forward_forward.Args(
        devices=(SoftBoundsRRAM(), UnknownNeurons()), layers=2, width=8, epochs=0.3, shifts=1
    ),
    contrastive: contrastive.Args(devices=(Mismatched(),), chips=1, hidden=16, steps=2, labels=(10,)),
    heirs: heirs.Args(heirs=2, epochs=0.3, hidden=8, teachers=2),
    in_place: in_place.Args(devices=(Ideal(), SoftBoundsRRAM()), chips=1, epochs=0.3, hidden=8),
    laws: laws.Args(samples=500),
    lecun1989: lecun1989.Args(data="digits", rungs=("base", "averaging"), seeds=2, passes=2, images=300),
    local_targets: local_targets.Args(devices=(SoftBoundsRRAM(),), sizes=(6, 3), chips=2, budget=1_000),
    mistakes: mistakes.Args(shares=(0.5,), teachers=2, epochs=0.3),
    meta: meta.Args(
        agents=1, generations=2, directions=1, chips=4, steps=10, rates=(0.05,), sizes=(0.1, 0.2)
    ),
    handover: handover.Args(ages=(0.0,), budgets=(8, 90), teachers=1, heirs=1, epochs=0.3, hidden=8),
    lineage: lineage.Args(lineages=2, generations=2, epochs=0.2, hidden=8, rehearsal=(0, 50)),
    local: local.Args(devices=(Mismatched(),), chips=2, channels=8, groups=2, epochs=0.3, own_heads=True),
    probes: probes.Args(laws=("hadamard",), schemes=("antithetic",), chips=2, budget=3, hidden=8),
    scaling: scaling.Args(widths=(4, 6), chips=1, loss=2.28, most=2e6),
    speed: speed.Args(repeats=1, chips=3),
    temperature: temperature.Args(
        temperatures=(4.0,), sizes=(0.125,), hisses=(0.5,), teachers=1, epochs=0.1, moments=(0.5,), repeats=2
    ),
    left_out: left_out.Args(left_out=("3", "0,1"), teachers=1, heirs=2, epochs=0.3),
    stimuli: stimuli.Args(readings=(0.1,), teachers=1, heirs=2, epochs=0.1, hidden=8, another="digits"),
    towers: towers.Args(
        data="digits", where=("digital", "chips"), optimizers=("SGD",), heights=(1, 2), seeds=2, epochs=0.5
    ),
    zoo: zoo.Args(devices=(SoftBoundsRRAM(), SONOS()), chips=1, heirs=1, budget=3, hidden=8),
    tuning: tuning.Args(sizes=(0.1,), probes=(1, 4), chips=2, budget=3, hidden=8),
}


@pytest.mark.parametrize("study", STUDIES, ids=claim)
def test_every_study_runs_at_toy_size(study: Any, tmp_path: Path) -> None:
    args = TOYS[study]
    trials = study.plan(args)
    assert pickle.loads(pickle.dumps(trials)) == trials
    rows = [{"trial": t.name, **row} for t in trials for row in study.run(t)]
    json.dumps(rows)
    shares = [r["done"] for r in rows if r["trial"] == trials[0].name and "done" in r]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert study.table(rows)
    for path in study.figures(rows, tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("study", [s for s in STUDIES if s is not speed], ids=claim)  # that one measures time
def test_rows_depend_on_the_trial_alone(study: Any, tmp_path: Path) -> None:
    """In the order of the plan or one trial by itself: the same rows."""
    trials = study.plan(TOYS[study])
    inside = [list(study.run(t)) for t in trials][-1]
    assert list(study.run(trials[-1])) == inside


def test_a_study_is_a_function() -> None:
    rows = list(heirs.run(heirs.Trial(heirs.Args(heirs=1, epochs=0.1, hidden=4))))
    assert rows[-1]["what"] == "heir" and 0 <= rows[-1]["accuracy"] <= 1


def test_heirs_tells_the_story_in_order() -> None:
    rows = list(heirs.run(heirs.Trial(heirs.Args(heirs=2, epochs=0.1, hidden=4))))
    story = list(dict.fromkeys(r["what"] for r in rows))
    wanted = ["curve", "teacher", "teacher, read again", "copy", "heir before", "teacher, dead", "heir"]
    assert story == wanted
    last = [r for r in rows if r["what"] == "heir"]
    assert [r["chip"] for r in last] == [1, 2] and all(r["joules"] > 0 for r in last)


def test_short_training_already_separates_heirs_from_copies() -> None:
    """A tenth of the demo's training: heirs beat weight copies of the same teacher by 5 points or more."""
    rows = list(heirs.run(heirs.Trial(heirs.Args(heirs=4, epochs=10))))
    mean = {w: [r["accuracy"] for r in rows if r["what"] == w] for w in ("teacher", "copy", "heir")}
    score = {w: sum(v) / len(v) for w, v in mean.items()}
    assert score["teacher"] > 0.85 and score["heir"] > score["copy"] + 0.05


@pytest.mark.parametrize(
    "device", [Ideal(), Mismatched(), Mismatched(severity=0.5, hiss=0.1), SoftBoundsRRAM(step=0.01)], ids=str
)
def test_devices_on_the_command_line(device: Any) -> None:
    assert device_from(device_words(device)) == device


@pytest.mark.parametrize(
    "words",
    [
        "Mismatched",
        "analog:Nothing",
        "nowhere:Class",
        "analog:Mismatched(severity=9)",
        "analog:Mismatched(colour=1)",
        "analog:Mismatched(severity=__import__('os'))",
        "analog:Mismatched(severity=1",
        "analog:Mismatched(1.0)",
        "analog:Port",
        "mine.py:Memristor",
    ],
)
def test_bad_devices_are_named(words: str) -> None:
    with pytest.raises(ValueError, match=r"device ['\"]"):
        device_from(words)


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


def test_the_example_is_calibrated_to_what_it_was_made_with() -> None:
    """Of the cells in pulses.csv; each within 4 standard errors, false alarm below 1e-3."""
    made_with = {"step": 2.5e-3, "step_spread": 0.2, "top": 1.1, "bottom": -0.9, "top_spread": 0.15}
    made_with |= {"bottom_spread": 0.2, "cycle_noise": 3.75, "write_noise": 25.0, "hiss": 0.02}
    rows = [r for r in calibrate.run(calibrate.Trial()) if r["what"] == "parameter"]
    found = {r["name"]: r for r in rows}
    for name, truth in made_with.items():
        assert abs(found[name]["value"] - truth) < 4 * found[name]["error"], name


def test_a_coverage_run_counts_each_device(tmp_path: Path) -> None:
    args = calibrate.Args(coverage=30, devices=(WanRRAM(),), cells=100, copies=4)
    trials = calibrate.plan(args)
    assert [(t.first, t.last) for t in trials] == [(0, 24), (25, 29)]
    rows = list(calibrate.run(trials[1]))
    assert {r["name"] for r in rows} >= {"hiss"} and all(r["repeats"] == 5 >= r["within"] for r in rows)
    (line,) = calibrate.table(rows)
    assert line["device"] == "WanRRAM" and line["repeats"] == 5
    assert calibrate.figures(rows, tmp_path)[0].read_bytes().startswith(b"\x89PNG")


def test_a_bad_table_is_named_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, out = tmp_path / "mine.csv", str(tmp_path / "out")
    path.write_text("cell,pulses,reading\n1,0,0.5\n1,1,NaN\n")
    assert command(monkeypatch, "calibrate", "--data", str(path), "--out", out) == 1
    assert "column reading, row 3: is NaN" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "out").exists()


def test_conduct_draws_and_keeps(tmp_path: Path) -> None:
    folder = conduct(heirs, TOYS[heirs], How(tmp_path, workers=2, threads=1))
    assert (folder / "heirs.png").exists() and len((folder / "rows.jsonl").read_text()) > 1000


@pytest.mark.parametrize(("word", "least"), [("hidden", 16), ("steps", 1)])
def test_contrastive_refuses_too_little(word: str, least: int) -> None:
    args = contrastive.Args(**{word: least - 1})
    with pytest.raises(ValueError, match=f"{word} is {least - 1}, wanted at least {least}"):
        next(contrastive.run(contrastive.Trial(args)))


@pytest.mark.parametrize("args", [heirs.Args(heirs=0), heirs.Args(hidden=-1), heirs.Args(epochs=0)], ids=str)
def test_zero_is_not_the_default(args: heirs.Args) -> None:
    with pytest.raises(ValueError, match="wanted a finite number above 0"):
        next(heirs.run(heirs.Trial(args)))
