"""Weight perturbation: all knobs are perturbed at once, and the loss says how much each direction was worth.

Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation"
(1992), https://doi.org/10.1109/9.119632, and for learning on chips Cauwenberghs, "A fast stochastic
error-descent algorithm for supervised learning and optimization" (1992),
https://proceedings.neurips.cc/paper/1992/hash/c06d06da9666a219db15cf575aff2824-Abstract.html.
Where we differ: several directions a step, of any distribution, by any difference scheme.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from analog.layers.crossbar import Layer
from analog.port import Probe, Reading
from analog.spec import Spec

from .base import Estimator, ProbeResult, validate
from .distributions import ProbeDistribution, rademacher
from .gradient import Gradient, Place, broadcast_parts
from .schemes import Scheme, one_sided


@dataclass(frozen=True)
class WeightPerturbation(Estimator):
    """All knobs are perturbed at once, one direction shared by the whole batch.

    Per coordinate the variance is (pq - 2 + k) S + ..., p fan-in, q fan-out, so it suits small networks.
    Where parts of a layer have losses of their own, knobs are laid those of the parts that they drive.
    """

    size: float  # full scale, sd of the probe at each knob
    probes: int = 1
    distribution: ProbeDistribution = rademacher
    scheme: Scheme = one_sided

    @property
    def gradient_at(self) -> Place:
        return "knobs"

    @property
    def shared_over_batch(self) -> bool:
        return True

    def __post_init__(self) -> None:
        validate("WeightPerturbation", self.size, self.probes, self.distribution, self.scheme)

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        del x, baseline  # knobs do not depend on the input
        bodies = [shape[len(spec.fleet) :] for shape in spec.shapes]
        directions = self.distribution.draw(self.probes, spec.fleet, bodies, spec, generator)
        return Probe(knobs=tuple(self.scheme.perturbations(v) * self.size for v in directions)), None

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        losses, baseline_losses = result.losses.mean(-2), result.baseline_losses.mean(-2)
        differences = self.scheme.differences(losses, baseline_losses, self.size)  # (K, *fleet, parts)
        sent = result.probe.knobs or (None,) * len(spec.layers)
        return Gradient(
            knobs=tuple(
                None
                if push is None
                else (_at_rows(layer, differences) * self.scheme.directions(push)).mean(0).div_(self.size)
                for layer, push in zip(spec.layers, sent, strict=True)
            )
        )


def _at_rows(layer: Layer, parts: Tensor) -> Tensor:
    """Each row of a layer's knobs is given the sum over the parts that it drives.

    (..., parts) -> (..., tiles, rows, 1) or broadcasting to it; a tile used at many sites drives many parts.
    """
    count = parts.shape[-1]
    if count == 1:
        return parts[..., None, None]
    numbers = torch.arange(count, device=parts.device)
    of_nodes = broadcast_parts(numbers, layer.features)
    driven = layer.unscatter(of_nodes.to(parts.dtype).unsqueeze(0))  # (tiles, sites, rows), numbers of parts
    laid = (driven.unsqueeze(-1) == numbers).any(-3)  # (tiles, rows, parts)
    return laid.to(parts.dtype) @ parts[..., None, :, None]
