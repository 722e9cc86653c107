"""Residual wires: what is carried lands before the neurons, under every probe, for chips and fleets."""

from typing import Any

import pytest
import torch

from analog import BadInput, Chip, Ideal, Mismatched, Probe, dense, grouped, stream, xray
from learners import Batch, CrossEntropy, Descent, NodePerturbation, fit, sgd
from learners.wiring import Skip, residual

F64 = torch.float64
LAYERS = (dense(4, 6), dense(6, 5), grouped(5, 6, 1), dense(6, 3, linear=True))
SKIP = Skip(1, 2)
X = torch.randn(7, 4, generator=stream(0, "x"), dtype=F64)
FLEETS = pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])


def by_hand(chip: Chip, push: torch.Tensor | float = 0.0) -> list[torch.Tensor]:
    w = [k.squeeze(-3) for k in xray.knobs(chip)]

    def sums(at: int, x: torch.Tensor) -> torch.Tensor:
        return x @ w[at][..., :-1].mT + w[at][..., -1].unsqueeze(-2)

    first = sums(0, X).relu()
    second = sums(1, first).relu()
    third = (sums(2, second) + first + push).relu()
    return [first, second, third, sums(3, third)]


@FLEETS
def test_what_is_carried_lands_before_the_neurons(identity: Any) -> None:
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    for tap, wanted in zip(residual(chip.port(), [SKIP]).measure(X).taps, by_hand(chip), strict=True):
        torch.testing.assert_close(tap, wanted)


@FLEETS
def test_probes_are_added_to_it(identity: Any) -> None:
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    wires = residual(chip.port(), [SKIP])
    push = torch.randn(3, *chip.spec.fleet, 7, 6, generator=stream(1, "x"), dtype=F64)
    out = wires.measure(X, Probe(nodes=(None, None, push, None))).out
    torch.testing.assert_close(out, by_hand(chip, push)[-1])
    knobs = tuple(0.1 * torch.ones(3, *shape, dtype=F64) for shape in chip.spec.shapes)
    probed = wires.measure(X, Probe(knobs=knobs)).out
    chip.port().pulse(tuple(k[0] for k in knobs))
    torch.testing.assert_close(probed, by_hand(chip)[-1].expand(3, *probed.shape[1:]))


def test_without_skips_nothing_changes() -> None:
    port = Chip(Ideal(), LAYERS, 1, dtype=F64).port()
    assert torch.equal(residual(port, ()).measure(X).out, port.measure(X).out)


def test_spans_keep_it_or_are_refused() -> None:
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    wires = residual(chip.port(), [SKIP])
    whole = by_hand(chip)
    torch.testing.assert_close(wires.measure(whole[0], first=1).out, whole[-1])
    torch.testing.assert_close(wires.measure(X, last=1).out, whole[1])
    torch.testing.assert_close(wires.measure(whole[2], first=3).out, whole[-1])
    with pytest.raises(BadInput, match="begin within"):
        wires.measure(whole[1], first=2)


def test_a_learner_learns_through_it() -> None:
    wires = residual(Chip(Mismatched(), LAYERS, [3, 4], dtype=F64).port(), [SKIP])
    learner = Descent(NodePerturbation(0.1, probes=4), sgd(0.1), CrossEntropy())
    lessons = (Batch(X, X[:, :3].argmax(-1)) for _ in range(300))
    losses = torch.stack([s.loss for _, s in fit(learner, wires, lessons, stream(0, "probes"))])
    assert bool((losses[-20:].mean(0) < 0.5 * losses[:20].mean(0)).all())


@pytest.mark.parametrize(
    ("skips", "says"),
    [
        ([Skip(0, 2)], "takes 4 values to 6 summing nodes"),
        ([Skip(2, 1)], "runs backwards"),
        ([Skip(1, 2), Skip(1, 2)], "end at one layer"),
    ],
)
def test_skips_that_do_not_fit_are_refused(skips: list[Skip], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        residual(Chip(Ideal(), LAYERS).port(), skips)
