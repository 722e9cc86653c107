"""Where knobs start, and at what rate they go on."""

import pytest
import torch

from analog import Chip, Ideal, dense, stream
from learners import sgd
from studies import deep

LAYERS = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))


def test_a_chip_has_the_same_knobs_in_any_fleet_and_layers_differ() -> None:
    many, lone = (Chip(Ideal(), LAYERS, who) for who in ([3, 1, 2], [2]))
    first, second = (deep.scattered(c, 1.4, stream(0, "knobs")) for c in (many, lone))
    assert all(
        torch.equal(a[2], b[0]) and not torch.equal(a[0], a[2]) for a, b in zip(first, second, strict=True)
    )
    assert float(torch.cat([k.flatten() * k.shape[-1] ** 0.5 for k in first]).std()) == pytest.approx(
        1.4, rel=0.15
    )


def test_rates_of_chips_pace_their_drives() -> None:
    update, gradient = (
        deep.paced(sgd(1.0), torch.tensor([0.5, 2.0], dtype=torch.float64)),
        (torch.randn(2, 1, 3, 4, generator=stream(0, "paced"), dtype=torch.float64),),
    )
    (drive,), _ = update.step(gradient, update.init(gradient))
    assert torch.equal(drive[0], -0.5 * gradient[0][0]) and torch.equal(drive[1], -2 * gradient[0][1])
