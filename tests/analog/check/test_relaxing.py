"""Devices that relax are held to what comes back, to their loads, and to settling in time."""

from dataclasses import dataclass
from typing import Any

import pytest
from torch import Tensor

from analog import ContractError, Ideal, Noise, check_device
from analog.check.relaxing import check_relaxing
from analog.check.trial import Trial
from analog.check.watched import Watched
from analog.devices import Hopfield, Resistive, TransistorNetwork
from analog.layers.crossbar import dense
from analog.relaxation import unsettled

LAYERS = (dense(5, 4), dense(4, 3, linear=True))


class Untransposed(Hopfield):
    def reflect(self, cells: Any, y: Tensor, noise: Noise) -> Tensor:
        return 1.01 * super().reflect(cells, y, noise)


class Faint(Untransposed):
    """Signals of a millionth."""

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        return 1e-6 * super().collect(cells, x, noise)

    def reflect(self, cells: Any, y: Tensor, noise: Noise) -> Tensor:
        return 1e-6 * super().reflect(cells, y, noise)


class Silent(Hopfield):
    def reflect(self, cells: Any, y: Tensor, noise: Noise) -> Any:
        return None


class Turned(Hopfield):
    def reflect(self, cells: Any, y: Tensor, noise: Noise) -> Tensor:
        return super().reflect(cells, y, noise).mT


class Sucking(Resistive):
    def shunt(self, cells: Any) -> tuple[Tensor, Tensor]:
        above, below = super().shunt(cells)
        return -above, below


class Leaking(Resistive):
    def shunt(self, cells: Any) -> tuple[Tensor, Tensor]:
        above, below = super().shunt(cells)
        above[..., :1] = float("inf")
        return above, below


class Wide(Resistive):
    def shunt(self, cells: Any) -> tuple[Tensor, Tensor]:
        above, below = super().shunt(cells)
        return above.expand(*above.shape[:-2], 2, -1), below


class Sourcing(TransistorNetwork):
    def chord_below(self, cells: Any, x: Tensor) -> Tensor:
        return -super().chord_below(cells, x)


class Restless(TransistorNetwork):
    def chord_above(self, cells: Any, y: Tensor) -> Tensor:
        return 1.01 * super().chord_above(cells, y)


class HalfSaid(TransistorNetwork):
    def chord_below(self, cells: Any, x: Tensor) -> Any:
        return None


class Swinging(Hopfield):
    """Neurons that run away from each other at every sweep."""

    def fire(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        return (-40 * u).tanh()


class Undirected(Hopfield):
    @property
    def synapse(self) -> Any:
        return "one-way"


@dataclass(frozen=True)
class Standing(Ideal):
    @property
    def synapse(self) -> Any:
        return "product"


@pytest.mark.parametrize(
    ("device", "law"),
    [
        (Untransposed(), "reflect is not the adjoint of collect"),
        (Faint(), "reflect is not the adjoint of collect"),
        (Hopfield(sweeps=1), "do not settle: after settling = 1 "),
        (Silent(), "reflect gives nothing back"),
        (Turned(), "reflect gave"),
        (Sucking(), "nodes above no finite load"),
        (Wide(), "nodes above no finite load"),
        (Sourcing(), "chord_below lays on the nodes below no finite load"),
        (Restless(), "at rest, chord_above loads the nodes above otherwise than shunt"),
        (HalfSaid(), "must both say how nodes are loaded"),
        (Leaking(), "nodes above no finite load"),
        (Swinging(), "do not settle"),
        (Undirected(), "its synapse is 'one-way'"),
        (Standing(), "synapse is 'product' although"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_broken_device_is_named_by_its_law(device: Any, law: str) -> None:
    with pytest.raises(ContractError, match=law):
        check_relaxing(Trial(Watched(device), LAYERS))


@pytest.mark.parametrize(
    "device",
    [Hopfield(), Hopfield(skew_dtod=0.3, node_noise=0.05), Resistive(), TransistorNetwork()],
    ids=repr,
)
def test_honest_ones_pass(device: Any) -> None:
    check_relaxing(Trial(Watched(device), LAYERS))


def test_what_is_missing_may_be_as_much_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(Watched(Hopfield(sweeps=2)), LAYERS)
    chip = trial.chip(range(3, 14))
    missing = float(unsettled(trial.device, chip.spec, chip._cells, trial.draw("x of a life", 6, 5)).median())
    monkeypatch.setattr("analog.check.relaxing._UNSETTLED", missing)
    check_relaxing(trial)
    monkeypatch.setattr("analog.check.relaxing._UNSETTLED", 0.999 * missing)
    with pytest.raises(ContractError, match="do not settle"):
        check_relaxing(trial)


def test_the_law_is_among_those_of_every_device() -> None:
    sentence = "A device that relaxes sends back the adjoint of what it collects, loads nodes and settles."
    assert sentence in check_device(Ideal(), steps=0)
    with pytest.raises(ContractError, match="adjoint"):
        check_device(Untransposed(), steps=0)
