"""Symbols light the lines that their one-hot rows would, in any wiring behind them."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from analog import Chip, Mismatched, dense, stream
from analog.layers import OneHot, channel_mixing, prepared
from learners import Batch, CrossEntropy, fit, recipes

NUMBERS = torch.randint(5, (6, 3), generator=stream(0, "one hot"))


def test_a_symbol_lights_the_line_of_its_place_and_number() -> None:
    layer = prepared(dense(15, 2), OneHot(5))
    assert layer.features_in == 3
    lit = layer.gather(NUMBERS.float())[0]
    assert torch.equal(lit[:, :-1], one_hot(NUMBERS, 5).float().flatten(1)) and bool((lit[:, -1] == 1).all())


@pytest.mark.parametrize("none", [-1.0, 5.0, 0.5])
def test_what_is_no_symbol_lights_nothing(none: float) -> None:
    assert not OneHot(5)(torch.full((2, 3), none)).any()


def test_a_chip_learns_bitwise_as_from_one_hot_rows() -> None:
    """The same cells behind a decoder and behind none: the same readings, and the same pulses."""

    def taught(decoded: bool) -> tuple[Tensor, ...]:
        first, x = dense(15, 8), NUMBERS.float()
        layers = (prepared(first, OneHot(5)) if decoded else first, dense(8, 5, linear=True))
        x = x if decoded else one_hot(NUMBERS, 5).float().flatten(1)
        port = Chip(Mismatched(), layers, [3, 4]).port()
        learner = recipes.learned_feedback(CrossEntropy(), steps=3)
        for _ in fit(learner, port, [Batch(x, NUMBERS[:, 0])] * 3, stream(0)):
            pass
        return port.measure(x).taps

    assert all(a.equal(b) for a, b in zip(taught(True), taught(False), strict=True))


def test_an_embedding_is_one_tile_for_all_places() -> None:
    layer, w = prepared(channel_mixing(3, 5, 2), OneHot(5)), torch.randn(1, 2, 6, generator=stream(1))
    out = layer.scatter(layer.gather(NUMBERS.float()) @ w.mT)
    assert (layer.tiles, layer.cols) == (1, 6)
    torch.testing.assert_close(out, (w[0, :, :-1].T[NUMBERS] + w[0, :, -1]).flatten(1))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="14 lines are no inputs of 5 symbols"):
        prepared(dense(14, 2), OneHot(5))
    with pytest.raises(ValueError, match="symbols is 0"):
        OneHot(0)
