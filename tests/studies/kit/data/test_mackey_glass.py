"""The Mackey-Glass series solves its equation, and forecasts are judged as NeuroBench judges them."""

from itertools import pairwise

import pytest
import torch

from studies.kit.data.mackey_glass import POINTS, TAU, TRAINING, integrate, run, smape


def test_the_solution_converges_and_solves_the_equation() -> None:
    """Half the step: a quarter of the error, all of which is of the kink where the past ends."""
    steps = [integrate(85 * k, 2000 * k, 0.2 / k)[k - 1 :: k] for k in (1, 2, 4)]
    errors = [float((one - other)[:600].abs().max()) for one, other in pairwise(steps)]
    assert errors[1] < errors[0] / 3.5 and errors[1] < 2e-5
    x, delay, h = steps[2], 85, 0.2
    change = (x[delay + 2 :] - x[delay:-2]) / (2 * h)
    past, now = x[1 : -delay - 1], x[delay + 1 : -1]
    wanted = 0.2 * past / (1 + past**10) - 0.1 * now
    assert float((change - wanted)[delay:].abs().max()) < 2e-3  # of central differences


def test_runs_are_pieces_of_one_series_half_a_lyapunov_time_apart() -> None:
    first, later, latest = run(0), run(2), run(31)
    assert first.shape == later.shape == latest.shape == (2 * TRAINING + 1,)
    assert torch.equal(first[POINTS:], later[:-POINTS])
    torch.testing.assert_close(run(29)[POINTS:], latest[:-POINTS], rtol=0, atol=0)
    assert 0.2 < float(latest.min()) < 0.6 and 1.2 < float(latest.max()) < 1.5
    assert TAU == 17


def test_errors_are_symmetric_and_end_at_200() -> None:
    forecast, truth = torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0], [1.0, 2.0]])
    assert smape(forecast, truth).tolist() == pytest.approx([50.0, 200.0])
    assert torch.equal(smape(forecast, truth), smape(truth, forecast))
    assert float(smape(torch.tensor([float("nan")]), torch.tensor([1.0]))) == 200.0
