"""Active node perturbation: the hardware's own noise is the probe, and the taps tell what it was.

Dalm, Offergeld, Ahmad and van Gerven, "Effective learning with node perturbation in multi-layer neural
networks" (2023, https://arxiv.org/abs/2310.00965), equation for ANP:
dW_l = -eta N (L' - L) da_l / |da|^2 x_l', with da the measured change of all N activities between two passes.
For hardware whose noise cannot be injected, only watched.

Where we differ: the second pass is not injected with noise but simply repeated, so da is the difference of
two noisy readings of the chip; da is read at the taps, behind the neuron (nothing else leaves the chip), so
an inactive neuron counts for nothing and N is the number of activities that changed; every example has its
own da. If da has no preferred direction E N da da'/|da|^2 = I and the estimate is the gradient at the taps of
what is perturbed; da that came from the layer below is counted again in the layer above, a bias that probing
layers in turn (`Descent(in_turn=True)`) removes. Of losses in parts, each is laid to the nodes of its own.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from analog.port import Probe, Reading
from analog.spec import Spec

from .base import Estimator, ProbeResult
from .gradient import Gradient, Place, broadcast_parts


@dataclass(frozen=True)
class ActiveNodePerturbation(Estimator):
    """Repeated readings without a probe; the change of the loss is laid to the change at the taps.

    Raises:
        ValueError: `probes` is no integer of at least 1.
    """

    probes: int = 1  # repeated readings

    @property
    def gradient_at(self) -> Place:
        return "nodes"

    @property
    def probes_at(self) -> None:
        return None

    def __post_init__(self) -> None:
        if isinstance(self.probes, bool) or not isinstance(self.probes, int) or self.probes < 1:
            raise ValueError(f"ActiveNodePerturbation: probes is {self.probes!r}, wanted at least 1")

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
        del baseline, generator  # the chip's own noise is all there is
        shape = (self.probes, *spec.fleet, x.shape[-2], spec.layers[0].features)
        zero = torch.zeros((), dtype=spec.dtype, device=spec.on).expand(shape)
        return Probe(nodes=(zero, *(None for _ in spec.layers[1:]))), None

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        taps = zip(result.probed.taps, result.baseline.taps, strict=True)
        changes = [probed - baseline for probed, baseline in taps]
        parts = result.losses.shape[-1]
        split = [_split(d, parts) for d in changes]
        moved = sum((d != 0).sum(-1) for d in split)  # (probes, *fleet, batch, parts)
        power = torch.stack([d.square().sum(-1) for d in split]).sum(0)
        change = result.losses - result.baseline_losses
        share = change * moved / power.clamp(min=torch.finfo(power.dtype).tiny) / self.probes
        return Gradient(nodes=tuple((broadcast_parts(share, d.shape[-1]) * d).sum(0) for d in changes))


def _split(change: Tensor, parts: int) -> Tensor:  # (..., features) -> (..., parts, features of a part)
    if change.shape[-1] % parts:
        raise ValueError(f"losses of {parts} parts do not divide a layer of {change.shape[-1]} nodes")
    return change.unflatten(-1, (parts, -1))
