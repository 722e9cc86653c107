"""What one step of probes showed of layers of unequal sizes, all of it drawn, for tests by brute force."""

import torch
from torch import Tensor

from analog import Probe, Reading, Spec, dense, stream
from learners import Gradient, ProbeResult

F64 = torch.float64
LAYERS = (dense(3, 6), dense(6, 4), dense(4, 8, linear=True))


def drawn_step(
    fleet: tuple[int, ...] = (), parts: int = 1, seed: int = 0
) -> tuple[Spec, ProbeResult, Tensor, Gradient]:
    """The layers, three probes at the nodes of five examples, a gradient at 7 outputs, and a prediction.

    Every third node of every other example shows 0, in the read-out too.
    """
    spec = Spec(LAYERS, fleet=fleet, dtype=F64)
    generator, widths = stream(seed, "drawn", parts, *fleet), [layer.features for layer in LAYERS]

    def drawn(size: int, *lead: int) -> Tensor:
        return torch.randn(*lead, *fleet, 5, size, generator=generator, dtype=F64)

    taps = tuple(drawn(n) for n in widths)
    for tap in taps:
        tap[..., ::2, ::3] = 0.0
    probe = Probe(nodes=tuple(drawn(n, 3) for n in widths))
    probed = Reading(tuple(drawn(n, 3) for n in widths))
    result = ProbeResult(drawn(3), Reading(taps), drawn(parts), probe, probed, drawn(parts, 3))
    return spec, result, drawn(7), Gradient(nodes=tuple(drawn(n) for n in widths))


def entries(gradients: tuple[Tensor | None, ...] | None) -> tuple[Tensor, ...]:
    """Those of all layers, each of which is there."""
    assert gradients is not None
    assert all(each is not None for each in gradients)
    return tuple(each for each in gradients if each is not None)
