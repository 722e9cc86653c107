"""Linear chips for `check_estimator`: small, and all about them is known."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.layers.crossbar import Layer, dense
from analog.layers.regular import conv2d
from analog.port import Probe, Reading
from analog.spec import Knobs, Spec
from analog.tree import tree_leaves

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import Gradient, knob_gradient

EXAMPLES = 5
DEEP: tuple[Layer, ...] = (dense(2, 3), dense(3, 2), dense(2, 2), dense(2, 2, linear=True))
DENSE: tuple[Layer, ...] = (dense(3, 4), dense(4, 2, linear=True))
CONVOLUTION: tuple[Layer, ...] = (conv2d((1, 2, 3), 2, 2), dense(4, 4, linear=True))


class Asked(NamedTuple):
    """The question that an estimator asked of a chip, and what it does there."""

    probe: Probe
    memo: Any
    knobs: tuple[Tensor | None, ...]  # what was added at the knobs, (probes, *fleet, tiles, rows, cols)
    changes: tuple[Tensor | None, ...]  # what that adds at the nodes, (probes, *fleet, examples, features)


class LinearChip:
    """Layers, examples, and a loss that is linear in what is added at nodes and knobs.

    By default two layers, 3 -> 4 -> 2, and five examples. `node_gradients` (examples, features) are the exact
    gradients of each example's loss at the nodes of each layer, `gathered` (tiles, examples * sites, cols)
    what drives its tiles, `gradient` (tiles, rows, cols) the mean loss's at its knobs.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...] = DENSE,
        dtype: torch.dtype = torch.float64,
        examples: int = EXAMPLES,
    ) -> None:
        self.layers, self.dtype, self.examples = layers, dtype, examples
        first, *_ = layers
        self.x = _waves(3, examples, first.features_in, 0.5).to(dtype)
        self.taps = tuple(
            _waves(rate, examples, layer.features, 0.3).to(dtype)
            for rate, layer in zip((7, 5, 13, 6), layers, strict=False)
        )
        self.node_gradients = tuple(
            _waves(rate, examples, layer.features).to(dtype)
            for rate, layer in zip((11, 9, 8, 12), layers, strict=False)
        )
        self.gathered = tuple(la.gather(x) for la, x in zip(layers, self.inputs, strict=True))
        rows = zip(layers, self.node_gradients, self.inputs, strict=True)
        self.gradient = tuple(knob_gradient(*row) for row in rows)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What drives each layer, (5, features_in)."""
        return (self.x, *self.taps[:-1])

    def spec(self, fleet: int | None) -> Spec:
        """The datasheet of so many such chips; None is one alone."""
        return Spec(self.layers, fleet=() if fleet is None else (fleet,), dtype=self.dtype)

    def baseline(self, spec: Spec) -> Reading:
        """A reading without a probe."""
        return Reading(tuple(t.expand(*spec.fleet, *t.shape) for t in self.taps))

    def ask(self, estimator: Estimator, spec: Spec, generator: Generator) -> Asked:
        """The probe that an estimator asks of these chips, and its memo."""
        probe, memo = estimator.ask(spec, self.x, self.baseline(spec), generator)
        return self.answer(estimator, spec, probe, memo, generator)

    def answer(
        self, estimator: Estimator, spec: Spec, probe: Probe, memo: Any, generator: Generator
    ) -> Asked:
        """Work out what a probe does to the chip; where none is sent the chip's own noise does it.

        Raises:
            ValueError: the probe adds nothing anywhere.
        """
        acting, none = probe, (None,) * len(self.layers)
        if estimator.probes_at is None:
            count = next(iter(tree_leaves(probe).values())).shape[0]
            shapes = [(count, *spec.fleet, self.examples, la.features) for la in self.layers]
            acting = Probe(nodes=tuple(torch.randn(s, generator=generator, dtype=self.dtype) for s in shapes))
        offsets = acting.knobs or none
        rows = zip(self.layers, acting.nodes or none, offsets, self.gathered, strict=True)
        changes = tuple(_change(*row) for row in rows)
        if all(change is None for change in changes):
            raise ValueError("ask gave an empty probe, so nothing can be measured")
        return Asked(probe, memo, offsets, changes)

    def result(
        self,
        spec: Spec,
        asked: Asked,
        gradient: Gradient | None = None,
        *,
        scale: float = 1.0,
        shift: float = 0.0,
        bend: float = 0.0,
    ) -> ProbeResult:
        """The result of probing these chips.

        Args:
            gradient: of the loss, at nodes (examples, features) of each example's or at knobs (tiles, rows,
                cols) of the mean loss; None: the chip's own.
            scale: of all losses.
            shift: a constant added to all losses.
            bend: how far taps rise under a probe, whatever its sign, as those of rectifiers do.
        """
        baseline = self.baseline(spec)
        low = torch.full((*spec.fleet, self.examples, 1), 0.3 * scale + shift, dtype=self.dtype)
        taps = zip(baseline.taps, asked.changes, strict=True)
        probed = Reading(tuple(tap if c is None else tap + c + bend * _risen(c) for tap, c in taps))
        losses = scale * self.losses(asked, gradient) + shift
        return ProbeResult(self.x, baseline, low, asked.probe, probed, losses, asked.memo)

    def losses(self, asked: Asked, gradient: Gradient | None = None) -> Tensor:
        """The loss of each example under a probe, (probes, *fleet, examples, 1); gradient as for `result`."""
        total = torch.full((), 0.3, dtype=self.dtype)
        at = Gradient(nodes=self.node_gradients) if gradient is None else gradient
        for d, change in zip(at.nodes or (), asked.changes, strict=False):
            if change is not None and d is not None:
                total = total + (change * d).sum(-1)
        for g, offset in zip(at.knobs or (), asked.knobs, strict=False):
            if g is not None and offset is not None:
                pushed = torch.einsum("...trc,trc->...", offset, g)[..., None]
                total = total + pushed * _shares(self.dtype, self.examples)
        lead = next(change for change in asked.changes if change is not None).shape[:-1]
        return total.expand(lead).unsqueeze(-1)

    def basis(self, estimator: Estimator) -> list[tuple[int, Gradient, Tensor]]:
        """The losses that together show the whole of how an estimate depends on the true gradient.

        Returns:
            For each: the layer whose gradient is not 0, the loss's gradient, and what the estimate's mean has
            to be at `gradient_at`, all layers flattened and joined to (coordinates,).
        """
        at_knobs = estimator.probes_at == estimator.gradient_at == "knobs"
        pairs = zip(self.gradient, self.layers, strict=True)
        shapes = [tuple(g.shape) if at_knobs else (la.features,) for g, la in pairs]
        found = []
        for at, shape in enumerate(shapes):
            for unit in torch.eye(torch.Size(shape).numel(), dtype=self.dtype):
                parts = [torch.zeros(s, dtype=self.dtype) for s in shapes]
                parts[at] = unit.view(shape)
                found.append((at, *self._told(estimator, tuple(parts), at_knobs)))
        return found

    def _told(self, estimator: Estimator, parts: Knobs, at_knobs: bool) -> tuple[Gradient, Tensor]:
        if at_knobs:
            return Gradient(knobs=parts), concatenate(parts)
        signed = _signed(self.dtype, self.examples)[:, None]
        nodes = tuple(signed * part for part in parts)  # (examples, features) each
        if estimator.gradient_at == "nodes":
            return Gradient(nodes=nodes), concatenate(nodes)
        rows = zip(self.layers, nodes, self.inputs, strict=True)
        return Gradient(nodes=nodes), concatenate(tuple(knob_gradient(*row) for row in rows))


def _change(layer: Layer, push: Tensor | None, offset: Tensor | None, gathered: Tensor) -> Tensor | None:
    if offset is None:
        return push
    at_nodes = layer.scatter(gathered @ offset.mT)
    return at_nodes if push is None else push + at_nodes


def concatenate(parts: Sequence[Tensor], fleet: int = 0) -> Tensor:
    """Flatten tensors of any shapes behind `fleet` leading axes, and join them: (*fleet, coordinates)."""
    return torch.cat([part.flatten(fleet) for part in parts], -1)


def _waves(rate: int, rows: int, cols: int, center: float = 0.0) -> Tensor:
    """Numbers within 1 of a center with no pattern to speak of."""
    grid = torch.linspace(-1, 1, 2 * rows * cols, dtype=torch.float64)[: rows * cols]
    return (rate * grid).sin().add(center).view(rows, cols)


def _shares(dtype: torch.dtype, examples: int) -> Tensor:
    """By what the examples share in the mean loss; their mean is 1."""
    shares = _cycled([1.5, 0.5, 2.0, -0.25, 1.25], examples)
    return (shares / shares.mean()).to(dtype)


def _signed(dtype: torch.dtype, examples: int) -> Tensor:
    """How strongly each example's loss depends on a node: neighbors never alike, lest one stand in."""
    return _cycled([1.0, -1.2, 0.8, 1.4, -0.9], examples).to(dtype)


def _cycled(numbers: list[float], count: int) -> Tensor:
    return torch.tensor([numbers[k % len(numbers)] for k in range(count)], dtype=torch.float64)


def _risen(change: Tensor) -> Tensor:
    """The square of a change, in units of its mean."""
    square = change.square()
    return square / square.mean().clamp(min=torch.finfo(change.dtype).tiny)
