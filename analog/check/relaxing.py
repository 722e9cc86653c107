"""Laws of devices that relax: what comes back belongs to what went up, and chips settle."""

from typing import Final

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Noise
from ..relaxation import unsettled
from .assertions import require
from .trial import Bench, Trial

_TOLERANCE: Final = 1e-9  # of the adjoint, in float64
_UNSETTLED: Final = 0.1  # share of the output that may be missing when a fresh chip is read


def check_relaxing(trial: Trial) -> None:
    """A device that relaxes sends back the adjoint of what it collects, loads nodes and settles."""
    device, none = trial.device, Noise.none()
    if not device.settling:
        kind = device.synapse == "one-way"
        require(kind, f"synapse is {device.synapse!r} although the device does not relax; state `settling`")
        return
    require(device.synapse != "one-way", "the device relaxes, and its synapse is 'one-way'; state its energy")
    for bench in trial.benches():
        lead = (*bench.cells.knobs.shape[:2], 5)
        x, y = (trial.draw(f"states {n}", *lead, n) for n in (bench.layer.cols, bench.layer.rows))
        up = device.collect(bench.cells, x, none) - device.collect(bench.cells, torch.zeros_like(x), none)
        back = device.reflect(bench.cells, y, none)
        require(back is not None, f"{bench.name}: the device relaxes, and reflect gives nothing back")
        assert back is not None
        require(bool(back.isfinite().all()), f"{bench.name}: reflect gave values that are not finite")
        sent, returned = (y * up).sum(), (x * back).sum()
        alike = abs(float(sent - returned)) <= _TOLERANCE * float((y * up).abs().sum())
        require(
            alike or not device.reciprocal,
            f"{bench.name}: reflect is not the adjoint of collect (<y, collect x> is {float(sent):.6g}, "
            f"<reflect y, x> {float(returned):.6g}); mend it, or say so by `reciprocal`",
        )
        _check_loads(device, bench, x, y)
    _check_settling(trial)


def _check_loads(device: Device, bench: Bench, x: Tensor, y: Tensor) -> None:
    """Require that nodes are loaded by finite conductances from 0, at their states as well as at rest."""
    loads = device.shunt(bench.cells)
    above, below = device.chord_above(bench.cells, y), device.chord_below(bench.cells, x)
    require(
        (above is None) == (below is None),
        f"{bench.name}: chord_above and chord_below must both say how nodes are loaded, or neither",
    )
    for where, load, nodes in zip(("above", "below"), loads or (), (y, x), strict=False):
        wide = (1, nodes.shape[-1])
        fits = load.shape[-2:] == wide and bool((load >= 0).all()) and bool(load.isfinite().all())
        require(
            fits, f"{bench.name}: shunt lays on the nodes {where} no finite load (..., 1, {wide[1]}) from 0"
        )
    if above is None or below is None:
        return
    for where, load in (("above", above), ("below", below)):
        fits = bool((load >= 0).all()) and bool(load.isfinite().all())
        require(fits, f"{bench.name}: chord_{where} lays on the nodes {where} no finite load from 0")
    rest_above, rest_below = torch.zeros_like(y), torch.zeros_like(x)
    at_rest = device.chord_above(bench.cells, rest_above), device.chord_below(bench.cells, rest_below)
    for where, load, rest in zip(("above", "below"), loads or (), at_rest, strict=False):
        alike = rest is not None and torch.allclose(rest, load, rtol=_TOLERANCE, atol=0.0)
        require(alike, f"{bench.name}: at rest, chord_{where} loads the nodes {where} otherwise than shunt")


def _check_settling(trial: Trial) -> None:
    """Require that most fresh chips are about settled when they are read; a few may stand on the brink."""
    chip = trial.chip(range(3, 14))
    x = trial.draw("x of a life", 6, chip.spec.layers[0].features_in)
    missing = float(unsettled(trial.device, chip.spec, chip._cells, x).median())
    require(
        missing <= _UNSETTLED,
        f"chips do not settle: after settling = {trial.device.settling} the output of a fresh one is "
        f"{missing:.0%} away from where it ends; wait longer, or let neurons saturate",
    )
