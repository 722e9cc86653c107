"""Laws of the response: fresh, finite, with the exact gradient that a probe sees, and nobody's memory."""

import math
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from .. import xray
from ..chip import Chip
from ..port import Probe
from ..randomness import Noise
from ..tree import tree_map
from .assertions import cell_fields, require, require_close
from .trial import Bench, Trial, respond

_STEP: Final = 1e-5  # of a central difference
_SHORT_STEP: Final = 1e-7  # of one to either side, over which a curve is straight and a bend is not
_LARGE: Final = 20.0  # times ordinary inputs
_ATTEMPTS: Final = 4  # at inputs without a sum of exactly 0, where a rectifier has no derivative
_LINE: Final = 201  # probes along a line from one side to the other
_REACH: Final = 0.5  # of that line


def check_freshness(trial: Trial) -> None:
    """After a pulse, a program, a probe and ageing, amplifiers and neurons show the knobs as they are."""
    device, none = trial.device, Noise.none()
    for bench in trial.benches():
        cells = bench.cells
        small, large = (trial.like(f"drive {size}", cells.knobs, size) for size in (0.05, 0.5))
        pulsed = device.pulse(cells, small, none)
        aged = device.age(cells, 4e3, none)
        noisy = trial.noise()
        states = {
            "a pulse": (pulsed, device.pulse(pulsed, large, none), device.pulse(aged, small, noisy)),
            "a program": (device.pulse(device.perturb(cells, -cells.knobs), large, none),),
            "ageing": (aged, device.age(pulsed, 1.0, none), device.age(aged, 1e7, noisy)),
            "a probe": (device.perturb(cells, small), device.perturb(device.perturb(cells, small), large)),
        }
        x = trial.inputs(bench, 6)
        for what, after in states.items():
            for state in after:
                fresh = device.perturb(state, torch.zeros_like(small))
                law = f"{bench.name}: after {what} the response is stale; knobs moved, weights did not"
                require_close(respond(device, state, x), respond(device, fresh, x), 1e-9, law)


def check_finite_readings(trial: Trial) -> None:
    """Inputs and sums of 0, of -0.0, of next to nothing and of 10,000 on either side give finite values."""
    for bench in trial.tried():
        knobs = bench.cells.knobs.expand(2, *bench.cells.knobs.shape)
        offsets = {
            "": None,
            ", probed": trial.like("offset", knobs, 0.3),
            ", probed to a knob of 0": -knobs,
            ", probed by 100": trial.like("far", knobs, 100.0),
        }
        for way, offset in offsets.items():
            cells = bench.cells if offset is None else trial.device.perturb(bench.cells, offset)
            for noise in (Noise.none(), trial.noise()):
                for size in (0.0, torch.finfo(knobs.dtype).tiny, 1e4):
                    for value in (size, -size):
                        _finite(trial, bench, cells, value, noise, way)


def _finite(trial: Trial, bench: Bench, cells: Any, value: float, noise: Noise, way: str) -> None:
    device, knobs = trial.device, cells.knobs
    lead = tuple(knobs.shape[: knobs.ndim - 4])
    noise = noise.with_probe_axes(lead, knobs.ndim)
    x, u = (torch.full((*knobs.shape[:-2], 3, n), value, dtype=knobs.dtype) for n in knobs.shape[:-3:-1])
    collected = device.collect(cells, x, noise)
    sensed = device.sense(cells, collected, noise)
    for what, out in (
        (f"collect gave values that are not finite for x = {value:g}", collected),
        (f"sense gave values that are not finite for x = {value:g}", sensed),
        (f"fire gave values that are not finite for x = {value:g}", device.fire(cells, sensed, noise)),
        (f"sense gave values that are not finite for u = {value:g}", device.sense(cells, u, noise)),
        (f"fire gave values that are not finite for u = {value:g}", device.fire(cells, u, noise)),
    ):
        require(bool(torch.isfinite(out).all()), f"{bench.name}: {what}{way}")


def check_slopes_at_zero(trial: Trial) -> None:
    """Slopes at inputs and sums of 0 are finite."""
    bench, none = trial.bench(), Noise.none()
    lead = bench.cells.knobs.shape[:2]
    x, u = (
        torch.zeros(*lead, 3, n, dtype=torch.float64, requires_grad=True)
        for n in (bench.layer.cols, bench.layer.rows)
    )
    stages = {
        "collect": (x, trial.device.collect(bench.cells, x, none)),
        "sense": (u, trial.device.sense(bench.cells, u, none)),
        "fire": (u, trial.device.fire(bench.cells, u, none)),
    }
    for name, (sent, out) in stages.items():
        if out.requires_grad:
            slope = torch.autograd.grad(out, sent, torch.ones_like(out))[0]
            finite = bool(torch.isfinite(slope).all())
            require(finite, f"{bench.name}: the gradient of {name} is not finite at 0")


