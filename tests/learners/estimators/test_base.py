"""Laws of both estimators, exactly: every sign vector is enumerated, in float64, with no sampling.

The trick: a fleet of 2^D identical "chips", each probed along its own sign vector, gives every possible
estimate in one call. Losses are made here from the probes, so no chip is needed either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from analog import Chip
from analog import Ideal
from analog import Knobs
from analog import Mismatched
from analog import Probe
from analog import Reading
from analog import Spec
from analog import conv2d
from analog import dense
from analog import stream
from analog import xray
from learners import Blocks
from learners import CrossEntropy
from learners import Estimator
from learners import Flipout
from learners import NodePerturbation
from learners import ProbeDistribution
from learners import Scheme
from learners import SquaredError
from learners import WeightPerturbation
from learners import antithetic
from learners import gaussian
from learners import leave_one_out
from learners import one_sided
from learners import rademacher
from learners import rank_one
from learners.estimators.base import ProbeResult
from learners.estimators.gradient import knob_gradient
from tests.estimates import estimated
from tests.signs import moments
from tests.signs import signs

F64 = torch.float64
NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))
RNG = stream(0, "unused")
NOTHING = Reading(())


def told_by(
    estimator: Estimator, spec: Spec, probe: Probe, x: Tensor, baseline: Reading, losses: Tensor, low: Tensor
) -> Knobs:
    """`tell` of estimators that take no notice of the probed taps."""
    result = ProbeResult(x, baseline, low.unsqueeze(-1), probe, NOTHING, losses.unsqueeze(-1))
    return estimated(estimator, spec, result)


@dataclass(frozen=True)
class Dealt(ProbeDistribution):
    """A law that deals the coordinates of (probes, 2^D, D) out to one body after another."""

    rows: Tensor
    kurtosis: float = 1.0

    def draw(
        self, count: int, lead: object, bodies: Sequence[tuple[int, ...]], *rest: object
    ) -> tuple[Tensor, ...]:
        whole = self.rows.view(count, len(self.rows), -1)
        batch = lead[1:] if isinstance(lead, tuple) else ()
        sizes = [torch.Size((*batch, *body)).numel() for body in bodies]
        parts = whole.split(sizes, -1)
        return tuple(p.reshape(count, whole.shape[1], *batch, *b) for p, b in zip(parts, bodies, strict=True))

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return law_of(g) / count


def fleet_spec(rows: Tensor, *layers: object) -> Spec:
    return Spec(layers, fleet=(len(rows),), dtype=F64)  # type: ignore[arg-type]


def law_of(g: Tensor, kurtosis: float = 1.0) -> Tensor:
    """Covariance of (g.v) v: |g|^2 I + g g' + (k - 3) diag(g^2)."""
    return (
        g.square().sum() * torch.eye(len(g), dtype=F64)
        + torch.outer(g, g)
        + (kurtosis - 3) * torch.diag(g**2)
    )


def weight_estimates(g: Tensor, hessian: Tensor, scheme: object, size: float) -> Tensor:
    """All estimates of L(w) = g.w + w'Hw/2 at w = 0; the knobs are 2 x 2 and 1 x 2."""
    rows = signs(6)
    spec = fleet_spec(rows, dense(2, 2, bias=False), dense(2, 1, bias=False, linear=True))
    estimator = WeightPerturbation(size, distribution=Dealt(rows), scheme=scheme)  # type: ignore[arg-type]
    probe, _ = estimator.ask(spec, torch.zeros(1, 2, dtype=F64), NOTHING, RNG)
    assert probe.knobs is not None
    w = torch.cat([k.flatten(-3) for k in probe.knobs if k is not None], -1)  # (probes, fleet, 6)
    losses = (w @ g + 0.5 * torch.einsum("...i,ij,...j->...", w, hessian, w)).unsqueeze(-1)
    told = told_by(estimator, spec, probe, torch.zeros(1, 2, dtype=F64), Reading(()), losses, losses[0] * 0)
    return torch.cat([k.flatten(-3) for k in told], -1)


