"""The zoo study: what cells can hold, deaths on the way, and a device from outside."""

import re
from pathlib import Path
from typing import Any

import pytest

from analog import Mismatched, check_device
from analog.devices import ConstantStep, RRAMArray
from analog.effects import Endurance
from studies.hardware import zoo
from studies.kit.run.references import reference, resolve, short_reference
from tests.source import ROOT
from tests.studies.test_main import command

OUTSIDE = "docs.molecular_memristor:MolecularMemristor"


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
