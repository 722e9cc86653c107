"""Agreement without labels: exact values and slopes, what it may not depend on, and that chips learn it."""

from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Ledger, Mismatched, dense, grouped, metered, patches, stream, xray
from learners import Batch, Descent, NodePerturbation, adam, antithetic, check_learner, fit, sgd
from learners.estimators import hadamard
from learners.local import Block, Greedy, InfoNCE, PatchInfoNCE, stack_views
from studies.kit.recipes.exact_gradient import ExactGradient

F64 = torch.float64
LOSSES = (
    InfoNCE(),
    InfoNCE(3, 0.5),
    PatchInfoNCE(3, 0.3),
    PatchInfoNCE(3, 0.3, views=2),
)
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)


def outputs(rows: int = 8, features: int = 6, *lead: int) -> Tensor:
    return torch.randn(*lead, rows, features, generator=stream(0, "outputs"), dtype=F64)


def judged(loss: Any, out: Tensor) -> Tensor:
    return loss.value(out, loss.freeze(out, None))


@each_loss
def test_the_slope_is_that_of_the_loss_with_what_is_held_fixed(loss: Any) -> None:
    shown, baseline = outputs(8, 6, 2), outputs(8, 6, 3)[:2]
    baseline[0, 1] = shown[0, 2] = 0.0  # what is silent pulls and is pulled nowhere
    target = loss.freeze(baseline, None)
    free = shown.clone().requires_grad_()
    (exact,) = torch.autograd.grad(loss(free, target).sum(), free)
    exact[0, 2] = 0.0
    torch.testing.assert_close(loss.gradient(shown, target), exact)


@each_loss
def test_one_number_for_each_image_and_part(loss: Any) -> None:
    shown = outputs(8, 6, 2)
    probed = torch.stack([shown, shown + 0.1, shown - 0.1])
    told = loss.value(probed, loss.freeze(shown, None))
    assert told.shape == (3, 2, 8, loss.parts)
    assert torch.equal(told[0], judged(loss, shown))


@each_loss
def test_if_all_images_look_alike_it_is_the_logarithm_of_their_number(loss: Any) -> None:
    alike = outputs(1, 6).expand(8, 6).clone()
    if isinstance(loss, PatchInfoNCE):
        alike = alike[:, :2].repeat(1, 3)
    compared = 8 if isinstance(loss, PatchInfoNCE) and loss.views == 1 else 7
    wanted = torch.full_like(judged(loss, alike), log(compared))
    torch.testing.assert_close(judged(loss, alike), wanted)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 1e6])
def test_orthogonal_images_have_the_loss_of_the_closed_form(temperature: float) -> None:
    """Own cosine 1, all others 0; it goes to 0 as the temperature does, and to log m as it rises."""
    images = torch.eye(4, dtype=F64).repeat(1, 3)
    told = judged(InfoNCE(3, temperature), stack_views(images, 2 * images))
    torch.testing.assert_close(told, torch.full_like(told, log(1 + 6 * exp(-1 / temperature))))
    told = judged(PatchInfoNCE(3, temperature), images)
    torch.testing.assert_close(told, torch.full_like(told, log(1 + 3 * exp(-1 / temperature))))


@each_loss
def test_what_it_does_not_depend_on(loss: Any) -> None:
    """Order of the images, which view is called first, order of the parts, length of any part's outputs."""
    out = outputs()
    told, order = judged(loss, out), torch.tensor([2, 0, 3, 1])
    rows = torch.cat([order, order + 4])
    torch.testing.assert_close(judged(loss, out[rows]), told[rows])
    torch.testing.assert_close(judged(loss, out.roll(4, 0)), told.roll(4, 0))
    size = torch.rand(8, loss.parts, 1, generator=stream(0, "size"), dtype=F64) + 0.1
    scaled = (out.unflatten(-1, (loss.parts, -1)) * size).flatten(-2)
    torch.testing.assert_close(judged(loss, scaled), told)
    if loss.parts > 1:
        turned = out.unflatten(-1, (3, -1)).roll(1, -2).flatten(-2)
        torch.testing.assert_close(judged(loss, turned), told.roll(1, -1))


def test_a_patch_is_compared_with_the_others_of_its_image_alone() -> None:
    """What patch 0 shows is no part of its own key, nor of another image's for patch 0."""
    loss, out = PatchInfoNCE(3), outputs()
    other = out.clone()
    other[:, :2] = 7.0
    keys, moved = loss.freeze(out, None).keys, loss.freeze(other, None).keys
    torch.testing.assert_close(keys[:, 0], moved[:, 0])
    assert not torch.allclose(keys[:, 1], moved[:, 1], atol=0.1)


@each_loss
def test_the_other_view_is_a_constant_to_whoever_is_probed(loss: Any) -> None:
    """All Hadamard directions give the exact gradient: that of the held loss, not of both views at once."""
    layers, x = (dense(5, 6, linear=True),), outputs(8, 5)
    if loss.parts > 1:  # a part's nodes feel its own loss: then, too, the sum of all
        assert loss.gradient(outputs(), loss.freeze(outputs(), None)).shape == (8, 6)
    chip = Chip(Ideal(), layers, 1, dtype=F64)
    before, target = xray.knobs(chip)[0], loss.freeze(xray.respond(chip, x).out, None)
    (exact,) = xray.knob_gradient(chip, x, target, loss)
    (both,) = xray.knob_gradient(chip, x, None, lambda out, _: loss(out, loss.freeze(out, None)))
    way = Descent(NodePerturbation(1e-5, 8, hadamard, antithetic), sgd(1.0), loss, delta_rule=False)
    list(fit(way, chip.port(), [Batch(x)], stream(0, "probes")))
    step = before - xray.knobs(chip)[0]
    torch.testing.assert_close(step, exact, atol=1e-8, rtol=1e-6)
    assert not torch.allclose(step, both, atol=1e-2)


