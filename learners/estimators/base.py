"""Gradient estimators: probes and losses in, an estimated gradient at the knobs out. No chip in sight."""

from dataclasses import dataclass
from typing import NamedTuple
from typing import Protocol

import torch
from torch import Generator
from torch import Tensor

from analog.layers.crossbar import Layer
from analog.port import Probe
from analog.port import Reading
from analog.spec import Knobs
from analog.spec import Spec

from .distributions import ProbeDistribution
from .distributions import rademacher
from .schemes import Scheme
from .schemes import one_sided


class Evidence(NamedTuple):
    """What one question to the hardware showed, all of it measured or sent by the learner itself."""

    x: Tensor  # (batch, features_in), or (*fleet, batch, features_in)
    baseline: Reading  # taps (*fleet, batch, features), of x without a probe
    baseline_loss: Tensor  # (*fleet, batch, parts)
    probe: Probe  # what was asked, (probes, ...)
    probed: Reading  # taps (probes, *fleet, batch, features)
    losses: Tensor  # (probes, *fleet, batch, parts), per example: never averaged over the batch here


class Estimator(Protocol):
    """Asks for measurements and tells what they say about the gradient."""

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> Probe:
        """All probes of one step, stacked along the first axis.

        Args:
            spec: the layers to be probed.
            quiet: a reading of x without a probe, just made.
        """
        ...

    def tell(self, spec: Spec, seen: Evidence) -> Knobs:
        """The estimated gradient of the batch's mean loss; zero where the probe left a layer alone."""
        ...


class ProbingEstimator(Estimator, Protocol):
    """An estimator that takes differences along random directions; a frozen dataclass of these fields."""

    @property
    def size(self) -> float:
        """The sd of the probe at each coordinate."""
        ...

    @property
    def probes(self) -> int:
        """The number of directions of one step."""
        ...

    @property
    def distribution(self) -> ProbeDistribution:
        """How the directions are drawn."""
        ...

    @property
    def scheme(self) -> Scheme:
        """How the directions are measured."""
        ...

    @property
    def shared_over_batch(self) -> bool:
        """Whether all examples are probed in the same directions, so that only their mean loss counts."""
        ...


@dataclass(frozen=True)
class WeightPerturbation:
    """All knobs are perturbed at once, one direction shared by the whole batch.

    Per coordinate the variance is (pq - 2 + k) S + ..., p fan-in, q fan-out, so it suits small networks.
    Where parts of a layer have losses of their own, knobs are laid those of the parts that they drive.
    """

    size: float  # full scale, sd of the probe at each knob
    probes: int = 1
    distribution: ProbeDistribution = rademacher
    scheme: Scheme = one_sided

    @property
    def shared_over_batch(self) -> bool:
        return True

    def __post_init__(self) -> None:
        validate("WeightPerturbation", self.size, self.probes, self.distribution, self.scheme)

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> Probe:
        del x, baseline  # knobs do not depend on the input
        bodies = [shape[len(spec.fleet) :] for shape in spec.shapes]
        directions = self.distribution.draw(self.probes, spec.fleet, bodies, spec, generator)
        return Probe(knobs=tuple(self.scheme.perturbations(v) * self.size for v in directions))

    def tell(self, spec: Spec, seen: Evidence) -> Knobs:
        losses, before = (each.mean(-2) for each in (seen.losses, seen.baseline_loss))
        slopes = self.scheme.differences(losses, before, self.size)  # (K, *fleet, parts)
        sent = seen.probe.knobs or (None,) * len(spec.layers)
        return tuple(
            zero
            if s is None
            else (_at_rows(layer, slopes) * self.scheme.directions(s)).mean(0).div_(self.size)
            for layer, s, zero in zip(spec.layers, sent, spec.zeros(), strict=True)
        )


