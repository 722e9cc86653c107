"""Node perturbation: summing nodes are perturbed, and the loss says how much each direction was worth.

Widrow and Lehr, "30 years of adaptive neural networks: perceptron, Madaline, and backpropagation" (1990),
https://doi.org/10.1109/5.58323, rule III for Madalines; for chips Flower and Jabri, "Summed weight neuron
perturbation: an O(N) improvement over weight perturbation" (1992),
https://papers.nips.cc/paper/1992/hash/996a7fa078cc36c46d02f9af3bef918b-Abstract.html. Where we differ: every
example has directions of its own, all layers are perturbed at once, and neurons that were inactive are left
out of the estimate.

A layer with a state is probed at the nodes of every step. A probe changes all steps that come after it, so
the estimate is unbiased for the loss of the whole sequence, and its variance grows with the number of steps;
each step's estimate meets what drove that step, as in Fiete and Seung, "Gradient learning in spiking neural
networks by dynamic perturbation of conductances" (2006), https://doi.org/10.1103/PhysRevLett.97.048104.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from analog.port import Probe, Reading
from analog.spec import Spec

from .base import Estimator, ProbeResult, validate
from .distributions import ProbeDistribution, rademacher
from .gradient import Gradient, Place, active_nodes, broadcast_parts, sum_probes
from .schemes import Scheme, one_sided


@dataclass(frozen=True)
class NodePerturbation(Estimator):
    """Summing nodes are perturbed, each example with directions of its own; the input does the rest.

    The gradient at a node times the node's inputs is the gradient at its knobs, as far as anyone outside
    the chip knows (cells' own gains are not known). Variance: LAWS of node perturbation, q_l T^2 |x_l|^2.

    Raises:
        ValueError: settings make no sense or do not go together.
    """

    size: float  # V, sd of the probe at each summing node
    probes: int = 1
    distribution: ProbeDistribution = rademacher
    scheme: Scheme = one_sided
    mask: bool = True  # leave out neurons that were inactive (tap exactly 0) in the baseline reading

    @property
    def gradient_at(self) -> Place:
        return "nodes"

    @property
    def shared_over_batch(self) -> bool:
        return False

    def __post_init__(self) -> None:
        validate("NodePerturbation", self.size, self.probes, self.distribution, self.scheme)
        if self.distribution.needs_columns:
            raise ValueError(
                f"NodePerturbation: directions of {self.distribution!r} are for knobs; nodes have no columns"
            )

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        del baseline  # directions do not depend on the activity
        bodies = [(layer.features,) for layer in spec.layers]
        directions = self.distribution.draw(self.probes, (*spec.fleet, x.shape[-2]), bodies, spec, generator)
        return Probe(nodes=tuple(self.scheme.perturbations(v) * self.size for v in directions)), None

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        differences = self.scheme.differences(result.losses, result.baseline_losses, self.size)
        share = differences / (self.probes * self.size)  # (K, *fleet, batch, parts), of the mean over K
        found: list[Tensor | None] = []
        sent = result.probe.nodes or (None,) * len(spec.layers)
        for layer, push, tap in zip(spec.layers, sent, result.baseline.taps, strict=True):
            if push is None:
                found.append(None)
                continue
            gradient = sum_probes(broadcast_parts(share, push.shape[-1]) * self.scheme.directions(push))
            found.append(gradient * active_nodes(layer, tap) if self.mask else gradient)
        return Gradient(nodes=tuple(found))
