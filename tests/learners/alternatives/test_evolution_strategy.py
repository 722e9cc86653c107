"""Evolution strategies by ask and tell: candidates are judged unwritten, the chip goes to the mean."""

import copy
from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Knobs, Ledger, dense, metered, stream, xray
from learners import Batch, CrossEntropy, SquaredError, fit
from learners.alternatives import EvolutionStrategy
from tests.learners.alternatives.rule import F64, labeled
from tests.learners.alternatives.toy_optimizer import BetterHalf

LAYERS = (dense(4, 3), dense(3, 2, linear=True))
LEARNER = EvolutionStrategy(BetterHalf, CrossEntropy())


def shifted(knobs: Knobs, vectors: torch.Tensor) -> Knobs:
    """Knobs (*fleet, tiles, rows, cols) with a vector (*fleet, coordinates) added."""
    parts = vectors.split([k[..., :, :, :].flatten(-3).shape[-1] for k in knobs], -1)
    return tuple(k + part.reshape(k.shape) for k, part in zip(knobs, parts, strict=True))


@pytest.mark.parametrize("fleet", [1, (1, 2)])
def test_losses_are_those_of_candidates_that_are_written(fleet: Any) -> None:
    """Each chip's optimizer is told its own candidates' losses; nothing was written to find them."""
    chip = Chip(Ideal(), LAYERS, fleet, dtype=F64)
    batch, before = labeled(chip), xray.knobs(chip)
    ((state, _),) = fit(LEARNER, chip.port(), [batch], stream(0))
    solutions = [optimizer.solutions for optimizer in state.optimizers]  # type: ignore[attr-defined]
    for number in range(8):
        vectors = torch.stack([torch.from_numpy(told[number][0]) for told in solutions])
        written = Chip(Ideal(), LAYERS, fleet, dtype=F64)
        written.port().program(shifted(before, vectors.reshape(*chip.spec.fleet, -1)))
        losses = CrossEntropy()(written.port().measure(batch.x).out, batch.target).mean(-1)
        torch.testing.assert_close([told[number][1] for told in solutions], losses.reshape(-1).tolist())
    found = [vector for told in solutions for vector, _ in told]
    assert not any((a == b).all() for i, a in enumerate(found) for b in found[:i])


@pytest.mark.parametrize("fleet", [1, (1, 2)])
def test_the_chip_stands_where_the_mean_has_come_to(fleet: Any) -> None:
    chip = Chip(Ideal(), LAYERS, fleet, dtype=F64)
    before = xray.knobs(chip)
    *_, (state, _) = fit(LEARNER, chip.port(), [labeled(chip)] * 5, stream(0))
    means = torch.stack([torch.from_numpy(optimizer.mean) for optimizer in state.optimizers])
    assert float(means.abs().max()) > 0.01
    for ours, wanted in zip(
        xray.knobs(chip), shifted(before, means.reshape(*chip.spec.fleet, -1)), strict=True
    ):
        torch.testing.assert_close(ours, wanted)


def test_a_step_leaves_the_optimizers_it_was_handed_as_they_were() -> None:
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    state = LEARNER.init(chip.spec)
    kept = copy.deepcopy(state.optimizers[0].mean)
    after, _ = LEARNER.step(chip.port(), labeled(chip), state, stream(0))
    assert (state.optimizers[0].mean == kept).all() and (after.optimizers[0].mean != kept).any()


def test_a_generation_costs_a_read_of_the_batch_for_each_candidate_and_one_more() -> None:
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    ledger = Ledger(chip.spec)
    list(fit(LEARNER, metered(chip.port(), ledger), [labeled(chip)] * 3, stream(0)))
    assert ledger.reads == [3 * 16 * 9] * 2


def test_it_goes_to_the_bottom_of_a_quadratic() -> None:
    """A linear read-out by squared error; a hundredth of the loss is left."""
    chip = Chip(Ideal(), (dense(3, 2, linear=True),), range(2), dtype=F64)
    x = torch.randn(32, 3, generator=stream(0, "quadratic"), dtype=F64)
    batch = Batch(x, x[:, :2] * 0.5 - x[:, 2:] * 0.3 + 0.2)
    learner = EvolutionStrategy(lambda mean: BetterHalf(mean, 0.05, 16), SquaredError())
    losses = [step.loss for _, step in fit(learner, chip.port(), [batch] * 150, stream(0))]
    assert bool((losses[-1] < 0.01 * losses[0]).all())


def test_what_is_no_optimizer_is_refused() -> None:
    spec = Chip(Ideal(), LAYERS, 1).spec
    with pytest.raises(TypeError, match=r"make gave a ndarray, wanted population_size, mean, reseed_rng"):
        EvolutionStrategy(lambda mean: mean, CrossEntropy()).init(spec)
    with pytest.raises(TypeError, match="make is 3, wanted a function"):
        EvolutionStrategy(3, CrossEntropy())  # type: ignore[arg-type]
