"""The x-ray: exact gradients, those of backpropagation on an ideal chip."""

import pytest
import torch

from analog import Chip, Device, Ideal, Mismatched, dense, stream, xray
from analog.devices import SoftBoundsRRAM
from learners import SquaredError

LAYERS = (dense(6, 5), dense(5, 3, linear=True))


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "xray", *shape), dtype=torch.float64)


def test_the_gradient_of_an_ideal_chip_is_backprop() -> None:
    chip = Chip(Ideal(), LAYERS, 2, dtype=torch.float64)
    x, target = draw(7, 6), draw(7, 3)
    w = [k[0].clone().requires_grad_() for k in xray.knobs(chip)]
    hidden = (x @ w[0][:, :6].T + w[0][:, 6]).relu()
    out = hidden @ w[1][:, :5].T + w[1][:, 5]
    wanted = torch.autograd.grad(0.5 * (out - target).square().sum(-1).mean(), w)
    ours = xray.knob_gradient(chip, x, target, SquaredError())
    for a, b in zip(ours, wanted, strict=True):
        torch.testing.assert_close(a[0], b)


@pytest.mark.parametrize("device", [Ideal(), Mismatched(), SoftBoundsRRAM()], ids=lambda d: type(d).__name__)
def test_a_fleets_gradients_are_its_chips_gradients(device: Device) -> None:
    x, target = draw(7, 6), draw(7, 3)
    fleet = Chip(device, LAYERS, range(3), dtype=torch.float64)
    lone = Chip(device, LAYERS, 2, dtype=torch.float64)
    for read in (xray.knob_gradient, xray.node_gradient):
        for a, b in zip(
            read(fleet, x, target, SquaredError()), read(lone, x, target, SquaredError()), strict=True
        ):
            torch.testing.assert_close(a[2], b)


def test_node_gradients_are_per_example() -> None:
    """Every example's own, not divided by the batch: alone it has the same."""
    chip = Chip(Mismatched(), LAYERS, dtype=torch.float64)
    x, target = draw(7, 6), draw(7, 3)
    together = xray.node_gradient(chip, x, target, SquaredError())
    alone = xray.node_gradient(chip, x[4:5], target[4:5], SquaredError())
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[4:5], b)


def test_what_drives_a_chip_has_a_gradient() -> None:
    """Backprop through an ideal chip; on any chip, upper layers pass down what the whole would."""
    chip = Chip(Ideal(), LAYERS, 2, dtype=torch.float64)
    x, target = draw(7, 6).requires_grad_(), draw(7, 3)
    w = [k[0] for k in xray.knobs(chip)]
    out = (x @ w[0][:, :6].T + w[0][:, 6]).relu() @ w[1][:, :5].T + w[1][:, 5]
    (wanted,) = torch.autograd.grad(0.5 * (out - target).square().sum(), x)
    torch.testing.assert_close(xray.input_gradient(chip, x, target, SquaredError()), wanted)


def test_the_gradient_passed_down_by_the_upper_layers_is_the_wholes() -> None:
    chip = Chip(Mismatched(), LAYERS, range(3), dtype=torch.float64)
    x, target = draw(7, 6), draw(7, 3)
    hidden = xray.respond(chip, x, last=0).out
    slope = xray.input_gradient(chip, hidden, target, SquaredError(), first=1)
    lower = xray.knob_gradient(chip, x, slope, lambda out, s: (out * s).sum(-1), last=0)
    torch.testing.assert_close(lower[0], xray.knob_gradient(chip, x, target, SquaredError())[0])


def test_spans_have_gradients_of_their_own() -> None:
    chip = Chip(Mismatched(), LAYERS, dtype=torch.float64)
    x, target = draw(7, 6), draw(7, 3)
    hidden = xray.respond(chip, x, last=0).out
    part = xray.knob_gradient(chip, hidden, target, SquaredError(), first=1)
    torch.testing.assert_close(part[0], xray.knob_gradient(chip, x, target, SquaredError())[1])


def test_looking_does_not_touch() -> None:
    seen, unseen = Chip(Mismatched(), LAYERS), Chip(Mismatched(), LAYERS)
    x = draw(7, 6).float()
    xray.respond(seen, x)
    xray.knob_gradient(seen, x, draw(7, 3).float(), SquaredError())
    xray.knobs(seen)[0].fill_(0)
    assert seen.clock == 0.0
    assert torch.equal(seen.port().measure(x).out, unseen.port().measure(x).out)  # dice and cells alike


def test_silence_is_the_mean_of_noise() -> None:
    """Mean of 20,000 noisy readings of a linear layer against the silent one; z below 6, alarm 1e-8."""
    chip = Chip(Mismatched(read_noise=0.5), (dense(6, 3, linear=True),))
    x = draw(1, 6).float().expand(20_000, 6)
    z = (chip.port().measure(x).out.mean(0) - xray.respond(chip, x[:1]).out[0]) / (0.5 / 20_000**0.5)
    assert float(z.abs().max()) < 6
