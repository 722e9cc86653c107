"""Truths all over their ranges lie where the fit says, or the fit says that it does not know."""

from typing import Any

import pytest

from analog.devices import LinearECRAM, RRAMArray, WanRRAM
from analog.effects import Endurance
from studies.hardware import coverage
from studies.kit.report.figures import has_data


def test_a_cheap_device_is_within_its_bands() -> None:
    """24 truths of two parameters, within bands of 99.9 % each; most are vouched for."""
    args = coverage.Args(devices=(WanRRAM(),), truths=24, cells=200, copies=5)
    rows = [row for trial in coverage.plan(args) for row in coverage.run(trial)]
    assert len(rows) == 2 * 24 and all(r["vouched"] == (not r["doubts"]) for r in rows)
    whole, *details = coverage.table(rows)
    assert whole["vouched for"] == sum(line["vouched for"] for line in details)
    assert float(whole["p"]) == min(float(line["p"]) for line in details)
    for line in details:
        assert line["vouched for"] >= 18 and float(line["p"]) > 1e-3, line
    assert has_data(coverage.figures(rows)["coverage"].axes[0])


def test_a_fit_that_is_too_sure_of_itself_is_seen() -> None:
    """Probabilities as of a standard error half of what it is: outside the bands."""
    levels = [(k + 0.5) / 100 for k in range(100)]
    sure = [0.0 if v < 0.25 else 1.0 if v > 0.75 else 2 * v - 0.5 for v in levels]
    common = {"device": "D", "name": "x", "vouched": True, "doubts": "", "truth": 0}
    whole, right = coverage.table([{**common, "below": v} for v in levels])
    _, wrong = coverage.table([{**common, "below": v} for v in sure])
    assert (whole["device"], whole["worst"], whole["within bands"]) == ("D", "x", "yes")
    assert (right["within bands"], wrong["within bands"]) == ("yes", "NO")
    assert (right["in 95 %"], wrong["in 50 %"]) == ("95", "25") or right["in 95 %"] in ("94", "96")


def test_a_table_that_is_refused_counts_against_every_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise ValueError("nothing is identifiable")

    monkeypatch.setattr(coverage, "calibrate", refuse)
    args = coverage.Args(devices=(WanRRAM(),), truths=2, cells=25, copies=1)
    lines = coverage.table(list(coverage.run(coverage.plan(args)[0])))
    assert [line["parameter"] for line in lines] == ["all", "read_noise", "programming_error_scale"]
    assert lines[0]["estimates"] == 4
    for line in lines[1:]:
        assert (line["truths"], line["vouched for"], line["within bands"]) == (2, 0, "-")
        assert line["most doubts"] == "refused: nothing is identifiable 2"


def test_devices_are_named_by_what_makes_them() -> None:
    others = [LinearECRAM(step=0.001, w_max=2.0), LinearECRAM(step=0.001, w_max=3.0)]
    devices = [LinearECRAM(), LinearECRAM.metal_oxide(), RRAMArray.hfo2(), Endurance(LinearECRAM()), *others]
    short = coverage.short_names([coverage.device_name(device) for device in devices])
    assert list(short.values()) == [
        "LinearECRAM",
        "LinearECRAM.metal_oxide",
        "RRAMArray.hfo2",
        "Endurance(device=LinearECRAM)",
        "LinearECRAM(step=0.001, ...)",
        "LinearECRAM(step=0.001, ...) (2)",
    ]


def test_devices_have_draws_of_their_own() -> None:
    """What one of them meets by chance is not met by the others too."""
    args = coverage.Args(devices=(WanRRAM(), WanRRAM(fit="cubic")), truths=1, cells=25, copies=1)
    one, other = ([row["value"] for row in coverage.run(trial)] for trial in coverage.plan(args))
    assert all(a != b for a, b in zip(one, other, strict=True))
