"""The study of calibration finds what its example was made with, and counts its coverage."""

from pathlib import Path

import pytest

from analog.calibrate import BadTable
from analog.devices import WanRRAM
from studies.hardware import calibrate
from studies.kit.report.figures import has_data


def test_the_example_is_calibrated_to_what_it_was_made_with() -> None:
    """Of the cells in pulses.csv; each within 4 standard errors, false alarm below 1e-3."""
    made_with = {"step": 2.5e-3, "step_dtod": 0.2, "w_max": 1.1, "w_min": -0.9, "w_max_dtod": 0.15}
    made_with |= {"w_min_dtod": 0.2, "cycle_to_cycle_std": 3.75, "write_noise": 25.0, "read_noise": 0.02}
    rows = [r for r in calibrate.run(calibrate.Trial()) if r["what"] == "parameter"]
    found = {r["name"]: r for r in rows}
    for name, truth in made_with.items():
        assert abs(found[name]["value"] - truth) < 4 * found[name]["error"], name


def test_a_file_of_conductances_is_read_on_a_scale(tmp_path: Path) -> None:
    path = tmp_path / "microsiemens.csv"
    rows = [f"{cell},{pulses},{2 + cell % 3}" for cell in range(20) for pulses in (0, 5)]
    path.write_text("\n".join(("cell,pulses,conductance [uS]", *rows)) + "\n")
    assert calibrate.plan(calibrate.Args(data=path, zero=3e-6, full_scale=1e-6))
    with pytest.raises(BadTable, match="wanted scale"):
        calibrate.plan(calibrate.Args(data=path))
    with pytest.raises(ValueError, match="wants both --zero and --full-scale"):
        calibrate.plan(calibrate.Args(data=path, zero=3e-6))


def test_a_coverage_run_counts_each_device() -> None:
    args = calibrate.Args(coverage=30, devices=(WanRRAM(),), cells=100, copies=4)
    trials = calibrate.plan(args)
    assert [(t.first, t.last) for t in trials] == [(0, 24), (25, 29)]
    rows = list(calibrate.run(trials[1]))
    assert {r["name"] for r in rows} >= {"read_noise"} and all(r["repeats"] == 5 >= r["within"] for r in rows)
    (line,) = calibrate.table(rows)
    assert line["device"] == "WanRRAM" and line["repeats"] == 5
    assert all(map(has_data, calibrate.figures(rows)["calibrate"].axes))
