"""Our estimators are lawful, and deliberate defects are caught: which by which law, the tables say."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import ContractError, Probe, Reading, Spec, stream
from analog.tree import tree_map
from learners import (
    Estimator,
    Gradient,
    NodePerturbation,
    WeightPerturbation,
    antithetic,
    check_estimator,
    gaussian,
    laws,
    rademacher,
)
from learners.check import LinearChip
from learners.estimators import ActiveNodePerturbation, Blocks, knob_gradients
from learners.estimators.base import ProbeResult
from studies.perturbation.laws import DISTRIBUTIONS, SCHEMES
from tests.sampled import sampled

PAIRS = list(itertools.product(DISTRIBUTIONS.values(), SCHEMES.values()))


LAWFUL: list[Estimator] = [
    (NodePerturbation, WeightPerturbation)[i % 2](0.3, probes=3, distribution=law, scheme=scheme)
    for i, (law, scheme) in enumerate(PAIRS)
] + [ActiveNodePerturbation(1), ActiveNodePerturbation(3), WeightPerturbation(0.3, 6, Blocks(rademacher, 3))]


@pytest.mark.parametrize("at", sampled(range(len(LAWFUL)), 9))
def test_our_estimators_are_lawful(at: int) -> None:
    check_estimator(LAWFUL[at], stream(0, "lawful", at))


@dataclass(frozen=True)
class Defect:
    """Node or weight perturbation with one thing wrong."""

    what: str
    inner: Any = NodePerturbation(0.3, probes=2)

    @property
    def gradient_at(self) -> Any:
        return "knobs" if self.what == "inputs of neighboring examples" else self.inner.gradient_at

    @property
    def probes_at(self) -> Any:
        return self.inner.probes_at

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, Any]:
        probe, memo = self.inner.ask(spec, x, baseline, generator)
        change = {
            "noise reused across examples": lambda p: p[..., :1, :].expand(p.shape).clone(),
            "noise shared by the fleet": lambda p: p[:, :1].expand(p.shape).clone(),
            "probes with a mean": lambda p: p + 0.05,
        }.get(self.what, lambda p: p)
        return tree_map(change, probe), memo

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        told = self.inner.tell(spec, self._with_other_losses(result))
        factor = {
            "missing 1/size": 0.3,
            "pair not halved": 2.0,
            "wrong sqrt 2": 2**0.5,
            "not averaged over probes": 2.0,
            "sign flipped": -1.0,
        }.get(self.what, 1.0)
        if self.what == "biased mask":
            return tree_map(lambda t: t * (t > -0.5), told)
        if self.what == "last layer swapped in":
            return Gradient(nodes=(told.nodes[0], told.nodes[1].flip(-1)))
        if self.what == "inputs of neighboring examples":
            x, tap = result.inputs
            return Gradient(knobs=knob_gradients(spec, told, (x.roll(1, -2), tap)))
        return tree_map(lambda t: t * factor, told)

    def _with_other_losses(self, result: ProbeResult) -> ProbeResult:
        losses, low = result.losses, result.baseline_losses
        if self.what == "batch-mean loss":
            losses = losses.mean(-2, keepdim=True).expand(losses.shape)
            low = low.mean(-2, keepdim=True).expand(low.shape)
        if self.what == "baseline forgotten":
            low = torch.zeros_like(low)
        if self.what == "baseline of another example":
            low = low + torch.arange(5.0).double().unsqueeze(-1)
        if self.what == "losses of neighboring examples":
            losses, low = losses.roll(1, -2), low.roll(1, -2)
        if self.what == "squared losses":
            losses, low = losses.square(), low.square()
        if self.what == "ranked losses":
            losses = losses.argsort(-2).argsort(-2).double()
        return result._replace(losses=losses, baseline_losses=low)


WEIGHTS = WeightPerturbation(0.3, probes=2)


DEFECTS: list[tuple[Defect, str]] = [
    (Defect("missing 1/size"), "mean of the estimate"),
    (Defect("pair not halved", NodePerturbation(0.3, probes=2, scheme=antithetic)), "mean of the estimate"),
    (Defect("wrong sqrt 2"), "mean of the estimate"),
    (Defect("not averaged over probes", WEIGHTS), "mean of the estimate"),
    (Defect("sign flipped", WEIGHTS), "mean of the estimate"),
    (Defect("batch-mean loss"), "mean of the estimate"),
    (Defect("noise reused across examples"), "two examples hang together"),
    (Defect("noise shared by the fleet"), "two chips of a fleet hang together"),
    (Defect("noise shared by the fleet", WEIGHTS), "two chips of a fleet hang together"),
    (Defect("probes with a mean"), "mean of the estimate|have a mean"),
    (Defect("baseline forgotten"), "a constant added"),
    (Defect("baseline of another example"), "times the losses|order of the examples"),
    (Defect("losses of neighboring examples"), "order of the examples|mean of the estimate"),
    (Defect("inputs of neighboring examples"), "order of the examples|mean of the estimate"),
    (Defect("squared losses"), "times the losses"),
    (Defect("ranked losses", WEIGHTS), "times the losses"),
    (Defect("biased mask"), "times the losses|mean of the estimate"),
    (Defect("last layer swapped in"), "mean of the estimate"),
]


@pytest.mark.parametrize(
    ("defect", "says"),
    sampled(DEFECTS, 4),
    ids=[f"{d.what}, {type(d.inner).__name__}" for d, _ in sampled(DEFECTS, 4)],
)
def test_every_defect_is_caught(defect: Defect, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_estimator(defect, stream(0, "defect", defect.what))


class Deaf(Defect):
    """Rolls a generator of its own."""

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, Any]:
        return super().ask(spec, x, baseline, stream(0))


class Misplaced(NodePerturbation):
    """Says that its gradients are at the knobs."""

    @property
    def gradient_at(self) -> Any:
        return "knobs"

    @property
    def probes_at(self) -> Any:
        return "nodes"


class Elsewhere(NodePerturbation):
    """Says that its probes enter at the knobs."""

    @property
    def probes_at(self) -> Any:
        return "knobs"


class Memoless(NodePerturbation):
    """Gives its probe alone."""

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> Any:
        return super().ask(spec, x, baseline, generator)[0]


class AtOnce(NodePerturbation):
    """Tells knobs as they are."""

    def tell(self, spec: Spec, result: ProbeResult) -> Any:
        return knob_gradients(spec, super().tell(spec, result), result.inputs)


class Global(NodePerturbation):
    """Draws from torch's global generator."""

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        probe, _ = super().ask(spec, x, baseline, generator)
        return tree_map(lambda p: p * torch.rand(p.shape, dtype=p.dtype).sub(0.5).sign(), probe), None


