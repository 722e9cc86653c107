"""Everything runs on an accelerator as it does on the CPU, and waits for it no more than it must."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Device, Ideal, Mismatched, Noise, Port, dense, stream
from analog.devices import ZOO, Hopfield, Resistive, TransistorNetwork
from analog.spec import Spec
from analog.tree import tree_map
from distill import distill
from learners import Batch, CrossEntropy, Learner, evaluate, recipes, train
from learners.data import Dataset
from tests.accelerator import PLACE, accelerator, numbers, same_streams
from tests.learners.alternatives.test_every_alternative import LEARNERS as ALTERNATIVES
from tests.learners.local.test_every_objective import LAYERS as OBJECTIVE_LAYERS
from tests.learners.local.test_every_objective import OBJECTIVES
from tests.learners.test_learner import LEARNERS

STEPS = 2
LAYERS = (dense(16, 6), dense(6, 3, linear=True))
LEARNED: dict[str, Learner] = {
    "learned feedback": recipes.learned_feedback(CrossEntropy(), steps=STEPS),
    "measured feedback": recipes.measured_feedback(CrossEntropy(), steps=STEPS),
}
EVERY = {**LEARNERS, **ALTERNATIVES, **OBJECTIVES, **LEARNED}
RELAXING = recipes.equilibrium_propagation(CrossEntropy(), steps=STEPS)
LAZY = 7  # waits of a step with a device that ages when enough time has passed, and looks how much has


def learned(device: Device[Any], learner: Learner, on: str, layers: Any = LAYERS) -> tuple[Any, Tensor]:
    """The cells of a fleet after some steps at a place, and what they then show."""
    chip, generator = Chip(device, layers, (0, 1), on=on), stream(0, "placement", "probes", on=on)
    port, order = chip.port(), stream(0, "placement", "examples")
    state = learner.init(port.spec)
    for _ in range(STEPS):
        x = torch.rand(8, 16, generator=order)
        views, target = torch.cat((x, x.flip(-1))), torch.randint(3, (8,), generator=order).repeat(2)
        state, _ = learner.step(port, Batch(views.to(on), target.to(on)), state, generator)
    return chip._cells, port.measure(views.to(on)).out


def require_same(device: Device[Any], learner: Learner, waits: float, layers: Any = LAYERS) -> None:
    """Hold what is learned elsewhere to what is learned here, and the waits of a step to a bound."""
    monkeypatch = pytest.MonkeyPatch()
    with same_streams(monkeypatch):
        here = learned(device, learner, "cpu", layers)
    with accelerator(monkeypatch) as mode:
        there = learned(device, learner, PLACE, layers)
        counted = mode.waits
    assert counted <= waits * STEPS
    tree_map(lambda a, b: torch.testing.assert_close(a, b, rtol=0, atol=0), here, numbers(there))


@pytest.mark.parametrize("device", [Ideal(), Mismatched(), *ZOO], ids=lambda d: type(d).__name__)
def test_a_device_learns_elsewhere_as_it_does_on_the_cpu(device: Device[Any]) -> None:
    lazy = hasattr(Chip(device, LAYERS)._cells[0], "pending_seconds")
    granular = device.costs.step is not None
    require_same(device, LEARNED["learned feedback"], 1 + granular + lazy * LAZY)


@pytest.mark.parametrize(
    "device", [Hopfield(), Resistive(), TransistorNetwork()], ids=lambda d: type(d).__name__
)
def test_a_chip_that_relaxes_learns_elsewhere_as_it_does_on_the_cpu(device: Device[Any]) -> None:
    require_same(device, RELAXING, 2)


@pytest.mark.parametrize("name", EVERY)
def test_a_learner_learns_elsewhere_as_it_does_on_the_cpu(name: str) -> None:
    require_same(Mismatched(), EVERY[name], 99, OBJECTIVE_LAYERS if name in OBJECTIVES else LAYERS)


@dataclass(frozen=True)
class Leftover(Mismatched):
    """A device that adds something which was made without a place."""

    def sense(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        return super().sense(cells, u, noise) + torch.zeros(u.shape[-1])


@dataclass(frozen=True)
class Straying:
    """A learner whose drive was made without a place."""

    def init(self, spec: Spec) -> None:
        return None

    def step(self, port: Port, batch: Batch, state: None, generator: Generator) -> tuple[None, Any]:
        out = port.measure(batch.x).out
        port.pulse(tuple(out.mean() * torch.ones(shape) for shape in port.spec.shapes))
        raise AssertionError("nothing was noticed")


def test_what_was_made_without_a_place_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with accelerator(monkeypatch), pytest.raises(RuntimeError, match="on the CPU meets one elsewhere"):
        learned(Leftover(), LEARNED["learned feedback"], PLACE)
    with accelerator(monkeypatch), pytest.raises(RuntimeError, match="on the CPU meets one elsewhere"):
        learned(Mismatched(), Straying(), PLACE)


def test_training_and_evaluation_and_lessons_run_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = stream(0, "placement", "examples")
    x, target = torch.rand(24, 16, generator=examples), torch.randint(3, (24,), generator=examples)

    def scores(on: str) -> list[float]:
        """Data stay on the CPU: a course of steps brings each batch to its chip."""
        data = Dataset("made up", Batch(x, target), Batch(x, target), 3, "")
        teacher, heir = (Chip(Mismatched(), LAYERS, who, on=on).port() for who in (1, (2, 3)))
        learner = recipes.learned_feedback(CrossEntropy())
        train(teacher, learner, data, epochs=2, batch_size=8, seed=0, progress=False)
        more: dict[str, Any] = {
            "epochs": 1,
            "batch_size": 8,
            "seed": 0,
            "progress": False,
            "temperature": 2.0,
        }
        distill(teacher, heir, recipes.learned_feedback, data.train, **more)
        return [*evaluate(teacher, data.test).view(1).tolist(), *evaluate(heir, data.test).tolist()]

    with same_streams(monkeypatch):
        here = scores("cpu")
    with accelerator(monkeypatch):
        assert scores(PLACE) == here
