"""What a device's technology asks of a task follows from how its cells act, whoever wrote it."""

import torch

from analog import Chip, Device, Mismatched, stream
from analog.devices import Hopfield, Resistive
from learners import CrossEntropy, Descent, sgd
from learners.data import load_data
from learners.local import EquilibriumPropagation
from studies.kit.recipes.technologies import output_gain, suitable_layers, suitable_loss, suitable_recipe

DATA = load_data("digits")


def test_conductances_get_their_inputs_in_pairs_and_others_as_they_are() -> None:
    devices: list[tuple[Device, int]] = [(Mismatched(), 64), (Hopfield(), 64), (Resistive(), 130)]
    for device, inputs in devices:
        layers = suitable_layers(device, DATA, 8, 6)
        port = Chip(device, layers, 0).port()
        assert port.measure(DATA.test.x[:3]).out.shape == (3, 10)
        assert layers[0].cols in (inputs, inputs + 1) and layers[-1].linear and len(layers) == 3


def test_outputs_that_are_fed_back_stay_small() -> None:
    out, target = torch.randn(4, 10, generator=stream(0, "out")), torch.arange(4)
    for device, gain in ((Mismatched(), 1.0), (Hopfield(), 5.0)):
        assert output_gain(device) == gain
        found = suitable_loss(device, CrossEntropy())(out, target) * gain
        assert torch.allclose(found, CrossEntropy()(gain * out, target))


def test_who_relaxes_learns_by_equilibrium_propagation() -> None:
    for device, kind in ((Mismatched(), Descent), (Hopfield(), EquilibriumPropagation)):
        assert type(suitable_recipe(device, sgd(0.1))(CrossEntropy())) is kind
