"""Pictures of a device show what its cells do, name their units, and leave no trace anywhere else."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import _pylab_helpers
from matplotlib.axes import Axes

from analog import Chip, Dead, Ideal, Mismatched, dense, grouped, plots, xray
from analog.devices import PCM, ZOO, CapacitorCell, LinearECRAM, ModulatorBank, Tabulated
from analog.effects import Endurance
from analog.plots.cells import Column, average_readings, respond_to_pulses, respond_to_steps, retain

SAMPLE = [ZOO[at] for at in (0, 9, 17)]


def words(axes: Axes) -> str:
    texts = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(t.get_text() for t in axes.texts)]
    return " ".join(texts)


@pytest.mark.parametrize("device", [*SAMPLE, Endurance(Ideal())], ids=lambda d: type(d).__name__)
def test_any_device_is_drawn_with_units_or_a_word_why_not(device: Any) -> None:
    figure = plots.device_figure(device, cells=2)
    panels = [axes for axes in figure.axes if axes.get_title() and not axes.images]
    assert len(panels) == 4
    for axes in panels:
        empty = not axes.lines
        says = words(axes)
        assert (
            ("does not age" in says or "without noise" in says)
            if empty
            else "full scale" in says or "V" in says
        )
        for line in axes.lines:
            assert np.isfinite(np.asarray(line.get_ydata(), float)).all()
    assert len([axes for axes in figure.axes if axes.images]) == 2
    assert not _pylab_helpers.Gcf.figs  # pyplot knows of none


def test_the_same_seed_draws_the_same_cells() -> None:
    first, again, other = (
        np.asarray(plots.pulse_response(Mismatched(), cells=3, seed=s).lines[0].get_ydata())
        for s in (4, 4, 5)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_pulse_response_goes_up_and_comes_down_by_the_devices_steps() -> None:
    device = LinearECRAM(step_dtod=0.0, cycle_to_cycle_std=0.0, write_noise=0.0)
    found = respond_to_pulses(Column(device, 4))
    mean, turn = found.states.mean(1), len(found.pulses) // 2
    assert bool((mean[: turn + 1].diff() >= -1e-9).all()) and bool((mean[turn:].diff() <= 1e-9).all())
    assert float(mean[turn] - mean[0]) > 1.5
    per = int(found.pulses[1])
    assert float(mean[turn // 2] - mean[turn // 2 - 1]) == pytest.approx(per * device.step, rel=0.5)
    drawn = plots.pulse_response(device, cells=4)
    assert float(np.asarray(drawn.lines[-1].get_xdata())[-1]) == float(found.pulses[-1])


def test_steps_are_those_of_the_table_with_their_noise() -> None:
    """Of a tabulated device the mean and sd of a pulse are known at every state."""
    states = (-1.0, 0.0, 1.0)
    device = Tabulated(
        tuple((w, 0.03 - 0.01 * w, 0.004) for w in states), tuple((w, -0.03, 0.008) for w in states)
    )
    for way, slope, sd in ((1, -0.01, 0.004), (-1, 0.0, 0.008)):
        found = respond_to_steps(Column(device, 450), way)
        assert torch.allclose(found.means, way * 0.03 + slope * found.states, atol=1e-3)
        assert torch.allclose(found.cycle_sd, torch.full_like(found.cycle_sd, sd), rtol=0.1)
    with pytest.raises(ValueError, match="17 cells, wanted at least 18"):
        plots.step_response(device, cells=17)


def test_retention_is_the_devices_own_and_what_does_not_age_says_so() -> None:
    device = CapacitorCell(lifetime=1.0)
    found = retain(Column(device, 20))
    mean = found.states[:, -1].mean(1)  # from the highest level, which leaks to nothing in seconds
    share = mean[found.seconds < 100] / mean[0]
    assert float(share[-1]) < 1e-3 and bool((share.diff() <= 1e-9).all()) and float(mean[0]) > 0.5
    assert "does not age" in words(plots.retention(Mismatched(), cells=20))
    assert plots.retention(PCM(), cells=20).get_xlabel() == "time since the write, s"
    with pytest.raises(ValueError, match="9 cells, wanted at least 10"):
        plots.retention(device, cells=9)


def test_white_noise_falls_with_the_square_root_of_the_readings() -> None:
    found = average_readings(Column(Mismatched(read_noise=0.05), 100))
    assert torch.allclose(found.sd, 0.05 / found.averaged.double().sqrt(), rtol=0.06)
    assert "without noise" in words(plots.read_noise(Ideal()))
    assert "full scale rms" in plots.read_noise(ModulatorBank(), cells=2).get_ylabel()


def test_a_map_shows_every_cell_of_every_layer() -> None:
    chip = Chip(Ideal(), (dense(5, 4), grouped(4, 6, 2)), 3)
    drawn = plots.chip_map(chip)
    for axes, knobs in zip(drawn, xray.knobs(chip), strict=True):
        assert np.allclose(np.asarray(axes.images[0].get_array()), knobs.flatten(0, 1).numpy())
    assert drawn[1].get_title() == "layer 1: 2 x 3 x 3"
    with pytest.raises(ValueError, match="fleet of 2 chips, wanted one"):
        plots.chip_map(Chip(Ideal(), (dense(2, 1, linear=True),), range(2)))
    chip.die()
    with pytest.raises(Dead):
        plots.chip_map(chip)
