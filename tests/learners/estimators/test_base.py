"""What both estimators have in common: probes add up, losses scale and shift, bad settings are refused."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import Chip, Ideal, Probe, Reading, Spec, dense, stream, xray
from learners import (
    CrossEntropy,
    Estimator,
    NodePerturbation,
    ProbeResult,
    WeightPerturbation,
    antithetic,
    gaussian,
    leave_one_out,
    one_sided,
    rademacher,
)
from learners.estimators import Blocks, Flipout, Scheme, rank_one
from learners.estimators.base import ProbingEstimator
from tests.estimates import estimated, estimated_by

F64 = torch.float64
NOTHING = Reading(())


@pytest.mark.parametrize("scheme", [one_sided, antithetic])
@pytest.mark.parametrize("law", [gaussian], ids=["gaussian"])
def test_k_probes_are_the_mean_of_single_probes(scheme: object, law: object) -> None:
    chip = Chip(Ideal(), (dense(4, 3), dense(3, 2, linear=True)), dtype=F64)
    x, target = torch.ones(2, 4, dtype=F64), torch.tensor([0, 1])
    for kind in (NodePerturbation, WeightPerturbation):
        many: Estimator = kind(0.1, probes=3, distribution=law, scheme=scheme)  # type: ignore[arg-type]
        probe, _ = many.ask(chip.spec, x, NOTHING, stream(0, "k"))
        baseline = xray.respond(chip, x)
        losses, baseline_loss = (
            CrossEntropy()(r.out, target) for r in (xray.respond(chip, x, probe), baseline)
        )
        whole = estimated_by(many, chip.spec, probe, x, baseline, losses, baseline_loss)
        each = losses.shape[0] // 3
        parts = []
        for k in range(3):
            cut = slice(k * each, (k + 1) * each)
            single: Estimator = kind(0.1, distribution=law, scheme=scheme)  # type: ignore[arg-type]
            part = type(probe)(*(None if p is None else tuple(e[cut] for e in p) for p in probe))
            parts.append(estimated_by(single, chip.spec, part, x, baseline, losses[cut], baseline_loss))
        for i, w in enumerate(whole):
            torch.testing.assert_close(w, sum(p[i] for p in parts) / 3)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3), nodes=st.booleans())
def test_losses_scale_and_shift(a: float, b: float, nodes: bool) -> None:
    """L -> aL scales the estimate; L -> L + b leaves it, whichever the scheme."""
    chip = Chip(Ideal(), (dense(4, 3), dense(3, 2, linear=True)), dtype=F64)
    x, target = torch.ones(2, 4, dtype=F64), torch.tensor([0, 1])
    for scheme in (one_sided, antithetic):
        estimator = (NodePerturbation if nodes else WeightPerturbation)(0.1, probes=2, scheme=scheme)
        probe, _ = estimator.ask(chip.spec, x, NOTHING, stream(0, "ab"))
        baseline = xray.respond(chip, x)
        high, low = (CrossEntropy()(r.out, target) for r in (xray.respond(chip, x, probe), baseline))
        plain = estimated_by(estimator, chip.spec, probe, x, baseline, high, low)
        moved = estimated_by(estimator, chip.spec, probe, x, baseline, a * high + b, a * low + b)
        torch.testing.assert_close(moved, tuple(a * p for p in plain), rtol=1e-9, atol=1e-9)


def test_a_layer_left_alone_has_no_gradient() -> None:
    spec = Spec((dense(4, 3), dense(3, 2, linear=True)), dtype=F64)
    x, baseline = (
        torch.ones(2, 4, dtype=F64),
        Reading((torch.ones(2, 3, dtype=F64), torch.ones(2, 2, dtype=F64))),
    )
    losses = torch.ones(1, 2, dtype=F64)
    for estimator in (NodePerturbation(0.1), WeightPerturbation(0.1)):
        probe, _ = estimator.ask(spec, x, NOTHING, stream(0, "alone"))
        part = type(probe)(*(None if p is None else (p[0], None) for p in probe))
        told = estimated_by(estimator, spec, part, x, baseline, losses, losses[0] * 0)
        assert float(told[0].abs().sum()) > 0 and float(told[1].abs().sum()) == 0
        assert tuple(told[1].shape) == (1, 2, 4)


@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
def test_leave_one_out_needs_two(kind: type) -> None:
    with pytest.raises(ValueError, match=r"LeaveOneOut\(\) wants at least 2 probes, got 1"):
        kind(0.1, probes=1, scheme=leave_one_out)


@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
@pytest.mark.parametrize(("size", "probes"), [(0, 1), (-1, 1), (float("nan"), 1), (0.1, 0), (0.1, 1.5)])
def test_bad_settings_are_refused(kind: type, size: float, probes: int) -> None:
    with pytest.raises(ValueError, match=r"size is|probes is"):
        kind(size, probes=probes)


@pytest.mark.parametrize(
    ("kind", "name"), [(NodePerturbation, "NodePerturbation"), (WeightPerturbation, "WeightPerturbation")]
)
def test_settings_that_do_not_go_together_are_named(kind: type, name: str) -> None:
    for settings, says in (
        ({"size": float("inf")}, f"^{name}: size is inf"),
        ({"size": 0.1, "probes": True}, f"^{name}: probes is True"),
        (
            {"size": 0.1, "probes": 3, "distribution": Blocks(rademacher, 2)},
            f"^{name}: probes of Blocks.* come in multiples of 2, got 3",
        ),
        ({"size": 0.1, "scheme": leave_one_out}, f"^{name}: LeaveOneOut"),
    ):
        with pytest.raises(ValueError, match=says):
            kind(**settings)
    kind(0.1, probes=2, scheme=leave_one_out)
    kind(0.1, probes=4, distribution=Blocks(rademacher, 2))
    with pytest.raises(ValueError, match="^NodePerturbation: directions of RankOne.* are for knobs"):
        NodePerturbation(0.1, distribution=rank_one)
    WeightPerturbation(0.1, distribution=rank_one)


def test_parts_that_are_none_are_refused() -> None:
    class Incomplete:
        def draw(self) -> None: ...

    with pytest.raises(
        TypeError, match=r"NodePerturbation: .*Incomplete.*subclass of learners.ProbeDistribution"
    ):
        NodePerturbation(0.1, distribution=Incomplete())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Flipout: .*subclass of learners.Scheme"):
        Flipout(0.1, scheme=Scheme)  # type: ignore[arg-type]


def test_the_first_layer_may_be_left_alone_too_and_nothing_asked_tells_nothing() -> None:
    spec = Spec((dense(4, 3), dense(3, 2, linear=True)), dtype=F64)
    x, taps = torch.ones(2, 4, dtype=F64), (torch.zeros(2, 3, dtype=F64), torch.ones(2, 2, dtype=F64))
    losses = torch.ones(1, 2, dtype=F64)
    estimators: tuple[Estimator, ...] = (NodePerturbation(0.1, mask=False), WeightPerturbation(0.1))
    for estimator in estimators:
        probe, _ = estimator.ask(spec, x, NOTHING, stream(0, "late"))
        late = type(probe)(*(None if p is None else (None, p[1]) for p in probe))
        told = estimated_by(estimator, spec, late, x, Reading(taps), losses, losses[0] * 0)
        assert float(told[0].abs().sum()) == 0 and float(told[1].abs().sum()) > 0
        none = estimated_by(estimator, spec, Probe(), x, Reading(taps), losses, losses[0] * 0)
        assert all(float(t.abs().sum()) == 0 for t in none)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_result_at_one_layer_is_what_drove_and_what_left_it_with_its_parts_added_up(at: int) -> None:
    generator = stream(0, "one layer")
    x, low, losses = (torch.randn(*s, 4, generator=generator) for s in ((2, 5), (2, 5), (3, 2, 5)))
    taps = tuple(torch.randn(2, 5, 4, generator=generator) for _ in range(3))
    probed = tuple(torch.randn(3, 2, 5, 4, generator=generator) for _ in range(3))
    pushes = tuple(torch.randn(3, 2, 5, 4, generator=generator) for _ in range(3))
    whole = ProbeResult(x, Reading(taps), low, Probe(nodes=pushes), Reading(probed), losses)
    assert whole.layer(at, 4).losses.equal(losses) and whole.layer(at, 4).baseline_losses.equal(low)
    one = whole.layer(at, 2)
    assert one.x is (x, *taps)[at] and one.inputs[0] is one.x
    assert one.baseline == Reading((taps[at],)) and one.probed == Reading((probed[at],))
    assert one.probe == Probe(nodes=(pushes[at],))
    torch.testing.assert_close(one.losses[..., 0], losses[..., 0] + losses[..., 1])
    torch.testing.assert_close(one.losses[..., 1], losses[..., 2] + losses[..., 3])
    torch.testing.assert_close(one.baseline_losses[..., 0], low[..., 0] + low[..., 1])
    torch.testing.assert_close(one.baseline_losses[..., 1], low[..., 2] + low[..., 3])


@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation, Flipout])
def test_examples_share_directions_just_where_only_their_mean_loss_counts(
    kind: Callable[[float, int], ProbingEstimator],
) -> None:
    chip, estimator = Chip(Ideal(), (dense(3, 4), dense(4, 2, linear=True)), dtype=F64), kind(0.1, 2)
    x = torch.randn(3, 3, generator=stream(0, "shared"), dtype=F64)
    baseline = xray.respond(chip, x)
    probe, memo = estimator.ask(chip.spec, x, baseline, stream(0, "directions"))
    losses = torch.randn(2, 3, 1, generator=stream(0, "losses"), dtype=F64)
    result = ProbeResult(x, baseline, losses[0] * 0, probe, baseline, losses, memo)
    moved = result._replace(losses=losses.roll(1, 1))
    pairs = zip(estimated(estimator, chip.spec, result), estimated(estimator, chip.spec, moved), strict=True)
    assert all(torch.allclose(a, b) is estimator.shared_over_batch for a, b in pairs)


@pytest.mark.parametrize(("kind", "shared"), [(NodePerturbation, False), (WeightPerturbation, True)])
def test_directions_are_shared_over_the_batch_at_knobs_unless_an_estimator_says_otherwise(
    kind: type, shared: bool
) -> None:
    silent = type("Silent", (kind,), {"shared_over_batch": ProbingEstimator.shared_over_batch})
    assert silent(0.1).shared_over_batch is shared
