"""Physics-aware training: exact as long as its twin is, and only as long."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, dense, grouped, stream, xray
from analog.devices import ConstantStep
from learners import Batch, CrossEntropy, fit, sgd
from learners.alternatives import PhysicsAwareTraining
from learners.alternatives.physics_aware_training import response_of
from tests.learners.alternatives.rule import F64, labeled

LAYERS = (dense(6, 5), dense(5, 3, linear=True))


def gradients_along(device: Any, rate: float, steps: int = 8) -> list[tuple[Any, Any]]:
    """At each step what the chip was sent, and its exact gradient."""
    chip = Chip(device, LAYERS, range(2), dtype=F64)
    batch, sent, exact = labeled(chip), list[Any](), list[Any]()
    port = chip.port()

    def pulse(drive: Any) -> None:
        exact.append(xray.knob_gradient(chip, batch.x, batch.target, CrossEntropy()))
        sent.append(drive)
        port.pulse(drive)

    learner = PhysicsAwareTraining(sgd(rate), CrossEntropy())
    for _ in fit(learner, port._replace(pulse=pulse), [batch] * steps, stream(0, "twin")):
        pass
    return list(zip(sent, exact, strict=True))


def test_on_an_ideal_chip_every_step_is_the_exact_gradient() -> None:
    for sent, exact in gradients_along(Ideal(), 0.5):
        for drive, gradient in zip(sent, exact, strict=True):
            torch.testing.assert_close(drive / -0.5, gradient)


def test_a_twin_believes_in_pulses_that_cells_do_not_follow() -> None:
    """Where cells saturate, what the twin adds up goes beyond them, and its gradients go astray."""
    cells = ConstantStep(w_max=0.3, w_min=-0.3, read_noise=0.0, cycle_to_cycle_std=0.0)
    off = [
        float((sent[0] / -2.0 - exact[0]).norm() / exact[0].norm())
        for sent, exact in gradients_along(cells, 2.0)
    ]
    assert off[0] < 1e-6 < 0.1 < off[-1]


@pytest.mark.parametrize("layer", [dense(5, 3), dense(5, 3, bias=False), grouped(6, 4, 2)], ids=str)
def test_the_response_of_knobs_is_the_change_of_sums_per_input(layer: Any) -> None:
    generator = stream(0, "response")
    knobs = torch.randn((2, layer.tiles, layer.rows, layer.cols), generator=generator, dtype=F64)
    x, more = torch.randn((2, 1, 7, layer.features_in), generator=generator, dtype=F64)
    change = layer.scatter(layer.gather(x + more) @ knobs.mT) - layer.scatter(layer.gather(x) @ knobs.mT)
    torch.testing.assert_close(more @ response_of(layer, knobs), change)


def test_the_twin_is_read_once() -> None:
    chip = Chip(Ideal(), LAYERS, range(2), dtype=F64)
    port, spans = chip.port(), list[tuple[int, int | None]]()

    def read(x: Any, *more: Any, first: int = 0, last: int | None = None) -> Any:
        spans.append((first, last))
        return port.measure(x, *more, first=first, last=last)

    batch: Batch = labeled(chip)
    learner = PhysicsAwareTraining(sgd(0.1), CrossEntropy(), examples=4)
    list(fit(learner, port._replace(measure=read), [batch] * 3, stream(0, "once")))
    assert spans == [(0, None), *[(1, 1)] * 4, (0, None), (0, None)]


@pytest.mark.parametrize("settings", [{"size": -1.0}, {"examples": 0}, {"examples": 1.5}], ids=str)
def test_settings_out_of_their_ranges_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"PhysicsAwareTraining: {next(iter(settings))} is .*, wanted"):
        PhysicsAwareTraining(sgd(0.1), CrossEntropy(), **settings)
