"""The exact gradient through digital wiring is that of the whole chip where the wiring does nothing."""

import torch

from analog import Chip, Mismatched, Tape, dense, stream, taped, xray
from analog.layers import Averaged, Normalized, prepared
from learners import Batch, CrossEntropy, sgd
from studies.kit.recipes.exact_gradient import ExactGradientBetween

F64 = torch.float64


def test_gradients_between_layers_are_those_of_the_same_wiring_on_the_chip() -> None:
    device = Mismatched(read_noise=0.0)
    plain = (dense(5, 6), dense(6, 4), dense(4, 3, linear=True))
    inside = (plain[0], prepared(plain[1], Normalized(2)), plain[2])
    chip, whole = (Chip(device, layers, 1, dtype=F64) for layers in (plain, inside))
    generator, tape = stream(0, "exact"), Tape(chip.spec)
    batch = Batch(torch.randn(7, 5, generator=generator, dtype=F64), torch.arange(7) % 3)
    learner = ExactGradientBetween(chip, sgd(1.0), CrossEntropy(), (Normalized(2), Averaged(1)))
    learner.step(taped(chip.port(), tape), batch, learner.init(chip.spec), generator)
    (drive,) = [drive for wire, drive, _ in tape.events if wire == "pulse"]
    exact = xray.knob_gradient(whole, batch.x, batch.target, CrossEntropy())
    for ours, theirs in zip(drive, exact, strict=True):
        torch.testing.assert_close(-ours, theirs)
