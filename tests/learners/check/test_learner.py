"""Learners that cheat within reach of an in-process check are caught, and what they did is named."""

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch

from analog import Chip, ContractError, Mismatched, Port, dense, stream
from analog.wires import ReplayMismatch
from learners import Batch, CrossEntropy, Descent, NodePerturbation, Step, adam, check_learner
from learners.testing import LearnerLaws

LAYERS = (dense(4, 3), dense(3, 2, linear=True))
_MODULE: list[float] = []


def lessons() -> list[Batch]:
    generator = stream(0, "lessons")
    return [
        Batch(torch.randn(3, 4, generator=generator), torch.randint(0, 2, (3,), generator=generator))
        for _ in range(4)
    ]


class Plain:
    """Pulses all knobs by a number that hangs on the reading, and on what a cheat adds."""

    best: Any = 9.0

    def __init__(self) -> None:
        self.steps = 0.0

    def extra(self, baseline: torch.Tensor) -> float:
        return 0.0

    def init(self, spec: object) -> int:
        return 0

    def step(self, port: Port, batch: Batch, state: int, generator: object) -> tuple[int, Step]:
        baseline = port.measure(batch.x)
        size = 0.01 * float(baseline.out.mean()) + self.extra(baseline.out)
        port.pulse(tuple(torch.full_like(k, size) for k in port.spec.zeros()))
        return state + 1, Step(baseline.out.mean(), baseline)


