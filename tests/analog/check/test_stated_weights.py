"""Tests of the law that refuses weights by which nothing is multiplied."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from analog import Ideal, Mismatched, Noise
from analog.check.stated_weights import check_stated_weights
from analog.device import stated_weights
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


class Bending:
    """What a class may be mixed with."""

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        del self, noise
        return x.tanh() @ cells.weights.mT


@dataclass(frozen=True)
class Mixed(Bending, Mismatched):
    """A device whose `collect` comes from beside it."""


def patched() -> Mismatched:
    """A device with a `collect` in the object itself."""
    device = Mismatched()
    object.__setattr__(device, "collect", lambda cells, x, noise: x.tanh() @ cells.weights.mT)
    return device


def test_whoever_collects_otherwise_states_no_weights_of_a_class_above() -> None:
    nothing: Any = None
    assert stated_weights(PCM(), nothing) is None  # draws noise of its own, over cells that are programmed
    for bent in (Bent(), Renamed(), Mixed(), patched()):
        assert stated_weights(bent, nothing) is None
    cells = IdealCells(torch.ones(1, 2, 2))
    assert stated_weights(Ideal(), cells) is cells.knobs
