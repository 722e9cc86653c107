"""Laws of node perturbation, exactly: every sign vector is enumerated, in float64, with no sampling.

The trick is that of `test_weight`.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from analog import Chip, Ideal, Mismatched, Probe, Reading, Spec, dense, stream, xray
from analog.layers import LastStep, prepared, recurrent
from analog.layers.recurrence import gather_with_state
from learners import (
    CrossEntropy,
    NodePerturbation,
    ProbeResult,
    SquaredError,
    WeightPerturbation,
    antithetic,
    one_sided,
)
from learners.estimators import knob_gradients
from learners.estimators.gradient import knob_gradient
from tests.estimates import Dealt, estimated_by, fleet_spec, sign_covariance
from tests.signs import moments, signs

F64 = torch.float64
NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))
RNG = stream(0, "unused")
NOTHING = Reading(())


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
    return estimated_by(
        estimator, spec, probe, x, baseline, losses, torch.zeros(len(rows), batch, dtype=F64)
    )[0].flatten(1)


@given(
    d=arrays(float, (3, 2), elements=NUMBERS), x=arrays(float, (3, 2), elements=NUMBERS), both=st.booleans()
)
def test_node_perturbation_of_one_layer(d: object, x: object, both: bool) -> None:
    """Mean mean_n(d x') and covariance sum_n (|d|^2 I + d d' - 2 diag(d^2)) (x) x x' / N^2."""
    slopes, inputs = torch.tensor(d, dtype=F64), torch.tensor(x, dtype=F64)
    estimates = node_estimates(slopes, inputs, scheme=antithetic if both else one_sided)
    mean, covariance = moments(estimates)
    torch.testing.assert_close(mean, (slopes.T @ inputs / 3).flatten(), rtol=0, atol=5e-14)
    wanted = (
        sum(torch.kron(sign_covariance(slopes[n]), torch.outer(inputs[n], inputs[n])) for n in range(3)) / 9
    )
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
    told = estimated_by(
        estimator, spec, probe, inputs, Reading((hidden, hidden[..., :2])), losses, losses[0] * 0
    )
    total = slopes.square().sum()
    for estimate, given_to, part in zip(
        told, (inputs[0], hidden[0, 0]), (slopes[:3], slopes[3:]), strict=True
    ):
        mean, covariance = moments(estimate.flatten(1))
        torch.testing.assert_close(mean, torch.outer(part, given_to).flatten(), rtol=0, atol=5e-14)
        wanted = given_to.square().sum() * (len(part) * total - part.square().sum())
        assert float(covariance.trace()) == pytest.approx(float(wanted), abs=1e-12)


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
    told = estimated_by(
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
    a, b = (estimated_by(e, chip.spec, probe, x, baseline, high, low) for e in (masked, bare))
    torch.testing.assert_close(a[1], b[1])
    active = baseline.taps[0] != 0
    assert 0 < int(active.sum()) < active.numel()
    assert probe.nodes is not None and probe.nodes[0] is not None
    delta = ((high - low)[0] / 0.01).unsqueeze(-1) * probe.nodes[0][0] / 0.01 * active
    torch.testing.assert_close(a[0], knob_gradient(chip.spec.layers[0], delta, x))


def test_without_a_mask_silent_neurons_count_and_every_chip_has_its_paired_baseline() -> None:
    spec = Spec((dense(4, 3), dense(3, 2, linear=True)), fleet=(2,), dtype=F64)
    x = torch.ones(2, 4, dtype=F64)
    baseline = Reading((torch.zeros(2, 2, 3, dtype=F64), torch.ones(2, 2, 2, dtype=F64)))
    low = torch.tensor([[1.0, 2.0], [30.0, 40.0]], dtype=F64)
    bare = NodePerturbation(0.1, mask=False)
    probe, _ = bare.ask(spec, x, baseline, stream(0, "silent"))
    assert float(estimated_by(bare, spec, probe, x, baseline, low[None] + 1, low)[0].abs().sum()) > 0
    masked = estimated_by(NodePerturbation(0.1), spec, probe, x, baseline, low[None] + 1, low)
    assert float(masked[0].abs().sum()) == 0 and float(masked[1].abs().sum()) > 0
    whole = WeightPerturbation(0.1)
    probe, _ = whole.ask(spec, x, baseline, stream(0, "chips"))
    told = estimated_by(whole, spec, probe, x, baseline, low[None], low)
    assert all(float(t.abs().max()) == 0 for t in told)  # no chip's losses moved


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("scheme", [one_sided, antithetic])
def test_it_is_unbiased_through_time_and_varies_with_the_steps(steps: int, scheme: object) -> None:
    """Of a whole sequence's loss, which is quadratic in the probes as long as no neuron is switched.

    The mean over all signs at all nodes of all steps is the exact gradient at the knobs. In each direction
    the estimate is (g.v) v, whose variance is (steps * neurons - 1) |g|^2 but for what the loss bends.
    """
    layers = (recurrent(2, 3, steps), prepared(dense(3, 1, linear=True), LastStep(steps)))
    chip = Chip(Mismatched(read_noise=0.0, mean_curvature=0.0), layers, 4, dtype=F64)
    x = torch.randn(3, 2 * steps, generator=stream(0, "sequence"), dtype=F64)
    target = torch.randn(3, 1, generator=stream(0, "target"), dtype=F64)
    rows, size = signs(3 * steps), 1e-5
    directions = rows[:, None].expand(-1, 3, -1)
    estimator = NodePerturbation(size, len(rows), scheme=scheme)  # type: ignore[arg-type]
    probe = Probe(nodes=(estimator.scheme.perturbations(directions) * size, None))
    baseline, probed = xray.respond(chip, x), xray.respond(chip, x, probe)
    losses = [SquaredError().value(reading.out, target) for reading in (baseline, probed)]
    result = ProbeResult(x, baseline, losses[0], probe, probed, losses[1])
    told = estimator.tell(chip.spec, result)
    exact = xray.node_gradient(chip, x, target, SquaredError())[0]
    assert told.nodes is not None and told.nodes[0] is not None
    torch.testing.assert_close(told.nodes[0], exact, rtol=1e-5, atol=1e-9)
    assert probe.nodes is not None and probe.nodes[0] is not None
    sent = estimator.scheme.directions(probe.nodes[0])
    each = estimator.scheme.differences(losses[1], losses[0], size) / size * sent
    spread = (each - exact).square().mean(0).sum(-1)
    torch.testing.assert_close(spread, (3 * steps - 1) * exact.square().sum(-1), rtol=1e-3, atol=1e-9)
    at_knobs = knob_gradients(chip.spec, told, result.inputs, result.out)[0]
    ideal = (layers[0].unscatter(exact).mT @ gather_with_state(layers[0], x, baseline.taps[0])) / 3
    torch.testing.assert_close(at_knobs, ideal, rtol=1e-5, atol=1e-9)
