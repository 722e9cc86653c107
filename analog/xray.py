"""Ground truth behind the wall: true knobs, noiseless responses, exact gradients of any device.

For tests and studies only; no learner may import this. Gradients come from autograd through the
device's own functions without noise, at the knobs (where a probe's additive input enters) or at
the summing nodes, so they need no code from the device's author.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .chip import Chip
from .port import Probe, Reading
from .propagation import propagate
from .randomness import Noise
from .relaxation import unsettled as _unsettled
from .spec import Knobs

LossFn = Callable[[Tensor, Any], Tensor]  # (out (..., batch, features), target) -> (..., batch)


def knobs(chip: Chip) -> Knobs:
    """The true knobs, (*fleet, tiles, rows, cols) each: what a digital copy of the chip would copy.

    Those of a dead chip among chips that live apart mean nothing.

    Raises:
        Dead: the chip has died.
    """
    chip.require_alive()
    return tuple(c.knobs.clone() for c in chip._cells)


def respond(
    chip: Chip, x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None
) -> Reading:
    """The reading that a measurement would give without any noise; the chip's clock stands still.

    Args and returned taps are those of a port's `measure`, x (..., batch, features_in).
    """
    with torch.no_grad():
        return Reading(_noiseless(chip, x, probe, first, last))


def unsettled(chip: Chip, x: Tensor) -> Tensor:
    """How far outputs are from where they would settle in the end, relative to it, without noise: (*fleet,).

    Args:
        chip: one that relaxes; of others it is 0.
        x: (..., batch, features_in).
    """
    chip.require_alive()
    with torch.no_grad():
        if not chip.device.settling:
            return x.new_zeros(chip.spec.fleet)
        return _unsettled(chip.device, chip.spec, chip._cells, x)


def knob_gradient(
    chip: Chip, x: Tensor, target: Any, loss: LossFn, *, first: int = 0, last: int | None = None
) -> Knobs:
    """The exact gradient of the batch's mean loss at the knobs of the driven layers.

    Args:
        x: (..., batch, features_in)
        loss: (out, target) -> (..., batch)

    Returns:
        One (*fleet, tiles, rows, cols) for each driven layer.
    """
    spec = chip.spec.span(first, last)
    offsets = tuple(z.requires_grad_() for z in spec.zeros())
    out = _noiseless(chip, x.detach(), Probe(knobs=offsets), first, last)[-1]
    total = loss(out, target).mean(-1).sum()  # chips of a fleet do not touch each other
    return _gradients(total, offsets)


def node_gradient(
    chip: Chip, x: Tensor, target: Any, loss: LossFn, *, first: int = 0, last: int | None = None
) -> tuple[Tensor, ...]:
    """The exact gradient of each example's loss at its summing nodes, (*fleet, batch, features) each."""
    spec = chip.spec.span(first, last)
    pushes = tuple(
        torch.zeros(*spec.fleet, x.shape[-2], la.features, dtype=spec.dtype, device=spec.on).requires_grad_()
        for la in spec.layers
    )
    out = _noiseless(chip, x.detach(), Probe(nodes=pushes), first, last)[-1]
    return _gradients(loss(out, target).sum(), pushes)


def input_gradient(
    chip: Chip, x: Tensor, target: Any, loss: LossFn, *, first: int = 0, last: int | None = None
) -> Tensor:
    """The exact gradient of each example's loss at what drives the layers, of the shape of x.

    Of an x that all chips of a fleet share, the sum over the chips.
    """
    inputs = x.detach().clone().requires_grad_()
    out = _noiseless(chip, inputs, Probe(), first, last)[-1]
    return _gradients(loss(out, target).sum(), (inputs,))[0]


def _noiseless(chip: Chip, x: Tensor, probe: Probe, first: int, last: int | None) -> tuple[Tensor, ...]:
    chip.require_alive()
    spec = chip.spec.span(first, last)
    cells = chip._cells[first : first + len(spec.layers)]
    return propagate(chip.device, spec, cells, x, probe, Noise.none())


def _gradients(total: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The gradient of a sum at its inputs, 0 where the device lets nothing through."""
    if not total.requires_grad:
        return tuple(torch.zeros_like(each) for each in inputs)
    return torch.autograd.grad(total, inputs, allow_unused=True, materialize_grads=True)
