"""Measured feedback: its matrices are the chip's responses, so its gradient is exact; its reads are paid."""

from typing import Any

import pytest
import torch
from torch import Tensor

from analog import (
    Chip,
    Ideal,
    Knobs,
    Layer,
    Ledger,
    Mismatched,
    Tape,
    conv2d,
    dense,
    metered,
    stream,
    taped,
    xray,
)
from learners import Batch, CrossEntropy, MeasuredFeedback, check_learner, evaluate, fit, recipes, sgd
from learners.data import batches, load_data

F64 = torch.float64
TINY = 1e-12  # rate of a chip that hardly moves
LAYERS: dict[str, tuple[Layer, ...]] = {
    "one": (dense(9, 3, linear=True),),
    "two": (dense(9, 6), dense(6, 3, linear=True)),
    "four": (dense(9, 6), dense(6, 6), dense(6, 5), dense(5, 3, linear=True)),
    "convolution": (conv2d((1, 3, 3), 3, 2), conv2d((3, 2, 2), 2, 2, padding=1), dense(18, 3, linear=True)),
}


def lessons(count: int, name: str = "lessons", features: int = 9) -> list[Batch]:
    generator = stream(0, name)
    x = torch.randn(count, 16, features, generator=generator, dtype=F64)
    return [Batch(each, torch.randint(3, (16,), generator=generator)) for each in x]


def told(learner: MeasuredFeedback, chip: Chip, count: int) -> tuple[Knobs, Batch]:
    """The gradient that a learner tells of its last batch, on a chip that hardly moves."""
    tape, shown = Tape(chip.spec), lessons(count)
    list(fit(learner, taped(chip.port(), tape), shown, stream(0, "examples")))
    pulses = [drive for wire, drive, _ in tape.events if wire == "pulse"]
    return tuple(drive / -TINY for drive in pulses[-1]), shown[-1]


@pytest.mark.parametrize("layers", LAYERS.values(), ids=[*LAYERS])
@pytest.mark.parametrize("fleet", [1, (1, 2)])
def test_on_a_noiseless_chip_of_rectifiers_the_gradient_is_exact(layers: Any, fleet: Any) -> None:
    """Once every node has been seen active beside each of its inputs, however deep and however wired."""
    chip = Chip(Ideal(), layers, fleet, dtype=F64)
    learner = MeasuredFeedback(sgd(TINY), CrossEntropy(), size=1e-4, every=1)
    gradient, batch = told(learner, chip, 60)
    for ours, exact in zip(
        gradient, xray.knob_gradient(chip, batch.x, batch.target, CrossEntropy()), strict=True
    ):
        torch.testing.assert_close(ours, exact, rtol=1e-6, atol=1e-8)


def test_gains_of_amplifiers_above_are_in_what_is_measured() -> None:
    """On a mismatched chip each node's gradient points as the exact one; only its own gain is not known."""
    device = Mismatched(read_noise=0.0, mean_curvature=0.0)
    chip = Chip(device, (dense(9, 12), dense(12, 3, linear=True)), 3, dtype=F64)
    (lowest, _), batch = told(MeasuredFeedback(sgd(TINY), CrossEntropy(), size=1e-4, every=1), chip, 60)
    at_nodes = xray.node_gradient(chip, batch.x, batch.target, CrossEntropy())[0]
    inputs = torch.cat((batch.x, torch.ones(16, 1, dtype=F64)), -1)
    exact = at_nodes.mT @ inputs / 16  # but for the cells' own gains, which nobody knows
    per_node = torch.nn.functional.cosine_similarity(lowest[0], exact, dim=-1)
    assert bool((per_node[exact.abs().sum(-1) > 0] > 0.9999).all())


@pytest.mark.parametrize(("every", "reads"), [(1, 1), (3, 2)])
def test_every_read_of_the_backward_model_is_paid(every: int, reads: int) -> None:
    chip = Chip(Mismatched(), LAYERS["four"], 1)
    ledger, steps = Ledger(chip.spec), 7
    learner = MeasuredFeedback(sgd(0.1), CrossEntropy(), every=every, reads=reads)
    shown = [Batch(b.x.float(), b.target) for b in lessons(steps)]
    list(fit(learner, metered(chip.port(), ledger), shown, stream(0)))
    times = -(-steps // every)
    assert ledger.reads == [16 * steps + times * reads * extra for extra in (0, 7, 7, 6)]


def test_repeated_reads_take_the_noise_of_the_model_away() -> None:
    """Nine reads leave a ninth of the variance, within what 18 entries of 60 steps allow."""

    def spread(reads: int) -> Tensor:
        chip = Chip(Mismatched(), LAYERS["two"], 1)
        learner = MeasuredFeedback(sgd(TINY), CrossEntropy(), every=1, reads=reads, decay=0.0)
        shown = [Batch(b.x.float(), b.target) for b in lessons(60)]
        means = [state.responses[0].mean for state, _ in fit(learner, chip.port(), shown, stream(0))]
        return torch.stack(means).var(0).mean()

    assert 6 < float(spread(1) / spread(9)) < 13


@pytest.mark.parametrize("fleet", [3, (3, 4)])
def test_it_is_a_function_of_its_measurements(fleet: Any) -> None:
    port = Chip(Mismatched(), LAYERS["convolution"], fleet).port()
    shown = [Batch(b.x.float(), b.target) for b in lessons(4)]
    check_learner(
        recipes.measured_feedback(CrossEntropy(), steps=4), port, shown, lambda: stream(0, "examples")
    )


def test_it_teaches_digits_without_a_probe() -> None:
    data = load_data("digits")
    chip = Chip(Mismatched(), (dense(64, 32), dense(32, 10, linear=True)), (0, 1))
    learner = recipes.measured_feedback(CrossEntropy(), steps=220)
    list(fit(learner, chip.port(), batches(data.train, 64, 10, stream(0, "data")), stream(0)))
    assert float(evaluate(chip.port(), data.test).min()) > 0.92


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": 0.0}, "size is 0.0"),
        ({"every": 0}, "every is 0"),
        ({"reads": True}, "reads is True"),
        ({"decay": 1.0}, "decay is 1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=rf"^MeasuredFeedback: {says}, wanted"):
        MeasuredFeedback(sgd(0.1), CrossEntropy(), **settings)
