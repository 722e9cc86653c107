"""What an estimator says of the knobs, wherever it tells the gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analog import Knobs, Probe, Reading, Spec
from learners import Estimator, ProbeResult
from learners.estimators import ProbeDistribution, knob_gradients


def estimated(estimator: Estimator, spec: Spec, result: ProbeResult) -> Knobs:
    """The estimated gradient at the knobs."""
    return knob_gradients(spec, estimator.tell(spec, result), result.inputs, result.out)


F64 = torch.float64
NOTHING = Reading(())


def estimated_by(
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
        return sign_covariance(g) / count


def fleet_spec(rows: Tensor, *layers: object) -> Spec:
    return Spec(layers, fleet=(len(rows),), dtype=F64)  # type: ignore[arg-type]


def sign_covariance(g: Tensor, kurtosis: float = 1.0) -> Tensor:
    """Covariance of (g.v) v: |g|^2 I + g g' + (k - 3) diag(g^2)."""
    return (
        g.square().sum() * torch.eye(len(g), dtype=F64)
        + torch.outer(g, g)
        + (kurtosis - 3) * torch.diag(g**2)
    )
