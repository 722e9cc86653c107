"""Deliberate defects in the parts around an estimator, each beside the law that catches it.

Defects of estimators themselves are in check/test_contracts.py, those of devices in
tests/analog/check/test_check.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import (
    Chip,
    ContractError,
    Ideal,
    Mismatched,
    Noise,
    Port,
    Probe,
    Reading,
    Spec,
    check_device,
    dense,
    stream,
    xray,
)
from learners import (
    Gradient,
    NodePerturbation,
    ProbeResult,
    SquaredError,
    WeightPerturbation,
    check_estimator,
    leave_one_out,
    rademacher,
)
from learners.estimators import RunningMean, Scheme, haar, paired_baseline
from learners.estimators.distributions import Independent
from learners.estimators.estimate import estimate
from learners.estimators.schemes import LeaveOneOut, OneSided, PairedBaseline
from tests.estimates import estimated
from tests.signs import moments, signs
from tests.twostage import kept

F64 = torch.float64
G = torch.tensor([1.0, -0.5, 0.25], dtype=F64)


def an_offset_that_wanders_cancels(scheme: Scheme) -> None:
    """Two directions; both readings of a pair move by the same offset, another one for each pair."""
    v = signs(4).view(-1, 2, 2).transpose(0, 1)  # (K, 16, D)
    losses = scheme.perturbations(v) @ G[:2]
    moved = losses + torch.tensor([0.7, 0.7, -2.0, -2.0], dtype=F64).unsqueeze(-1)
    slopes, after = (scheme.differences(at, torch.zeros(16, dtype=F64), 1.0) for at in (losses, moved))
    assert torch.allclose(slopes, after)


class SharedBaseline(PairedBaseline):
    """One baseline reading for all directions where each should have its own."""

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        return (losses[::2] - losses[1]) / size


class OffByOne(LeaveOneOut):
    """Leaves nobody out."""

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        return (losses - losses.mean(0)) / size


class PairsNotHalved(OneSided):
    """A one-sided difference at twice the distance."""

    def perturbations(self, directions: Tensor) -> Tensor:
        return super().perturbations(directions) * 2


def nearly(count: int, lead: tuple[int, ...], size: int, spec: Spec, generator: Generator) -> Tensor:
    v = torch.randn((count, *lead, size), generator=generator, dtype=spec.dtype)
    return v * (size**0.5 / v.norm(dim=-1, keepdim=True))


def spreads_as_it_says(law: Any) -> None:
    def sample(n: int, generator: Generator) -> Tensor:
        (v,) = law.draw(2, (n,), [(3,)], Spec((dense(1, 1),), dtype=F64), generator)
        gap = torch.einsum("kn,kni->ni", v @ G, v) / 2 - G
        return torch.einsum("ni,nj->nij", gap, gap).flatten(1)

    assert kept(sample, law.covariance(G, 2).flatten(), 6000, "mutant law")


class Stale(RunningMean):
    """Predicts with what this very step's probes have shown."""

    def predict(
        self, state: Any, spec: Spec, result: ProbeResult, output_gradient: Tensor | None
    ) -> Gradient:
        return Gradient(knobs=tuple(0.5 * k for k in estimated(WeightPerturbation(0.5), spec, result)))


def a_control_variate_is_unbiased(variate: RunningMean) -> None:
    v = signs(4).view(1, 16, 1, 2, 2)
    spec = Spec((dense(2, 2, bias=False, linear=True),), fleet=(16,), dtype=F64)
    slope = torch.tensor([[1.0, -0.5], [0.25, 2.0]], dtype=F64)
    probe, none = Probe(knobs=(v * 0.5,)), Reading(())
    losses = (v * 0.5 * slope).sum((-3, -2, -1))[..., None, None]
    zeros = torch.zeros(16, 1, 1, dtype=F64)
    result = ProbeResult(torch.zeros(1, 2, dtype=F64), none, zeros, probe, none, losses)
    state = tuple(z + 0.3 for z in spec.zeros())
    both, _ = estimate(WeightPerturbation(0.5), spec, result, variate, state)
    assert torch.allclose(moments(both.at_knobs()[0].flatten(1))[0], slope.flatten())


def injected(chip: Chip) -> Port:
    return chip.port()


def written(chip: Chip) -> Port:
    """Probes written into the cells and back: +1, -1."""
    port = chip.port()

    def measure(x: Tensor, probe: Probe = Probe(), **span: Any) -> Reading:
        taps = []
        for k in range(len(probe.knobs[0])):  # type: ignore[index, arg-type]
            drive = tuple(p[k] for p in probe.knobs if p is not None)  # type: ignore[union-attr]
            port.pulse(drive)
            taps.append(port.measure(x, **span).taps)
            port.pulse(tuple(-d for d in drive))
        return Reading(tuple(torch.stack(t) for t in zip(*taps, strict=True)))

    return port._replace(measure=measure)