@given(g=arrays(float, 6, elements=NUMBERS), size=st.floats(0.01, 1.0), both=st.booleans())
def test_weight_perturbation_of_a_linear_loss(g: object, size: float, both: bool) -> None:
    """Mean g and covariance |g|^2 I + g g' - 2 diag(g^2); total variance (D - 1)|g|^2."""
    slope = torch.tensor(g, dtype=F64)
    scheme = antithetic if both else one_sided
    mean, covariance = moments(weight_estimates(slope, torch.zeros(6, 6, dtype=F64), scheme, size))
    torch.testing.assert_close(mean, slope, rtol=0, atol=5e-14)
    torch.testing.assert_close(covariance, law_of(slope), rtol=0, atol=5e-13)
    assert float(covariance.trace()) == pytest.approx(5 * float(slope.square().sum()), abs=5e-13)


@given(
    g=arrays(float, 6, elements=NUMBERS), h=arrays(float, (6, 6), elements=NUMBERS), size=st.floats(0.1, 1.0)
)
def test_weight_perturbation_of_a_quadratic_loss(g: object, h: object, size: float) -> None:
    """No bias at any size. One-sided adds (s^2/4) D [(tr H)^2 + 2(|H|^2 - sum H_ii^2)], pairs nothing."""
    slope, hessian = torch.tensor(g, dtype=F64), torch.tensor(h, dtype=F64)
    hessian = (hessian + hessian.T) / 2
    linear = law_of(slope).trace()
    for scheme in (one_sided, antithetic):
        mean, covariance = moments(weight_estimates(slope, hessian, scheme, size))
        torch.testing.assert_close(mean, slope, rtol=0, atol=1e-12)
        curved = hessian.trace() ** 2 + 2 * (hessian.square().sum() - hessian.diagonal().square().sum())
        added = size**2 / 4 * 6 * curved if scheme is one_sided else 0.0
        assert float(covariance.trace()) == pytest.approx(float(linear + added), rel=1e-10, abs=1e-11)


def node_estimates(
    d: Tensor, x: Tensor, *, scheme: object = one_sided, batch_mean: bool = False, size: float = 0.1
) -> Tensor:
    """All estimates of one layer whose example n has the loss d[n].u[n]."""
    batch, q = d.shape
    rows = signs(batch * q)
    spec = fleet_spec(rows, dense(x.shape[-1], q, bias=False, linear=True))
    estimator = NodePerturbation(size, distribution=Dealt(rows), scheme=scheme)  # type: ignore[arg-type]
    probe, _ = estimator.ask(spec, x, NOTHING, RNG)
    assert probe.nodes is not None and probe.nodes[0] is not None
    losses = (probe.nodes[0] * d).sum(-1)
    if batch_mean:
        losses = losses.mean(-1, keepdim=True).expand(losses.shape)
    baseline = Reading((torch.ones(len(rows), batch, q, dtype=F64),))
    return told_by(estimator, spec, probe, x, baseline, losses, torch.zeros(len(rows), batch, dtype=F64))[
        0
    ].flatten(1)


@given(
    d=arrays(float, (3, 2), elements=NUMBERS), x=arrays(float, (3, 2), elements=NUMBERS), both=st.booleans()
)
def test_node_perturbation_of_one_layer(d: object, x: object, both: bool) -> None:
    """Mean mean_n(d x') and covariance sum_n (|d|^2 I + d d' - 2 diag(d^2)) (x) x x' / N^2."""
    slopes, inputs = torch.tensor(d, dtype=F64), torch.tensor(x, dtype=F64)
    estimates = node_estimates(slopes, inputs, scheme=antithetic if both else one_sided)
    mean, covariance = moments(estimates)
    torch.testing.assert_close(mean, (slopes.T @ inputs / 3).flatten(), rtol=0, atol=5e-14)
    wanted = sum(torch.kron(law_of(slopes[n]), torch.outer(inputs[n], inputs[n])) for n in range(3)) / 9
    torch.testing.assert_close(covariance, wanted, rtol=0, atol=5e-13)


