"""What is equal is equal, and what estimates are held against is what was descended."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from learners import Batch, CrossEntropy, adam, sgd
from learners.decorrelation import mixed
from studies import aims, depth
from studies.data import load
from studies.practice import Exact

F64 = torch.float64
LAYERS = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))
X = torch.randn(7, 6, generator=stream(0, "depth", "x"), dtype=F64)
BATCH = Batch(X, torch.tensor([0, 1, 2, 0, 1, 2, 0]))


def made(device: Any = Mismatched()) -> Chip[Any]:
    return Chip(device, LAYERS, range(2), dtype=F64)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(1, "depth", *shape), dtype=F64)


def test_every_way_gets_the_same_measurements() -> None:
    """Vectors through layers, as booked by the ledger, up to one step; the reference gets `plain`'s steps."""
    args = depth.Args(chips=1, hidden=4, epochs=1.0)
    for deep in (1, 2, 5):
        spent, steps = {}, {}
        for way in get_args(depth.Way):
            training = depth.Training(depth.Trial(args, way, deep), load("digits"), [0], torch.ones(1))
            training.go_on(training.steps)
            spent[way], steps[way] = sum(training.ledger.readings), training.steps
        assert spent.pop("exact") * 5 == spent["plain"] and steps["exact"] == steps["plain"]
        a_step = spent["in turn"] / steps["in turn"]
        assert all(abs(v - spent["plain"]) <= a_step / 2 for v in spent.values()), spent


def test_one_layer_in_turn_is_all_at_once() -> None:
    args = depth.Args(chips=1, hidden=4, epochs=0.2)
    ends = []
    for way in ("plain", "in turn"):
        training = depth.Training(depth.Trial(args, way, 1), load("digits"), [0], torch.full((1,), 0.01))
        training.go_on(training.steps)
        ends.append(xray.knobs(training.chip))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_chip_has_the_same_knobs_in_any_fleet_and_layers_differ() -> None:
    many, lone = (Chip(Ideal(), LAYERS, who) for who in ([3, 1, 2], [2]))
    first, second = (depth.scattered(c, 1.4, stream(0, "knobs")) for c in (many, lone))
    assert all(
        torch.equal(a[2], b[0]) and not torch.equal(a[0], a[2]) for a, b in zip(first, second, strict=True)
    )
    assert float(torch.cat([k.flatten() * k.shape[-1] ** 0.5 for k in first]).std()) == pytest.approx(
        1.4, rel=0.15
    )


def test_rates_of_chips_pace_their_drives() -> None:
    update, gradient = depth.paced(sgd(1.0), torch.tensor([0.5, 2.0], dtype=F64)), (drawn(2, 1, 3, 4),)
    (drive,), _ = update.step(gradient, update.init(gradient))
    assert torch.equal(drive[0], -0.5 * gradient[0][0]) and torch.equal(drive[1], -2 * gradient[0][1])


def test_estimates_are_asked_for_without_pulsing() -> None:
    chip = made()
    before = xray.knobs(chip)
    way = Exact(chip, sgd(1.0), CrossEntropy())
    kept = adam(0.1).init(chip.spec.zeros())  # another update's memory is not touched
    told = aims.estimate(way, chip.port(), BATCH, kept, stream(0, "aims"))
    assert all(torch.equal(a, b) for a, b in zip(before, xray.knobs(chip), strict=True))
    torch.testing.assert_close(aims.cosine(told[:-1], aims.whole(chip, BATCH), 2), torch.ones(2, dtype=F64))


def test_a_cosine_is_that_of_all_layers_taken_together() -> None:
    a, b = (drawn(2, 1, 3, 4), drawn(2, 1, 2, 2)), (drawn(2, 1, 4, 3).mT, drawn(2, 1, 1, 4).view(2, 1, 2, 2))
    dot = sum((p * q).sum((1, 2, 3)) for p, q in zip(a, b, strict=True))
    norms = [sum(p.square().sum((1, 2, 3)) for p in g) ** 0.5 for g in (a, b)]
    torch.testing.assert_close(aims.cosine(a, b, 2), dot / (norms[0] * norms[1]))


def test_a_local_objective_without_heads_is_the_whole() -> None:
    layers = (LAYERS[0], dense(5, 3, linear=True))
    chip = Chip(Mismatched(), layers, range(2), dtype=F64)
    for a, b in zip(aims.local(chip, BATCH, dense(5, 3), ()), aims.whole(chip, BATCH), strict=True):
        torch.testing.assert_close(a, b)


def test_a_local_objective_is_that_of_a_chip_with_its_head_on_top() -> None:
    chip, head = made(Ideal()), drawn(2, 1, 3, 6)
    small = Chip(Ideal(), (LAYERS[0], dense(5, 3, linear=True)), range(2), dtype=F64)
    small.port().program((xray.knobs(chip)[0], head))
    first, second = aims.local(chip, BATCH, dense(5, 3, linear=True), (head,))
    torch.testing.assert_close(first, aims.whole(small, BATCH)[0])
    torch.testing.assert_close(second, aims.whole(chip, BATCH)[1])  # a loss at the outputs is the whole's


def test_matrices_in_the_wiring_are_taken_into_account_exactly() -> None:
    """On ideal chips K x^ = (K R) x, so the slope at K is that at K R, times R'."""
    chip, mixers = made(Ideal()), (drawn(2, 6, 6), drawn(2, 5, 5), drawn(2, 4, 4))
    twin = made(Ideal())
    turned = [
        torch.cat((k[..., :-1] @ r.unsqueeze(1), k[..., -1:]), -1)
        for k, r in zip(xray.knobs(chip), mixers, strict=True)
    ]
    twin.port().program(tuple(turned))
    torch.testing.assert_close(aims.through(chip.port(), mixers).measure(X).out, twin.port().measure(X).out)
    for ours, theirs, r in zip(
        aims.between(chip, BATCH, mixers), aims.whole(twin, BATCH), mixers, strict=False
    ):
        wanted = torch.cat((theirs[..., :-1] @ r.unsqueeze(1).mT, theirs[..., -1:]), -1)
        torch.testing.assert_close(ours, wanted)


def test_matrices_that_do_nothing_leave_the_gradient_as_it_is() -> None:
    chip = made()
    eyes = tuple(torch.eye(la.features_in, dtype=F64).expand(2, -1, -1) for la in LAYERS)
    torch.testing.assert_close(mixed(X, eyes[0])[0], X)
    for a, b in zip(aims.between(chip, BATCH, eyes), aims.whole(chip, BATCH), strict=True):
        torch.testing.assert_close(a, b)
