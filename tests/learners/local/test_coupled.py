"""Coupled learning moves outputs as far as it says, and learns from what that makes of the cells."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Probe, dense, mlp, stream
from analog.devices import Hopfield, Resistive
from analog.layers import Paired, prepared
from analog.port import rewired
from learners import Batch, CrossEntropy, SquaredError, adam, check_learner, fit, sgd
from learners.local import CoupledLearning
from learners.losses import Projected

QUIET = Resistive(read_noise=0.0, write_noise=0.0, sweeps=200)
LAYERS = (prepared(dense(10, 6, bias=False), Paired(3.0)), dense(6, 3, bias=False, linear=True))
X = torch.rand(1, 4, generator=stream(0, "x"), dtype=torch.float64)
AIM = 0.02 * torch.tensor([[1.0, -2.0, 1.5]], dtype=torch.float64)  # how far outputs are from their targets


def chip(fleet: Any = (1, 2)) -> Chip[Any]:
    return Chip(QUIET, LAYERS, fleet, dtype=torch.float64)


@pytest.mark.parametrize("amplitude", [0.1, 1.0])
def test_outputs_come_to_the_part_of_the_way_that_is_asked_for(amplitude: float) -> None:
    made, shown = chip(), []

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Any:
        reading = made.port().measure(x, probe, first=first, last=last)
        shown.append(reading.out)
        return reading

    free = made.port().measure(X).out
    learner = CoupledLearning(sgd(1.0), SquaredError(), amplitude, push=1e-3)
    port = rewired(made.port()._replace(pulse=lambda drive: None), read)
    learner.step(port, Batch(X, free + AIM), learner.init(made.spec), stream(0))
    assert [tuple(out.shape) for out in shown] == [(2, 1, 3), (6, 2, 1, 3), (1, 2, 1, 3)]
    assert torch.allclose(shown[-1][0] - free, (amplitude * AIM).expand(2, 1, 3), atol=1e-6)


def test_an_output_that_the_loss_does_not_read_is_left_free_and_the_others_come_as_far() -> None:
    made, sent, shown = chip(), [], []

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Any:
        sent.append(probe)
        shown.append(made.port().measure(x, probe, first=first, last=last))
        return shown[-1]

    free = made.port().measure(X).out
    loss = Projected(SquaredError(), [[1, 0, 0], [0, 0, 1]])
    learner = CoupledLearning(sgd(1.0), loss, 0.1, push=1e-3)
    port = rewired(made.port()._replace(pulse=lambda drive: None), read)
    learner.step(port, Batch(X, (free + AIM)[..., [0, 2]]), learner.init(made.spec), stream(0))
    nodes = sent[-1].nodes
    assert nodes is not None and nodes[-1] is not None and float(nodes[-1][..., 1].abs().max()) == 0
    moved = (shown[-1].out[0] - free)[..., [0, 2]]
    assert torch.allclose(moved, 0.1 * AIM[:, [0, 2]].expand(2, 1, 2), atol=1e-6)


def test_cells_learn_the_difference_of_the_powers_that_they_dissipate() -> None:
    """With targets reached, contrastive Hebbian learning: half of each squared difference, held less free."""
    made = chip()
    drives: list[tuple[Tensor, ...]] = []
    learner = CoupledLearning(sgd(1.0), SquaredError(), 1.0, push=1e-3)
    port = made.port()._replace(pulse=drives.append)
    free = port.measure(X)
    response = learner.measure_response(port, X)
    current = torch.einsum("cij,j->ci", torch.linalg.inv(response), AIM[0])[:, None]
    held = port.measure(X, Probe(nodes=(None, current)))
    learner.step(port, Batch(X, free.out + AIM), learner.init(made.spec), stream(0))
    inputs = LAYERS[0].gather(X)[0]
    for number, drive in enumerate(drives[0]):
        power = []
        for taps in (held.taps, free.taps):
            below = inputs.expand(2, 1, -1) if number == 0 else taps[0]
            power.append((taps[number].mT - below).square() / 2)
        assert torch.allclose(drive.squeeze(1), -(power[0] - power[1]), atol=1e-9)


def test_a_small_amplitude_is_descent_whatever_the_outputs_answer() -> None:
    """The squared error falls on every example that is alone, as by Stern et al. to first order."""
    for fleet in (3, 4, 5):
        made = chip(fleet)
        learner = CoupledLearning(sgd(0.05), SquaredError(), 0.05, push=1e-3)
        target = made.port().measure(X).out + AIM
        losses = [float(s.loss) for _, s in fit(learner, made.port(), [Batch(X, target)] * 12, stream(0))]
        assert losses[-1] < 0.9 * losses[0]


def test_it_learns_by_what_comes_over_its_wires_alone() -> None:
    learner = CoupledLearning(adam(0.01), CrossEntropy(), every=2)
    x, y = torch.rand(5, 6, generator=stream(0, "more")), torch.arange(5) % 3
    for fleet in (0, [0, 1]):
        port = Chip(Hopfield(), mlp(6, 5, 3), fleet).port()
        check_learner(learner, port, [Batch(x, y)] * 3, lambda: stream(0, "probes"))


@pytest.mark.parametrize(
    "settings", [{"amplitude": 0.0}, {"amplitude": 1.5}, {"push": 0.0}, {"every": 0}, {"every": True}]
)
def test_settings_that_are_none_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"CoupledLearning: {next(iter(settings))} is"):
        CoupledLearning(sgd(1.0), SquaredError(), **settings)


def test_a_chip_whose_signals_go_one_way_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted one that relaxes"):
        CoupledLearning(sgd(1.0), SquaredError()).init(Chip(Ideal(), mlp(4, 3), 0).spec)
