"""A chip of three layers, and a probe of each place in it."""

import torch

from analog import Chip, Probe, dense, grouped, stream

F64 = torch.float64
LAYERS = (dense(4, 6), grouped(6, 4, 2), dense(4, 3, linear=True))


def probe(chip: Chip, where: str) -> Probe:
    """Three directions at all knobs, or at all nodes but those of layer `where`."""
    generator = stream(0, "probe")
    fleet = chip.spec.fleet
    if where == "knobs":
        return Probe(tuple(torch.randn(3, *s, generator=generator, dtype=F64) for s in chip.spec.shapes))
    sizes = [(3, *fleet, 5, layer.features) for layer in LAYERS]
    nodes = [torch.randn(s, generator=generator, dtype=F64) for s in sizes]
    return Probe(nodes=tuple(None if where == str(i) else node for i, node in enumerate(nodes)))
