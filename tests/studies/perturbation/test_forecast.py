"""Forecasts go on from themselves, know nothing of what is to come, and echo states stay as fabricated."""

from dataclasses import replace
from statistics import fmean

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, stream, xray
from learners import Batch, adam, fit
from studies.kit.data.mackey_glass import TRAINING
from studies.perturbation import forecast

ARGS = replace(forecast.TOY, chips=2)


def test_who_knows_the_changes_forecasts_the_series() -> None:
    """An oracle that looks the window up gives back the truth: windows, units and points belong together."""
    series = forecast.runs(ARGS)
    points = series.raw.shape[-1]
    seen, changes = series.windows(series.window - 1, points - 1)

    def oracle(x: Tensor) -> Tensor:
        distance = (x[:, :, None] - seen[:, None]).square().sum(-1)  # (chips, n, windows)
        at = distance.argmin(-1, keepdim=True).expand(-1, -1, 1)
        return changes.gather(1, at)

    found, truth = forecast.forecasts(oracle, series), series.raw[:, series.learned + 1 :]
    assert found.shape == truth.shape == (2, TRAINING - 1 - TRAINING * 3 // 4)
    torch.testing.assert_close(found[:, :20], truth[:, :20], rtol=0, atol=2e-3)  # a point moves by .06


def test_nothing_that_is_to_be_forecast_is_shown() -> None:
    series = forecast.runs(ARGS)
    hidden = series._replace(raw=series.raw.index_fill(-1, torch.arange(series.learned + 1, TRAINING), 9.0))

    def drift(x: Tensor) -> Tensor:
        return x[..., -1:] * 0.1

    assert torch.equal(forecast.forecasts(drift, series), forecast.forecasts(drift, hidden))
    examples = (each.windows(series.window - 1, series.learned - 1) for each in (series, hidden))
    assert all(torch.equal(*pair) for pair in zip(*examples, strict=True))


def test_what_is_held_out_ends_before_the_test_begins() -> None:
    tried, judged = forecast.runs(ARGS), forecast.runs(replace(ARGS, held_out=False))
    assert tried.raw.shape[-1] == judged.learned == TRAINING
    assert judged.raw.shape[-1] == 2 * TRAINING + 1


def test_of_an_echo_state_only_the_read_out_is_pulsed() -> None:
    chip = Chip(Mismatched(), forecast.layers(ARGS), (0, 1))
    before = xray.knobs(chip)
    x, target = torch.randn(2, 8, 6, generator=stream(0, "x")), torch.ones(2, 8, 1)
    learner = forecast.ReadoutAlone(adam(0.01), forecast.LOSS)
    ((_, step),) = fit(learner, chip.port(), [Batch(x, target)], stream(0, "probes"))
    state, readout = (not torch.equal(*each) for each in zip(before, xray.knobs(chip), strict=True))
    assert not state and readout and step.loss.shape == (2,)


def test_its_read_out_descends_the_exact_gradient() -> None:
    chip = Chip(Ideal(), forecast.layers(ARGS), 1, dtype=torch.float64)
    x = torch.randn(8, 6, generator=stream(0, "x"), dtype=torch.float64)
    target = torch.ones(8, 1, dtype=torch.float64)
    before, exact = xray.knobs(chip)[1], xray.knob_gradient(chip, x, target, forecast.LOSS)[1]
    learner = forecast.ReadoutAlone(adam(0.01), forecast.LOSS)
    list(fit(learner, chip.port(), [Batch(x, target)], stream(0, "probes")))
    moved = xray.knobs(chip)[1] - before
    torch.testing.assert_close(moved, -0.01 * exact.sign(), rtol=1e-4, atol=1e-6)  # Adam's first step


def test_backprop_through_time_forecasts_better_than_the_mean() -> None:
    args = replace(ARGS, steps=4, points=4, hidden=16, updates=150, learning_rate=1e-2)
    ends = {
        way: next(r for r in forecast.run(forecast.Trial(args, way)) if r["what"] == "end")
        for way in (forecast.DIGITAL, forecast.MEAN)
    }
    assert max(ends[forecast.DIGITAL]["ahead"]) < 0.1
    assert fmean(ends[forecast.DIGITAL]["smape"]) < 0.9 * fmean(ends[forecast.MEAN]["smape"])


@pytest.mark.parametrize("way", ["measured feedback"])
def test_who_cannot_learn_through_time_is_refused(way: str) -> None:
    with pytest.raises(ValueError, match="MeasuredFeedback: layer 0 has a state"):
        list(forecast.run(forecast.Trial(ARGS, way)))
