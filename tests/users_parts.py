"""Parts that a user of the library would write: a probe distribution, a difference scheme, an estimator."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from analog import Probe, Reading, Spec
from learners import Estimator, Gradient, NodePerturbation, ProbeResult, gaussian, one_sided
from learners.estimators import ProbeDistribution, Scheme
from learners.estimators.distributions import exchange


@dataclass(frozen=True)
class Thirds(ProbeDistribution):
    """A user's own: every coordinate is -sqrt(3/2), 0 or sqrt(3/2), each with chance 1/3."""

    @property
    def kurtosis(self) -> float:
        return 1.5

    @property
    def directions_independent(self) -> bool:
        return True

    def draw(
        self, count: int, lead: Any, bodies: Any, spec: Spec, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        return tuple(
            (torch.randint(3, (count, *lead, *body), generator=generator) - 1).to(spec.dtype) * 1.5**0.5
            for body in bodies
        )

    def covariance(self, g: Tensor, count: int) -> Tensor:
        return (exchange(g) - 1.5 * torch.diag(g.flatten().square())) / count


@dataclass(frozen=True)
class DrawsOnly(ProbeDistribution):
    """A user's own that says nothing of itself."""

    def draw(
        self, count: int, lead: Any, bodies: Any, spec: Spec, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        return gaussian.draw(count, lead, bodies, spec, generator)


@dataclass(frozen=True)
class Richardson(Scheme):
    """A user's own: a difference of fourth order, from probes at one and at two steps to both sides."""

    @property
    def cancels_curvature(self) -> bool:
        return True

    def perturbations(self, directions: Tensor) -> Tensor:
        return torch.cat((directions, -directions, 2 * directions, -2 * directions))

    def directions(self, perturbations: Tensor) -> Tensor:
        return perturbations[: len(perturbations) // 4]

    def differences(self, losses: Tensor, baseline_loss: Tensor, size: float) -> Tensor:
        del baseline_loss
        near, behind, far, far_behind = losses.unflatten(0, (4, -1))
        return (8 * (near - behind) - (far - far_behind)) / (12 * size)

    def reading_noise(self, count: int) -> float:
        return (64 + 64 + 1 + 1) / 144 / count


@dataclass(frozen=True)
class HalfOfTheNodes(Estimator):
    """A user's own: node perturbation of every other node of a chip, by a coin for each step."""

    size: float
    probes: int = 1
    distribution: ProbeDistribution = Thirds()
    scheme: Scheme = one_sided

    @property
    def gradient_at(self) -> Literal["nodes"]:
        return "nodes"

    @property
    def shared_over_batch(self) -> bool:
        return False

    def _inner(self) -> NodePerturbation:
        return NodePerturbation(self.size, self.probes, self.distribution, self.scheme, mask=False)

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        probe, _ = self._inner().ask(spec, x, baseline, generator)
        odd = torch.randint(2, (*spec.fleet, 1, 1), generator=generator)
        halves = (torch.arange(layer.features) % 2 == odd for layer in spec.layers)
        assert probe.nodes is not None
        pairs = zip(probe.nodes, halves, strict=True)
        return Probe(nodes=tuple(n * half * 2**0.5 for n, half in pairs if n is not None)), None

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        return self._inner().tell(spec, result)
