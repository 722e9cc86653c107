"""Active node perturbation: nothing is sent, and what the taps showed explains the loss."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analog import Chip, Mismatched, Probe, Reading, Spec, dense, stream, xray
from learners import CrossEntropy, Descent, Feedback, ProbeResult, sgd
from learners.estimators import ActiveNodePerturbation
from tests.estimates import estimated
from tests.signs import moments, signs

F64 = torch.float64
NUMBERS = st.floats(-2, 2, width=32).map(lambda v: round(v, 3))


@given(d=arrays(float, 3, elements=NUMBERS), x=arrays(float, 2, elements=NUMBERS), size=st.floats(0.01, 2))
def test_noise_of_no_preferred_direction_gives_the_gradient(d: object, x: object, size: float) -> None:
    """Signs of any size at the taps: mean d x' and the covariance of sign probes, whatever their size."""
    slope, given_to = torch.tensor(d, dtype=F64), torch.tensor(x, dtype=F64).unsqueeze(0)
    moved = signs(3).view(1, 8, 1, 3) * size
    spec = Spec((dense(2, 3, bias=False, linear=True),), fleet=(8,), dtype=F64)
    baseline = Reading((torch.full((8, 1, 3), 0.25, dtype=F64),))
    estimator = ActiveNodePerturbation()
    probe, _ = estimator.ask(spec, given_to, baseline, stream(0))
    losses = (moved * slope).sum(-1, keepdim=True) + 0.7
    result = ProbeResult(
        given_to,
        baseline,
        torch.full((8, 1, 1), 0.7, dtype=F64),
        probe,
        Reading((baseline.taps[0] + moved,)),
        losses,
    )
    mean, covariance = moments(estimated(estimator, spec, result)[0].flatten(1))
    torch.testing.assert_close(mean, torch.outer(slope, given_to[0]).flatten(), rtol=1e-9, atol=1e-12)
    spread = (
        slope.square().sum() * torch.eye(3, dtype=F64) + torch.outer(slope, slope) - 2 * torch.diag(slope**2)
    )
    wanted = torch.kron(spread, torch.outer(given_to[0], given_to[0]))
    torch.testing.assert_close(covariance, wanted, rtol=1e-9, atol=1e-11)


def test_it_sends_nothing_and_every_repetition_differs() -> None:
    chip = Chip(Mismatched(read_noise=0.1), (dense(4, 6), dense(6, 2, linear=True)), 1)
    x = torch.ones(3, 4)
    baseline = chip.port().measure(x)
    probe, _ = ActiveNodePerturbation(4).ask(chip.spec, x, baseline, stream(0))
    assert probe.knobs is None and all(n is None or not n.any() for n in probe.nodes or ())
    taps = chip.port().measure(x, probe).taps
    assert len({tuple(t.flatten().tolist()) for t in taps[0]}) == 4


def test_the_mean_over_many_readings_of_a_real_chip_points_along_its_gradient() -> None:
    """Read-out noise is reading noise here, so the hidden layer is told alone; no tolerance on scale."""
    chip = Chip(Mismatched(read_noise=0.05), (dense(4, 6), dense(6, 2, linear=True)), 1, dtype=F64)
    x = torch.randn(5, 4, generator=stream(0, "active"), dtype=F64)
    target, loss, port = torch.tensor([0, 1, 0, 1, 1]), CrossEntropy(), chip.port()
    estimator = ActiveNodePerturbation(20_000)
    baseline = xray.respond(chip, x)  # a long average of baseline readings
    spec, own = chip.spec.span(0, 0), Reading(baseline.taps[:1])
    probe, _ = estimator.ask(spec, x, own, stream(0))
    reading = port.measure(x, probe._replace(nodes=(*(probe.nodes or ()), None)))
    result = ProbeResult(
        x,
        own,
        loss.value(baseline.out, target),
        probe,
        Reading(reading.taps[:1]),
        loss.value(reading.out, target),
    )
    told = estimated(estimator, spec, result)[0].flatten()
    true = xray.knob_gradient(chip, x, target, loss)[0].flatten()
    assert float(torch.cosine_similarity(told, true, 0)) > 0.8


def test_layers_and_readings_are_weighed_together() -> None:
    """dW_l = mean over readings of (L' - L) N da_l / |da|^2 x_l', N the activities that moved, by hand."""
    spec = Spec((dense(2, 2, bias=False), dense(2, 1, bias=False, linear=True)), dtype=F64)
    x, baseline = (
        torch.tensor([[1.0, -2.0]]).double(),
        Reading((torch.tensor([[0.5, 0.0]]).double(), torch.ones(1, 1).double())),
    )
    hidden = torch.tensor([[[0.5 + 0.3, 0.0]], [[0.5 - 1.0, 0.0]]], dtype=F64)  # the second is silent
    out = torch.tensor([[[1.4]], [[3.0]]], dtype=F64)
    probe, _ = ActiveNodePerturbation(2).ask(spec, x, baseline, stream(0))
    losses, low = torch.tensor([[[2.0]], [[-1.0]]], dtype=F64), torch.tensor([[0.5]], dtype=F64)
    result = ProbeResult(x, baseline, low, probe, Reading((hidden, out)), losses)
    told = estimated(ActiveNodePerturbation(2), spec, result)
    shares = [1.5 * 2 / (0.3**2 + 0.4**2), -1.5 * 2 / (1.0**2 + 2.0**2)]
    first = (shares[0] * 0.3 - shares[1] * 1.0) / 2
    torch.testing.assert_close(told[0][0], torch.tensor([[first, -2 * first], [0.0, 0.0]]).double())
    last = (shares[0] * 0.4 + shares[1] * 2.0) / 2
    torch.testing.assert_close(told[1][0], torch.tensor([[last * 0.5, 0.0]]).double())


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="ActiveNodePerturbation.* sends none"):
        Descent(ActiveNodePerturbation(), sgd(0.1), CrossEntropy(), control_variate=Feedback())
    with pytest.raises(ValueError, match="probes is 0"):
        ActiveNodePerturbation(0)
    with pytest.raises(ValueError, match="probes is True"):
        ActiveNodePerturbation(True)


@pytest.mark.parametrize(("features", "batch", "fits"), [(4, 3, True), (3, 4, False)])
def test_losses_of_parts_divide_the_nodes_and_not_the_examples(features: int, batch: int, fits: bool) -> None:
    spec = Spec((dense(2, features),), dtype=F64)
    before, after = torch.zeros(batch, features, dtype=F64), torch.ones(1, batch, features, dtype=F64)
    low, losses = torch.zeros(batch, 2, dtype=F64), torch.ones(1, batch, 2, dtype=F64)
    x = torch.ones(batch, 2, dtype=F64)
    result = ProbeResult(x, Reading((before,)), low, Probe(), Reading((after,)), losses)
    if fits:
        (told,) = ActiveNodePerturbation().tell(spec, result).nodes or ()
        assert told is not None and told.shape == (batch, features)
    else:
        with pytest.raises(ValueError, match="2 parts do not divide a layer of 3 nodes"):
            ActiveNodePerturbation().tell(spec, result)