@dataclass(frozen=True)
class NodePerturbation:
    """Summing nodes are perturbed, each example with directions of its own; the input does the rest.

    The slope at a node times the node's inputs is the gradient at its knobs, as far as anyone outside
    the chip knows (cells' own gains are not known). Variance: LAWS of node perturbation, q_l T^2 |x_l|^2.
    """

    size: float  # V, sd of the probe at each summing node
    probes: int = 1
    distribution: ProbeDistribution = rademacher
    scheme: Scheme = one_sided
    mask: bool = False  # count only neurons that were not silent (tap exactly 0) in the baseline reading

    @property
    def shared_over_batch(self) -> bool:
        return False

    def __post_init__(self) -> None:
        validate("NodePerturbation", self.size, self.probes, self.distribution, self.scheme)
        if self.distribution.needs_columns:
            raise ValueError(
                f"NodePerturbation: directions of {self.distribution!r} are for knobs; nodes have no columns"
            )

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> Probe:
        del baseline  # directions do not depend on the activity
        bodies = [(layer.features,) for layer in spec.layers]
        directions = self.distribution.draw(self.probes, (*spec.fleet, x.shape[-2]), bodies, spec, generator)
        return Probe(nodes=tuple(self.scheme.perturbations(v) * self.size for v in directions))

    def at_nodes(self, spec: Spec, seen: Evidence) -> tuple[Tensor | None, ...]:  # (*fleet, batch, features)
        """The estimated gradient of each example's loss at its summing nodes; None where none was probed."""
        share = self.scheme.differences(seen.losses, seen.baseline_loss, self.size) / (
            self.probes * self.size
        )
        sent = seen.probe.nodes or (None,) * len(spec.layers)
        told: list[Tensor | None] = []
        for layer, s, tap in zip(spec.layers, sent, seen.baseline.taps, strict=True):
            delta = None if s is None else (spread(share, s.shape[-1]) * self.scheme.directions(s)).sum(0)
            if delta is not None and self.mask and not layer.linear:
                delta = delta * (tap != 0)
            told.append(delta)
        return tuple(told)

    def tell(self, spec: Spec, seen: Evidence) -> Knobs:
        inputs = (seen.x, *seen.baseline.taps[:-1])
        return tuple(
            given.new_zeros((*spec.fleet, layer.tiles, layer.rows, layer.cols))
            if delta is None
            else correlate(layer, delta, given)
            for layer, delta, given in zip(spec.layers, self.at_nodes(spec, seen), inputs, strict=True)
        )


def spread(parts: Tensor, features: int) -> Tensor:
    """Each part's number given to all its nodes: (..., parts) -> (..., features) or broadcasting to it.

    Parts are equal and consecutive, as the groups of `grouped` and the patches of `patches` are.
    """
    if parts.shape[-1] == 1:
        return parts
    if features % parts.shape[-1]:
        raise ValueError(f"losses of {parts.shape[-1]} parts do not divide a layer of {features} nodes")
    return parts.repeat_interleave(features // parts.shape[-1], -1)


def _at_rows(layer: Layer, parts: Tensor) -> Tensor:
    """Each row of a layer's knobs is given the sum over the parts that it drives.

    (..., parts) -> (..., tiles, rows, 1) or broadcasting to it; a tile used at many sites drives many parts.
    """
    count = parts.shape[-1]
    if count == 1:
        return parts[..., None, None]
    own = spread(torch.arange(count, device=parts.device), layer.features)
    driven = layer.unscatter(own.to(parts.dtype).unsqueeze(0))  # (tiles, sites, rows), numbers of parts
    laid = (driven.unsqueeze(-1) == torch.arange(count, device=parts.device)).any(-3)  # (tiles, rows, parts)
    return laid.to(parts.dtype) @ parts[..., None, :, None]


def correlate(layer: Layer, delta: Tensor, given: Tensor) -> Tensor:
    """The gradient at a layer's knobs, averaged over the batch, from the gradient at its nodes.

    Args:
        delta: (..., batch, features), gradient of each example's loss at its summing nodes.
        given: (..., batch, features_in), what drove the layer.
    """
    return (layer.unscatter(delta).mT @ layer.gather(given)).div_(delta.shape[-2])


def validate(name: str, size: float, probes: int, distribution: ProbeDistribution, scheme: Scheme) -> None:
    """Check that the settings of an estimator make sense, each by itself and together.

    Raises:
        TypeError: the distribution or the scheme is none.
        ValueError: naming the estimator, what came and what was wanted.
    """
    for part, kind in ((distribution, ProbeDistribution), (scheme, Scheme)):
        if isinstance(part, type) or not isinstance(part, kind):
            raise TypeError(f"{name}: {part!r} is no instance of a subclass of learners.{kind.__name__}")
    if not 0 < size < float("inf"):
        raise ValueError(f"{name}: size is {size}, wanted a finite probe size above 0")
    if isinstance(probes, bool) or not isinstance(probes, int) or probes < 1:
        raise ValueError(f"{name}: probes is {probes!r}, wanted an integer of at least 1")
    if probes < scheme.min_directions:
        raise ValueError(f"{name}: {scheme!r} wants at least {scheme.min_directions} probes, got {probes}")
    if probes % distribution.multiple:
        raise ValueError(
            f"{name}: probes of {distribution!r} come in multiples of {distribution.multiple}, got {probes}"
        )