class Merged(NodePerturbation):
    """Sums the losses over their parts."""

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        losses, low = (x.sum(-1, keepdim=True) for x in (result.losses, result.baseline_losses))
        return super().tell(spec, result._replace(losses=losses, baseline_losses=low))


class Stout(NodePerturbation):
    """Probes one node more than there are."""

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        probe, _ = super().ask(spec, x, baseline, generator)
        return tree_map(lambda p: torch.cat((p, p[..., :1]), -1), probe), None


class Lean(NodePerturbation):
    """Tells of one node less than there are."""

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        return tree_map(lambda g: g[..., 1:], super().tell(spec, result))


class Clumsy(NodePerturbation):
    """Adds what does not fit."""

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        return Gradient(nodes=(result.losses + torch.zeros(7, 11), None))


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        (Deaf("deaf"), "ask gave the same probe twice"),
        (NodePerturbation, "got the class NodePerturbation"),
        (Misplaced(0.3), "tell gave a gradient at nodes, the estimator says at knobs"),
        (Elsewhere(0.3), "probes enter at nodes, the estimator says at knobs"),
        (Memoless(0.3), r"ask gave Probe, wanted a Probe and a memo"),
        (AtOnce(0.3), "tell gave tuple, wanted a Gradient"),
        (Defect("missing 1/size"), r"it is 0.3 times the gradient \(0.3 times in layer 0"),
        (Merged(0.3), "layer 0: each half of the nodes learns from its own of 2 parts"),
        (Stout(0.3), "^ask gave a probe that does not fit the chip: RuntimeError"),
        (
            Lean(0.3),
            "^layer 0: at the knobs the gradient is|^tell gave a gradient that does not fit",
        ),
        (Clumsy(0.3), "^tell raised: RuntimeError"),
        (Defect("squared losses"), "give three times the estimate; off by .* at a size of"),
    ],
    ids=[
        "deaf",
        "class",
        "gradient at",
        "probes at",
        "no memo",
        "no Gradient",
        "how much",
        "parts",
        "stout",
        "lean",
        "clumsy",
        "off by",
    ],
)
def test_slips_have_clear_errors(estimator: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_estimator(estimator, stream(0, "slips"))


def test_the_global_generator_is_nobodys_business() -> None:
    with (
        torch.random.fork_rng(),
        pytest.raises(ContractError, match="^Global: the global torch generator was"),
    ):
        check_estimator(Global(0.3), stream(0, "global"))


def predicted_by(estimator: Any) -> Callable[[LinearChip], Tensor]:
    """The laws' variances on the linear chip, layer by layer."""

    def of_weights(chip: LinearChip) -> Tensor:
        g = torch.cat([part.flatten() for part in chip.gradient])
        law, scheme, probes = estimator.distribution, estimator.scheme, estimator.probes
        return laws.along_directions(law, scheme, g, probes=probes).covariance.diagonal()

    def of_nodes(chip: LinearChip) -> Tensor:
        own = [d.square().sum(-1) for d in chip.node_gradients]
        return torch.cat(
            [
                laws.nodes(estimator, d, z, sum(own) - mine).covariance.diagonal()
                for d, z, mine in zip(chip.node_gradients, (z[0] for z in chip.gathered), own, strict=True)
            ]
        )

    return of_weights if isinstance(estimator, WeightPerturbation) else of_nodes


SPREAD: list[Any] = [
    *(WeightPerturbation(0.3, probes=3, distribution=law, scheme=s) for law, s in PAIRS[::3]),
    NodePerturbation(0.3, probes=2),
    NodePerturbation(0.3, distribution=gaussian, scheme=antithetic),
]


@pytest.mark.parametrize("at", sampled(range(len(SPREAD)), 9))
def test_our_estimators_vary_as_predicted(at: int) -> None:
    check_estimator(SPREAD[at], stream(0, "spread", at), variance=predicted_by(SPREAD[at]))


def test_a_variance_that_is_not_as_predicted_is_named() -> None:
    wrong = predicted_by(NodePerturbation(0.3, probes=3))  # a third probe that is not there
    with pytest.raises(ContractError, match=r"variance is not as predicted: at knob \d+ it is .*, predicted"):
        check_estimator(NodePerturbation(0.3, probes=2), stream(0, "wrong spread"), variance=wrong)
    elsewhere = predicted_by(NodePerturbation(0.3, probes=2))
    least = int(elsewhere(LinearChip()).argmin())
    three_off = torch.ones(26, dtype=torch.float64)
    three_off[least] = 3.0
    with pytest.raises(ContractError, match=f"variance is not as predicted: at knob {least} it is"):
        check_estimator(
            NodePerturbation(0.3, probes=2),
            stream(0, "one off"),
            variance=lambda chip: elsewhere(chip) * three_off,
        )
    with pytest.raises(ValueError, match="variance gave"):
        check_estimator(NodePerturbation(0.3), stream(0), variance=lambda chip: torch.zeros(3))