class OnItself(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        self.steps += 0.001
        return self.steps


class OnItselfBegunAnew(OnItself):
    def init(self, spec: object) -> int:
        self.steps = 0.0
        return 0


class OnItsClass(Plain):
    def init(self, spec: object) -> int:
        type(self).best = 9.0
        return 0

    def extra(self, baseline: torch.Tensor) -> float:
        type(self).best = min(self.best, float(baseline.mean()))
        return 0.01 * float(self.best)


class OnItsClassUnused(Plain):
    """Keeps a record on its class that changes nothing, yet."""

    record: Any = ()

    def extra(self, baseline: torch.Tensor) -> float:
        type(self).record = (*self.record, float(baseline.mean()))[-2:]
        return 0.0


class OnItsModule(Plain):
    def init(self, spec: object) -> int:
        _MODULE.clear()
        return 0

    def extra(self, baseline: torch.Tensor) -> float:
        _MODULE.append(float(baseline.mean()))
        return 0.001 * len(_MODULE)


class TorchGlobal(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        return 0.01 * float(torch.rand(()))


class TorchSeeded(TorchGlobal):
    def init(self, spec: object) -> int:
        torch.manual_seed(0)
        return 0


class TorchOnce(Plain):
    """Draws for a tie that never comes."""

    def extra(self, baseline: torch.Tensor) -> float:
        return float(torch.rand(()) > 2)


class TorchForked(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        with torch.random.fork_rng():
            return 0.01 * float(torch.rand(()))


class NumpyGlobal(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        return 0.01 * float(numpy.random.rand())


class PythonGlobal(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        return 0.01 * random.random()


class Entropy(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        return 0.01 * float(numpy.random.default_rng().normal())


class AltersBatch(Plain):
    def step(self, port: Port, batch: Batch, state: int, generator: object) -> tuple[int, Step]:
        batch.x.mul_(1.5)
        return super().step(port, batch, state, generator)


_BY_IDENTITY: dict[int, int] = {}


class ByItsPort(Plain):
    def step(self, port: Port, batch: Batch, state: int, generator: object) -> tuple[int, Step]:
        _BY_IDENTITY[id(port.measure)] = seen = _BY_IDENTITY.get(id(port.measure), 0) + 1
        self.seen = seen
        return super().step(port, batch, state, generator)

    def extra(self, baseline: torch.Tensor) -> float:
        return 0.001 * self.seen


class ByItsGenerator(ByItsPort):
    def step(self, port: Port, batch: Batch, state: int, generator: object) -> tuple[int, Step]:
        _BY_IDENTITY[id(generator)] = self.seen = _BY_IDENTITY.get(id(generator), 0) + 1
        return Plain.step(self, port, batch, state, generator)


class StateInPlace(Plain):
    def init(self, spec: object) -> Any:
        return torch.zeros(())

    def step(self, port: Port, batch: Batch, state: Any, generator: object) -> tuple[Any, Step]:
        return state.add_(1), super().step(port, batch, 0, generator)[1]


class DictionaryInPlace(Plain):
    def init(self, spec: object) -> Any:
        return {"n": 0}

    def step(self, port: Port, batch: Batch, state: Any, generator: object) -> tuple[Any, Step]:
        state["n"] += 1
        return state, super().step(port, batch, 0, generator)[1]


class Locked(Plain):
    def init(self, spec: object) -> Any:
        return (0, threading.Lock())

    def step(self, port: Port, batch: Batch, state: Any, generator: object) -> tuple[Any, Step]:
        return state, super().step(port, batch, 0, generator)[1]


class GradientsOff(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        torch.set_grad_enabled(False)
        return 0.0


CHEATS: dict[Callable[[], Any], tuple[type[Exception], str]] = {
    OnItself: (ReplayMismatch, "what was sent differs"),
    OnItselfBegunAnew: (ReplayMismatch, "of two trainings by turns .* remembered outside the state"),
    OnItsClass: (ContractError, "of two trainings by turns|OnItsClass.best changed while learning"),
    OnItsClassUnused: (ContractError, "OnItsClassUnused.record changed while learning"),
    OnItsModule: (ReplayMismatch, "of two trainings by turns .* remembered outside the state"),
    TorchGlobal: (ContractError, "the global torch generator"),
    TorchSeeded: (ContractError, "the global torch generator"),
    TorchOnce: (ContractError, "the global torch generator"),
    TorchForked: (ReplayMismatch, "what was sent differs"),
    NumpyGlobal: (ContractError, "the global numpy generator"),
    PythonGlobal: (ContractError, "the global Python generator"),
    Entropy: (ReplayMismatch, "what was sent differs"),
    ByItsPort: (ReplayMismatch, "of two trainings by turns .* remembered outside the state"),
    ByItsGenerator: (ReplayMismatch, "of two trainings by turns .* remembered outside the state"),
    StateInPlace: (ContractError, "StateInPlace: step altered the state that it was handed"),
    DictionaryInPlace: (ContractError, "DictionaryInPlace: step altered the state that it was handed"),
    Locked: (ContractError, "^Locked: state.1 is a lock, which cannot be copied and compared; wanted tuples"),
    GradientsOff: (ContractError, "GradientsOff: torch's gradient mode was left changed"),
    AltersBatch: (ContractError, "batch 0 was altered in place"),
}


@pytest.mark.parametrize("kind", CHEATS, ids=lambda kind: kind.__name__)
def test_a_cheat_is_named(kind: Callable[[], Any]) -> None:
    error, says = CHEATS[kind]
    with pytest.raises(error, match=says):
        check_learner(kind(), Chip(Mismatched(), LAYERS).port(), lessons(), lambda: stream(0, "probes"))


class Lists(Plain):
    def init(self, spec: object) -> Any:
        return [{"n": 0}]

    def step(self, port: Port, batch: Batch, state: Any, generator: object) -> tuple[Any, Step]:
        longer = state.copy()  # a list, and no tuple
        longer.append({"n": len(state)})
        return longer, super().step(port, batch, 0, generator)[1]


class Lazy(Plain):
    """Leaves out the last pulse of one of its trainings, by their number."""

    def __init__(self, training: int) -> None:
        super().__init__()
        self.training = training

    def init(self, spec: object) -> int:
        _MODULE.append(0.0)
        return 10 * len(_MODULE)

    def step(self, port: Port, batch: Batch, state: int, generator: object) -> tuple[int, Step]:
        if state == 10 * self.training + 3:
            baseline = port.measure(batch.x)
            return state + 1, Step(baseline.out.mean(), baseline)
        return super().step(port, batch, state, generator)


@pytest.mark.parametrize(
    ("training", "says"),
    [(2, "^tape: 7 events played back, the recording has 8"), (3, "7 events"), (4, "7 events")],
)
def test_a_training_that_sends_less_is_named(training: int, says: str) -> None:
    _MODULE.clear()
    port = Chip(Mismatched(), LAYERS).port()
    with pytest.raises(ReplayMismatch, match=says):
        check_learner(Lazy(training), port, lessons(), lambda: stream(0, "probes"))


class NewOnItsClass(Plain):
    def extra(self, baseline: torch.Tensor) -> float:
        type(self).fresh = 1  # type: ignore[attr-defined]
        return 0.0


class LessOnItsClass(Plain):
    spare = 1

    def extra(self, baseline: torch.Tensor) -> float:
        if "spare" in vars(type(self)):
            del type(self).spare
        return 0.0


def test_what_comes_or_goes_on_a_class_is_named() -> None:
    port = Chip(Mismatched(), LAYERS).port()
    for kind, name in ((NewOnItsClass, "fresh"), (LessOnItsClass, "spare")):
        with pytest.raises(ContractError, match=f"{kind.__name__}.{name} changed while learning"):
            check_learner(kind(), port, lessons(), lambda: stream(0, "probes"))


def test_the_second_half_is_anothers_however_short() -> None:
    port = Chip(Mismatched(), LAYERS).port()
    with pytest.raises(ReplayMismatch, match="of two trainings by turns"):
        check_learner(OnItselfBegunAnew(), port, lessons()[:2], lambda: stream(0, "probes"))


class Locked(Plain):
    """Cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Secondless(Plain):
    def step(self, port: Port, batch: Batch, state: int, generator: object) -> Any:
        return state, state


def test_what_cannot_be_copied_is_taken_as_it_is_and_a_step_that_is_none_is_named() -> None:
    port = Chip(Mismatched(), LAYERS).port()
    check_learner(Locked(), port, lessons(), lambda: stream(0, "probes"))
    with pytest.raises(TypeError, match=r"step gave int second; wanted \(state, Step\)"):
        check_learner(Secondless(), port, lessons(), lambda: stream(0, "probes"))


def test_a_learner_that_keeps_to_its_wires_passes() -> None:
    """And the check returns the laws that it kept, as that of a device does."""
    for learner in (Plain(), Lists(), Descent(NodePerturbation(0.1), adam(0.01), CrossEntropy())):
        port = Chip(Mismatched(), LAYERS).port()
        laws = check_learner(learner, port, lessons(), lambda: stream(0, "probes"))
        assert laws == tuple(law.sentence for law in LearnerLaws().laws())


def test_slips_have_clear_errors() -> None:
    chip = Chip(Mismatched(), LAYERS)
    with pytest.raises(TypeError, match=r"check_learner.*give its wires, chip.port\(\)"):
        check_learner(Plain(), chip, lessons(), lambda: stream(0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wanted a function that makes one"):
        check_learner(Plain(), chip.port(), lessons(), stream(0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^check_learner: generator is 3, wanted a torch.Generator"):
        check_learner(Plain(), chip.port(), lessons(), lambda: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="no batch to learn from"):
        check_learner(Plain(), chip.port(), [], lambda: stream(0))


def test_a_loss_that_is_not_finite_is_named_before_any_pulse() -> None:
    class Logarithm(CrossEntropy):
        def value(self, out: torch.Tensor, target: Any) -> torch.Tensor:
            return (super().value(out, target) - 100).log()

    chip = Chip(Mismatched(), LAYERS)
    pulses: list[Any] = []
    port = chip.port()._replace(pulse=pulses.append)
    learner = Descent(NodePerturbation(0.1), adam(0.01), Logarithm())
    with pytest.raises(ValueError, match="3 of 3 losses are NaN or infinite, of finite outputs"):
        learner.step(port, lessons()[0], learner.init(chip.spec), stream(0))
    assert not pulses
