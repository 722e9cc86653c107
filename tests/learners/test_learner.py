"""The central property: a learner is a function of its measurements, over learners x devices x shapes."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from analog import Chip, Device, Ideal, Mismatched, Port, conv2d, dense, grouped, stream, xray
from analog.devices import SoftBoundsRRAM
from analog.wires import ReplayMismatch
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    Feedback,
    Learner,
    NodePerturbation,
    Step,
    Tuner,
    WeightPerturbation,
    adam,
    antithetic,
    check_learner,
    fit,
    gaussian,
    linear_decay,
    momentum,
    rmsprop,
    sgd,
)
from learners.estimators import ActiveNodePerturbation, Flipout, RunningMean
from learners.local import LocoProp, PerturbedNodeGradients, TargetPropagation, relu
from learners.wiring import Decorrelated
from tests.sampled import by_turns

LEARNERS: dict[str, Learner] = {
    "nodes": Descent(NodePerturbation(0.1, mask=False), sgd(0.1), CrossEntropy(), delta_rule=False),
    "nodes, delta, mask": Descent(
        NodePerturbation(0.1, probes=3),
        linear_decay(adam(0.01), 100),
        CrossEntropy(),
    ),
    "nodes, pairs": Descent(
        NodePerturbation(0.1, distribution=gaussian, scheme=antithetic),
        momentum(0.1),
        CrossEntropy(),
        delta_rule=False,
    ),
    "nodes in turn, feedback": Descent(
        NodePerturbation(0.1, probes=2),
        adam(0.01),
        CrossEntropy(),
        in_turn=True,
        control_variate=Feedback(estimate_weight=0.5),
    ),
    "nodes, tuned": Descent(
        NodePerturbation(0.1, probes=2),
        adam(0.01, tuned_by=Tuner(rmsprop(0.1, tuned_by=sgd(0.1)), horizon=0.3, warmup=3)),
        CrossEntropy(),
        delta_rule=False,
    ),
    "nodes, active": Descent(ActiveNodePerturbation(8), adam(0.01), CrossEntropy()),
    "weights, flipped": Descent(Flipout(0.03, probes=2), adam(0.01), CrossEntropy(), delta_rule=False),
    "locoprop": LocoProp(
        PerturbedNodeGradients(NodePerturbation(0.1, probes=2), delta_rule=False),
        sgd(0.05),
        CrossEntropy(),
        1.0,
        steps=3,
    ),
    "locoprop, delta, feedback": LocoProp(
        PerturbedNodeGradients(
            NodePerturbation(0.1, probes=2),
            control_variate=Feedback(estimate_weight=0.5),
        ),
        adam(0.01),
        CrossEntropy(),
        gamma=0.5,
        steps=2,
        proximal=0.1,
    ),
    "target propagation": TargetPropagation(adam(0.01), adam(0.01), CrossEntropy(), 0.5, relu),
    "decorrelated": Decorrelated(
        Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy(), delta_rule=False), 0.01
    ),
    "weights, running mean": Descent(
        WeightPerturbation(0.01, probes=2),
        adam(0.01),
        CrossEntropy(),
        delta_rule=False,
        control_variate=RunningMean(),
    ),
    "weights": Descent(WeightPerturbation(0.01, probes=2), adam(0.01), CrossEntropy(), delta_rule=False),
    "weights, pairs, delta": Descent(
        WeightPerturbation(0.01, distribution=gaussian, scheme=antithetic),
        sgd(0.1),
        CrossEntropy(),
    ),
}
DEVICES: list[Device] = [Ideal(), Mismatched(), SoftBoundsRRAM()]
WIRINGS = {
    "dense": (dense(16, 5), dense(5, 3, linear=True)),
    "conv, grouped": (conv2d((1, 4, 4), 2, 2, stride=2), grouped(8, 4, 2), dense(4, 3, linear=True)),
    "one layer": (dense(16, 3, linear=True),),
}

on_devices_by_turns = pytest.mark.parametrize(
    ("name", "device"), by_turns(LEARNERS, DEVICES), ids=lambda part: getattr(type(part), "__name__", part)
)


def lessons(count: int, batch: int) -> list[Batch]:
    generator = stream(0, "lessons")
    return [
        Batch(torch.randn(batch, 16, generator=generator), torch.randint(0, 3, (batch,), generator=generator))
        for _ in range(count)
    ]


@on_devices_by_turns
@settings(max_examples=6)
@given(wiring=st.sampled_from(sorted(WIRINGS)), fleet=st.sampled_from([0, 1, 3]), batch=st.integers(1, 4))
def test_a_tape_replayed_with_no_chip_gives_the_same_pulses(
    name: str, device: Device, wiring: str, fleet: int, batch: int
) -> None:
    port = Chip(device, WIRINGS[wiring], range(fleet) if fleet else 3).port()
    check_learner(LEARNERS[name], port, lessons(3, batch), lambda: stream(0, "probes"))


@dataclass(frozen=True)
class Cheat:
    """Reads true weights behind the wall."""

    chip: Chip

    def init(self, spec: object) -> None:
        return None

    def step(self, port: Port, batch: Batch, state: None, generator: object) -> tuple[None, Step]:
        baseline = port.measure(batch.x)
        port.pulse(tuple(-0.1 * k for k in xray.knobs(self.chip)))
        return None, Step(torch.zeros(()), baseline)


class Sloppy(Cheat):
    """Draws from dice that nobody handed to it."""

    rolls = iter(range(1000))

    def step(self, port: Port, batch: Batch, state: None, generator: object) -> tuple[None, Step]:
        baseline = port.measure(batch.x)
        port.pulse(tuple(torch.full_like(k, 0.01 * next(self.rolls)) for k in port.spec.zeros()))
        return None, Step(torch.zeros(()), baseline)


@pytest.mark.parametrize("kind", [Cheat, Sloppy])
def test_a_cheat_is_caught(kind: type[Cheat]) -> None:
    chip = Chip(Mismatched(), WIRINGS["dense"])
    with pytest.raises(ReplayMismatch, match="'pulse': what was sent differs"):
        check_learner(kind(chip), chip.port(), lessons(3, 2), lambda: stream(0, "probes"))


@on_devices_by_turns
def test_every_learner_learns_on_every_device(name: str, device: Device) -> None:
    """A separable task: the loss of the silent chip falls by at least a tenth."""
    chip = Chip(device, WIRINGS["dense"], 3)
    generator = stream(0, "task")
    x = torch.randn(64, 16, generator=generator)
    target = x[:, :3].argmax(-1)
    loss = CrossEntropy()
    before = loss(xray.respond(chip, x).out, target).mean()
    for _ in fit(LEARNERS[name], chip.port(), [Batch(x, target)] * 60, stream(0, "probes")):
        pass
    assert float(loss(xray.respond(chip, x).out, target).mean()) < 0.9 * float(before)


def test_fit_is_lazy() -> None:
    chip = Chip(Ideal(), WIRINGS["dense"])
    steps = fit(LEARNERS["nodes"], chip.port(), lessons(3, 2), stream(0))
    assert chip.clock == 0.0
    _, first = next(steps)
    assert chip.clock > 0.0 and first.loss.shape == () and first.baseline.out.shape == (2, 3)


def test_an_iterator_of_batches_does_not_hide_a_cheat() -> None:
    chip = Chip(Mismatched(), WIRINGS["dense"])
    with pytest.raises(ReplayMismatch):
        check_learner(Cheat(chip), chip.port(), iter(lessons(3, 2)), lambda: stream(0))
    with pytest.raises(ValueError, match="no batch"):
        check_learner(Cheat(chip), chip.port(), [], lambda: stream(0))


class Forgetful(Cheat):
    """Returns its step without a state; a Step is itself a pair, so it would pass for one."""

    def step(self, port: Port, batch: Batch, state: None, generator: object) -> Any:
        return Step(torch.zeros(()), port.measure(batch.x))


def test_a_forgotten_state_is_named() -> None:
    chip = Chip(Mismatched(), WIRINGS["dense"])
    with pytest.raises(TypeError, match=r"wanted \(state, Step\)"):
        check_learner(Forgetful(chip), chip.port(), lessons(3, 2), lambda: stream(0))


class Quitter(Cheat):
    """Stops early when it has seen this before."""

    seen = iter(range(1000))

    def step(self, port: Port, batch: Batch, state: None, generator: object) -> tuple[None, Step]:
        baseline = port.measure(batch.x)
        if next(self.seen) < 3:
            port.pulse(port.spec.zeros())
        return None, Step(torch.zeros(()), baseline)


def test_a_tape_that_is_not_played_to_its_end_is_caught() -> None:
    chip = Chip(Mismatched(), WIRINGS["dense"])
    with pytest.raises(ReplayMismatch):
        check_learner(Quitter(chip), chip.port(), lessons(3, 2), lambda: stream(0))


def test_fit_gives_its_state_and_goes_on_from_it_bitwise() -> None:
    """Six steps in one go, and three and three with the state handed over."""
    chips = [Chip(Mismatched(), WIRINGS["dense"], 3) for _ in range(2)]
    given, learner = list(lessons(6, 8)), LEARNERS["nodes"]
    whole = list(fit(learner, chips[0].port(), given, stream(0)))
    generator = stream(0)
    *_, (state, _) = fit(learner, chips[1].port(), given[:3], generator)
    rest = list(fit(learner, chips[1].port(), given[3:], generator, state))
    for (_, one), (_, other) in zip(whole[3:], rest, strict=True):
        assert torch.equal(one.loss, other.loss)
    for one, other in zip(xray.knobs(chips[0]), xray.knobs(chips[1]), strict=True):
        assert torch.equal(one, other)


def test_fit_says_what_it_wants_instead_of_a_chip_or_a_number() -> None:
    chip = Chip(Mismatched(), WIRINGS["dense"], 3)
    with pytest.raises(TypeError, match=r"fit: port is a Chip, wanted a Port; give its wires, chip.port\(\)"):
        fit(LEARNERS["nodes"], chip, [], stream(0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="fit: generator is 0, wanted a torch.Generator such as stream"):
        fit(LEARNERS["nodes"], chip.port(), [], 0)  # type: ignore[arg-type]


def test_fit_takes_a_torch_data_loader() -> None:
    chip = Chip(Mismatched(), WIRINGS["dense"], 3)
    (x, target), *_ = lessons(1, 8)
    loader = DataLoader(TensorDataset(x, target), batch_size=4, generator=stream(0, "loader"))
    assert len(list(fit(LEARNERS["nodes"], chip.port(), loader, stream(0)))) == 2
