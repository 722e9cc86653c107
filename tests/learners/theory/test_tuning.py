"""Tuning from the wires: what it measures is what there is, and what it chooses is what the laws say."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Ledger, Mismatched, Port, Reading, Spec, dense, metered, stream, xray
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    Gradient,
    Loss,
    NodePerturbation,
    ProbeResult,
    SquaredError,
    WeightPerturbation,
    adam,
    antithetic,
    check_estimator,
    fit,
    gaussian,
    laws,
    leave_one_out,
    one_sided,
    rademacher,
    tune_probe_size,
)
from learners.estimators import Blocks, Flipout, OneSided, hadamard, paired_baseline
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
    assert tune_probe_size(NodePerturbation(0.1), port, examples(4, 4, 6), SquaredError(), stream(0))
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


class PolynomialLoss(Loss):
    """|out|^2 / 2 + sum out^3 / 6 in each example, whose derivatives along any direction are known."""

    def value(self, out: Tensor, target: object) -> Tensor:
        return (out.square() / 2 + out**3 / 6).sum(-1, keepdim=True)


@pytest.mark.parametrize("scheme", [one_sided, leave_one_out, antithetic], ids=str)
@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
def test_derivatives_are_those_along_the_probes_of_each_chip(kind: Any, scheme: Any) -> None:
    """At nodes of each example, at knobs of the batch's mean; compared ones less what they have in common."""
    chip, batch = Chip(Ideal(), (dense(4, 6, linear=True),), range(2), dtype=F64), examples(5, 4, 6)
    bench = tuning._Bench(chip.port(), batch, PolynomialLoss(), stream(0, "along"), 0)
    found, hidden = bench.derivative(kind(0.1, 2, gaussian, scheme), 1e-9)
    out = xray.respond(chip, batch.x).out
    probe, _ = kind(0.1, 8, gaussian).ask(chip.spec, batch.x, Reading((out,)), stream(0, "along"))
    v = (xray.respond(chip, batch.x, probe).out - out) / 0.1
    along = v**3 if scheme is antithetic else v.square() * (1 + out)
    each = along.sum(-1).mean(-1) if kind is WeightPerturbation else along.sum(-1)
    wanted = each.var(0) if scheme is leave_one_out else each.square()
    assert not hidden and found == pytest.approx(float(wanted.mean()), rel=1e-6)


class Remembered(NodePerturbation):
    """Node perturbation that needs a memo to tell anything."""

    def ask(self, *known: Any) -> Any:
        return super().ask(*known)[0], "all"

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        assert result.memo == "all"
        return super().tell(spec, result)


@pytest.mark.parametrize("kind", [NodePerturbation, Remembered])
def test_of_exact_estimates_the_signal_is_what_the_halves_of_a_batch_agree_on(kind: Any) -> None:
    """All four directions of four nodes leave no variance of probes; the ninth example is in neither half."""
    chip, batch = Chip(Ideal(), (dense(3, 4, linear=True),), 1, dtype=F64), examples(9, 3, 4)
    bench = tuning._Bench(chip.port(), batch, SquaredError(), stream(0, "exact"), 0)
    signal, minibatch, perturbation = bench.variances(kind(1e-3, 4, hadamard, antithetic))
    one, other = (
        xray.knob_gradient(chip, batch.x[cut], batch.target[cut], SquaredError())[0].flatten()
        for cut in (slice(0, 4), slice(4, 8))
    )
    assert signal == pytest.approx(max(float(one @ other), 0.0), abs=1e-9)
    assert minibatch == pytest.approx(float((one.square() + other.square()).sum() / 2 - one @ other) / 2)
    assert perturbation == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("averaged", [False, True])
