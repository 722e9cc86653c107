"""A linear chip for `check_estimator`: small, and all about it is known."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from analog.layers.crossbar import dense
from analog.port import Probe, Reading
from analog.spec import Spec

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import knob_gradient


class LinearChip:
    """Two layers (3 -> 4 -> 2), five examples, and a loss that is linear in what is added at nodes and knobs.

    `node_gradients` (5, features) are the exact gradients of each example's loss at the nodes of each layer,
    `gathered` (1, 5, cols) what drives its tile, `gradient` (1, rows, cols) the mean loss's at its knobs.
    """

    layers = (dense(3, 4), dense(4, 2, linear=True))

    def __init__(self) -> None:
        grid = torch.linspace(-1, 1, 41, dtype=torch.float64)
        self.x = (3 * grid[:15]).sin().view(5, 3) + 0.5
        self.taps = ((7 * grid[:20]).cos().view(5, 4) + 0.3, (5 * grid[:10]).sin().view(5, 2))
        self.node_gradients = ((11 * grid[:20]).sin().view(5, 4), (9 * grid[10:20]).cos().view(5, 2))
        inputs = (self.x, self.taps[0])
        self.gathered = tuple(la.gather(x)[0] for la, x in zip(self.layers, inputs, strict=True))
        layers = zip(self.layers, self.node_gradients, inputs, strict=True)
        self.gradient = tuple(knob_gradient(*layer) for layer in layers)

    def spec(self, fleet: int) -> Spec:
        """The datasheet of so many such chips."""
        return Spec(self.layers, fleet=(fleet,), dtype=torch.float64)

    def losses(self, probe: Probe) -> Tensor:
        """Each example's loss under a probe, (probes, fleet, batch, 1).

        Raises:
            ValueError: the probe adds nothing anywhere.
        """
        total: Tensor | float = 0.3
        for d, push in zip(self.node_gradients, probe.nodes or (None, None), strict=True):
            total = total if push is None else total + (push * d).sum(-1)
        for d, z, offset in zip(self.node_gradients, self.gathered, probe.knobs or (None, None), strict=True):
            if offset is not None:
                total = total + torch.einsum("nr,nc,...trc->...n", d, z, offset)
        if not isinstance(total, Tensor):
            raise ValueError("ask gave an empty probe, so nothing can be measured")
        return total.unsqueeze(-1)

    def ask(self, estimator: Estimator, spec: Spec, generator: Generator) -> tuple[Probe, Any]:
        """The probe that an estimator asks of these chips, and its memo."""
        return estimator.ask(spec, self.x, self._baseline(spec), generator)

    def result(
        self, spec: Spec, probe: Probe, memo: Any, scale: float = 1.0, shift: float = 0.0
    ) -> ProbeResult:
        """The result of probing these chips, all losses scaled and shifted."""
        losses = scale * self.losses(probe) + shift
        baseline_losses = torch.full((*spec.fleet, 5, 1), 0.3 * scale + shift, dtype=torch.float64)
        baseline, pushes = self._baseline(spec), probe.nodes or (None,) * len(self.layers)
        taps = zip(baseline.taps, pushes, strict=True)
        probed = Reading(tuple(tap if push is None else tap + push for tap, push in taps))
        return ProbeResult(self.x, baseline, baseline_losses, probe, probed, losses, memo)

    def _baseline(self, spec: Spec) -> Reading:
        return Reading(tuple(t.expand(*spec.fleet, *t.shape) for t in self.taps))


def reordered(result: ProbeResult, order: Sequence[int]) -> ProbeResult:
    """The same result with its examples in another order; of an estimator that has no memo."""
    at = list(order)
    nodes = result.probe.nodes
    moved = None if nodes is None else tuple(None if p is None else p[..., at, :] for p in nodes)
    baseline, probed = (
        Reading(tuple(t[..., at, :] for t in reading.taps)) for reading in (result.baseline, result.probed)
    )
    return ProbeResult(
        result.x[at],
        baseline,
        result.baseline_losses[..., at, :],
        result.probe._replace(nodes=moved),
        probed,
        result.losses[..., at, :],
    )
