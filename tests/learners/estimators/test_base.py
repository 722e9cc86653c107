"""What both estimators have in common: probes add up, losses scale and shift, bad settings are refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import Chip, Ideal, Probe, Reading, Spec, dense, stream, xray
from learners import (
    CrossEntropy,
    Estimator,
    NodePerturbation,
    WeightPerturbation,
    antithetic,
    gaussian,
    leave_one_out,
    one_sided,
    rademacher,
)
from learners.estimators import Blocks, Flipout, Scheme, rank_one
from tests.estimates import estimated_by

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
