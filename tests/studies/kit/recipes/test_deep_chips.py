"""Where knobs start, and at what rate they go on."""

import pytest
import torch

from analog import Chip, Ideal, Mismatched, dense, stream
from learners import sgd
from studies.kit.recipes import deep_chips

LAYERS = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))


def test_a_chip_has_the_same_knobs_in_any_fleet_and_layers_differ() -> None:
    many, lone = (Chip(Ideal(), LAYERS, who) for who in ([3, 1, 2], [2]))
    first, second = (deep_chips.random_knobs(c, 1.4, stream(0, "knobs")) for c in (many, lone))
    assert all(
        torch.equal(a[2], b[0]) and not torch.equal(a[0], a[2]) for a, b in zip(first, second, strict=True)
    )
    assert float(torch.cat([k.flatten() * k.shape[-1] ** 0.5 for k in first]).std()) == pytest.approx(
        1.4, rel=0.15
    )


def test_rates_of_chips_pace_their_drives() -> None:
    update, gradient = (
        deep_chips.scaled_per_chip(sgd(1.0), torch.tensor([0.5, 2.0], dtype=torch.float64)),
        (torch.randn(2, 1, 3, 4, generator=stream(0, "paced"), dtype=torch.float64),),
    )
    (drive,), _ = update.step(gradient, update.init(gradient))
    assert torch.equal(drive[0], -0.5 * gradient[0][0]) and torch.equal(drive[1], -2 * gradient[0][1])


def test_a_read_out_has_the_signal_of_its_input_and_its_read_noise() -> None:
    """One wire through a nominal amplifier: the input, and the read noise to 4 standard errors."""
    layer = (dense(1, 1, bias=False, linear=True),)
    x = 0.5 * torch.randn(10_000, 1, generator=stream(0, "loudness"))
    for device, read_noise in ((Ideal(), 0.0), (Mismatched(severity=0.0, read_noise=0.1), 0.1)):
        chip = Chip(device, layer, range(1))
        chip.port().program((torch.full((1, 1, 1, 1), 1.0),))
        found = deep_chips.signal_and_noise(chip, x)
        weight = 1.0 if read_noise == 0 else float(torch.tensor(1.0).tanh())
        assert found["signal"] == pytest.approx([0.5 * weight], rel=0.2)
        assert found["noise"] == pytest.approx([read_noise], rel=4 / 20_000**0.5)
