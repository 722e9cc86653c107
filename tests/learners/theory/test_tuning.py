"""Tuning from the wires: what it measures is what there is, and what it chooses is what the laws say."""

import itertools
from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Ledger, Mismatched, Port, dense, metered, stream, xray
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    SquaredError,
    WeightPerturbation,
    adam,
    antithetic,
    check_estimator,
    fit,
    laws,
    leave_one_out,
    one_sided,
    rademacher,
    tune_probe_size,
)
from learners.estimators import Blocks, Flipout, OneSided, paired_baseline
from learners.theory import best_settings, tuning
from tests.users_parts import HalfOfTheNodes, Richardson, Thirds

F64 = torch.float64
READ_NOISE = 0.05


def noisy(*widths: int) -> Chip:
    layers = [dense(a, b) for a, b in itertools.pairwise(widths[:-1])]
    device = Mismatched(severity=0.0, read_noise=READ_NOISE, write_noise=0.0)
    return Chip(device, (*layers, dense(widths[-2], widths[-1], linear=True)), 1, dtype=F64)


def examples(count: int, features: int, outputs: int) -> Batch:
    generator = stream(0, "tuning")
    x = torch.randn(count, features, generator=generator, dtype=F64)
    return Batch(x, torch.randn(count, outputs, generator=generator, dtype=F64))


