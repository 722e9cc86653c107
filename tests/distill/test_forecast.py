"""What will be lost: the stand-in's limits, and forecasts against what came."""

import math

import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, dense, stream
from distill import forecast_loss, run_pilot
from distill.forecast import stand_in
from distill.read_budget import Pilot

F64 = torch.float64
LAYERS = (dense(4, 40), dense(40, 3, linear=True))


def pool(count: int) -> Tensor:
    return torch.randn(count, 4, generator=stream(0, "pool"))


def test_the_stand_in_knows_what_it_was_told_and_no_more() -> None:
    """Without a ridge it answers its lessons exactly; with a huge one the mean of them."""
    x, out = pool(30), torch.randn(30, 3, generator=stream(0, "out"), dtype=F64)
    torch.testing.assert_close(stand_in(x, out, x, 0.0), out)
    torch.testing.assert_close(stand_in(x, out, x, 1e12), out.mean(0).expand(30, 3), atol=1e-6, rtol=0)


def test_it_is_what_very_wide_networks_do() -> None:
    """Its kernel is the mean over random ReLU features, twice E relu(w.a) relu(w.b)."""
    x = pool(5)
    wide = torch.randn(400_000, 5, generator=stream(0, "wide"))
    inputs = torch.cat((x, torch.ones(5, 1)), -1)
    hidden = (inputs @ wide.T).relu().double()
    kernel = 2 * hidden @ hidden.T / len(wide)
    out = torch.eye(5, dtype=F64)
    middle = out.mean(0)
    found = middle + kernel @ torch.linalg.solve(kernel + 0.5 * kernel.diagonal().mean() * out, out - middle)
    torch.testing.assert_close(stand_in(x, out, x, 0.5), found, atol=5e-3, rtol=0)


def test_more_lessons_are_foreseen_to_lose_less_and_errors_grow_with_distance() -> None:
    pilot = run_pilot(Chip(Ideal(), LAYERS, 1).port(), pool(400), 1600, stream(0))
    near, far, farther = forecast_loss(pilot, [200, 800, 3200], stream(0))
    assert near.lost > far.lost > farther.lost > 0
    assert near.error / near.lost < far.error / far.lost < farther.error / farther.lost


def test_a_teacher_that_says_nothing_teaches_nothing() -> None:
    """Answers that have nothing to do with the stimuli: two of three are foreseen lost, whatever is spent."""
    first = torch.randn(200, 3, generator=stream(0, "first"))
    second = torch.randn(200, 3, generator=stream(0, "second"))
    for loss in forecast_loss(Pilot(torch.arange(200), pool(200), first, second), [100, 1000], stream(0)):
        assert abs(loss.lost - 2 / 3) < 4 * loss.error + 0.05


def test_a_pilot_of_a_few_foresees_nothing() -> None:
    pilot = run_pilot(Chip(Mismatched(), LAYERS, 1).port(), pool(50), 20, stream(0))
    (loss,) = forecast_loss(pilot, [18], stream(0))
    assert loss.lessons == 18 and math.isnan(loss.lost) and math.isnan(loss.error)
