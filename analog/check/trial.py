"""What every law is tried with: a fleet on the bench, numbers to send, and noise of several kinds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from ..chip import Chip
from ..device import Device
from ..layers.crossbar import Layer
from ..randomness import Noise
from ..streams import stream
from ..tree import tree_map

AXES: Final = {"examples": -2, "tiles": -3, "chips": -4, "probes": -5}  # of what is sent and of what comes
ONE: Final = {"examples": "example", "tiles": "tile", "chips": "chip", "probes": "probe"}

FLEET: Final = 3  # chips of a bench, if not many of them are wanted


class Bench(NamedTuple):
    """One layer of a fleet."""

    name: str  # "layer 0"
    layer: Layer
    cells: Any  # (chips, tiles, ...)


@dataclass(frozen=True)
class Trial:
    """A device, the layers of the chips that it is tried with, and which numbers are drawn."""

    device: Device
    layers: tuple[Layer, ...]
    seed: int = 0
    noisy_dtype: torch.dtype = torch.float64  # of the cells whose noise is judged
    _newborn: dict[tuple[int, torch.dtype], tuple[Any, ...]] = field(default_factory=dict)

    def chip(self, who: Any, dtype: torch.dtype = torch.float64) -> Chip:
        """Fabricate a chip or a fleet."""
        return Chip(self.device, self.layers, who, dtype=dtype)

    def benches(self, dtype: torch.dtype = torch.float64, chips: int = FLEET) -> Iterator[Bench]:
        """Go through the layers of a fleet of different chips, made once; every bench has a copy."""
        if (chips, dtype) not in self._newborn:
            self._newborn[chips, dtype] = self.chip(range(3, 3 + chips), dtype)._cells
        for i, cells in enumerate(self._newborn[chips, dtype]):
            yield Bench(f"layer {i}", self.layers[i], tree_map(torch.clone, cells))

    def bench(self, dtype: torch.dtype = torch.float64, chips: int = FLEET) -> Bench:
        """The layer of most cells: one is enough where a device cannot know which layer it works in."""
        return max(self.benches(dtype, chips), key=lambda bench: bench.cells.knobs.numel())

    def tried(self) -> Iterator[Bench]:
        """Every layer in single precision, and the largest in double."""
        yield from self.benches(torch.float32)
        yield self.bench()

    def draw(self, name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Standard normal numbers of that shape, the same ones under one name."""
        generator = stream(self.seed, "check", name)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    def like(self, name: str, tensor: Tensor, size: float = 1.0) -> Tensor:
        """Normal numbers of that size, of the shape and dtype of a tensor, the same under one name."""
        return size * self.draw(name, *tensor.shape, dtype=tensor.dtype)

    def inputs(self, bench: Bench, examples: int, name: str = "x") -> Tensor:
        """Normal numbers to drive a bench with, (chips, tiles, examples, cols), the same under one name."""
        chips, tiles, _, cols = bench.cells.knobs.shape
        return self.draw(name, chips, tiles, examples, cols, dtype=bench.cells.knobs.dtype)

    def noise(self, name: str = "") -> Noise:
        """Noise of the ordinary kind."""
        return Noise(stream(self.seed, "check noise", name))

    def uncoupled(self, *axes: str) -> list[str]:
        """Those of the axes along which the device says nothing of coupling."""
        return [axis for axis in axes if axis not in self.device.couples]


