"""Paired inputs come with their opposites."""

import pytest
import torch

from analog import dense
from analog.layers import Paired, prepared


def test_every_input_and_one_that_is_always_on_comes_with_both_signs() -> None:
    layer = prepared(dense(8, 2, bias=False), Paired(2.0))
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert layer.features_in == 3
    assert layer.gather(x).flatten().tolist() == [2, 4, 6, 2, -2, -4, -6, -2]


@pytest.mark.parametrize("gain", [0.0, -1.0, float("inf"), float("nan")])
def test_a_gain_that_is_none_is_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="Paired: gain"):
        Paired(gain)


def test_what_is_no_pair_is_refused() -> None:
    for features in (2, 7):
        with pytest.raises(ValueError, match="no pairs"):
            prepared(dense(features, 2, bias=False), Paired())