def a_probe_leaves_no_trace(wires: Callable[[Chip], Port]) -> None:
    chip = Chip(Mismatched(), (dense(3, 2, linear=True),), 1)
    before = xray.knobs(chip)
    x = torch.ones(2, 3)
    probe, _ = WeightPerturbation(0.1, 3).ask(chip.spec, x, Reading(()), stream(0, "trace"))
    wires(chip).measure(x, probe)
    assert all(torch.equal(a, b) for a, b in zip(before, xray.knobs(chip), strict=True))


def at_the_node(chip: Chip, x: Tensor, probe: Probe) -> Reading:
    return xray.respond(chip, x, probe)


def after_the_neuron(chip: Chip, x: Tensor, probe: Probe) -> Reading:
    """Node probes added to what the neuron gives."""
    assert probe.nodes is not None and probe.nodes[0] is not None
    hidden = xray.respond(chip, x, last=0).out + probe.nodes[0]
    (out,) = xray.respond(chip, hidden, first=1).taps
    return Reading((hidden, out))


def node_probes_enter_before_the_neuron(respond: Callable[[Chip, Tensor, Probe], Reading]) -> None:
    """All signs at three hidden nodes, tiny: the mean of the estimates is the exact gradient."""
    chip = Chip(Mismatched(), (dense(2, 3), dense(3, 2, linear=True)), 4, dtype=F64)
    x, target, loss = (
        torch.tensor([[2.0, -1.0]], dtype=F64),
        torch.tensor([[0.3, -0.8]]).double(),
        SquaredError(),
    )
    probe = Probe(nodes=(signs(3).view(8, 1, 3) * 1e-5, None))
    baseline = xray.respond(chip, x)
    losses, low = loss(respond(chip, x, probe).out, target), loss(baseline.out, target)
    told = ((losses - low).unsqueeze(-1) * probe.nodes[0]).mean(0) / 1e-10  # type: ignore[index]
    true = xray.node_gradient(chip, x, target, loss)[0]
    assert torch.allclose(told, true, rtol=1e-3, atol=1e-4)


@dataclass(frozen=True)
class SharedHiss(Ideal):
    """All chips of a fleet hear the same noise."""

    def sense(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        one = noise.normal(u)
        return u if one.ndim < 4 else u + 0.1 * one[..., :1, :, :, :]


MUTANTS: dict[str, tuple[Callable[[Any], None], Any, Any, type[Exception]]] = {
    # defect: the law that catches it, what is right, what is not, how it says so
    "baseline shared where each direction has its own": (
        an_offset_that_wanders_cancels,
        paired_baseline,
        SharedBaseline(),
        AssertionError,
    ),
    "off by one in leave-one-out": (
        lambda s: check_estimator(NodePerturbation(0.3, 3, scheme=s), stream(0, "mutant")),
        leave_one_out,
        OffByOne(),
        ContractError,
    ),
    "twice the distance, not halved": (
        lambda s: check_estimator(WeightPerturbation(0.3, 3, scheme=s), stream(0, "mutant")),
        OneSided(2),
        PairsNotHalved(2),
        ContractError,
    ),
    "non-orthogonal rows": (
        spreads_as_it_says,
        haar,
        replace(haar, directions=nearly),
        AssertionError,
    ),
    "kurtosis misstated": (
        spreads_as_it_says,
        rademacher,
        replace(rademacher, moments=(1.8,)),
        AssertionError,
    ),
    "directions 5 % too long": (
        spreads_as_it_says,
        rademacher,
        Independent("long", lambda *a: 1.05 * rademacher.coordinate(*a), (1.0,)),
        AssertionError,
    ),
    "control variate that has seen this step's probes": (
        a_control_variate_is_unbiased,
        RunningMean(),
        Stale(),
        AssertionError,
    ),
    "probe written instead of injected": (a_probe_leaves_no_trace, injected, written, AssertionError),
    "noise after the neuron": (
        node_probes_enter_before_the_neuron,
        at_the_node,
        after_the_neuron,
        AssertionError,
    ),
    "fleet rows sharing noise": (
        lambda d: check_device(d, steps=0),
        Mismatched(),
        SharedHiss(),
        ContractError,
    ),
}


@pytest.mark.parametrize("defect", MUTANTS)
def test_each_law_holds_for_what_is_right_and_catches_the_defect(defect: str) -> None:
    law, right, wrong, says = MUTANTS[defect]
    law(right)
    with pytest.raises(says):
        law(wrong)