def test_the_batch_mean_trap_is_caught() -> None:
    """A batch-mean loss divided among examples shrinks the estimate N-fold: the law above must notice."""
    d = torch.tensor([[1.0, 0.5], [-0.3, 2.0], [0.7, 0.1]], dtype=F64)
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0], [2.0, 0.3]], dtype=F64)
    mean, _ = moments(node_estimates(d, x, batch_mean=True))
    assert not torch.allclose(mean, (d.T @ x / 3).flatten(), atol=0.1)


@given(d=arrays(float, 5, elements=NUMBERS), x=arrays(float, 2, elements=NUMBERS))
def test_layers_perturbed_together_leak_into_each_other(d: object, x: object) -> None:
    """Var_l = |x_l|^2 (q_l T^2 + (k - 2)|d_l|^2), T^2 the squared node gradient of all layers."""
    slopes, inputs = torch.tensor(d, dtype=F64), torch.tensor(x, dtype=F64).unsqueeze(0)
    rows = signs(5)
    spec = fleet_spec(rows, dense(2, 3, bias=False), dense(3, 2, bias=False, linear=True))
    estimator = NodePerturbation(0.5, distribution=Dealt(rows))
    probe, _ = estimator.ask(spec, inputs, NOTHING, RNG)
    assert probe.nodes is not None
    losses = torch.cat([n for n in probe.nodes if n is not None], -1) @ slopes  # (1, fleet, batch)
    hidden = torch.tensor([[0.5, 1.5, -1.0]], dtype=F64).expand(len(rows), 1, 3)
    told = told_by(estimator, spec, probe, inputs, Reading((hidden, hidden[..., :2])), losses, losses[0] * 0)
    total = slopes.square().sum()
    for estimate, given_to, part in zip(
        told, (inputs[0], hidden[0, 0]), (slopes[:3], slopes[3:]), strict=True
    ):
        mean, covariance = moments(estimate.flatten(1))
        torch.testing.assert_close(mean, torch.outer(part, given_to).flatten(), rtol=0, atol=5e-14)
        wanted = given_to.square().sum() * (len(part) * total - part.square().sum())
        assert float(covariance.trace()) == pytest.approx(float(wanted), abs=1e-12)


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
        whole = told_by(many, chip.spec, probe, x, baseline, losses, baseline_loss)
        each = losses.shape[0] // 3
        parts = []
        for k in range(3):
            cut = slice(k * each, (k + 1) * each)
            single: Estimator = kind(0.1, distribution=law, scheme=scheme)  # type: ignore[arg-type]
            part = type(probe)(*(None if p is None else tuple(e[cut] for e in p) for p in probe))
            parts.append(told_by(single, chip.spec, part, x, baseline, losses[cut], baseline_loss))
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
        plain = told_by(estimator, chip.spec, probe, x, baseline, high, low)
        moved = told_by(estimator, chip.spec, probe, x, baseline, a * high + b, a * low + b)
        torch.testing.assert_close(moved, tuple(a * p for p in plain), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "layers",
    [
        (dense(6, 4), dense(4, 3, linear=True)),
        (conv2d((1, 4, 4), 2, 2, stride=2, biases="per-site"), dense(8, 3, linear=True)),
    ],
    ids=["dense", "conv"],
)
def test_node_gradients_become_knob_gradients(layers: tuple[object, ...]) -> None:
    """On an ideal chip the exact node gradient through `knob_gradient` is the exact knob gradient."""
    chip = Chip(Ideal(), layers, 1, dtype=F64)  # type: ignore[arg-type]
    x = torch.randn(5, chip.spec.layers[0].features_in, generator=stream(0, "c"), dtype=F64)
    target = torch.tensor([0, 1, 2, 1, 0])
    nodes = xray.node_gradient(chip, x, target, CrossEntropy())
    given_to = (x, *xray.respond(chip, x).taps[:-1])
    ours = tuple(knob_gradient(la, d, g) for la, d, g in zip(chip.spec.layers, nodes, given_to, strict=True))
    torch.testing.assert_close(ours, xray.knob_gradient(chip, x, target, CrossEntropy()))


