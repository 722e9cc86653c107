"""Fabrication and noise: named draws, the same for a chip alone and in a fleet."""

import pytest
import torch

from analog import Fabrication, Noise, stream

LIKE = torch.empty(0)


def test_birth_is_keyed_by_identity_layer_and_name() -> None:
    birth = Fabrication((3,), (), 0, 2, LIKE)
    assert birth.normal("gain", 4, 5).shape == (2, 4, 5)
    assert torch.equal(birth.normal("gain", 4), birth.normal("gain", 4))
    assert not torch.equal(birth.normal("gain", 4), birth.normal("offset", 4))
    assert not torch.equal(birth.normal("gain", 4), Fabrication((4,), (), 0, 2, LIKE).normal("gain", 4))
    assert not torch.equal(birth.normal("gain", 4), Fabrication((3,), (), 1, 2, LIKE).normal("gain", 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_of_a_fleet_is_the_chip_alone(dtype: torch.dtype) -> None:
    like = torch.empty(0, dtype=dtype)
    fleet = Fabrication(range(5), (5,), 1, 2, like)
    for draw in ("normal", "uniform"):
        rows = getattr(fleet, draw)("x", 3, 4)
        assert rows.shape == (5, 2, 3, 4) and rows.dtype == dtype
        assert torch.equal(rows[3], getattr(Fabrication((3,), (), 1, 2, like), draw)("x", 3, 4))


def test_both_precisions_are_the_same_chip() -> None:
    double = Fabrication((3,), (), 0, 1, torch.empty(0, dtype=torch.float64)).normal("x", 50)
    assert torch.equal(double.float(), Fabrication((3,), (), 0, 1, LIKE).normal("x", 50))


def test_noise_is_new_at_every_use_and_for_every_probe() -> None:
    noise, like = Noise(stream(0)), torch.zeros(3, 4)
    assert not torch.equal(noise.normal(like), noise.normal(like))
    probed = noise.with_probe_axes((2,), 3)
    fresh = probed.normal(like)
    assert fresh.shape == (2, 3, 4) and not torch.equal(fresh[0], fresh[1])
    assert probed.uniform(torch.zeros(2, 3, 4)).shape == (2, 3, 4)  # this one carries the probe axis already
    assert float(noise.uniform(like).min()) >= 0 and float(noise.uniform(like).max()) < 1


def test_a_chip_with_dice_of_its_own_draws_what_it_would_draw_alone() -> None:
    fleet = Noise([stream(0, "row", i) for i in range(3)])
    alone = Noise(stream(0, "row", 1))
    for lead, rank, shape, place in (
        ((), 0, (2, 4, 5), 0),
        ((2,), 5, (2, 4, 5), 1),
        ((7,), 5, (7, 2, 4, 5), 1),
    ):
        body = (*shape[:place], 3, *shape[place:]) if len(shape) > 3 else (3, *shape)
        for word in ("normal", "uniform"):
            rows = getattr(fleet.with_probe_axes(lead, rank), word)(torch.zeros(body))
            own = getattr(alone.with_probe_axes(lead, rank - 1), word)(torch.zeros(shape))
            assert torch.equal(rows.select(len(lead), 1), own)


def test_silent_noise_is_the_median() -> None:
    none, like = Noise.none(), torch.ones(3)
    assert float(none.normal(like)) == 0.0 and float(none.uniform(like)) == 0.5
    assert float(none.with_probe_axes((2,), 2).normal(like)) == 0.0


def test_whole_numbers_by_chance_are_right_on_average() -> None:
    """Floor or ceiling only, the mean kept (z below 6), and the number itself without noise."""
    count = torch.full((40_000,), 2.3, dtype=torch.float64)
    drawn = Noise(stream(0, "whole")).stochastic_round(count)
    assert torch.equal(drawn.unique(), torch.tensor([2.0, 3.0], dtype=torch.float64))
    assert abs(float(drawn.mean()) - 2.3) < 6 * (0.21 / 40_000) ** 0.5
    assert Noise.none().stochastic_round(count) is count


def test_rounding_is_noise_and_silence_has_none() -> None:
    value = torch.tensor([0.2, 0.7, -1.4])
    assert torch.equal(Noise(stream(0, "rounded")).round_to_nearest(value), torch.tensor([0.0, 1.0, -1.0]))
    assert Noise.none().round_to_nearest(value) is value