def views(count: int, images: int = 32) -> list[Batch]:
    """What an image is about, seen twice, each time with something else beside it."""
    generator = stream(0, "views")
    mix = torch.randn(8, 12, generator=generator)
    made = []
    for _ in range(count):
        about = torch.randn(images, 3, generator=generator).repeat(2, 1)
        beside = torch.randn(2 * images, 5, generator=generator)
        made.append(Batch(torch.cat([about, beside], -1) @ mix / 3))
    return made


def learner(loss: Any, rate: float = 0.02, delta_rule: bool = False) -> Descent:
    return Descent(NodePerturbation(0.15, 4), adam(rate), loss, delta_rule)


LAYERS = (dense(12, 24), grouped(24, 12, 2, linear=True))


def test_chips_learn_what_views_have_in_common_from_wires_alone() -> None:
    """Nearly as well as by the exact gradient of the same chip."""
    ends = []
    for exact in (False, True):
        chip = Chip(Mismatched(), LAYERS, 3)
        loss = InfoNCE(2, 0.3)
        way: Any = ExactGradient(chip, adam(0.02), loss) if exact else learner(loss, delta_rule=True)
        losses = [float(s.loss) / 2 for _, s in fit(way, chip.port(), views(150), stream(0, "probes"))]
        ends.append((sum(losses[:5]) / 5, sum(losses[-20:]) / 20))
    (began, ended), (_, exactly) = ends
    assert exactly < 0.75 * began
    assert began - ended > 0.8 * (began - exactly)


def test_no_label_is_read_and_no_reading_is_spent_on_the_second_view() -> None:
    knobs, readings = [], []
    for labels in (None, torch.arange(64)):
        chip = Chip(Mismatched(), LAYERS, 3)
        ledger = Ledger(chip.spec)
        lessons = [b._replace(target=labels) for b in views(3)]
        list(fit(learner(InfoNCE(2)), metered(chip.port(), ledger), lessons, stream(0, "probes")))
        knobs.append(xray.knobs(chip))
        readings.append(ledger.reads)
    assert all(torch.equal(a, b) for a, b in zip(*knobs, strict=True))
    assert readings[0] == readings[1] and set(readings[0]) == {3 * 64 * (1 + 4)}


def test_patches_come_to_agree_at_every_level() -> None:
    """Two levels of two layers over four patches, greedily; what the upper level does is its own business."""
    level = (patches((1, 4, 4), 2, 8, shared=False), grouped(32, 16, 4))
    layers = (*level, dense(16, 32), grouped(32, 16, 4))
    generator = stream(0, "images")
    shade = torch.rand(300, 32, 1, generator=generator) * 2 - 1
    images = 0.7 * shade * torch.randn(16, generator=generator) + 0.3 * torch.randn(
        300, 32, 16, generator=generator
    )
    lower = []
    for rate in (0.01, 0.03):
        chip = Chip(Mismatched(), layers, 3)
        loss = PatchInfoNCE(4, 0.3)
        blocks = (Block(2, learner(loss, 0.01)), Block(2, learner(loss, rate)))
        steps = [s for _, s in fit(Greedy(blocks), chip.port(), map(Batch, images), stream(0, "probes"))]
        lower.append(xray.knobs(chip)[:2])
        for tap in (1, 3):
            told = [float(judged(loss, s.baseline.taps[tap]).mean()) for s in (*steps[:20], *steps[-20:])]
            assert sum(told[20:]) < sum(told[:20]) - 20 * 0.3
    assert all(torch.equal(a, b) for a, b in zip(*lower, strict=True))


def test_the_exact_gradient_teaches_levels_in_place_of_perturbation() -> None:
    """Each block by the gradient of its own objective alone, driven by what the block below shows."""
    layers, loss, x = (dense(5, 6), dense(6, 6), dense(6, 6)), PatchInfoNCE(3), outputs(8, 5)
    chip = Chip(Ideal(), layers, 1, dtype=F64)
    before, taps, wanted = xray.knobs(chip), xray.respond(chip, x).taps, []
    for first, last, given in ((0, 0, x), (1, 2, taps[0])):
        held = loss.freeze(taps[last], None)
        wanted += xray.knob_gradient(chip, given, held, loss, first=first, last=last)
    blocks = (
        Block(1, ExactGradient(chip, sgd(1.0), loss, 0, 0)),
        Block(2, ExactGradient(chip, sgd(1.0), loss, 1, 2)),
    )
    list(fit(Greedy(blocks), chip.port(), [Batch(x)], stream(0, "probes")))
    for was, now, slope in zip(before, xray.knobs(chip), wanted, strict=True):
        torch.testing.assert_close(was - now, slope)


def test_such_a_learner_is_a_function_of_its_measurements() -> None:
    way = learner(InfoNCE(2), delta_rule=True)
    check_learner(way, Chip(Mismatched(), LAYERS, 3).port(), views(3), lambda: stream(0, "probes"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: InfoNCE(0), "parts is 0"),
        (lambda: PatchInfoNCE(1), "parts is 1, wanted an integer of at least 2"),
        (lambda: InfoNCE(2, 0.0), "temperature is 0.0"),
        (lambda: PatchInfoNCE(2, views=3), "views is 3"),
        (lambda: judged(InfoNCE(4), outputs()), "4 parts do not divide 6 outputs"),
        (lambda: judged(InfoNCE(), outputs(7)), "7 rows"),
        (lambda: judged(InfoNCE(), outputs(2)), "2 rows"),
        (lambda: judged(PatchInfoNCE(2), outputs(1)), "1 image"),
        (lambda: stack_views(outputs(4), outputs(5)), "wanted alike"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_bad_settings_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
