"""Ground truth behind the wall: true knobs, noiseless responses, exact gradients of any device.

For tests and studies only; no learner may import this. Gradients come from autograd through the
device's own functions with silent noise, at the knobs (where a probe's additive input enters) or at
the summing nodes, so they need no code from the device's author.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .chip import Chip
from .port import Probe
from .port import Reading
from .propagation import propagate
from .randomness import Noise
from .spec import Knobs

LossFn = Callable[[Tensor, Any], Tensor]  # (out (..., batch, features), target) -> (..., batch)


def knobs(chip: Chip[Any]) -> Knobs:
    """The true knobs, (*fleet, tiles, rows, cols) each: what a digital copy of the chip would copy."""
    chip.require_alive()
    return tuple(c.knobs.clone() for c in chip._cells)


def respond(
    chip: Chip[Any], x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None
) -> Reading:
    """What the taps would show without any noise. The chip's clock stands still."""
    with torch.no_grad():
        return Reading(_silent(chip, x, probe, first, last))


def knob_gradient(
    chip: Chip[Any], x: Tensor, target: Any, loss: LossFn, *, first: int = 0, last: int | None = None
) -> Knobs:
    """The exact gradient of the batch's mean loss at the knobs of the driven layers."""
    spec = chip.spec.span(first, last)
    offsets = tuple(z.requires_grad_() for z in spec.zeros())
    out = _silent(chip, x.detach(), Probe(knobs=offsets), first, last)[-1]
    total = loss(out, target).mean(-1).sum()  # chips of a fleet do not touch each other
    return _slopes(total, offsets)


def node_gradient(
    chip: Chip[Any], x: Tensor, target: Any, loss: LossFn, *, first: int = 0, last: int | None = None
) -> tuple[Tensor, ...]:
    """The exact gradient of each example's own loss at its summing nodes, (*fleet, batch, features)."""
    spec = chip.spec.span(first, last)
    pushes = tuple(
        torch.zeros(*spec.fleet, x.shape[-2], la.features, dtype=spec.dtype, device=spec.on).requires_grad_()
        for la in spec.layers
    )
    out = _silent(chip, x.detach(), Probe(nodes=pushes), first, last)[-1]
    return _slopes(loss(out, target).sum(), pushes)


def input_gradient(
    chip: Chip[Any], x: Tensor, target: Any, loss: LossFn, *, first: int = 0, last: int | None = None
) -> Tensor:
    """The exact gradient of each example's own loss at what drives the layers, of the shape of x.

    Of an x that all chips of a fleet share, the sum over the chips.
    """
    given = x.detach().clone().requires_grad_()
    out = _silent(chip, given, Probe(), first, last)[-1]
    return _slopes(loss(out, target).sum(), (given,))[0]


def _silent(chip: Chip[Any], x: Tensor, probe: Probe, first: int, last: int | None) -> tuple[Tensor, ...]:
    chip.require_alive()
    spec = chip.spec.span(first, last)
    cells = chip._cells[first : first + len(spec.layers)]
    return propagate(chip.device, spec, cells, x, probe, Noise.none())


def _slopes(total: Tensor, at: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Zero where the device lets nothing through."""
    if not total.requires_grad:
        return tuple(torch.zeros_like(a) for a in at)
    return torch.autograd.grad(total, at, allow_unused=True, materialize_grads=True)
