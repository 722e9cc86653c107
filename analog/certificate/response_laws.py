"""Laws of response: small probes act linearly, as estimators take for granted; taps are passed on.

Of a chip that relaxes, nodes also answer one another alike, as equilibrium propagation takes for granted.
"""

import math

import torch
from torch import Tensor

from ..port import Probe
from ..streams import stream
from ..tree import tree_map
from .bench import Bench, NotTried, Station
from .noise_laws import SIZE, VARIANCE
from .probes import Kind, signed_probe
from .statistics import Effect, is_noise, noise_of, squared_size, variances

NODE = 0.1  # size of a probe of nodes, V
KNOB = 0.02  # size of a probe of knobs, full scale
BENT = 0.4  # tolerated part of a response that is not odd, or not proportional, of the response
MIXED = 0.2  # tolerated part of a response to probes together that they do not have alone
BATCH = 5  # examples that taps are compared for
SKEWED = 0.7  # tolerated skew of a response, of its symmetric part; of answers independent of each other 1
NODES = 3  # of each layer that are pushed, one at a time
INPUTS = 5  # at which they are
PUSH = 0.1  # size of such a current, V


def node_response(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A small probe of nodes acts linearly: odd, in proportion, and together as each alone."""
    return _responses(bench, "nodes", NODE, start, stop)


def knob_response(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A small probe of knobs acts linearly: odd, in proportion, and together as each alone."""
    return _responses(bench, "knobs", KNOB, start, stop)


def taps_passed_on(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A tap is what drives the next layer, and the last tap is the output, however a span is chosen.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    top = len(bench.spec.layers) - 1
    if top == 0:
        raise NotTried("there is one layer")
    if bench.spec.synapse != "one-way":
        raise NotTried("the layers of a chip that relaxes settle together")
    x = bench.rows(bench.stations[0], BATCH)
    found: dict[str, list[tuple[Tensor, ...]]] = {}  # the whole chip's tap, and three times the span's
    for _ in range(start, stop):
        taps = bench.taps(x)
        if len(taps) <= top:
            raise NotTried("the port shows its last tap alone")
        for k in range(top):
            fed = taps[k][0] if bench.spec.fleet else taps[k][0, 0]
            onward = [bench.taps(fed, first=k + 1)[-1] for _ in range(3)]
            found.setdefault(f"tap {k} fed forward", []).append((taps[-1], *onward))
            alone = [bench.taps(x, last=k)[-1] for _ in range(2)]
            found.setdefault(f"tap {k} as the last", []).append((taps[k], *alone, alone[1]))
    effects = []
    for name, replicates in found.items():
        whole, one, two, three = (torch.stack(part) for part in zip(*replicates, strict=True))
        scale = max(float(whole.square().mean().sqrt()), 1e-12)
        effects.append(squared_size(f"{name}, mean reading", whole - one, scale, SIZE))
        # of one fed tap, noise of the layers above alone; of the first layers, all noise there is
        pair = (whole - one, two - three) if "fed" in name else (noise_of(whole), noise_of(one))
        if any(is_noise(noise, scale) for noise in pair):
            effects.append(variances(f"{name}, noise", *pair, VARIANCE))
    return effects


def reciprocal_response(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A chip that relaxes answers a current here there as one there here; equilibrium propagation needs it.

    Some nodes of every layer are pushed one at a time, and what each makes of each other is compared both
    ways, at several inputs, so that no neuron that is at its knee decides.

    Raises:
        NotTried: signals go one way, or the port does not allow it, or shows nothing to judge.
    """
    if bench.spec.synapse == "one-way":
        raise NotTried("signals go one way through this chip")
    response = torch.stack([_response(bench) for _ in range(start, stop)])  # (n, chips, inputs, nodes, nodes)
    pairs = ~torch.eye(response.shape[-1], dtype=torch.bool)
    even, skew = ((response + sign * response.mT)[..., pairs].flatten(1, 2) for sign in (1, -1))
    products = (even[0::2] * even[1::2]).mean(-1)  # (n / 2, chips and inputs)
    lengths, doubts = products.mean(0), products.std(0) / math.sqrt(len(products))
    seen = lengths > 4 * doubts
    if not seen.any():
        raise NotTried("no answer of one node to another is beyond the noise")
    relative = skew[:, seen] / lengths[seen].sqrt().unsqueeze(-1)  # each input counts alike
    return [squared_size("nodes to one another, skew", relative, 1.0, SKEWED)]


def _response(bench: Bench) -> Tensor:
    """What a current into each of some nodes makes of each of them: (chips, inputs, nodes, nodes)."""
    spec, generator = bench.spec, stream(0, "certificate", "reciprocity")
    x = torch.rand(INPUTS, spec.layers[0].features_in, generator=generator)
    some = [torch.randperm(la.features, generator=generator)[:NODES].tolist() for la in spec.layers]
    nodes = [(layer, node) for layer, chosen in enumerate(some) for node in chosen]
    shape = (len(nodes), *spec.fleet, INPUTS)
    pushes = [torch.zeros(*shape, layer.features, dtype=spec.dtype) for layer in spec.layers]
    for place, (layer, node) in enumerate(nodes):
        pushes[layer][place, ..., node] = PUSH
    taps = bench.taps(x, Probe(nodes=tuple(torch.cat((p, -p)).to(spec.on) for p in pushes)))
    if len(taps) < len(spec.layers):
        raise NotTried("the port shows its last tap alone")
    shown = torch.stack([taps[layer][..., node] for layer, node in nodes], -1)
    return (shown[: len(nodes)] - shown[len(nodes) :]).movedim(0, -2)


def _responses(bench: Bench, kind: Kind, size: float, start: int, stop: int) -> list[Effect]:
    """Effects of probes at one input after another, so that no neuron or diode at its knee decides.

    Two replicates share an input: the product of theirs is the squared size there.
    """
    effects, refused = [], NotTried("no probe has an effect beyond the noise")
    for station in bench.stations:
        probes = _ways(bench, signed_probe(bench, station, kind, size, 1))
        inputs = (_input(bench, station, replicate // 2) for replicate in range(start, stop))
        try:
            shown = torch.stack([bench.read(station, x, probes)[:, 0] for x in inputs])
        except NotTried as error:
            refused = error
            continue
        none, up, down, *pairs = shown.unbind(1)  # (n, nodes) each
        odd = (up - down) / 2
        twice, half, other_half = ((pairs[k] - pairs[k + 1]) / 2 for k in (0, 2, 4))
        products = (odd[0::2] * odd[1::2]).mean(1)
        length, doubt = float(products.mean()), float(products.std()) / math.sqrt(len(products))
        if length <= 4 * doubt:
            continue
        label, scale = f"{station.name}, probes of {kind}", math.sqrt(length)
        effects += [
            squared_size(f"{label}, even part", (up + down) / 2 - none, scale, BENT),
            squared_size(f"{label}, twice the probe", twice - 2 * odd, 2 * scale, BENT),
            squared_size(f"{label}, halves and whole", odd - half - other_half, scale, MIXED),
        ]
    if not effects:
        raise refused
    return effects


def _input(bench: Bench, station: Station, number: int) -> Tensor:  # (1, features_in)
    generator = stream(0, "certificate", "input", station.first, number)
    return torch.rand(1, len(station.x), generator=generator).to(bench.spec.dtype)


def _ways(bench: Bench, probe: Probe) -> Probe:
    """The probe at 0, +1, -1, +2, -2, and either half of it at +1, -1, stacked."""

    def stacked(entry: Tensor) -> Tensor:  # (1, ...) -> (9, ...)
        half = entry * (bench.signs("half", *entry.shape) + 1) / 2
        other_half = entry - half
        return torch.cat(
            (0 * entry, entry, -entry, 2 * entry, -2 * entry, half, -half, other_half, -other_half)
        )

    stack: Probe = tree_map(stacked, probe)
    return stack
