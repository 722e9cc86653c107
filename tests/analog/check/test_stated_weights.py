"""Tests of the law that refuses weights by which nothing is multiplied."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from analog import Ideal, Mismatched, Noise
from analog.check.stated_weights import check_stated_weights
from analog.devices import PCM
from analog.devices.ideal import IdealCells
from tests.analog.check.judging import law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_stated_weights
)


@dataclass(frozen=True)
class Bent(Mismatched):
    """A device with a `collect` of its own, which says nothing of weights."""

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        return super().collect(cells, x.tanh(), noise)


@dataclass(frozen=True)
class Renamed(Bent):
    """A device with nothing of its own."""


def test_whoever_collects_otherwise_states_no_weights_of_a_class_above() -> None:
    nothing: Any = None
    assert Bent().weights(nothing) is None and Renamed().weights(nothing) is None
    assert PCM().weights(nothing) is None  # draws noise of its own, over cells that are programmed
    cells = IdealCells(torch.ones(1, 2, 2))
    assert Ideal().weights(cells) is cells.knobs
