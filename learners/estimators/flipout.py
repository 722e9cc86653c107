"""Weight perturbation with a direction of its own for every example: flipout.

Wen, Vicol, Ba, Tran and Grosse, "Flipout: efficient pseudo-independent weight perturbations on
mini-batches" (ICLR 2018, https://arxiv.org/abs/1803.04386), equations 3 and 4: one direction E is
shared by the batch, and example n gets E o r_n s_n' with signs r_n, s_n of its own. Where we differ: there
the flipped perturbation is worked out in the layer; here it enters at the summing nodes as
r_n o (E (s_n o x_n)), worked out digitally from what drove the layer when nothing was probed, so that any
chip can do it. To first order in the probe size it is the same perturbation. A flip is drawn for every vector
that drives a tile, also within one image.

Variance of a sign base: that of probes drawn independently for each example, (D - 1) sum |g_n|^2 / N^2
(`laws.flipout`). Node perturbation has q where this has D = p q: flipout is here to be compared with.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Generator, Tensor

from analog.layers.recurrence import gather_with_state
from analog.port import Probe, Reading
from analog.spec import Knobs, Spec

from .base import Estimator, ProbeResult, validate
from .distributions import ProbeDistribution, rademacher
from .gradient import Gradient, Place, broadcast_parts
from .schemes import Scheme, one_sided


class Flips(NamedTuple):
    """The directions and signs that the probes of one step were made of, one entry per layer."""

    bases: Knobs  # (K, *fleet, tiles, rows, cols)
    rows: tuple[Tensor, ...]  # (K, *fleet, tiles, vectors, rows), signs
    cols: tuple[Tensor, ...]  # (K, *fleet, tiles, vectors, cols), signs


@dataclass(frozen=True)
class Flipout(Estimator):
    """Directions at the knobs, flipped by signs for each example; sent as probes at the summing nodes."""

    size: float  # full scale, sd of the probe at each knob
    probes: int = 1
    distribution: ProbeDistribution = rademacher  # of the direction that the examples share
    scheme: Scheme = one_sided

    @property
    def gradient_at(self) -> Place:
        return "knobs"

    @property
    def probes_at(self) -> Place:
        return "nodes"

    @property
    def shared_over_batch(self) -> bool:
        return False

    def __post_init__(self) -> None:
        validate("Flipout", self.size, self.probes, self.distribution, self.scheme)

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, Flips]:
        bodies = [shape[len(spec.fleet) :] for shape in spec.shapes]
        bases = self.distribution.draw(self.probes, spec.fleet, bodies, spec, generator)
        nodes, rows, cols = [], [], []
        driven = zip(spec.layers, (x, *baseline.taps[:-1]), baseline.taps, strict=True)
        for base, (layer, inputs, tap) in zip(bases, driven, strict=True):
            gathered = gather_with_state(layer, inputs, tap)
            vectors = gathered.shape[-2]
            shapes = [(layer.tiles, vectors, layer.rows), (layer.tiles, vectors, layer.cols)]
            r, s = rademacher.draw(self.probes, spec.fleet, shapes, spec, generator)
            push = layer.scatter(r * ((s * gathered) @ base.mT))
            nodes.append(self.scheme.perturbations(push) * self.size)
            rows.append(r)
            cols.append(s)
        return Probe(nodes=tuple(nodes)), Flips(bases, tuple(rows), tuple(cols))

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        """Estimate the gradient at the knobs from the probes and the flips that they were made of.

        Raises:
            TypeError: the memo of `result` is not the one that `ask` gave.
        """
        flips = result.memo
        if not isinstance(flips, Flips):
            raise TypeError("Flipout: tell wants the memo that ask gave with the probe; it holds the flips")
        differences = self.scheme.differences(result.losses, result.baseline_losses, self.size)
        share = differences / (self.probes * differences.shape[-2])  # (K, *fleet, batch, parts)
        gradient = []
        for layer, base, r, s in zip(spec.layers, *flips, strict=True):
            of_nodes = broadcast_parts(share, layer.features)
            each = layer.unscatter(of_nodes.expand(*share.shape[:-1], layer.features))
            gradient.append((base * ((each * r).mT @ s)).sum(0))
        return Gradient(knobs=tuple(gradient))
