"""Neurons whose response nobody wrote down: monotone, smooth, through zero, each its own."""

import torch

from analog import Noise
from analog.devices import UnknownNeurons
from tests.zoo import many


def curves(device: UnknownNeurons, u: torch.Tensor, neurons: int = 200) -> torch.Tensor:
    cells = many(device, neurons)
    drive = u.reshape(1, -1, 1).expand(1, len(u), neurons)
    return device.fire(cells, drive, Noise.none())[0]  # (points, neurons)


def test_curves_rise_everywhere_and_pass_through_zero() -> None:
    u = torch.linspace(-6, 6, 601, dtype=torch.float64)
    f = curves(UnknownNeurons(), u)
    assert float(f.diff(dim=0).min()) >= 0.05 * float(u[1] - u[0]) * (1 - 1e-9)
    torch.testing.assert_close(f[300], torch.zeros_like(f[300]))


def test_curves_are_smooth() -> None:
    """Second differences vanish with the square of the spacing."""
    coarse, fine = (
        float(
            curves(UnknownNeurons(), torch.linspace(-3, 3, n, dtype=torch.float64))
            .diff(n=2, dim=0)
            .abs()
            .max()
        )
        for n in (1601, 3201)
    )
    assert 3.5 < coarse / fine < 4.5


def test_no_two_neurons_are_alike_but_without_strangeness_all_are() -> None:
    u = torch.linspace(-2, 2, 21, dtype=torch.float64)
    strange, plain = curves(UnknownNeurons(), u), curves(UnknownNeurons(strangeness=0.0), u)
    assert float(strange.std(1)[[0, 5, 15, 20]].min()) > 0.1
    torch.testing.assert_close(plain, (0.05 * u + u.tanh()).unsqueeze(-1).expand_as(plain))