@pytest.mark.parametrize("start", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("scheme", [one_sided, paired_baseline], ids=str)
def test_size_is_the_laws_for_a_quadratic_loss(scheme: Any, start: float) -> None:
    """A linear chip, |out - target|^2 / 2 in 6 outputs: signs have v'Hv = 6, the noise is the
    read_noise's."""
    chip, batch = noisy(4, 6), examples(200, 4, 6)
    estimator, found = tune_probe_size(
        NodePerturbation(start, scheme=scheme), chip.port(), batch, SquaredError(), stream(0, "size")
    )
    gap = (xray.respond(chip, batch.x).out - batch.target).square().sum(-1)
    scale = float(SquaredError()(torch.ones(1, 6, dtype=F64), torch.zeros(1, 6, dtype=F64))) / 3  # of |e|^2/2
    noise = float((READ_NOISE**2 * gap + 6 * READ_NOISE**4 / 2).mean()) ** 0.5 * scale
    assert found.noise == pytest.approx(noise, rel=0.1)
    wanted = best_settings.size_from_curvature(scheme, 2, noise, (6 * scale) ** 2)
    assert estimator.size == found.size == pytest.approx(wanted, rel=0.15)


def test_variances_are_those_of_the_laws() -> None:
    """Signal, mini-batch and perturbation parts of a hidden layer of 24, against the exact chip."""
    chip = Chip(Ideal(), (dense(30, 24), dense(24, 5, linear=True)), 2, dtype=F64)
    batch, loss = examples(400, 30, 5), SquaredError()
    bare = NodePerturbation(0.01, mask=False)
    _, found = tune_probe_size(bare, chip.port(), batch, loss, stream(0, "var"), last=0)
    halves = [Batch(batch.x[cut], batch.target[cut]) for cut in (slice(0, 200), slice(200, 400))]
    one, other = (xray.knob_gradient(chip, h.x, h.target, loss)[0].flatten() for h in halves)
    square = float(one @ other)  # of what both halves agree on
    between = float((one - other).square().sum()) / 4  # of half a batch each, so of the whole
    slopes = xray.node_gradient(chip, batch.x, batch.target, loss)[0]
    inputs = chip.spec.layers[0].gather(batch.x)[0]
    predicted = laws.nodes(bare, slopes, inputs).variance
    assert found.signal == pytest.approx(square, rel=0.25)
    assert found.minibatch == pytest.approx(between, rel=0.2)
    assert found.perturbation == pytest.approx(predicted, rel=0.1)
    assert found.probes == pytest.approx(
        (found.perturbation / (found.signal + found.minibatch)) ** 0.5, abs=0.51
    )


@pytest.mark.parametrize(
    "start",
    [
        NodePerturbation(0.01, scheme=antithetic, mask=False),
        NodePerturbation(0.01, 2, scheme=leave_one_out),
        NodePerturbation(0.01, 3, Blocks(rademacher, 3)),
        WeightPerturbation(0.01),
        NodePerturbation(0.01, 3, Thirds(), Richardson()),
        HalfOfTheNodes(0.01),
        Flipout(0.01, scheme=antithetic),
    ],
    ids=["pairs", "leave one out", "blocks", "weights", "a user's parts", "a user's estimator", "flipout"],
)
def test_any_start_ends_in_the_same_place_and_nothing_is_pulsed(start: Any) -> None:
    chip, batch = noisy(6, 8, 3), examples(128, 6, 3)
    ledger, sizes = Ledger(chip.spec), []

    def refuse(*args: object) -> None:
        raise AssertionError("tuning sent a pulse")

    port: Port = metered(chip.port()._replace(pulse=refuse, program=refuse), ledger)
    for factor in (0.3, 30.0):
        first = type(start)(**{**vars(start), "size": start.size * factor})
        before = max(ledger.reads)
        estimator, found = tune_probe_size(first, port, batch, SquaredError(), stream(0, "start"))
        assert max(ledger.reads) - before == found.reads
        assert (estimator.distribution, estimator.scheme) == (start.distribution, start.scheme)
        assert estimator.probes == found.probes and f"{found.probes} probes" in str(found)
        assert f"probes={found.probes}, " in repr(found) and len(repr(found)) < 120
        sizes.append(estimator.size)
    assert 1 / 1.7 < sizes[0] / sizes[1] < 1.7


def test_without_noise_only_rounding_is_left() -> None:
    chip, batch = Chip(Ideal(), (dense(6, 8), dense(8, 3, linear=True)), 1), examples(64, 6, 3)
    single = Batch(batch.x.float(), torch.zeros(64, dtype=torch.int64))
    estimator, found = tune_probe_size(
        NodePerturbation(0.1), chip.port(), single, CrossEntropy(), stream(0, "still")
    )
    assert found.noise < 1e-4 and 1e-4 < estimator.size < 1e-1


def test_misuse_is_refused() -> None:
    port = noisy(4, 6).port()
    with pytest.raises(ValueError, match="at least 4 examples"):
        tune_probe_size(NodePerturbation(0.1), port, examples(3, 4, 6), SquaredError(), stream(0))
    with pytest.raises(ValueError, match="no probe changes the loss"):
        tune_probe_size(
            NodePerturbation(0.1), port, examples(8, 4, 6), lambda out, target: 0 * out.sum(-1), stream(0)
        )


def test_a_probe_is_charged_for_all_its_reads() -> None:
    """At an equal perturbation a step of paired baselines costs two reads a probe and has sqrt(2) fewer."""
    chip, batch = noisy(6, 8, 3), examples(128, 6, 3)
    (_, one), (_, two) = (
        tune_probe_size(
            NodePerturbation(0.01, scheme=scheme), chip.port(), batch, SquaredError(), stream(0, "cost")
        )
        for scheme in (OneSided(1), paired_baseline)
    )
    for found, reads in ((one, 1), (two, 2)):
        wanted = best_settings.best_probes(found.perturbation, found.signal + found.minibatch, reads)
        assert found.probes == round(wanted)


@pytest.mark.parametrize(
    "estimator", [NodePerturbation(0.1, 3, Thirds(), Richardson()), HalfOfTheNodes(0.1, 4)], ids=str
)
def test_a_users_parts_train_a_chip_and_keep_the_laws_of_estimators(estimator: Any) -> None:
    check_estimator(estimator, stream(0, "users", str(estimator)))
    chip, batch = noisy(4, 8, 3), examples(64, 4, 3)
    learner = Descent(estimator, adam(0.02), SquaredError())
    losses = [float(s.loss) for _, s in fit(learner, chip.port(), [batch] * 60, stream(0, "train"))]
    assert losses[-1] < 0.8 * losses[0]


def test_flipout_which_remembers_its_flips_is_tuned_alike() -> None:
    """Its signal is that of node perturbation, and its variance D = p q of a layer for their q."""
    chip = Chip(Ideal(), (dense(10, 12), dense(12, 5, linear=True)), 2, dtype=F64)
    batch, loss = examples(400, 10, 5), SquaredError()
    start = NodePerturbation(0.01, mask=False)
    _, nodes = tune_probe_size(start, chip.port(), batch, loss, stream(0, "n"), last=0)
    _, flips = tune_probe_size(Flipout(0.01), chip.port(), batch, loss, stream(0, "f"), last=0)
    assert flips.signal == pytest.approx(nodes.signal, rel=0.35)
    ratio = flips.perturbation / nodes.perturbation
    assert ratio == pytest.approx((12 * 11 - 1) / (12 - 1), rel=0.2)


@pytest.mark.parametrize(
    ("scheme", "squares", "scale"),
    [(one_sided, 6, 0.1**2), (leave_one_out, 2, 0.1**2), (antithetic, 10, 2 * 0.1**3)],
    ids=str,
)
def test_what_noise_can_hide_is_two_standard_errors_of_its_mean_square(
    scheme: Any, squares: int, scale: float
) -> None:
    """Of a loss that does not bend: differences of so many readings each, of 8 probes and 50 examples."""
    error = squares * (2 / 400) ** 0.5

    def derivative(noise: float) -> tuple[float, bool]:
        bench = bench_of(noisy(4, 6), examples(50, 4, 6), stream(0, "hidden"))
        return bench.derivative(NodePerturbation(0.1, 2, scheme=scheme), noise)

    noise = READ_NOISE * 6**0.5
    assert derivative(noise) == (pytest.approx(2 * error * noise**2 / scale**2), True)
    whole, hidden = derivative(1e-6)
    assert not hidden and whole == pytest.approx(squares * noise**2 / scale**2, rel=0.4)
    for errors, hidden in ((2.5, False), (1.5, True)):  # so many stand out where noise is smaller
        small = (whole * scale**2 / (squares + errors * error)) ** 0.5
        told = max(errors, 2.0) * error * small**2 / scale**2
        assert derivative(small) == (pytest.approx(told, rel=1e-4), hidden)


def bench_of(chip: Chip, batch: Batch, generator: torch.Generator) -> tuning._Bench:
    """A bench whose loss is the sum of the outputs."""
    return tuning._Bench(chip.port(), batch, lambda out, target: out.sum(-1), generator, 0)  # type: ignore


def test_the_noise_of_a_fleet_is_that_of_its_chips_each_of_a_batch_of_its_own() -> None:
    device, layers = Mismatched(0.0, read_noise=READ_NOISE, write_noise=0.0), (dense(4, 6, linear=True),)
    bench = bench_of(Chip(device, layers, range(3), dtype=F64), examples(50, 4, 6), stream(0))
    assert bench.noise(False) == pytest.approx(READ_NOISE * 6**0.5, rel=0.05)
    assert bench.noise(True) == pytest.approx(READ_NOISE * 6**0.5 / 50**0.5, rel=0.4)


@pytest.mark.parametrize(("limit", "probes"), [(1, 3), (7, 6), (11, 9)])
def test_probes_keep_to_the_limit_in_multiples_that_the_distribution_allows(limit: int, probes: int) -> None:
    start, batch = WeightPerturbation(0.01, 3, Blocks(rademacher, 3)), examples(16, 6, 9)
    tuned, _ = tune_probe_size(
        start, noisy(6, 20, 9).port(), batch, SquaredError(), stream(0, "limit"), max_probes=limit
    )
    assert tuned.probes == probes
