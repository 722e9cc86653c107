"""Flipout: its probe is the flipped direction, its moments those of independent examples. All signs."""

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Probe, Reading, Spec, conv2d, dense, stream, xray
from analog.layers import recurrent
from learners import ProbeResult, WeightPerturbation, antithetic, check_estimator, gaussian, laws, rademacher
from learners.estimators import Flipout
from learners.estimators.distributions import Independent
from learners.estimators.flipout import Flips
from tests.estimates import estimated
from tests.sampled import sampled
from tests.signs import moments, signs

F64 = torch.float64


def test_the_probe_is_the_flipped_direction_at_the_summing_nodes() -> None:
    """Node push = (E o r s') z of every vector, layer by layer, through any wiring."""
    chip = Chip(Ideal(), (conv2d((1, 4, 4), 2, 2, stride=2), dense(8, 3, linear=True)), 1, dtype=F64)
    x = torch.randn(3, 16, generator=stream(0, "flip"), dtype=F64)
    baseline = xray.respond(chip, x)
    probe, flips = Flipout(0.1, probes=2).ask(chip.spec, x, baseline, stream(0, "flips"))
    assert probe.nodes is not None
    for i, (layer, given) in enumerate(zip(chip.spec.layers, (x, baseline.taps[0]), strict=True)):
        z, (r, s) = layer.gather(given), (flips.rows[i], flips.cols[i])
        pushed = torch.einsum("ktrc,ktnr,ktnc,tnc->ktnr", flips.bases[i], r, s, z)
        sent = probe.nodes[i]
        assert sent is not None
        torch.testing.assert_close(sent, layer.scatter(pushed) * 0.1)


def estimates(base: Tensor, gradient_parts: tuple[Tensor, Tensor]) -> Tensor:
    """Told by all 2^8 flips of two examples, for bases (n, 2, 2), of losses d.u: (n * 256, 4)."""
    d, x = gradient_parts
    flips = signs(8)
    r, s = flips[:, :4].view(256, 2, 2), flips[:, 4:].view(256, 2, 2)
    bases, r, s = (t.flatten(0, 1) for t in torch.broadcast_tensors(base[:, None], r[None], s[None]))
    push = r * torch.einsum("fij,fnj,nj->fni", bases, s, x)
    probe = Probe(nodes=(push[None] * 0.1,))
    flips = Flips((bases[None, :, None],), (r[None, :, None],), (s[None, :, None],))
    spec = Spec((dense(2, 2, bias=False, linear=True),), fleet=(len(bases),), dtype=F64)
    losses, none = (push[None] * 0.1 * d).sum(-1, keepdim=True), Reading(())
    result = ProbeResult(x, none, torch.zeros_like(losses[0]), probe, none, losses, flips)
    return estimated(Flipout(0.1), spec, result)[0].flatten(1)


def test_moments_with_a_sign_base_are_those_of_independent_examples() -> None:
    d = torch.tensor([[1.0, -0.5], [0.3, 2.0]], dtype=F64)
    x = torch.tensor([[0.5, 1.5], [-1.0, 0.7]], dtype=F64)
    each = torch.einsum("ni,nj->nij", d, x).flatten(1)
    mean, covariance = moments(estimates(signs(4).view(16, 2, 2), (d, x)))
    wanted = laws.flipout(WeightPerturbation(0.1).distribution, each, probes=1)
    torch.testing.assert_close(mean, each.mean(0))
    torch.testing.assert_close(wanted.mean, mean)
    torch.testing.assert_close(covariance, wanted.covariance)
    assert wanted.variance == pytest.approx(3 * float(each.square().sum()) / 4)


def test_moments_with_another_base_keep_a_part_that_examples_share() -> None:
    """A sparse base, sqrt 2 with chance 1/4 each sign, else 0: kurtosis 2, enumerated with its weights."""
    d = torch.tensor([[1.0, -0.5], [0.3, 2.0]], dtype=F64)
    x = torch.tensor([[0.5, 1.5], [-1.0, 0.7]], dtype=F64)
    each = torch.einsum("ni,nj->nij", d, x).flatten(1)
    values = torch.tensor([-(2**0.5), 0.0, 0.0, 2**0.5], dtype=F64)  # each with chance 1/4
    base = torch.cartesian_prod(*[values] * 4).view(-1, 2, 2)
    mean, covariance = moments(estimates(base, (d, x)))

    rare = Independent("rare", rademacher.coordinate, (2.0,))
    wanted = laws.flipout(rare, each, probes=1)
    torch.testing.assert_close(mean, wanted.mean)
    torch.testing.assert_close(covariance, wanted.covariance)


@pytest.mark.parametrize(
    "estimator",
    sampled(
        [Flipout(0.3, probes=2), Flipout(0.3, distribution=gaussian), Flipout(0.3, 2, scheme=antithetic)], 3
    ),
    ids=str,
)
def test_flipout_is_lawful(estimator: Flipout) -> None:
    check_estimator(estimator, stream(0, "lawful flips", estimator.probes))


def test_a_probe_without_its_memo_is_refused() -> None:
    spec = Spec((dense(2, 2, linear=True),))
    zero, none = torch.zeros(1, 2), Reading(())
    plain, _ = WeightPerturbation(0.1).ask(spec, zero, none, stream(0))
    with pytest.raises(TypeError, match="the memo that ask gave"):
        Flipout(0.1).tell(spec, ProbeResult(zero, none, zero[0], plain, none, zero))


def test_the_probe_of_a_state_is_what_the_flipped_knobs_do_in_each_step() -> None:
    """To first order: the loss changes as it does where each step of each example has its own knobs."""
    layer = recurrent(2, 3, 2)
    chip = Chip(Ideal(), (layer,), 1, dtype=F64)
    x = torch.randn(4, 4, generator=stream(0, "flipped states"), dtype=F64)
    baseline = xray.respond(chip, x)
    probe, flips = Flipout(1e-6).ask(chip.spec, x, baseline, stream(0, "flips"))
    cells, given = chip._cells[0].knobs, []
    change = 1e-6 * flips.rows[0][0, 0, ..., None] * flips.bases[0][0] * flips.cols[0][0, 0, :, None, :]
    own = (cells + change).view(4, 2, 3, 6)  # of each example and step
    last = torch.zeros(4, 3, dtype=F64)
    for step, come in enumerate(x.chunk(2, -1)):
        z = torch.cat((come, last, torch.ones(4, 1, dtype=F64)), -1)
        last = (own[:, step] @ z[..., None]).squeeze(-1).relu()
        given.append(last)
    pushed = xray.respond(chip, x, probe).out[0]
    moved = torch.cat(given, -1) - baseline.out
    torch.testing.assert_close(pushed - baseline.out, moved, rtol=1e-4, atol=1e-10)
    assert bool(moved.any())
