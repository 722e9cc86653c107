"""Truths all over their ranges lie where the fit says, or the fit says that it does not know."""

from pathlib import Path
from typing import Any

import pytest

from analog.devices import WanRRAM
from studies.hardware import coverage


def test_a_cheap_device_is_within_its_bands(tmp_path: Path) -> None:
    """24 truths of two parameters, within bands of 99.9 % each; most are vouched for."""
    args = coverage.Args(devices=(WanRRAM(),), truths=24, cells=200, copies=5)
    rows = [row for trial in coverage.plan(args) for row in coverage.run(trial)]
    assert len(rows) == 2 * 24 and all(r["vouched"] == (not r["doubts"]) for r in rows)
    for line in coverage.table(rows):
        assert line["vouched for"] >= 18 and float(line["p"]) > 1e-3, line
    assert coverage.figures(rows, tmp_path)[0].read_bytes().startswith(b"\x89PNG")


def test_a_fit_that_is_too_sure_of_itself_is_seen() -> None:
    """Probabilities as of a standard error half of what it is: outside the bands."""
    levels = [(k + 0.5) / 100 for k in range(100)]
    sure = [0.0 if v < 0.25 else 1.0 if v > 0.75 else 2 * v - 0.5 for v in levels]
    common = {"device": "D", "name": "x", "vouched": True, "doubts": ""}
    (right,) = coverage.table([{**common, "below": v} for v in levels])
    (wrong,) = coverage.table([{**common, "below": v} for v in sure])
    assert (right["within bands"], wrong["within bands"]) == ("yes", "NO")
    assert (right["in 95 %"], wrong["in 50 %"]) == ("95", "25") or right["in 95 %"] in ("94", "96")


def test_a_table_that_is_refused_counts_against_every_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise ValueError("nothing is identifiable")

    monkeypatch.setattr(coverage, "calibrate", refuse)
    args = coverage.Args(devices=(WanRRAM(),), truths=2, cells=25, copies=1)
    lines = coverage.table(list(coverage.run(coverage.plan(args)[0])))
    assert [line["parameter"] for line in lines] == ["read_noise", "programming_error_scale"]
    for line in lines:
        assert (line["truths"], line["vouched for"], line["within bands"]) == (2, 0, "-")
        assert line["most doubts"] == "refused: nothing is identifiable 2"