def check_noiseless_slopes(trial: Trial) -> None:
    """Without noise a read-out has the slope that a probe sees from afar, or none at all, as a comparator."""
    for bench in trial.benches():
        _require_slopes(trial, bench)


def _require_slopes(trial: Trial, bench: Bench) -> None:
    x, cells, none = trial.inputs(bench, 4), bench.cells, Noise.none()
    weights = trial.draw("weights", *x.shape[:-1], bench.layer.rows)
    sums = trial.device.collect(cells, x, none)

    def pushed(offset: Tensor) -> Tensor:
        return _weighted_sum(trial.device.sense(cells, sums + offset, none), weights)

    def probed(offset: Tensor) -> Tensor:
        there = trial.device.perturb(cells, offset)
        collected = trial.device.collect(there, x.expand(len(offset), *x.shape), none)
        return _weighted_sum(trial.device.sense(cells, collected, none), weights)

    lines = {
        "nodes": (trial.like("push", weights), pushed),
        "knobs": (trial.like("aim", cells.knobs), probed),
    }
    for kind, (direction, line) in lines.items():
        change, slopes = _along(direction, line)
        if kind == "nodes" and not bool(slopes.any()):
            break  # a comparator: nobody is told a slope
        require(
            not _jumps(change, slopes),
            f"{bench.name}: without noise the read-out jumps: along probes of the {kind} it changes by "
            f"{change:.3g} and its slopes add up to {_integral(slopes):.3g}; round by "
            "noise.round_to_nearest, or let no slope through at all",
        )


def _along(direction: Tensor, line: Callable[[Tensor], Tensor]) -> tuple[float, Tensor]:
    """The change of a reading along a line of offsets, and its slopes times the steps on the way.

    Args:
        direction: of the line, of any shape.
        line: takes offsets (offsets, *direction.shape), and gives readings (offsets, ...).
    """
    t = torch.linspace(-_REACH, _REACH, _LINE, dtype=torch.float64).requires_grad_()
    shown = line(torch.einsum("t,...->t...", t, direction)).sum(tuple(range(1, direction.ndim)))
    slopes = torch.zeros_like(t)
    if shown.requires_grad:
        slopes = torch.autograd.grad(shown.sum(), t)[0]
    first, *_, last = shown.tolist()
    return last - first, slopes * (2 * _REACH / (_LINE - 1))


def _jumps(change: float, slopes: Tensor) -> bool:
    """Whether a reading changes along a line by something else than its slopes, or a twentieth of them."""
    some = max(0.05 * float(slopes.abs().sum()), 1e-9)
    return not math.isclose(change, _integral(slopes), rel_tol=0.05, abs_tol=some)


def _integral(slopes: Tensor) -> float:
    """The sum of slopes by the rule of trapezoids."""
    first, *_, last = slopes.tolist()
    return float(slopes.sum()) - (first + last) / 2


def check_memory(trial: Trial) -> None:
    """Editing what was read or sent must not reach the cells."""
    chip = trial.chip(2, torch.float32)
    port = chip.port()
    drive = tuple(torch.full(s, 0.01, dtype=chip.spec.dtype) for s in chip.spec.shapes)
    port.pulse(drive)
    x = trial.draw("x", 6, trial.layers[0].features_in, dtype=torch.float32)
    cells = {
        cell.untyped_storage().data_ptr(): f"layer {i}: cells.{name}"
        for i in range(len(trial.layers))
        for name, cell in cell_fields(chip, i).items()
    }
    for tensor in (*drive, *port.measure(x).taps, x):
        shared = cells.get(tensor.untyped_storage().data_ptr())
        require(shared is None, f"{shared} shares memory with what went over the wires")
        require(not tensor.requires_grad, "a wire returned something with a gradient")


