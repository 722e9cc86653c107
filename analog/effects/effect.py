"""What all effects have in common: they hold a device and are one, and pass on what they leave alone."""

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

from torch import Tensor

from ..costs import Costs
from ..device import Cells, Device, S, stated_weights
from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..spec import Synapse

C = TypeVar("C", bound=Cells)


class Effect(Device[C], Generic[C, S]):
    """A device around a device. An effect is a frozen dataclass with a field `device` and scalars; its
    cells hold the device's cells and perhaps tensors of their own.

    Raises:
        ValueError: a parameter is out of its range; or the device relaxes and the effect is one-way.
    """

    device: Device[S]
    one_way: ClassVar[bool] = False  # whether what it does to signals has no way back

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.one_way and self.device.settling:
            raise ValueError(
                f"{type(self).__name__}: {type(self.device).__name__} relaxes; this effect has no way back"
            )

    @abstractmethod
    def inner(self, cells: C) -> S:
        """The cells of the device that is wrapped."""
        ...

    @abstractmethod
    def outer(self, cells: C, inner: S) -> C:
        """`cells` with those of the wrapped device replaced."""
        ...

    @property
    def costs(self) -> Costs:
        return self.device.costs

    @property
    def couples(self) -> frozenset[str]:
        return self.device.couples

    @property
    def settling(self) -> int:
        return self.device.settling

    @property
    def synapse(self) -> Synapse:
        return self.device.synapse

    @property
    def reciprocal(self) -> bool:
        return self.device.reciprocal

    def pulse(self, cells: C, drive: Tensor, noise: Noise) -> C:
        return self.outer(cells, self.device.pulse(self.inner(cells), drive, noise))

    def perturb(self, cells: C, offset: Tensor) -> C:
        return self.outer(cells, self.device.perturb(self.inner(cells), offset))

    def collect(self, cells: C, x: Tensor, noise: Noise) -> Tensor:
        return self.device.collect(self.inner(cells), x, noise)

    def weights(self, cells: C) -> Tensor | None:
        return stated_weights(self.device, self.inner(cells))

    def reflect(self, cells: C, y: Tensor, noise: Noise) -> Tensor | None:
        return self.device.reflect(self.inner(cells), y, noise)

    def shunt(self, cells: C) -> tuple[Tensor, Tensor] | None:
        return self.device.shunt(self.inner(cells))

    def chord_above(self, cells: C, y: Tensor) -> Tensor | None:
        return self.device.chord_above(self.inner(cells), y)

    def chord_below(self, cells: C, x: Tensor) -> Tensor | None:
        return self.device.chord_below(self.inner(cells), x)

    def sense(self, cells: C, u: Tensor, noise: Noise) -> Tensor:
        return self.device.sense(self.inner(cells), u, noise)

    def fire(self, cells: C, u: Tensor, noise: Noise) -> Tensor:
        return self.device.fire(self.inner(cells), u, noise)

    def age(self, cells: C, seconds: float, noise: Noise) -> C:
        return self.outer(cells, self.device.age(self.inner(cells), seconds, noise))

    def worn_out(self, cells: C) -> Tensor | None:
        return self.device.worn_out(self.inner(cells))

    def bounds(self, cells: C) -> tuple[Tensor, Tensor] | None:
        return self.device.bounds(self.inner(cells))

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        return self.device.default_plan(cells)


class StatelessEffect(Effect[S, S]):
    """An effect whose cells are just those of the device."""

    def inner(self, cells: S) -> S:
        return cells

    def outer(self, cells: S, inner: S) -> S:
        del cells  # nothing of our own to keep
        return inner

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> S:
        return self.device.fabricate(rows, cols, birth)
