"""The Device protocol: the physics of one technology, which is what a user writes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor
from typing_extensions import TypeVar

from .costs import Costs
from .measurement import MeasurementPlan
from .randomness import Fabrication, Noise
from .settings import check_settings, settings
from .spec import Synapse
from .tables import html_table


class Cells(Protocol):
    """The physical state of one layer: a NamedTuple of tensors, one field called `knobs`.

    A device that wraps another holds that one's cells as a field, and shows their knobs as a property.
    Tensors keep their names, shapes and dtypes through life.

    `knobs` (*fleet, tiles, rows, cols) is where the additive input of a probe enters, what `program`
    sets, and what anybody who copies a chip's weights would copy.
    """

    @property
    def knobs(self) -> Tensor: ...
    @property
    def _replace(self) -> Callable[..., Any]: ...


S = TypeVar("S", bound=Cells, default=Any)


class Device(Protocol[S]):
    """Pure functions of one technology over its cells; leading axes are (*probes, *fleet, tiles).

    Device code never indexes, counts or loops over leading axes, and alters none of its arguments.
    Write a frozen dataclass of scalars that subclasses `Device[YourCells]`, each scalar with a `setting`
    that says its meaning, unit and range; what is not needed keeps its default. `analog.check_device` says
    whether a device keeps the contract.
    """

    def __post_init__(self) -> None:
        """Check each parameter against its range; one of your own calls this one first.

        Raises:
            ValueError: names the device, the parameter, its value and what was wanted.
        """
        check_settings(self)

    def _repr_html_(self) -> str:
        """A notebook's view: each setting with its value, unit and meaning."""
        rows = [(n, getattr(self, n), known.unit, known.meaning) for n, known in settings(type(self)).items()]
        return html_table(type(self).__name__, ("setting", "value", "unit", "meaning"), rows)

    @property
    def costs(self) -> Costs:
        """Seconds and joules per reading and per pulse."""
        return Costs()

    @property
    def couples(self) -> frozenset[str]:
        """What the physics couples; by default nothing does, which `check_device` holds a device to.

        Of "chips", "tiles", "probes", "examples" (of one measurement) and "cells": where one of these is
        named, what one of them does may change what another shows (heat, a common supply, half-selected
        cells in a write), and the laws that keep them apart are left out.
        """
        return frozenset()

    @property
    def settling(self) -> int:
        """How many time constants a reading waits for the chip to relax; 0: signals go one way.

        A chip that relaxes settles to a state in which every node is what its neighbors above and below
        make it (`analog.relaxation`). Its device says by `reflect` what a layer sends back to the nodes
        below, and by `shunt` how it loads nodes.
        """
        return 0

    @property
    def synapse(self) -> Synapse:
        """How a cell acts on its two nodes; "one-way" where signals go one way."""
        return "one-way"

    @property
    def reciprocal(self) -> bool:
        """Whether what a layer reflects is the adjoint of what it collects, to which a device is held."""
        return True

    @abstractmethod
    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> S:
        """Make one layer's cells as the factory delivers them (knobs not all equal, or nothing can learn).

        Args:
            rows: outputs of each tile.
            cols: inputs of each tile.
            birth: the named draws of these chips and this layer; `birth.normal("gain", rows, cols)` is
                (*fleet, tiles, rows, cols).

        Returns:
            Cells of which `knobs` are (*fleet, tiles, rows, cols); other fields as the device likes, with
            the same leading axes.

        Raises:
            ValueError: the technology does not make arrays of this size.
        """
        ...

    @abstractmethod
    def pulse(self, cells: S, drive: Tensor, noise: Noise) -> S:
        """Change the knobs by about `drive`; a cell whose drive is 0 keeps its knob, bitwise.

        A device whose writes disturb cells that are not driven says so, `couples` naming "cells".
        A device that states bounds keeps to them at any finite drive.

        Args:
            cells: one layer's.
            drive: (*fleet, tiles, rows, cols), the knob change that is asked for, full scale.
            noise: the chips' own draws for this use.

        Returns:
            The cells afterwards.
        """
        ...

    def perturb(self, cells: S, offset: Tensor) -> S:
        """Add a probe to the knobs for the time of a reading; nothing is written.

        Args:
            cells: one layer's, left as they are.
            offset: (*probes, *fleet, tiles, rows, cols), full scale.

        Returns:
            The cells as they work meanwhile; `knobs` have the probe axes in front.
        """
        perturbed: S = cells._replace(knobs=cells.knobs + offset)
        return perturbed

    @abstractmethod
    def collect(self, cells: S, x: Tensor, noise: Noise) -> Tensor:
        """Carry activities through the synapses to the summing nodes.

        Args:
            cells: one layer's; their fields may have probe axes in front.
            x: (*probes, *fleet, tiles, n, cols), the layer's inputs for n examples.
            noise: the chips' own draws for this use.

        Returns:
            (*probes, *fleet, tiles, n, rows).
        """
        ...

    def weights(self, cells: S) -> Tensor | None:
        """State what `collect` multiplies activities by, where it does that and nothing else.

        Regular convolutions are then not gathered, which takes longer than the product. What is stated for
        the `collect` of a class above counts for none that takes its place: see `stated_weights`.

        Returns:
            (*probes, *fleet, tiles, rows, cols), as the fields of the cells; None: not stated, or not all
            that happens, as where activities are bent or noise is drawn.
        """
        del cells  # states none
        return None

    def reflect(self, cells: S, y: Tensor, noise: Noise) -> Tensor | None:
        """Carry the states of the nodes above back through the synapses to the nodes below.

        Asked only of chips that relax, which cannot do without.

        Args:
            cells: one layer's; their fields may have probe axes in front.
            y: (*probes, *fleet, tiles, n, rows), the states of the layer's own nodes.
            noise: as that of `collect`.

        Returns:
            (*probes, *fleet, tiles, n, cols); None: signals go one way.
        """
        del cells, y, noise  # one way
        return None

    def shunt(self, cells: S) -> tuple[Tensor, Tensor] | None:
        """Say how the synapses and their leaks load nodes; by default not at all.

        A node's state is what its currents come to, divided by 1 or, where synapses conduct, by the sum of
        the loads on it.

        Returns:
            The conductance laid on the nodes above, (*probes, *fleet, tiles, 1, rows), and on those below,
            (*probes, *fleet, tiles, 1, cols); None: nodes are driven by ideal amplifiers.
        """
        del cells  # no load
        return None

    def chord_above(self, cells: S, y: Tensor) -> Tensor | None:
        """Say how the synapses load the nodes above at their states, where that depends on these.

        A transistor conducts less the nearer its nodes are to its gate. What is said here, and by
        `chord_below`, takes the place of `shunt`: the conductance from each node to ground that draws what
        the synapses do at its state.

        Args:
            cells: one layer's; their fields may have probe axes in front.
            y: (*probes, *fleet, tiles, n, rows), the states of the layer's own nodes.

        Returns:
            Conductances of the shape of `y`; None: `shunt` holds at every state.
        """
        del cells, y  # conduct alike at every state
        return None

    def chord_below(self, cells: S, x: Tensor) -> Tensor | None:
        """Say how the synapses load the nodes below at their states, as `chord_above` of those above.

        Args:
            cells: one layer's; their fields may have probe axes in front.
            x: (*probes, *fleet, tiles, n, cols), the states of the nodes below, as wired to the cells.

        Returns:
            Conductances of the shape of `x`; None: `shunt` holds at every state.
        """
        del cells, x  # conduct alike at every state
        return None

    def sense(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        """Carry the sums through amplifier and converter, which every layer has; by default a perfect one.

        Without noise its derivative, and that of `collect`, is what a probe sees from afar: a converter
        rounds by `noise.round_to_nearest`, or lets no slope through at all, as a comparator does.

        Args:
            cells: one layer's.
            u: (*probes, *fleet, tiles, n, rows), the sums; a probe at the nodes has been added. On a chip
                that relaxes, the settled states: what is read of them never comes back into the chip.
            noise: the chips' own draws for this use.

        Returns:
            The same shape.
        """
        del cells, noise  # a perfect amplifier
        return u

    @abstractmethod
    def fire(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        """Carry what was sensed through the neurons, which hidden layers have and a read-out has not.

        Args:
            cells: one layer's.
            u: (*probes, *fleet, tiles, n, rows), as sensed.
            noise: the chips' own draws for this use.

        Returns:
            The same shape: what the next layer gets, and what a tap shows.
        """
        ...

    def age(self, cells: S, seconds: float, noise: Noise) -> S:
        """Let time pass on the chip's clock; by default cells do not age.

        Args:
            cells: one layer's.
            seconds: at least 0; ageing for two times is ageing for their sum.
            noise: the chips' own draws for this use.

        Returns:
            The cells afterwards.
        """
        del seconds, noise  # does not age
        return cells

    def worn_out(self, cells: S) -> Tensor | None:
        """Say which chips this layer's cells have brought to their end; by default none ever.

        Asked after every pulse and every wait; one layer that is worn out ends the chip.

        Returns:
            (*fleet,), True is the end; None: never.
        """
        del cells  # does not end
        return None

    def bounds(self, cells: S) -> tuple[Tensor, Tensor] | None:
        """State the range of the knobs that pulses can reach, to which `check_device` keeps a device.

        Returns:
            The lowest and the highest knobs, each (*fleet, tiles, rows, cols); None: not stated.
        """
        del cells  # states none
        return None

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Plan measurements from which calibration learns the parameters: what to ask of a lab.

        By default targets on both sides, each written three times and read three times at full input, once
        at none. Written again, a cell tells what belongs to the cell from what belongs to the write; read
        again, what belongs to the reading. A wire at 0 shows the amplifier alone.

        Args:
            cells: how many cells are measured.
        """
        levels, seconds = (-0.8, -0.3, 0.0, 0.3, 0.8), (0.0, 1e-3, 2e-3, 3e-3) * 3
        return MeasurementPlan.targets(cells, levels, seconds, (1, 1, 1, 0) * 3)


def stated_weights(device: Device[S], cells: S) -> Tensor | None:
    """The weights that a device states for its `collect`; none where it states them for another.

    Args:
        device: anybody's.
        cells: of a layer.

    Returns:
        (*probes, *fleet, tiles, rows, cols); None: not stated, or stated by a class above the one, or the
        object, that has the `collect`.
    """
    return device.weights(cells) if _nearness(device, "weights") <= _nearness(device, "collect") else None


def _nearness(device: object, name: str) -> int:
    """Where a method stands: 0 in the object itself, 1 in its class, and so on in the order of resolution."""
    places = (getattr(device, "__dict__", {}), *map(vars, type(device).__mro__))
    return next(i for i, place in enumerate(places) if name in place)
