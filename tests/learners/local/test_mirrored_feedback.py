"""Mirrors are what probes tell of tiles; with true ones, gradients are exact through all that is digital."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from analog import Chip, Ideal, Layer, Ledger, Mismatched, Tape, conv2d, dense, metered, stream, taped, xray
from analog.layers import AveragePooled, MaxPooled, prepared
from learners import Batch, CrossEntropy, check_learner, fit, sgd
from learners.local import DigitalHead, InputProbes, MirroredFeedback
from learners.local.mirrored_feedback import MirroredState
from learners.local.tile_mirrors import TileMirror
from learners.wiring import Standardized, stack_ports

F64 = torch.float64
LAYERS: tuple[Layer, ...] = (
    conv2d((2, 6, 6), 4, 3, padding=1, planes_first=False),
    prepared(
        conv2d((4, 3, 3), 3, 2, padding=1, planes_first=False, image_planes_first=False),
        MaxPooled((4, 6, 6), 2, planes_first=False),
    ),
    prepared(dense(12, 3, linear=True), AveragePooled((3, 4, 4), 2, planes_first=False)),
)
BETWEEN = (Standardized(4), Standardized(3))


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "mirrored", *shape), dtype=F64)


def lessons(count: int, dtype: torch.dtype = F64) -> list[Batch]:
    generator = stream(0, "mirrored lessons")
    x = torch.randn(count, 8, 72, generator=generator, dtype=F64).to(dtype)
    return [Batch(each, torch.randint(3, (8,), generator=generator)) for each in x]


def standardize(images: Tensor) -> Tensor:
    return F.batch_norm(images, None, None, training=True)


def twin(knobs: Any, x: Tensor, upto: int) -> Tensor:
    """The same network in torch: the outputs after the read-out, or the standardized maps below it."""
    first, second, top = (k[0] for k in knobs)
    image = x.view(-1, 2, 6, 6)
    maps = F.conv2d(image, first[:, :-1].view(4, 2, 3, 3), first[:, -1], padding=1).relu()
    maps = standardize(maps)
    if upto == 1:
        return maps
    maps = F.conv2d(F.max_pool2d(maps, 2), second[:, :-1].view(3, 4, 2, 2), second[:, -1], padding=1).relu()
    pixels_first = F.avg_pool2d(standardize(maps), 2).movedim(1, -1).flatten(1)
    return pixels_first @ top[:, :-1].T + top[:, -1]


def pulses(tape: Tape) -> Any:
    """What the last pulse told of the gradient, at a rate of 1."""
    return tuple(-drive for drive in [drive for wire, drive, _ in tape.events if wire == "pulse"][-1])


def test_with_true_mirrors_gradients_are_exact_through_pools_and_standardization() -> None:
    chip, (batch,) = Chip(Ideal(), LAYERS, 1, dtype=F64), lessons(1)
    knobs = tuple(k.requires_grad_() for k in xray.knobs(chip))
    loss = F.cross_entropy(twin(knobs, batch.x, 2), batch.target)
    exact = torch.autograd.grad(loss, knobs)
    learner, tape = MirroredFeedback(sgd(1.0), CrossEntropy(), every=2, between=BETWEEN), Tape(chip.spec)
    true = tuple(TileMirror(k.detach(), torch.ones_like(k[..., :1])) for k in knobs[1:])
    state = MirroredState(learner.init(chip.spec).update, true, 1)  # mirrors are measured in step 0, 2, ...
    after, step = learner.step(taped(chip.port(), tape), batch, state, stream(0, "signs"))
    torch.testing.assert_close(step.loss, loss.detach())
    for ours, theirs in zip(pulses(tape), exact, strict=True):
        torch.testing.assert_close(ours, theirs)
    for mirror, now in zip(after.mirrors, xray.knobs(chip)[1:], strict=True):
        torch.testing.assert_close(mirror.weights, now)  # it followed the pulse


def test_a_digital_head_carries_the_exact_gradient_to_its_layer() -> None:
    chip, (first, second) = Chip(Ideal(), LAYERS[:1], 1, dtype=F64), lessons(2)
    head = prepared(dense(16, 3, linear=True), AveragePooled((4, 6, 6), 3, planes_first=False))
    learner = DigitalHead(sgd(1.0), sgd(1.0), CrossEntropy(), head, BETWEEN[:1])
    state, generator = learner.init(chip.spec), stream(0, "none")
    (before,) = xray.knobs(chip)
    state, _ = learner.step(chip.port(), first, state, generator)
    assert torch.equal(before, xray.knobs(chip)[0]) and bool(state.knobs.any())  # it began at zero
    tape, knobs = Tape(chip.spec), (before.requires_grad_(), state.knobs.clone().requires_grad_())
    cells = F.avg_pool2d(twin((before, before, before), second.x, 1), 3).movedim(1, -1).flatten(1)
    loss = F.cross_entropy(cells @ knobs[1][0, :, :-1].T + knobs[1][0, :, -1], second.target)
    exact = torch.autograd.grad(loss, knobs)
    after, step = learner.step(taped(chip.port(), tape), second, state, generator)
    torch.testing.assert_close(step.loss, loss.detach())
    torch.testing.assert_close(pulses(tape)[0], exact[0])
    torch.testing.assert_close(state.knobs - after.knobs, exact[1])


@pytest.mark.parametrize("fleet", [3, (3, 4)])
def test_mirrors_near_what_each_node_answers_to_each_column(fleet: Any) -> None:
    """Columns that padding never drives aside; the error of each entry is that of its 19,200 signs."""
    device = Mismatched(read_noise=0.0, mean_curvature=0.0)
    chip = Chip(device, (dense(5, 9), dense(9, 4, linear=True)), fleet, dtype=F64)
    probes = InputProbes(size=0.1, examples=8, reads=2400, decay=0.0)
    x = draw(8, 5)
    taps = chip.port().measure(x).taps
    mirror = probes.refresh(chip.port(), 1, taps[0], taps[1], probes.init(chip.spec, 1), stream(0, "signs"))
    cells = chip._cells[1]
    true = (cells.weights * cells.amplifier_gain.mT)[..., :-1]
    spread = true.square().sum(-1, keepdim=True).sqrt() / 19200**0.5
    assert bool(((mirror.weights[..., :-1] - true).abs() < 5 * spread).all())  # missed once in 10,000 seeds


def test_sites_and_pools_share_one_mirror() -> None:
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    probes, x = InputProbes(size=1e-3, examples=64, reads=40, decay=0.5), draw(64, 72)
    taps, true, mirror = chip.port().measure(x).taps, xray.knobs(chip)[1], probes.init(chip.spec, 1)
    for number in range(4):
        mirror = probes.refresh(chip.port(), 1, taps[0], taps[1], mirror, stream(number, "signs"))
    known = mirror.power[0, :, 0] > 0.01 * mirror.power.max()
    found, wanted = (each[0, :, :-1][known].flatten() for each in (mirror.weights, true))
    assert bool(known.any()) and float(F.cosine_similarity(found, wanted, dim=0)) > 0.99


def test_every_probe_of_an_input_is_paid() -> None:
    chip = Chip(Mismatched(), LAYERS, 1)
    ledger = Ledger(chip.spec)
    learner = MirroredFeedback(
        sgd(0.1), CrossEntropy(), (InputProbes(examples=3, reads=2),), every=2, between=BETWEEN
    )
    list(fit(learner, metered(chip.port(), ledger), lessons(5, torch.float32), stream(0)))
    assert ledger.reads == [5 * 8, 5 * 8 + 3 * 6, 5 * 8 + 3 * 6]


@pytest.mark.parametrize("fleet", [3, (3, 4)])
def test_both_learners_are_functions_of_their_measurements(fleet: Any) -> None:
    shown = lessons(3, torch.float32)
    chip = Chip(Mismatched(), LAYERS, fleet)
    learner = MirroredFeedback(sgd(0.1), CrossEntropy(), between=BETWEEN)
    check_learner(learner, chip.port(), shown, lambda: stream(0, "signs"))
    head = prepared(dense(36, 3, linear=True), MaxPooled((4, 6, 6), 2, planes_first=False))
    one = Chip(Mismatched(), LAYERS[:1], fleet)
    check_learner(
        DigitalHead(sgd(0.1), sgd(0.1), CrossEntropy(), head), one.port(), shown, lambda: stream(0, "none")
    )


def test_an_analog_head_may_stand_on_another_chip() -> None:
    """A layer below a read-out on a chip of its own learns as with it on top."""
    whole = Chip(Ideal(), (dense(4, 5), dense(5, 3, linear=True)), 1, dtype=F64)
    parts = [Chip(Ideal(), (layer,), 2, dtype=F64) for layer in whole.spec.layers]
    parts[0].port().program(xray.knobs(whole)[:1])
    parts[1].port().program(xray.knobs(whole)[1:])
    shown = [Batch(draw(6, 4), torch.arange(6) % 3)] * 3
    learner = MirroredFeedback(sgd(0.1), CrossEntropy())
    for port in (whole.port(), stack_ports(parts[0].port(), parts[1].port())):
        list(fit(learner, port, shown, stream(0, "signs")))
    for one, other in zip(xray.knobs(whole), (*xray.knobs(parts[0]), *xray.knobs(parts[1])), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: InputProbes(size=0.0), "size is 0.0"),
        (lambda: InputProbes(examples=0), "examples is 0"),
        (lambda: InputProbes(decay=1.0), "decay is 1.0"),
        (lambda: MirroredFeedback(sgd(0.1), CrossEntropy(), every=0), "every is 0"),
        (
            lambda: MirroredFeedback(sgd(0.1), CrossEntropy(), between=BETWEEN[:1]).init(
                Chip(Ideal(), LAYERS).spec
            ),
            "between has 1 entries, wanted 2",
        ),
        (
            lambda: MirroredFeedback(sgd(0.1), CrossEntropy(), (InputProbes(),) * 3).init(
                Chip(Ideal(), LAYERS).spec
            ),
            "probes has 3 entries, wanted 1 or 2",
        ),
        (lambda: DigitalHead(sgd(0.1), sgd(0.1), CrossEntropy(), dense(4, 3)), "wanted a linear read-out"),
        (
            lambda: DigitalHead(sgd(0.1), sgd(0.1), CrossEntropy(), dense(4, 3, linear=True)).init(
                Chip(Ideal(), LAYERS).spec
            ),
            "3 layers, wanted one",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_a_mirror_that_predicts_is_taught_by_what_it_did_not() -> None:
    """Of fewer probes than there are columns each takes a part of the error away, and noise alone stays."""
    chip = Chip(Ideal(), (dense(40, 50), dense(50, 4, linear=True)), 1, dtype=F64)
    probes, x, true = InputProbes(size=0.1, examples=8, decay=0.95), draw(8, 40), xray.knobs(chip)[1]
    taps, mirror, errors = chip.port().measure(x).taps, probes.init(chip.spec, 1), []
    for number in range(240):
        mirror = probes.refresh(chip.port(), 1, taps[0], taps[1], mirror, stream(number, "signs"))
        errors.append(float((mirror.weights - true)[..., :-1].norm() / true[..., :-1].norm()))
    assert max(errors) < 1.5 and errors[-1] < 0.01
