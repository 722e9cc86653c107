"""Forward-forward on black-box chips: layers are their own masters, and they learn."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from analog.devices import SoftBoundsRRAM, UnknownNeurons
from learners import Batch, CrossEntropy, Descent, NodePerturbation, adam, check_learner, fit, momentum, sgd
from learners.learner import Learner
from learners.local import (
    ForwardForward,
    GoodnessLoss,
    Hebbian,
    HybridImages,
    Negatives,
    Normalization,
    WrongLabels,
    embed_label,
    label_goodness,
    normalize,
    standardized_triangle,
    with_normalization,
)
from tests.sampled import sampled

F64 = torch.float64
LAYERS = (dense(16, 12), dense(12, 10), dense(10, 8))
LOSS = GoodnessLoss(sharpness=4.0)
READOUT = Descent(NodePerturbation(1.0), adam(0.01), CrossEntropy())
LABELS = WrongLabels(4, 2.0, READOUT)
EASY = WrongLabels(4, 2.0)
TEACHERS: dict[str, Learner] = {
    "rule": Hebbian(adam(0.01), LOSS),
    "slopes measured": Hebbian(momentum(0.01), LOSS, probe_size=0.1),
    "perturbed": Descent(NodePerturbation(0.1, probes=2), sgd(0.01), LOSS),
}


def lessons(count: int, batch: int = 8) -> list[Batch]:
    """Four classes that differ in where the ink is."""
    generator = stream(0, "lessons")
    made = []
    for _ in range(count):
        target = torch.randint(0, 4, (batch,), generator=generator)
        spots = torch.nn.functional.one_hot(target, 4).repeat_interleave(3, -1)
        ink = spots + 0.3 * torch.rand(batch, 12, generator=generator)
        made.append(Batch(torch.cat((torch.zeros(batch, 4), ink), -1).to(F64), target))
    return made


def made(device: Any, identity: Any = 3) -> Chip:
    return Chip(device, LAYERS, identity, dtype=F64)


def taught(chip: Chip, learner: ForwardForward, steps: int) -> list[Tensor]:
    list(fit(learner, chip.port(), lessons(steps), stream(0, "probes")))
    return list(xray.knobs(chip))


@pytest.mark.parametrize(
    ("how", "negatives", "device"),
    sampled(product(TEACHERS, [LABELS, EASY, HybridImages(2)], [Ideal(), Mismatched(), SoftBoundsRRAM()]), 4),
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_a_tape_replayed_with_no_chip_gives_the_same_pulses(
    how: str, negatives: Negatives, device: Any
) -> None:
    learner = ForwardForward((TEACHERS[how],) * 3, negatives)
    check_learner(learner, made(device, [1, 2]).port(), lessons(3), lambda: stream(0, "probes"))


@pytest.mark.parametrize("noisy", [True, False], ids=["noisy", "silent"])
@pytest.mark.parametrize("how", ["rule", "slopes measured"])
def test_nothing_reaches_a_layer_from_above(how: str, noisy: bool) -> None:
    """However the last layer is taught, the pulses of those below are the same, bitwise.

    Negatives are left to chance: those that the network chooses hang on what all its layers show.
    """
    knobs = []
    for rate in (0.01, 0.3):
        layers = (TEACHERS[how], TEACHERS[how], Hebbian(sgd(rate), GoodnessLoss(0.5), probe_size=0.1))
        knobs.append(taught(made(Mismatched() if noisy else Ideal()), ForwardForward(layers, EASY), 5))
    assert torch.equal(knobs[0][0], knobs[1][0]) and torch.equal(knobs[0][1], knobs[1][1])
    assert not torch.equal(knobs[0][2], knobs[1][2])


def test_how_active_a_layer_was_is_not_told_on() -> None:
    chip, x = made(Ideal()), lessons(1)[0].x
    before = with_normalization(chip.port()).measure(x).taps
    chip.port().program(tuple(k * f for k, f in zip(xray.knobs(chip), (5.0, 1.0, 1.0), strict=True)))
    after = with_normalization(chip.port()).measure(x).taps
    torch.testing.assert_close(after[0], 5 * before[0])
    torch.testing.assert_close(after[1:], before[1:])


@pytest.mark.parametrize("how", [(normalize, normalize), (standardized_triangle, None)])
def test_one_step_is_every_layers_own_gradient(how: tuple[Normalization, Normalization | None]) -> None:
    """On a perfect chip: of its goodness, at what drives it, reals and fakes in equal shares."""
    chip, batch = made(Ideal()), lessons(1)[0]
    before = xray.knobs(chip)
    negatives, (normalization, of_inputs) = HybridImages(2), how
    learner = ForwardForward((Hebbian(sgd(1.0), LOSS),) * 3, negatives, normalization, of_inputs)
    real, fake, _ = negatives.pair(chip.port(), batch, (), stream(0, "probes"))
    x = torch.cat((real, fake))
    x = x if of_inputs is None else of_inputs(x)
    signs = torch.tensor([1.0] * 8 + [-1.0] * 8, dtype=F64)
    wanted = []
    for at in range(3):
        (exact,) = xray.knob_gradient(chip, x, signs, LOSS, first=at, last=at)
        wanted.append(before[at] - exact)
        x = normalization(xray.respond(chip, x, first=at, last=at).out)
    list(fit(learner, chip.port(), [batch], stream(0, "probes")))
    torch.testing.assert_close(list(xray.knobs(chip)), wanted)


@pytest.mark.parametrize("negatives", [HybridImages(2), LABELS], ids=["hybrids", "labels"])
def test_a_fleet_is_its_chips(negatives: Negatives) -> None:
    """A fleet of one is that chip; with shared fakes each of two is what it would be alone."""
    learner = ForwardForward((TEACHERS["rule"],) * 3, negatives)
    alone = taught(made(Ideal(), 3), learner, 4)
    one = taught(made(Ideal(), [3]), learner, 4)
    torch.testing.assert_close([k[0] for k in one], alone)
    if isinstance(negatives, HybridImages):
        torch.testing.assert_close([k[1] for k in taught(made(Ideal(), [5, 3]), learner, 4)], alone)


def test_goodnesses_are_those_of_one_run_for_each_label() -> None:
    chip, x = made(Ideal(), [3, 4]), lessons(1)[0].x
    scores = label_goodness(chip.port(), x, 4, 2.0)
    for label in range(4):
        said = embed_label(x, torch.full((8,), label), 4, 2.0)
        first, *rest = with_normalization(chip.port()).measure(normalize(said)).taps
        del first
        torch.testing.assert_close(scores[..., label], sum(tap.square().mean(-1) for tap in rest))


def test_no_gradient_is_ever_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("autograd in a learner")

    for place in ("torch.autograd.grad", "torch.autograd.backward", "torch.Tensor.backward"):
        monkeypatch.setattr(place, refuse)
    with torch.inference_mode():
        taught(made(Mismatched()), ForwardForward(tuple(TEACHERS.values()), LABELS), 2)


@pytest.mark.parametrize(
    ("device", "how"),
    sampled(
        [
            (Mismatched(), "rule"),
            (Ideal(), "rule"),
            (UnknownNeurons(), "slopes measured"),
            (Ideal(), "perturbed"),
        ],
        2,
    ),
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_it_learns_to_tell_classes_by_goodness(device: Any, how: str) -> None:
    """Of four, nearly always."""
    teachers = {
        "rule": Hebbian(adam(0.01), LOSS),
        "slopes measured": Hebbian(adam(0.01), LOSS, probe_size=0.1),
        "perturbed": Descent(NodePerturbation(0.1, probes=4), adam(0.01), LOSS),
    }
    chip = made(device)
    taught(chip, ForwardForward((teachers[how],) * 3, EASY), 400)
    (asked,) = lessons(1, 400)
    named = label_goodness(chip.port(), asked.x, 4, 2.0).argmax(-1)
    assert float((named == asked.target).double().mean()) > 0.8


@pytest.mark.parametrize("count", [2, 4])
def test_a_teacher_for_each_layer_is_wanted(count: int) -> None:
    with pytest.raises(ValueError, match=f"the blocks have {count} layers, the chip 3"):
        ForwardForward((TEACHERS["rule"],) * count, EASY).init(made(Ideal()).spec)
