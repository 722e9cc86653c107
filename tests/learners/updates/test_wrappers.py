"""Wrappers send the drives of another update at other times, or in other portions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from analog.spec import Knobs
from learners import (
    Update,
    accumulate,
    adagrad,
    adam,
    layerwise,
    linear_decay,
    momentum,
    rmsprop,
    sgd,
    with_schedule,
)
from learners.updates import accumulate_gradients

from .sequences import F64, assert_equal_to_rounding, drives, gradients

ONES = [(-torch.ones(4, dtype=F64),)] * 7


def test_a_linear_decay_falls_to_its_floor() -> None:
    falling = drives(linear_decay(sgd(1.0), 4, floor=0.2), ONES)[:, 0]
    torch.testing.assert_close(falling, torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2], dtype=F64))


def test_a_schedule_is_asked_for_the_steps_taken_before() -> None:
    rising = drives(with_schedule(sgd(1.0), lambda steps: 1.0 + steps), ONES)[:, 0]
    torch.testing.assert_close(rising, torch.arange(1.0, 8.0, dtype=F64))


def test_a_schedule_leaves_the_inner_update_alone() -> None:
    """An update that returns its own velocity as the drive keeps it whole."""

    def step(gradient: Knobs, velocity: Knobs) -> tuple[Knobs, Knobs]:
        velocity = tuple(0.9 * v - g for g, v in zip(gradient, velocity, strict=True))
        return velocity, velocity

    shared = drives(linear_decay(Update(lambda zeros: zeros, step), 4), ONES[:4])[:, 0]
    wanted = torch.tensor([1.0, 1.9 * 0.75, 2.71 * 0.5, 3.439 * 0.25], dtype=F64)
    torch.testing.assert_close(shared, wanted)


@given(threshold=st.floats(0.01, 2.0), seed=st.integers(0, 5))
def test_what_is_owed_is_sent_late_and_whole(threshold: float, seed: int) -> None:
    """Sent and owed together are the inner update's drives; what is sent are multiples of the threshold."""
    sequence = [(g,) for g in torch.randn(30, 4, generator=stream(0, "owed", seed), dtype=F64)]
    sent, early = drives(accumulate(adam(0.1), threshold), sequence), drives(adam(0.1), sequence)
    assert float((sent - early).cumsum(0).abs().max()) < threshold * (1 + 1e-9)
    multiples = sent / threshold
    torch.testing.assert_close(multiples, multiples.round(), rtol=0, atol=1e-9)


def test_a_small_threshold_sends_at_once() -> None:
    sequence = gradients(30, "at once")
    late = drives(accumulate(momentum(0.1), 1e-9), sequence).cumsum(0)
    torch.testing.assert_close(late, drives(momentum(0.1), sequence).cumsum(0), rtol=0, atol=1e-8)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_accumulated_gradients_are_sent_as_their_mean(steps: int) -> None:
    sequence = gradients(10, "accumulated")
    sent = drives(accumulate_gradients(adam(0.1), steps), sequence)
    means = [
        tuple(sum(p) / steps for p in zip(*sequence[k : k + steps], strict=True)) for k in range(0, 10, steps)
    ]
    assert_equal_to_rounding(sent[steps - 1 :: steps], drives(adam(0.1), means))
    quiet = torch.ones(10, dtype=torch.bool)
    quiet[steps - 1 :: steps] = False
    assert not sent[quiet].any()


def test_layers_by_themselves_have_hyper_parameters_of_their_own() -> None:
    """What needs no common number is the same; tuned ones then go ways of their own."""
    sequence = gradients(10, "layerwise")
    assert_equal_to_rounding(drives(layerwise(adam(0.1)), sequence), drives(adam(0.1), sequence))
    tuned = sgd(0.1, tuned_by=rmsprop(0.02))
    rows = drives(layerwise(tuned), sequence)
    for layer, part in enumerate((slice(0, 12), slice(12, 20))):
        assert_equal_to_rounding(rows[:, part], drives(tuned, [(g[layer],) for g in sequence]))
    assert float((rows - drives(tuned, sequence)).abs().max()) > 1e-6


def test_a_wrapped_update_may_tune_another() -> None:
    """A tuner that is scheduled to do nothing leaves the other as it is."""
    sequence = gradients(10, "wrapped tuner")
    idle = with_schedule(adagrad(0.3), lambda steps: 0.0)
    assert_equal_to_rounding(drives(sgd(0.1, tuned_by=idle), sequence), drives(sgd(0.1), sequence))
    busy = drives(sgd(0.1, tuned_by=linear_decay(adagrad(0.3), 100)), sequence)
    assert float((busy - drives(sgd(0.1), sequence)).abs().max()) > 1e-3


@pytest.mark.parametrize(
    "make",
    [
        lambda: linear_decay(sgd(1), 0),
        lambda: linear_decay(sgd(1), 5, floor=2),
        lambda: accumulate(sgd(1), 0.0),
        lambda: accumulate_gradients(sgd(1), 0),
    ],
)
def test_bad_settings_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="wanted|wants"):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda update: with_schedule(update, float),
        lambda update: linear_decay(update, 5),
        lambda update: accumulate(update, 0.1),
        lambda update: accumulate_gradients(update, 2),
        layerwise,
    ],
)
def test_what_is_no_update_is_not_wrapped(wrap: Callable[[Any], Update]) -> None:
    with pytest.raises(TypeError, match="update is .*, wanted an Update such as"):
        wrap(adam)
