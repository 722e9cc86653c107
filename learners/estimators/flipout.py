"""Weight perturbation with a direction of its own for every example: flipout.

Wen, Vicol, Ba, Tran and Grosse, "Flipout: efficient pseudo-independent weight perturbations on
mini-batches" (ICLR 2018), equations 3 and 4: one direction E is shared by the batch, and example n gets
E o r_n s_n' with signs r_n, s_n of its own. Where we differ: there the flipped perturbation is worked out
in the layer; here it enters at the summing nodes as r_n o (E (s_n o x_n)), worked out digitally from what
drove the layer when nothing was probed, so that any chip can do it. To first order in the probe size it is
the same perturbation. A flip is drawn for every vector that drives a tile, also within one image.

Variance of a sign base: that of probes drawn independently for each example, (D - 1) sum |g_n|^2 / N^2
(`laws.flipout`). Node perturbation has q where this has D = p q: flipout is here to be compared with.
"""

from dataclasses import dataclass

from torch import Generator
from torch import Tensor

from analog.port import Probe
from analog.port import Reading
from analog.spec import Knobs
from analog.spec import Spec

from .base import Evidence
from .base import validate
from .distributions import ProbeDistribution
from .distributions import rademacher
from .schemes import Scheme
from .schemes import one_sided


class Flipped(Probe):
    """A probe that remembers of what it was made, one entry per layer."""

    bases: Knobs  # (K, *fleet, tiles, rows, cols)
    rows: tuple[Tensor, ...]  # (K, *fleet, tiles, vectors, rows), signs
    cols: tuple[Tensor, ...]  # (K, *fleet, tiles, vectors, cols), signs


@dataclass(frozen=True)
class Flipout:
    """Directions at the knobs, flipped by signs for each example; sent as probes at the summing nodes."""

    size: float  # full scale, sd of the probe at each knob
    probes: int = 1
    distribution: ProbeDistribution = rademacher  # of the direction that the examples share
    scheme: Scheme = one_sided

    @property
    def shared_over_batch(self) -> bool:
        return False

    def __post_init__(self) -> None:
        validate("Flipout", self.size, self.probes, self.distribution, self.scheme)

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> Flipped:
        bodies = [shape[len(spec.fleet) :] for shape in spec.shapes]
        bases = self.distribution.draw(self.probes, spec.fleet, bodies, spec, generator)
        pushes, rows, cols = [], [], []
        for layer, base, given in zip(spec.layers, bases, (x, *baseline.taps[:-1]), strict=True):
            z = layer.gather(given)
            vectors = z.shape[-2]
            shapes = [(layer.tiles, vectors, layer.rows), (layer.tiles, vectors, layer.cols)]
            r, s = rademacher.draw(self.probes, spec.fleet, shapes, spec, generator)
            pushes.append(self.scheme.perturbations(layer.scatter(r * ((s * z) @ base.mT))) * self.size)
            rows.append(r)
            cols.append(s)
        made = Flipped(nodes=tuple(pushes))
        made.bases, made.rows, made.cols = bases, tuple(rows), tuple(cols)
        return made

    def tell(self, spec: Spec, seen: Evidence) -> Knobs:
        probe = seen.probe
        if not isinstance(probe, Flipped):
            raise TypeError("Flipout: tell wants the very probe that ask gave; it remembers its flips")
        losses, before = seen.losses.sum(-1), seen.baseline_loss.sum(-1)
        slopes = self.scheme.differences(losses, before, self.size)
        share = slopes.unsqueeze(-1) / (self.probes * slopes.shape[-1])
        gradient = []
        for layer, base, r, s in zip(spec.layers, probe.bases, probe.rows, probe.cols, strict=True):
            each = layer.unscatter(share.expand(*share.shape[:-1], layer.features))
            gradient.append((base * ((each * r).mT @ s)).sum(0))
        return tuple(gradient)
