"""The aging study: what rescaling can undo, who is alive when, and a run that is killed."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from analog import Chip, Dead, Ideal, Noise, Probe, dense, stream
from analog.devices import CapacitorCell
from analog.devices.ideal import IdealCells
from analog.effects import Endurance
from learners import Batch
from studies.hardware import aging
from studies.kit.recipes import maintenance
from studies.kit.recipes.training_size import SMALL
from studies.kit.run.runner import RunOptions, plan_trials, run_study

LAYERS = (dense(64, 8), dense(8, 10, linear=True))
SHORT = aging.Args(
    devices=(CapacitorCell(),), methods=("nothing", "heir"), moments=(0.5, 2.0), chips=2, epochs=0.5
)


@dataclass(frozen=True)
class Fading(Ideal):
    """Every cell loses the same share of what it holds."""

    def age(self, cells: IdealCells, seconds: float, noise: Noise) -> IdealCells:
        return IdealCells(cells.knobs * 2**-seconds)


def context(chip: Chip, data: Any = None) -> maintenance.Context:
    few = Batch(torch.rand(20, 64, generator=stream(0, "few")), torch.arange(20) % 10)
    return maintenance.Context(data, SMALL, few, lambda *path: stream(0, *path))


def in_use(chip: Chip, held: maintenance.Context) -> maintenance.ChipInUse:
    return maintenance.ChipInUse(chip, chip.clock, chip.port().measure(held.examples.x).taps)


def test_rescaling_undoes_what_all_cells_lose_alike() -> None:
    chip = Chip(Fading(), LAYERS)
    held = context(chip)
    fresh = in_use(chip, held)
    chip.wait(3.0)
    faded = fresh.port.measure(held.examples.x).taps
    mended = maintenance.METHODS["rescaling"](held, fresh, 0).port.measure(held.examples.x).taps
    for was, now, back in zip(fresh.fresh_taps, faded, mended, strict=True):
        assert float((now - was).abs().max()) > 0.1
        torch.testing.assert_close(back, was, rtol=1e-4, atol=1e-4)


def test_rescaled_wires_multiply_layer_by_layer() -> None:
    chip = Chip(Ideal(), (dense(64, 8, bias=False), dense(8, 10, bias=False, linear=True)))
    x = torch.rand(5, 64, generator=stream(0, "x"))
    plain, scaled = chip.port(), maintenance.rescaled(chip.port(), (2.0, 3.0))
    torch.testing.assert_close(scaled.measure(x).taps[0], 2 * plain.measure(x).taps[0])
    torch.testing.assert_close(scaled.measure(x).out, 6 * plain.measure(x).out)
    push = torch.ones(1, 5, 10)
    probed = scaled.measure(x, Probe(nodes=(None, push))).out
    torch.testing.assert_close(probed, 3 * push + scaled.measure(x).out)


def test_a_device_that_does_not_age_needs_no_care() -> None:
    args = aging.Args(devices=(Ideal(),), moments=(1.0, 1e6), epochs=1)
    rows = list(aging.run(aging.Trial(args, Ideal(), "nothing")))
    assert len({r["after"] for r in rows}) == 1 and len({r["before"] for r in rows}) == 1


def test_an_heir_takes_over_at_its_moment_and_the_teacher_is_dead() -> None:
    """World time goes on through the succession: an heir is younger than the world."""
    from learners.data import load_data

    chip = Chip(CapacitorCell(read_noise=0), (dense(64, 64), dense(64, 10, linear=True)))
    held = context(chip, load_data("digits"))._replace(size=SMALL._replace(epochs=0.3))
    fresh = in_use(chip, held)
    assert maintenance.METHODS["heir"](held, fresh, 0) is fresh and chip.alive  # it is still well
    chip.wait(5.0)
    after = maintenance.METHODS["heir"](held, fresh, 0)
    with pytest.raises(Dead):
        chip.port().measure(held.examples.x)
    assert after.chip.identities != chip.identities and after.chip.clock < 0.1 and 5.0 < after.now < 5.1


def test_the_dead_know_nothing() -> None:
    """A chip that relearns itself to death is dead at all later moments, and its run goes on."""
    device = Endurance(Fading(), pulses=80, pulses_dtod=0)  # drives are owed while it learns, and not later
    args = aging.Args(devices=(device,), methods=("relearning",), moments=(1.0, 2.0, 3.0), epochs=1)
    rows = list(aging.run(aging.Trial(args, device, "relearning")))
    assert [r["after"] for r in rows[-2:]] == [0.0, 0.0] and rows[0]["after"] > 0
    assert "worn out" in rows[-1]["died"] and rows[-1]["done"] == 1.0


def test_a_remedy_fails_where_two_points_are_lost() -> None:
    about = {"device": "a:B", "method": "nothing", "chip": 0}
    course = {0.0: 0.9, 60.0: 0.885, 3600.0: 0.87, 3.156e7: 0.1}
    rows = [{**about, "seconds": s, "before": a, "after": a} for s, a in course.items()]
    (line,) = aging.table(rows)
    assert line["fails at"] == "1 h" and line["1 min"] == "88.5" and line["1 year"] == "10.0"
    assert aging.table(rows[:2])[0]["fails at"] == "not yet"


@pytest.mark.parametrize(
    ("moments", "problem"),
    [
        ((), "--moments is empty; wanted at least one"),
        ((0.0, 1.0), "--moments is 0.0; wanted a number above 0"),
        ((2.0, 1.0), "moments rise"),
        ((1.0, 1.0), "moments rise"),
    ],
)
def test_moments_that_do_not_rise_are_refused(moments: tuple[float, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        plan_trials(aging, aging.Args(moments=moments))


CHILD = """
import os, signal, sys
from pathlib import Path
from studies.hardware import aging
from studies.kit.run.runner import RunOptions, run_study
from tests.studies.hardware.test_aging import SHORT

folder, lived = Path(sys.argv[1]), aging.run

def killed(trial):
    for row in lived(trial):
        if (folder / "rows.jsonl").exists():  # those of the first trial, so that this is the second
            os.kill(os.getpid(), signal.SIGKILL)
        yield row

aging.run = killed
run_study(aging, SHORT, RunOptions(folder, threads=1))
"""


def test_an_ageing_run_that_is_killed_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    whole = (run_study(aging, SHORT, RunOptions(tmp_path / "whole", threads=1)) / "rows.jsonl").read_text()
    folder = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    done = subprocess.run([sys.executable, "-c", CHILD, str(folder)], env=environment)
    assert done.returncode == -signal.SIGKILL
    left = (folder / "rows.jsonl").read_text()
    assert left and whole.startswith(left) and left != whole
    kept = (folder / "times.jsonl").read_text()
    run_study(aging, SHORT, RunOptions(folder, threads=1))
    assert (folder / "rows.jsonl").read_text() == whole
    assert (folder / "times.jsonl").read_text().startswith(kept)  # what was finished was not run again