class AlikeNoise(Noise):
    """Noise whose draws depend on the place along the last axis alone, alike for everybody."""

    def __init__(self, seed: int, lead: tuple[int, ...] = (), rank: int = 0) -> None:
        super().__init__(stream(seed, "check alike"), lead, rank)
        self._seed = seed
        self._drawn: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def with_probe_axes(self, lead: tuple[int, ...], rank: int) -> "AlikeNoise":
        same = type(self)(self._seed, lead, rank)
        same._drawn = self._drawn
        return same

    def normal(self, like: Tensor) -> Tensor:  # ([*lead,] *like.shape)
        return self._once(like, torch.randn)

    def uniform(self, like: Tensor) -> Tensor:  # ([*lead,] *like.shape)
        return self._once(like, torch.rand)

    def _once(self, like: Tensor, draw: Callable[..., Tensor]) -> Tensor:
        shape = self._shape(like)
        size = self._size(shape)
        if (draw.__name__, size) not in self._drawn:
            generator = stream(self._seed, "check fixed noise")
            self._drawn[draw.__name__, size] = draw(size, generator=generator, dtype=torch.float64)
        return self._drawn[draw.__name__, size].to(like).expand(shape)

    @staticmethod
    def _size(shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape[-1:]


class FrozenNoise(AlikeNoise):
    """Noise of its own for everybody, the same whenever as many numbers are asked for."""

    @staticmethod
    def _size(shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape


class Scene(NamedTuple):
    """One use of a layer: its cells, a probe's offset, and what is sent."""

    cells: Any  # (chips, tiles, ...)
    offset: Tensor | None  # (probes, chips, tiles, rows, cols)
    sent: Tensor  # ([probes,] chips, tiles, examples, rows or cols), or a drive

    def take(self, axis: str, index: list[int]) -> "Scene":
        """The scene of some along an axis, in this order."""

        def some(tensor: Tensor) -> Tensor:
            return tensor.index_select(AXES[axis] % tensor.ndim, torch.tensor(index))

        offset = self.offset if self.offset is None or axis == "examples" else some(self.offset)
        return Scene(self._cells(axis, index), offset, some(self.sent))

    def _cells(self, axis: str, index: list[int]) -> Any:
        """The cells of some chips, or of some tiles, whose fields have their axis second."""
        tiles = self.cells.knobs.shape[1]

        def some_tiles(leaf: Tensor) -> Tensor:
            if leaf.ndim < 2 or leaf.shape[1] % tiles:
                return leaf
            return leaf.unflatten(1, (tiles, -1))[:, index].flatten(1, 2)  # a tile may be made of several

        if axis == "chips":
            return tree_map(lambda leaf: leaf[index], self.cells)
        return tree_map(some_tiles, self.cells) if axis == "tiles" else self.cells

    def lone(self, chip: int) -> "Scene":
        """The scene of one chip without a fleet's axis."""
        cells = tree_map(lambda leaf: leaf[chip], self.cells)
        offset = None if self.offset is None else self.offset.select(AXES["chips"], chip)
        return Scene(cells, offset, self.sent.select(AXES["chips"], chip))

    def beside_others(self, axis: str, kept: int, size: float) -> "Scene":
        """The scene in which all but one along an axis are others, and are sent something else, and more."""

        def others(tensor: Tensor) -> Tensor:
            changed = 5 - size * tensor
            place = torch.arange(tensor.shape[AXES[axis]]) == kept
            place = place.reshape(-1, *(1,) * (-AXES[axis] - 1))
            return torch.where(place, tensor, changed)

        count = self.sent.shape[AXES[axis]]
        rolled = [kept if i == kept else i - 1 for i in range(count)]
        cells = tree_map(lambda leaf: leaf[rolled], self.cells) if axis == "chips" else self.cells
        offset = self.offset if self.offset is None or axis == "examples" else others(self.offset)
        return Scene(cells, offset, others(self.sent))

    def unflattened(self, probes: tuple[int, ...]) -> "Scene":
        """The scene with several axes of probes in place of one."""
        offset = None if self.offset is None else self.offset.unflatten(0, probes)
        return Scene(self.cells, offset, self.sent.unflatten(0, probes))

    def through(
        self, device: Device, stage: str, noise: Noise, lead: tuple[int, ...] | None = None
    ) -> Tensor:
        """Read one stage of a layer: (*probes, chips, tiles, examples, rows).

        Args:
            lead: the probe axes, where what is sent does not carry them yet.
        """
        cells = self.cells if self.offset is None else device.perturb(self.cells, self.offset)
        bare = self.cells.knobs.ndim
        lead = tuple(self.sent.shape[: self.sent.ndim - bare]) if lead is None else lead
        noise = noise.with_probe_axes(lead, len(lead) + bare)
        stages: dict[str, Callable[[Any, Tensor, Noise], Tensor]] = {
            "collect": device.collect,
            "sense": device.sense,
            "fire": device.fire,
        }
        return stages[stage](cells, self.sent, noise)


def scenes(
    trial: Trial, bench: Bench, stage: str, *, examples: int = 4, probes: int = 4, size: float = 1.0
) -> dict[str, Scene]:
    """The scenes of one stage of a reading: without a probe, with one at the nodes, with one of the knobs.

    Args:
        size: of what is sent.
    """
    chips, layer = bench.cells.knobs.shape[0], bench.layer
    wide = layer.cols if stage == "collect" else layer.rows
    dtype = bench.cells.knobs.dtype
    sent = size * trial.draw(f"{stage} sent", probes, chips, layer.tiles, examples, wide, dtype=dtype)
    offset = trial.like("offset", bench.cells.knobs.expand(probes, *bench.cells.knobs.shape), 0.3)
    first, *_ = sent
    plain = Scene(bench.cells, None, first)
    return {
        "": plain,
        " with probes": plain._replace(sent=sent),
        " with probes of the knobs": Scene(bench.cells, offset, sent),
    }


def copies(cells: Any, count: int) -> Any:
    """A fleet of chips, so many times over."""
    return tree_map(lambda leaf: torch.cat([leaf] * count), cells)


def like_first(cells: Any) -> Any:
    """A fleet of as many chips that are all like the first."""
    return tree_map(lambda leaf: leaf.narrow(0, 0, 1).expand_as(leaf).clone(), cells)


def first_of(cells: Any) -> Any:
    """The first chip of a fleet, or of a fleet of fleets, alone."""
    return tree_map(lambda leaf: next(iter(leaf)), cells)


def respond(device: Device, cells: Any, x: Tensor, noise: Noise | None = None) -> Tensor:
    """Read a layer for x (*fleet, tiles, examples, cols), sensed and fired, side by side."""
    noise = noise or Noise.none()
    u = device.sense(cells, device.collect(cells, x, noise), noise)
    return torch.cat((u, device.fire(cells, u, noise)), -1)