def check_gradients(trial: Trial) -> None:
    """Exact gradients agree with central differences of the noiseless chip (or all are zero: a converter)."""
    chip = trial.chip(5)
    batches = [trial.draw(f"x{k or ''}", 3, trial.layers[0].features_in) for k in range(_ATTEMPTS)]
    x, *_ = batches
    weights = trial.draw("target", 3, trial.layers[-1].features)
    zeros = torch.zeros_like(x).copysign(x)  # of either sign
    for kind, black in (
        ("knobs", xray.knob_gradient(chip, zeros, weights, _weighted_sum)),
        ("nodes", xray.node_gradient(chip, zeros, weights, _weighted_sum)),
    ):
        finite = all(bool(torch.isfinite(g).all()) for g in black)
        require(finite, f"the exact gradient at {kind} is not finite for inputs of 0")
    *several, last = batches
    if not any(_check_slopes(trial, chip, batch, weights, spared=True) for batch in several):
        _check_slopes(trial, chip, last, weights, spared=False)
    _check_slopes(trial, chip, _LARGE * x, weights, f", of inputs {_LARGE:g} times as large", spared=True)


def _check_slopes(
    trial: Trial, chip: Chip, x: Tensor, weights: Tensor, how: str = "", *, spared: bool
) -> bool:
    """Whether the loss had a derivative along all probes; if `spared`, it is not asked for where not."""
    gradients = {
        "knobs": tuple(3 * g for g in xray.knob_gradient(chip, x, weights, _weighted_sum)),  # over examples
        "nodes": xray.node_gradient(chip, x, weights, _weighted_sum),
    }
    smooth = True
    for kind, gradient in gradients.items():
        require(
            all(bool(torch.isfinite(g).all()) for g in gradient),
            f"the exact gradient at {kind} is not finite{how}",
        )
        for i, g in enumerate(gradient):
            direction = trial.draw(f"{kind}{i}", *g.shape)
            probe = Probe(**{kind: (direction,)}).padded(before=i, after=len(trial.layers) - 1 - i)
            law = f"layer {i}: gradient at the {kind}{how}"
            found = _check_gradient(
                chip, (x, weights), probe, (g * direction).sum(), law, alive=not how, spared=spared
            )
            smooth = smooth and found
    return smooth


def _check_gradient(
    chip: Chip,
    batch: tuple[Tensor, Tensor],
    probe: Probe,
    expected: Tensor,
    law: str,
    *,
    alive: bool,
    spared: bool,
) -> bool:
    """The loss changes along a probe as the gradient says; if `alive`, a large probe changes it at all.

    Returns:
        Whether the loss has a derivative there; if `spared`, none is asked for where it has none.
    """

    def difference(size: float, below: float | None = None) -> float:
        """How far the loss under the probe times `size` lies above that under it times `below`, or -size."""
        x, weights = batch
        sizes = (size, -size if below is None else below)
        probes = (tree_map(lambda entry, s=s: s * entry, probe) for s in sizes)
        high, low = (_weighted_sum(xray.respond(chip, x, p).out, weights).sum() for p in probes)
        return float(high - low)

    if bool(expected.any()):
        right, left = difference(_SHORT_STEP, 0.0), difference(0.0, -_SHORT_STEP)
        bent = _is_kink(right, left)
        if spared and bent:
            return False  # as where all that drives a rectifier is silent, or all amplifiers saturate
        step = _STEP
        if _is_kink(difference(_STEP, 0.0), difference(0.0, -_STEP)):
            step = _SHORT_STEP  # a bend is near, and beyond the short one
        slope = torch.tensor(difference(step) / (2 * step), dtype=torch.float64)
        if bent:  # at every input, as where a neuron has no weight; the slope is one between those beside
            slope = expected.clamp(*sorted((right / _SHORT_STEP, left / _SHORT_STEP)))
        require_close(slope, expected, 1e-4, law)
    else:  # a converter rounds: every gradient is zero, and only a finite probe shows an effect
        require(difference(1e-9) == 0, f"{law} is zero by autograd, and is not by differences")
        shows = not alive or any(difference(s * size, 0.0) != 0 for size in (1.0, 5.0, 30.0) for s in (1, -1))
        require(shows, f"{law}: a probe changes nothing, so nothing can be learned")
    return True


def _is_kink(right: float, left: float) -> bool:
    """Whether changes over one small step on either side are those of a line that is bent there."""
    return not math.isclose(right, left, rel_tol=5e-5)


def _weighted_sum(out: Tensor, weights: Tensor) -> Tensor:
    """A loss whose gradient at the outputs is given: (..., batch, features) -> (..., batch)."""
    return torch.einsum("...f,...f->...", out, weights)
