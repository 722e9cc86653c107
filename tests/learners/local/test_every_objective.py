"""Laws of every local learner and objective: a new one joins by a line in OBJECTIVES."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import BadReading, Chip, Device, Ideal, Mismatched, Probe, Reading, dense, grouped, stream, xray
from analog.devices import SoftBoundsRRAM
from learners import Batch, CrossEntropy, Descent, Learner, NodePerturbation, adam, check_learner, fit, local
from learners.estimators import WeightMirrors
from learners.local import (
    Block,
    ClassGoodness,
    DigitalHead,
    ForwardForward,
    GoodnessLoss,
    Greedy,
    Hebbian,
    HybridImages,
    InfoNCE,
    InputProbes,
    LocoProp,
    MirroredFeedback,
    MixedImages,
    PatchInfoNCE,
    PerGroupLoss,
    PerturbedNodeGradients,
    ReplicatedHeads,
    TargetPropagation,
    WrongLabels,
    relu,
)
from tests.sampled import by_turns

LAYERS = (dense(16, 12), grouped(12, 6, 2, linear=True))
NODES = NodePerturbation(0.1, probes=4)
UPDATE = adam(0.01)
HEAD = dense(12, 3, linear=True)
BLOCKS = (
    Block(1, Descent(NODES, UPDATE, CrossEntropy(), delta_rule=True), HEAD),
    Block(1, Descent(NODES, UPDATE, CrossEntropy())),
)
GOODNESS = GoodnessLoss(0.1, 4.0)


def replicated(**more: Any) -> Greedy:
    return Greedy((Block(2, ReplicatedHeads(NODES, UPDATE, UPDATE, CrossEntropy(), 3, groups=2, **more)),))


OBJECTIVES: dict[str, Learner] = {
    "greedy": Greedy(BLOCKS),
    "digital heads": Greedy((Block(1, DigitalHead(UPDATE, UPDATE, CrossEntropy(), HEAD)), BLOCKS[1])),
    "mirrored tiles": MirroredFeedback(UPDATE, CrossEntropy(), (InputProbes(examples=2),)),
    "greedy, in turn": Greedy(BLOCKS, steps_per_block=(2,)),
    "replicated heads": replicated(),
    "replicated heads, mirrors": replicated(control_variate=WeightMirrors(groups=2)),
    "a loss for each group": Descent(NODES, UPDATE, PerGroupLoss(CrossEntropy(), 2), delta_rule=True),
    "two views": Descent(NODES, UPDATE, InfoNCE(temperature=0.3)),
    "other patches": Descent(NODES, UPDATE, PatchInfoNCE(3, 0.3, views=2)),
    "forward-forward": ForwardForward((Hebbian(UPDATE, GOODNESS, 0.1),) * 2, WrongLabels(3)),
    "forward-forward, hybrids": ForwardForward((Hebbian(UPDATE, GOODNESS),) * 2, HybridImages(1)),
    "forward-forward, self-contrast": ForwardForward((Hebbian(UPDATE, GOODNESS),) * 2, MixedImages()),
    "competition": Greedy((Block(1, Hebbian(UPDATE, ClassGoodness(3))),) * 2),
    "locoprop": LocoProp(PerturbedNodeGradients(NODES), UPDATE, CrossEntropy(), 1.0, steps=3),
    "target propagation": TargetPropagation(UPDATE, UPDATE, CrossEntropy(), 0.5, relu),
}
DEVICES: list[Device] = [Ideal(), Mismatched(), SoftBoundsRRAM()]
each_objective = pytest.mark.parametrize("name", OBJECTIVES)


def batches(count: int, images: int = 8) -> Iterator[Batch]:
    """Two views of images of three classes, one after the other, as positive pixels."""
    generator = stream(0, "every objective")
    for _ in range(count):
        x = torch.rand(images, 16, generator=generator)
        labels = x[:, 3:6].argmax(-1)
        x[torch.arange(images), labels + 3] += 1.0
        views = [x + 0.1 * torch.rand(images, 16, generator=generator) for _ in range(2)]
        yield Batch(torch.cat(views), labels.repeat(2))


@pytest.mark.parametrize(
    ("name", "chips"), by_turns(OBJECTIVES, [*product([0, 1, 3], DEVICES)]), ids=lambda part: str(part)[:30]
)
def test_a_tape_replayed_with_no_chip_gives_the_same_pulses(name: str, chips: tuple[int, Device]) -> None:
    fleet, device = chips
    port = Chip(device, LAYERS, range(fleet) if fleet else 3).port()
    check_learner(OBJECTIVES[name], port, batches(3), lambda: stream(0, "probes"))


@each_objective
def test_a_fleet_of_one_is_that_chip(name: str) -> None:
    knobs = []
    for identity in (3, [3]):
        chip = Chip(Ideal(), LAYERS, identity, dtype=torch.float64)
        doubles = (Batch(b.x.double(), b.target) for b in batches(4))
        list(fit(OBJECTIVES[name], chip.port(), doubles, stream(0, "probes")))
        knobs.append([k.squeeze(0) if isinstance(identity, list) else k for k in xray.knobs(chip)])
    torch.testing.assert_close(knobs[0], knobs[1])


@each_objective
def test_it_makes_its_own_objective_small(name: str) -> None:
    """The mean loss of the last steps is clearly below that of the first ones."""
    port = Chip(Mismatched(), LAYERS, 3).port()
    losses = [float(s.loss) for _, s in fit(OBJECTIVES[name], port, batches(200), stream(0, "probes"))]
    first, last = sum(losses[4:24]), sum(losses[-20:])
    assert last < 0.95 * first


def kinds(part: object) -> set[str]:
    """The names of all classes that a learner is made of."""
    inside = [getattr(part, f.name) for f in fields(part)] if is_dataclass(part) else []
    inside += list(part) if isinstance(part, tuple | list) else []
    return {type(part).__name__}.union(*map(kinds, inside))


def test_every_exported_learner_loss_and_source_of_negatives_is_tried() -> None:
    exported = {n for n in local.__all__ if isinstance(getattr(local, n), type)}
    protocols = {n for n in exported if getattr(getattr(local, n), "_is_protocol", False)}
    elsewhere = {"Activation", "CoupledLearning", "EquilibriumPropagation"}  # a value; for chips that relax
    assert exported - protocols - elsewhere <= set().union(*map(kinds, OBJECTIVES.values()))


@each_objective
def test_readings_that_are_no_numbers_are_refused_before_anything_is_pulsed(name: str) -> None:
    """By wires of hardware that nobody checked, as `checked` would."""
    port = Chip(Ideal(), LAYERS, 3).port()
    pulsed = []

    def read(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        taps = port.measure(x, probe, first=first, last=last).taps
        return Reading(tuple(torch.full_like(tap, math.nan) for tap in taps))

    with pytest.raises((ValueError, BadReading), match="NaN or infinite"):
        list(fit(OBJECTIVES[name], port._replace(measure=read, pulse=pulsed.append), batches(1), stream(0)))
    assert not pulsed
