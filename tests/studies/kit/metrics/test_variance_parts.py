"""The parts of a gradient estimate's variance are what the laws say, and add up.

Sampled laws: 3 means for each of 2 answer formats, two-stage rule.
"""

from itertools import combinations

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from distill import SoftLabels
from learners import Batch, CrossEntropy, NodePerturbation, laws
from learners.estimators import hadamard
from learners.estimators.gradient import knob_gradient
from studies.handing_on.mistakes import corrupt_labels
from studies.handing_on.temperature import with_read_noise
from studies.kit.metrics.variance_parts import TrueLabels, VarianceParts, variance_parts
from studies.kit.recipes.weight_copies import repeat_knobs
from tests.twostage import kept

LAYERS = (dense(3, 5), dense(5, 4, linear=True))
F64 = torch.float64
X = torch.randn(6, 3, generator=stream(0, "parts"), dtype=F64)
EXAMPLES = Batch(X, torch.tensor([0, 1, 2, 3, 0, 1]))
QUIET = Mismatched(read_noise=0.0, write_noise=0.0)
ESTIMATOR = NodePerturbation(1e-4, probes=2)
TEACHER = Chip(QUIET, LAYERS, 9, dtype=F64)


def copies(count: int, generator: Generator, read_noise: float = 1e-4) -> Chip:
    """So many chips that are alike in everything but their noise."""
    device = Mismatched(severity=0.0, read_noise=read_noise, write_noise=0.0)
    noise_seed = int(torch.randint(2**31, (), generator=generator))
    chip = Chip(device, LAYERS, range(count), noise_seed=noise_seed, dtype=F64)
    chip.port().program(repeat_knobs(xray.knobs(Chip(device, LAYERS, 3, dtype=F64)), count))
    return chip


def measured(chip: Chip, generator: Generator, batch: int = 6, repeats: int = 1) -> dict[str, VarianceParts]:
    return variance_parts(
        chip,
        TEACHER.port(),
        EXAMPLES,
        {"labels": TrueLabels(), "T 3": SoftLabels(3.0)},
        ESTIMATOR,
        batch=batch,
        repeats=repeats,
        generator=generator,
    )


@pytest.mark.parametrize("answers", ["labels", "T 3"])
def test_probes_and_readings_follow_their_laws_and_add_up(answers: str) -> None:
    """With all examples in the batch there is no mini-batch part; a fleet of like chips is the sample."""

    def sample(count: int, generator: Generator) -> Tensor:
        made = measured(copies(count, generator), generator)[answers]
        assert float(made.minibatch.max()) < 1e-20 and float(made.answers.max()) < 1e-20
        law = made.predicted_probes + made.predicted_readings
        gaps = (made.probes - made.predicted_probes, made.readings - made.predicted_readings)
        return torch.stack((*gaps, made.total - law), -1)

    assert kept(sample, torch.zeros(3, dtype=F64), 400, "parts", answers)


def test_the_perturbation_law_is_that_of_the_estimators() -> None:
    """Without a mask, of all examples in one batch: the trace of `laws.nodes`."""
    chip, loss = Chip(QUIET, LAYERS, 3, dtype=F64), CrossEntropy()
    estimator = NodePerturbation(1e-4, probes=2, mask=False)
    (made,) = variance_parts(
        chip,
        TEACHER.port(),
        EXAMPLES,
        {"labels": TrueLabels()},
        estimator,
        batch=6,
        repeats=1,
        generator=stream(0),
    ).values()
    slopes = xray.node_gradient(chip, X, EXAMPLES.target, loss)[0]
    wanted = laws.nodes(estimator, slopes, LAYERS[0].gather(X)[0])
    relative = float(wanted.perturbation.trace() / wanted.mean.square().sum())
    assert float(made.predicted_probes) == pytest.approx(relative, rel=1e-10)


def test_the_minibatch_law_is_that_of_all_batches() -> None:
    """Enumerated: every 3 of 6 examples."""
    chip, loss = Chip(QUIET, LAYERS, 3, dtype=F64), CrossEntropy()
    made = measured(chip, stream(0), batch=3)["labels"]
    slopes = xray.node_gradient(chip, X, EXAMPLES.target, loss)[0]
    whole = knob_gradient(LAYERS[0], slopes, X)
    every = [torch.tensor(some) for some in combinations(range(6), 3)]
    gaps = [(knob_gradient(LAYERS[0], slopes[s], X[s]) - whole).square().sum() for s in every]
    wanted = float(torch.stack(gaps).mean() / whole.square().sum())
    assert float(made.predicted_minibatch) == pytest.approx(wanted, rel=1e-10)


def test_a_noisy_teacher_adds_a_part_for_its_answers_alone() -> None:
    chip, generator = Chip(QUIET, LAYERS, 3, dtype=F64), stream(0, "answers")
    teacher = Chip(Mismatched(read_noise=0.3), LAYERS, 9, dtype=F64).port()
    made = variance_parts(
        chip,
        teacher,
        EXAMPLES,
        {"labels": TrueLabels(), "T 1": SoftLabels(1.0)},
        ESTIMATOR,
        batch=6,
        repeats=4,
        generator=generator,
    )
    assert float(made["labels"].answers) < 1e-20 < 1e-3 < float(made["T 1"].answers)
    assert float(made["T 1"].readings) < 1e-20  # this chip has no noise


def test_probes_without_a_law_are_refused() -> None:
    chip = Chip(QUIET, LAYERS, 3, dtype=F64)
    with pytest.raises(ValueError, match="no law for probes"):
        variance_parts(
            chip,
            TEACHER.port(),
            EXAMPLES,
            {"labels": TrueLabels()},
            NodePerturbation(0.1, 2, hadamard),
            batch=2,
            repeats=1,
            generator=stream(0),
        )


def test_a_louder_chip_has_the_same_cells() -> None:
    chip = Chip(Mismatched(), LAYERS, range(3))
    chip.port().pulse(tuple(torch.full_like(k, 0.1) for k in xray.knobs(chip)))
    loud, x = with_read_noise(chip, 0.5), X.float()
    assert torch.equal(xray.respond(loud, x).out, xray.respond(chip, x).out)
    silent = with_read_noise(chip, 0.0).port().measure(x).out
    assert torch.equal(silent, xray.respond(chip, x).out)
    assert float((loud.port().measure(x).out - silent).std()) > 0.3
    with pytest.raises(ValueError, match="no read_noise"):
        with_read_noise(Chip(Ideal(), LAYERS), 0.1)


def test_corrupted_labels_are_right_as_often_as_chance_says() -> None:
    """1 - share (C - 1) / C; none corrupted is as before. One mean for each share, two-stage rule."""
    labels = torch.arange(50) % 5
    assert torch.equal(corrupt_labels(labels, 0.0, 5, 2, stream(0)), labels.expand(2, 50))
    for share in (0.2, 0.8, 1.0):

        def sample(count: int, generator: Generator, share: float = share) -> Tensor:
            return (
                (corrupt_labels(labels, share, 5, count, generator) == labels).double().mean(-1, keepdim=True)
            )

        assert kept(sample, torch.tensor([1 - share * 0.8], dtype=F64), 200, "spoilt", str(share))