def test_noise_is_never_less_than_a_hundred_roundings_of_the_losses_and_the_outputs(averaged: bool) -> None:
    batch = examples(5, 4, 6)
    for chip in (Chip(Ideal(), (dense(4, 6, linear=True),), 1, dtype=F64), dead := still()):
        bench = tuning._Bench(chip.port(), batch, SquaredError(), stream(0), 0)
        out = xray.respond(chip, batch.x).out
        losses = SquaredError()(out, batch.target)
        scale = float(losses.mean() + out.abs().mean())
        assert bench.noise(averaged) == pytest.approx(100 * 2.0**-52 * scale, rel=1e-12, abs=0)
    silent = tuning._Bench(dead.port(), batch, PolynomialLoss(), stream(0), 0)
    assert silent.noise(averaged) > 0


def still() -> Chip:
    """A chip whose outputs are 0."""
    chip = Chip(Ideal(), (dense(4, 6, linear=True),), 1, dtype=F64)
    chip.port().program(chip.spec.zeros())
    return chip


@pytest.mark.parametrize("blocks", [1, 3, 5, 20])
def test_several_probes_are_tried_no_more_than_the_distribution_asks_for(blocks: int) -> None:
    tried = tuning._several(NodePerturbation(0.1, blocks, Blocks(rademacher, blocks)))
    assert tried % blocks == 0 and tuning._DIRECTIONS <= tried < tuning._DIRECTIONS + blocks


class Bends:
    """A bench on which a derivative is what it is told to be, at every size."""

    def __init__(self, derivative: float, hidden: bool) -> None:
        self.told, self.asked = (derivative, hidden), list[float]()

    def derivative(self, estimator: Any, noise: float) -> tuple[float, bool]:
        self.asked.append(estimator.size)
        return self.told


@pytest.mark.parametrize("start", [1e-7, 1.0, 1e7])
def test_the_search_for_a_size_strides_to_where_the_law_puts_it_and_stops_there(start: float) -> None:
    bench, noise = Bends(2.0, hidden=False), 0.1
    size, derivative = tuning._search_size(bench, NodePerturbation(start, scheme=antithetic), noise)  # type: ignore
    assert derivative == 2.0 and size == best_settings.size_from_third_derivative(noise, 2.0)
    strides = [max(a / b, b / a) for a, b in itertools.pairwise([*bench.asked, size])]
    assert strides[-1] == 1 and max(strides) <= tuning._MAX_STEP * (1 + 1e-9)
    assert strides[:-2] == pytest.approx([tuning._MAX_STEP] * (len(strides) - 2))


def test_where_noise_hides_how_a_loss_bends_the_search_goes_further_out_until_its_last_round() -> None:
    bench = Bends(1e9, hidden=True)
    size, _ = tuning._search_size(bench, NodePerturbation(1.0), 0.1)  # type: ignore[arg-type]
    assert len(bench.asked) == tuning._MAX_ROUNDS
    assert size == pytest.approx(tuning._FURTHER**tuning._MAX_ROUNDS)


def test_where_nothing_but_perturbation_varies_as_many_probes_are_best_as_there_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tuning._Bench, "variances", lambda *bench: (0.0, 0.0, 1.0))
    batch, start = examples(16, 4, 6), WeightPerturbation(0.01, 3, Blocks(rademacher, 3))
    tuned, _ = tune_probe_size(start, noisy(4, 6).port(), batch, SquaredError(), stream(0), max_probes=10)
    assert tuned.probes == 9


@pytest.mark.parametrize("perturbation", [1.0, 23.0, 400.0])
def test_the_best_number_of_probes_is_taken_to_the_next_multiple(
    perturbation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning._Bench, "variances", lambda *bench: (0.5, 0.5, perturbation))
    batch, start = examples(16, 4, 6), WeightPerturbation(0.01, 3, Blocks(rademacher, 3))
    tuned, _ = tune_probe_size(start, noisy(4, 6).port(), batch, SquaredError(), stream(0))
    assert tuned.probes % 3 == 0 and abs(tuned.probes - max(perturbation**0.5, 3)) <= 1.5
