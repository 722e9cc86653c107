"""The Device protocol: the physics of one technology, which is what a user writes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any
from typing import Protocol
from typing import TypeVar

from torch import Tensor

from .randomness import Fabrication
from .randomness import Noise
from .spec import Costs


class Cells(Protocol):
    """What the chip really holds in one layer: a NamedTuple of tensors, one field called `knobs`.

    A device that wraps another holds that one's cells as a field, and shows their knobs as a property.
    Tensors keep their names, shapes and dtypes through life.

    `knobs` (*fleet, tiles, rows, cols) is where the additive input of a probe enters, what `program`
    sets, and what anybody who copies a chip's weights would copy.
    """

    @property
    def knobs(self) -> Tensor: ...
    @property
    def _replace(self) -> Callable[..., Any]: ...


S = TypeVar("S", bound=Cells)


class Device(Protocol[S]):
    """Pure functions of one technology over its cells; leading axes are (*probes, *fleet, tiles).

    Device code never indexes, counts or loops over leading axes, and alters none of its arguments.
    Write a frozen dataclass of scalars (with units) that subclasses `Device[YourCells]`; what is not
    needed keeps its default. `analog.check_device` says whether a device keeps the contract.
    """

    @property
    def costs(self) -> Costs:
        """Seconds and joules per reading and per pulse."""
        return Costs()

    @abstractmethod
    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> S:
        """One layer's cells as the factory delivers them (knobs not all equal, or nothing can learn)."""
        ...

    @abstractmethod
    def pulse(self, cells: S, drive: Tensor, noise: Noise) -> S:
        """Change knobs by about `drive` (*fleet, tiles, rows, cols); a drive of 0 changes nothing."""
        ...

    def perturb(self, cells: S, offset: Tensor) -> S:
        """The cells as they work while `offset` (*probes, *fleet, tiles, rows, cols) adds to the knobs."""
        nudged: S = cells._replace(knobs=cells.knobs + offset)
        return nudged

    @abstractmethod
    def collect(self, cells: S, x: Tensor, noise: Noise) -> Tensor:
        """Synapses to summing nodes: x (..., n, cols) -> (..., n, rows)."""
        ...

    def sense(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        """Amplifier and converter of every layer: (..., n, rows) -> the same."""
        del cells, noise  # a perfect amplifier
        return u

    @abstractmethod
    def fire(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        """Neurons of hidden layers: (..., n, rows) -> the same."""
        ...

    def age(self, cells: S, seconds: float, noise: Noise) -> S:
        """The cells after `seconds` have passed on the chip's clock."""
        del seconds, noise  # does not age
        return cells

    def worn_out(self, cells: S) -> Tensor | None:
        """Which chips this layer's cells have brought to their end: (*fleet,), True is the end; None: never.

        Asked after every pulse and every wait; one spent layer ends the chip.
        """
        del cells  # does not end
        return None

    def bounds(self, cells: S) -> tuple[Tensor, Tensor] | None:
        """The lowest and the highest knobs that pulses can reach, cell by cell; None: not stated.

        `check_device` keeps a device to what it states here.
        """
        del cells  # states none
        return None
