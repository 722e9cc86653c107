import torch

from analog import stream
from analog.devices.saturation import tanh


def test_the_tangent_is_torchs_to_the_last_places_wherever_a_number_stands() -> None:
    x = 3 * torch.randn(1000, generator=stream(0, "saturation"))
    assert float((tanh(x).double() - x.double().tanh()).abs().max()) < 2.5e-7
    assert float((tanh(x.double()) - x.double().tanh()).abs().max()) < 5e-16
    for at in range(1, 40):
        torch.testing.assert_close(tanh(x[at : at + 7]), tanh(x)[at : at + 7], rtol=0, atol=0)


def test_the_tangent_and_its_slope_are_finite_at_any_size() -> None:
    x = torch.tensor([-1e30, -50.0, 0.0, 50.0, 1e30], requires_grad=True)
    y = tanh(x)
    torch.testing.assert_close(y.detach(), torch.tensor([-1.0, -1.0, 0.0, 1.0, 1.0]), rtol=0, atol=0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope, torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]), rtol=0, atol=1e-30)