def test_the_mean_over_all_probes_of_a_real_chip_is_its_gradient() -> None:
    """A linear chip with squared error, all 2^6 pairs measured in one go: exact, no tolerance for luck."""
    chip = Chip(Ideal(), (dense(3, 2, linear=True),), 1, dtype=F64)
    x = torch.randn(3, 3, generator=stream(0, "real"), dtype=F64)
    target = torch.zeros(3, 2, dtype=F64)
    rows = signs(6)

    class All(Dealt):
        def draw(self, count: int, lead: object, bodies: object, *rest: object) -> tuple[Tensor, ...]:
            return (self.rows.reshape(64, 3, 2),)

    estimator = NodePerturbation(0.3, probes=64, distribution=All(rows), scheme=antithetic)
    probe, _ = estimator.ask(chip.spec, x, NOTHING, RNG)
    baseline, reading = chip.port().measure(x), chip.port().measure(x, probe)
    loss = SquaredError()
    told = told_by(
        estimator, chip.spec, probe, x, baseline, loss(reading.out, target), loss(baseline.out, target)
    )
    torch.testing.assert_close(told, xray.knob_gradient(chip, x, target, loss))


def test_the_mask_forgets_silent_neurons_only() -> None:
    """Silent neurons' estimates vanish; those of the others and of the read-out are untouched."""
    chip = Chip(Mismatched(read_noise=0), (dense(6, 8), dense(8, 3, linear=True)), 1, dtype=F64)
    x, target = torch.randn(4, 6, generator=stream(0, "mask"), dtype=F64), torch.tensor([0, 1, 2, 0])
    masked, bare = NodePerturbation(0.01), NodePerturbation(0.01, mask=False)
    probe, _ = bare.ask(chip.spec, x, NOTHING, stream(0, "m"))
    baseline = chip.port().measure(x)
    high, low = (CrossEntropy()(r.out, target) for r in (chip.port().measure(x, probe), baseline))
    a, b = (told_by(e, chip.spec, probe, x, baseline, high, low) for e in (masked, bare))
    torch.testing.assert_close(a[1], b[1])
    active = baseline.taps[0] != 0
    assert 0 < int(active.sum()) < active.numel()
    assert probe.nodes is not None and probe.nodes[0] is not None
    delta = ((high - low)[0] / 0.01).unsqueeze(-1) * probe.nodes[0][0] / 0.01 * active
    torch.testing.assert_close(a[0], knob_gradient(chip.spec.layers[0], delta, x))


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
        told = told_by(estimator, spec, part, x, baseline, losses, losses[0] * 0)
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
        told = told_by(estimator, spec, late, x, Reading(taps), losses, losses[0] * 0)
        assert float(told[0].abs().sum()) == 0 and float(told[1].abs().sum()) > 0
        none = told_by(estimator, spec, Probe(), x, Reading(taps), losses, losses[0] * 0)
        assert all(float(t.abs().sum()) == 0 for t in none)


def test_without_a_mask_silent_neurons_count_and_every_chip_has_its_paired_baseline() -> None:
    spec = Spec((dense(4, 3), dense(3, 2, linear=True)), fleet=(2,), dtype=F64)
    x = torch.ones(2, 4, dtype=F64)
    baseline = Reading((torch.zeros(2, 2, 3, dtype=F64), torch.ones(2, 2, 2, dtype=F64)))
    low = torch.tensor([[1.0, 2.0], [30.0, 40.0]], dtype=F64)
    bare = NodePerturbation(0.1, mask=False)
    probe, _ = bare.ask(spec, x, baseline, stream(0, "silent"))
    assert float(told_by(bare, spec, probe, x, baseline, low[None] + 1, low)[0].abs().sum()) > 0
    masked = told_by(NodePerturbation(0.1), spec, probe, x, baseline, low[None] + 1, low)
    assert float(masked[0].abs().sum()) == 0 and float(masked[1].abs().sum()) > 0
    whole = WeightPerturbation(0.1)
    probe, _ = whole.ask(spec, x, baseline, stream(0, "chips"))
    told = told_by(whole, spec, probe, x, baseline, low[None], low)
    assert all(float(t.abs().max()) == 0 for t in told)  # no chip's losses moved
