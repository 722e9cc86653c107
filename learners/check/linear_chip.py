"""A chip made up for `check_estimator`: small, and all about it is known."""

import torch
from torch import Generator
from torch import Tensor

from analog.layers.crossbar import dense
from analog.port import Probe
from analog.port import Reading
from analog.spec import Spec

from ..estimators.base import Estimator
from ..estimators.base import Evidence
from ..estimators.base import correlate


class MadeUp:
    """A made-up chip with a loss that is linear in what is added at its nodes and knobs."""

    layers = (dense(3, 4), dense(4, 2, linear=True))

    def __init__(self) -> None:
        grid = torch.linspace(-1, 1, 41, dtype=torch.float64)
        self.x = (3 * grid[:15]).sin().view(5, 3) + 0.5
        self.taps = ((7 * grid[:20]).cos().view(5, 4) + 0.3, (5 * grid[:10]).sin().view(5, 2))
        self.slopes = ((11 * grid[:20]).sin().view(5, 4), (9 * grid[10:20]).cos().view(5, 2))
        given = (self.x, self.taps[0])
        self.gathered = tuple(la.gather(g)[0] for la, g in zip(self.layers, given, strict=True))
        self.gradient = tuple(
            correlate(la, d, g) for la, d, g in zip(self.layers, self.slopes, given, strict=True)
        )

    def spec(self, fleet: int) -> Spec:
        return Spec(self.layers, fleet=(fleet,), dtype=torch.float64)

    def losses(self, probe: Probe) -> Tensor:  # (probes, fleet, batch, 1)
        total: Tensor | float = 0.3
        for d, push in zip(self.slopes, probe.nodes or (None, None), strict=True):
            total = total if push is None else total + (push * d).sum(-1)
        for d, z, nudge in zip(self.slopes, self.gathered, probe.knobs or (None, None), strict=True):
            if nudge is not None:
                total = total + torch.einsum("nr,nc,...trc->...n", d, z, nudge)
        if not isinstance(total, Tensor):
            raise ValueError("ask gave an empty probe, so nothing can be measured")
        return total.unsqueeze(-1)

    def ask(self, estimator: Estimator, spec: Spec, generator: Generator) -> Probe:
        return estimator.ask(spec, self.x, self._baseline(spec), generator)

    def _baseline(self, spec: Spec) -> Reading:
        return Reading(tuple(t.expand(*spec.fleet, *t.shape) for t in self.taps))

    def tell(
        self,
        estimator: Estimator,
        spec: Spec,
        probe: Probe,
        scale: float = 1.0,
        shift: float = 0.0,
        order: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """The estimate, with losses scaled and shifted and examples reordered."""
        losses = scale * self.losses(probe) + shift
        baseline_loss = torch.full((*spec.fleet, 5, 1), 0.3 * scale + shift, dtype=torch.float64)
        probed = Reading(
            tuple(
                tap if push is None else tap + push
                for tap, push in zip(
                    self._baseline(spec).taps, probe.nodes or (None,) * len(self.layers), strict=True
                )
            )
        )
        seen = Evidence(self.x, self._baseline(spec), baseline_loss, probe, probed, losses)
        return estimator.tell(spec, seen if order is None else _reordered(seen, order))


def _reordered(seen: Evidence, order: Tensor) -> Evidence:
    """The same evidence with its examples in another order."""
    nodes = seen.probe.nodes
    moved = None if nodes is None else tuple(None if p is None else p[..., order, :] for p in nodes)
    baseline, probed = (
        Reading(tuple(t[..., order, :] for t in r.taps)) for r in (seen.baseline, seen.probed)
    )
    probe = seen.probe._replace(nodes=moved)
    return Evidence(
        seen.x[order], baseline, seen.baseline_loss[..., order, :], probe, probed, seen.losses[..., order, :]
    )
