"""The zoo study: what cells can hold, deaths on the way, and a device from outside."""

import re
from pathlib import Path
from typing import Any

import pytest

from analog import Ideal, Mismatched, check_device
from analog.devices import ConstantStep, RRAMArray
from analog.effects import Endurance
from studies.hardware import zoo
from studies.kit.recipes.published_learner import WRITE_THRESHOLD
from studies.kit.run.references import reference, resolve, short_reference
from tests.source import ROOT
from tests.studies.test_main import command

OUTSIDE = "docs.molecular_memristor:MolecularMemristor"


def plain(**numbers: float) -> ConstantStep:
    return ConstantStep(
        step_dtod=0, up_down_dtod=0, w_max_dtod=0, w_min_dtod=0, **{"cycle_to_cycle_std": 0, **numbers}
    )


@pytest.mark.parametrize("step", [0.5, 0.25])
def test_levels_without_noise_are_the_range_in_steps(step: float) -> None:
    assert zoo.bench(plain(step=step), 3)["levels"] == pytest.approx(1 + 2 / step)


@pytest.mark.parametrize("cycle_to_cycle_std", [0.5, 2.0])
def test_levels_are_the_range_over_what_a_write_leaves_to_chance(cycle_to_cycle_std: float) -> None:
    step = 0.001
    blur = cycle_to_cycle_std * step * (WRITE_THRESHOLD / step) ** 0.5
    found = zoo.bench(plain(step=step, cycle_to_cycle_std=cycle_to_cycle_std), 3)
    assert found["levels"] == pytest.approx(1 + 2 / blur, rel=0.1) and found["unmoved"] == 0  # 3,200 cells


def test_dead_cells_do_not_move_and_silent_ones_have_no_end_of_levels() -> None:
    assert zoo.bench(RRAMArray(dead=0.3), 3)["unmoved"] == pytest.approx(0.3, abs=0.05)  # 6 sd
    assert zoo.bench(Ideal(), 3)["levels"] is None


def test_a_chip_that_dies_of_learning_is_told_of() -> None:
    args = zoo.Args(
        devices=(Endurance(Mismatched(), pulses=1, pulses_dtod=0),),
        learners=("learned feedback",),
        chips=1,
        budget=45,
        hidden=8,
    )
    trials = zoo.plan(args)
    rows: list[Any] = [{"trial": t.name, **row} for t in trials for row in zoo.run(t)]
    died = [r for r in rows if r["what"] == "learned feedback"]
    assert "worn out" in died[0]["died"] and died[0]["accuracy"] is None
    assert not [r for r in rows if r["what"] == "heir"] and "1 died" in zoo.table(rows)[1]["accuracy %"]


def test_all_that_learn_see_the_same_batches_and_pay_the_same() -> None:
    args = zoo.Args(devices=(ConstantStep(), Mismatched()), chips=1, heirs=0, budget=5, hidden=8)
    rows = [row for t in zoo.plan(args) for row in zoo.run(t)]
    paid = {(r["device"], r["what"]): r["reads"] for r in rows if "in_place" in r}
    probing = {reads for (_, method), reads in paid.items() if method != "measured feedback"}
    assert probing == {22 * 64 * 5}  # one epoch of 1437 examples in whole batches, 1 + 4 each
    measured = {reads for (_, method), reads in paid.items() if method == "measured feedback"}
    assert measured == {22 * 64 + 5 * 9}  # the read-out has 8 inputs, and is measured every fifth step


@pytest.mark.parametrize("device", [ConstantStep(), RRAMArray.hfo2(), Mismatched(read_noise=0.1)], ids=str)
def test_names_in_the_table_are_short(device: Any) -> None:
    words = short_reference(reference(device))
    assert words.startswith(type(device).__name__) and len(words) < 40


def test_a_device_of_a_recent_paper_written_by_a_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """About twenty lines outside the package pass check_device and run in the study by name."""
    text = (ROOT / "docs" / "molecular_memristor.py").read_text()
    body = re.search(r"class Cells.*", text, re.DOTALL)
    assert body is not None and len([line for line in body[0].splitlines() if line.strip()]) <= 26
    monkeypatch.syspath_prepend(ROOT)
    check_device(resolve(OUTSIDE))
    words = ["zoo", "--devices", OUTSIDE, "--chips", "1", "--budget", "9", "--hidden", "8", "--heirs", "1"]
    monkeypatch.setenv("COLUMNS", "200")
    assert command(monkeypatch, *words, "--out", str(tmp_path / "out")) == 0
    assert "MolecularMemristor" in capsys.readouterr().out
