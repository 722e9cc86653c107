"""Laws of readings: whose noise is whose, whose memory, and the exact gradient."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Generator, Tensor

from .. import xray
from ..chip import Chip
from ..device import Device
from ..layers.crossbar import Layer
from ..port import Probe
from ..propagation import propagate
from ..randomness import Noise
from ..streams import stream
from ..tree import tree_map
from .assertions import cell_fields, clone_fields, draw, require, require_close, require_equal

_STEP: Final = 1e-5  # of a central difference


def check_noise(device: Device, layers: tuple[Layer, ...]) -> None:
    """Every chip of a fleet and every probe has noise of its own, and a probe leaves no trace."""
    chip = Chip(device, layers, (1, 1))
    spec = chip.spec
    for i, cells in enumerate(chip._cells):
        noise = _RecordingNoise(stream(0, "check"))
        device.pulse(cells, 0.05 * draw(spec, "drive", *spec.shapes[i]), noise)
        for shape in noise.drawn:
            require(shape[:1] == (2,), f"layer {i}: two chips of a fleet share write noise drawn as {shape}")
        alone = spec.span(i, i)
        x = draw(spec, "x", 6, layers[i].features_in)
        ways = {
            "a probe of knobs": (x, Probe(knobs=(torch.zeros(3, *spec.shapes[i], dtype=spec.dtype),))),
            "a probe of nodes": (x, Probe(nodes=(x.new_zeros(3, 2, 6, layers[i].features),))),
            "x with probe axes": (x.expand(3, 2, *x.shape), Probe()),
        }
        for way, (sent, probe) in ways.items():
            before, noise = clone_fields(cell_fields(chip, i)), _RecordingNoise(stream(0, "check"))
            propagate(device, alone, (cells,), sent, probe, noise)
            for shape in noise.drawn:
                require(
                    shape[:2] == (3, 2),
                    f"layer {i}: with {way}, 3 probes of 2 chips share noise drawn as {shape}",
                )
            for name, cell in cell_fields(chip, i).items():
                require_equal(cell, before[name], f"layer {i}: {way} changed cells.{name}")


class _RecordingNoise(Noise):
    """Dice that remember the shape of every draw."""

    def __init__(
        self,
        generator: Generator | Sequence[Generator] | None,
        lead: tuple[int, ...] = (),
        rank: int = 0,
        drawn: list[tuple[int, ...]] | None = None,
    ) -> None:
        super().__init__(generator, lead, rank)
        self.drawn: list[tuple[int, ...]] = [] if drawn is None else drawn

    def with_probe_axes(self, lead: tuple[int, ...], rank: int) -> "_RecordingNoise":
        return _RecordingNoise(self._generator, lead, rank, self.drawn)

    def _shape(self, like: Tensor) -> tuple[int, ...]:
        self.drawn.append(super()._shape(like))
        return self.drawn[-1]


def check_examples(device: Device, layers: tuple[Layer, ...]) -> None:
    """Every example of a batch has noise of its own, and so has every chip of a fleet."""
    chip = Chip(device, layers, (1, 1), dtype=torch.float64)  # twins, driven alike: only noise differs
    for i, (cells, layer) in enumerate(zip(chip._cells, layers, strict=True)):
        x = draw(chip.spec, "x", 1, layer.tiles, 64, layer.cols).expand(2, layer.tiles, 64, layer.cols)
        u = draw(chip.spec, "u", 1, layer.tiles, 1, layer.rows).expand(2, layer.tiles, 64, layer.rows)
        stages: dict[str, tuple[Callable[[Any, Tensor, Noise], Tensor], Tensor]] = {
            "collect": (device.collect, x),  # noise in cells acts on different inputs differently
            "sense": (device.sense, u),
            "fire": (device.fire, u),
        }
        for name, (call, sent) in stages.items():
            heard = _RecordingNoise(stream(0, "check"))
            call(cells, sent, heard)
            baseline = call(cells, sent, _SingleDraw(stream(0, "check"), -1))  # converters round here too
            for k, shape in enumerate(heard.drawn):
                effect = call(cells, sent, _SingleDraw(stream(0, "check"), k)) - baseline
                for who, first in (
                    ("example of a batch", effect[..., :1, :]),
                    ("chip of a fleet", effect[:1]),
                ):
                    spread = float((effect - first).abs().max())
                    require(
                        spread > 1e-9 * float(effect.abs().max()) or not bool(effect.any()),
                        f"layer {i}: {name} draws noise as {shape} and gives every {who} the same; "
                        "draw it like the activity, as in noise.normal(u)",
                    )


class _SingleDraw(Noise):
    """Noise that is none but for one draw."""

    def __init__(self, generator: Generator, live: int) -> None:
        super().__init__(generator)
        self._wait = live

    def normal(self, like: Tensor) -> Tensor:
        return super().normal(like) if self._turn() else Noise.none().normal(like)

    def uniform(self, like: Tensor) -> Tensor:
        return super().uniform(like) if self._turn() else Noise.none().uniform(like)

    def _turn(self) -> bool:
        self._wait -= 1
        return self._wait == -1


def check_memory(device: Device, layers: tuple[Layer, ...]) -> None:
    """Editing what was read or sent must not reach the cells."""
    chip = Chip(device, layers, 2)
    port = chip.port()
    drive = tuple(torch.full(s, 0.01, dtype=chip.spec.dtype) for s in chip.spec.shapes)
    port.pulse(drive)
    x = draw(chip.spec, "x", 6, layers[0].features_in)
    cells = {
        cell.untyped_storage().data_ptr(): f"layer {i}: cells.{name}"
        for i in range(len(layers))
        for name, cell in cell_fields(chip, i).items()
    }
    for tensor in (*drive, *port.measure(x).taps, x):
        shared = cells.get(tensor.untyped_storage().data_ptr())
        require(shared is None, f"{shared} shares memory with what went over the wires")
        require(not tensor.requires_grad, "a wire returned something with a gradient")


def check_gradients(device: Device, layers: tuple[Layer, ...]) -> None:
    """Exact gradients agree with central differences of the noiseless chip (or all are zero: a converter)."""
    chip = Chip(device, layers, 5, dtype=torch.float64)
    x = draw(chip.spec, "x", 3, layers[0].features_in)
    weights = draw(chip.spec, "target", 3, layers[-1].features)
    gradients = {
        "knobs": tuple(3 * g for g in xray.knob_gradient(chip, x, weights, _weighted_sum)),  # over examples
        "nodes": xray.node_gradient(chip, x, weights, _weighted_sum),
    }
    for kind, gradient in gradients.items():
        require(
            all(bool(torch.isfinite(g).all()) for g in gradient),
            f"the exact gradient at {kind} is not finite",
        )
        for i, g in enumerate(gradient):
            direction = draw(chip.spec, f"{kind}{i}", *g.shape)
            probe = Probe(**{kind: (direction,)}).padded(before=i, after=len(layers) - 1 - i)
            _check_gradient(
                chip, (x, weights), probe, (g * direction).sum(), f"layer {i}: gradient at the {kind}"
            )


def _check_gradient(
    chip: Chip, batch: tuple[Tensor, Tensor], probe: Probe, expected: Tensor, law: str
) -> None:
    """The loss changes along a probe as the gradient says."""

    def difference(size: float) -> float:
        """How far the loss under the probe times +size lies above that under -size."""
        x, weights = batch
        probes = (tree_map(lambda entry, s=s: s * entry, probe) for s in (size, -size))
        high, low = (_weighted_sum(xray.respond(chip, x, p).out, weights).sum() for p in probes)
        return float(high - low)

    if bool(expected.any()):
        slope = torch.tensor(difference(_STEP) / (2 * _STEP), dtype=torch.float64)
        require_close(slope, expected, 1e-4, law)
    else:  # a converter rounds: every gradient is zero, and only a finite probe shows an effect
        require(difference(1e-9) == 0, f"{law} is zero by autograd, and is not by differences")
        require(difference(1.0) != 0, f"{law}: a probe changes nothing, so nothing can be learned")


def _weighted_sum(out: Tensor, weights: Tensor) -> Tensor:
    """A loss whose gradient at the outputs is given: (..., batch, features) -> (..., batch)."""
    return (out * weights).sum(-1)
