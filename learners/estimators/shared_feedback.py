"""Learned feedback that all sites of a cell share: every site of a convolution teaches one way back.

Feedback from the outputs (Lansdell, Prakash and Kording 2020, https://arxiv.org/abs/1906.00889) has a way
back of its own for each node. The nodes of a channel do the same thing at every site, and a read-out of means
over cells treats sites of one cell alike; so they may share it, and what would take as many probes as there
are sites takes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from analog.layers.crossbar import dense
from analog.port import Probe, Reading
from analog.spec import Spec

from .base import ProbeResult
from .control_variates import ControlVariate, validate_variate
from .feedback import Feedback, Pathway
from .gradient import Gradient, Place


@dataclass(frozen=True)
class SiteCells:
    """The nodes of a layer over an image, in cells of equal size; sites of a cell count as examples of it.

    Args:
        maps: channels, height and width of the layer.
        cells: on each side.
        planes_first: whether features are ordered channel by channel, or site by site.

    Raises:
        ValueError: the cells do not divide the sides.
    """

    maps: tuple[int, int, int]
    cells: int = 1
    planes_first: bool = False

    def __post_init__(self) -> None:
        if len(self.maps) != 3 or min(*self.maps, self.cells) < 1:
            raise ValueError(f"{self}: wanted (channels, height, width) and cells, each at least 1")
        if self.maps[1] % self.cells or self.maps[2] % self.cells:
            raise ValueError(f"{self}: {self.cells} cells a side do not divide the maps")

    @property
    def groups(self) -> int:
        """How many ways back there are: channels times cells."""
        return self.maps[0] * self.cells**2

    @property
    def sites(self) -> int:
        """How many sites a cell has."""
        return self.maps[1] * self.maps[2] // self.cells**2

    def fold(self, x: Tensor) -> Tensor:
        """Activity at nodes, (..., batch, features), by groups: (..., batch * sites, groups)."""
        channels, height, width = self.maps
        down, across = height // self.cells, width // self.cells
        if self.planes_first:
            x = x.unflatten(-1, (channels, -1)).mT.flatten(-2)
        parts = x.unflatten(-1, (self.cells, down, self.cells, across, channels))
        return parts.movedim((-4, -2), (-5, -4)).flatten(-3).flatten(-4, -2)

    def unfold(self, x: Tensor) -> Tensor:
        """The inverse of `fold`, (..., batch * sites, groups) -> (..., batch, features)."""
        channels, height, width = self.maps
        down, across = height // self.cells, width // self.cells
        parts = x.unflatten(-1, (self.cells, self.cells, channels)).unflatten(-4, (-1, down, across))
        ordered = parts.movedim((-5, -4), (-4, -2)).flatten(-5)
        return ordered.unflatten(-1, (-1, channels)).mT.flatten(-2) if self.planes_first else ordered

    def repeat(self, x: Tensor) -> Tensor:
        """Give what belongs to examples, (..., batch, n), to each site of theirs: (..., batch * sites, n)."""
        return x.repeat_interleave(self.sites, -2)


@dataclass(frozen=True)
class SharedFeedback(ControlVariate[tuple[Pathway, ...]]):
    """A control variate for probes at nodes: learned feedback that all sites of a cell share.

    Args:
        layers: the cells of each probed layer.
        decay: of the sums, per step.
        estimate_weight: of what was not predicted; 1 is unbiased.

    Raises:
        ValueError: a setting is out of its range.
    """

    layers: Sequence[SiteCells]
    decay: float = 0.95
    estimate_weight: float = 1.0

    def __post_init__(self) -> None:
        validate_variate("SharedFeedback", self.decay, self.estimate_weight)

    @property
    def predicts_at(self) -> Place:
        return "nodes"

    @property
    def needs_output_gradient(self) -> bool:
        return True

    def init(self, spec: Spec, whole: Spec) -> tuple[Pathway, ...]:
        """Feedback of which nothing is known.

        Raises:
            ValueError: the cells are not those of the probed layers.
        """
        sizes = [cells.groups * cells.sites for cells in self.layers]
        features = [layer.features for layer in spec.layers]
        if sizes != features:
            raise ValueError(f"SharedFeedback: cells of {sizes} nodes, the probed layers have {features}")
        return tuple(self._each.init(_grouped(spec, at, cells), whole)[0] for at, cells in self._cells())

    def predict(
        self, state: tuple[Pathway, ...], spec: Spec, result: ProbeResult, output_gradient: Tensor | None
    ) -> Gradient:
        assert output_gradient is not None  # it was asked for
        found = []
        for at, cells in self._cells():
            alone, error = _of_layer(result, at, cells), cells.repeat(output_gradient)
            (nodes,) = self._each.predict((state[at],), _grouped(spec, at, cells), alone, error).nodes or (
                None,
            )
            found.append(None if nodes is None else cells.unfold(nodes))
        return Gradient(nodes=tuple(found))

    def observe(
        self,
        state: tuple[Pathway, ...],
        spec: Spec,
        predicted: Gradient,
        result: ProbeResult,
        output_gradient: Tensor | None,
        estimate: Gradient,
    ) -> tuple[Pathway, ...]:
        """Learn from probes, every site of a cell as an example.

        Arguments are those of `ControlVariate.observe`; output_gradient is (*fleet, batch, outputs).

        Raises:
            ValueError: the loss has several parts.
        """
        assert output_gradient is not None
        assert predicted.nodes is not None
        if result.losses.shape[-1] != 1:
            raise ValueError("SharedFeedback: wants a loss of one part, for cells fall into no parts")
        after: list[Pathway] = []
        for at, cells in self._cells():
            alone, error = _of_layer(result, at, cells), cells.repeat(output_gradient)
            known = Gradient(nodes=(predicted.nodes[at],))
            seen = _grouped(spec, at, cells)
            after += self._each.observe((state[at],), seen, known, alone, error, estimate)
        return tuple(after)

    def _cells(self) -> enumerate[SiteCells]:
        return enumerate(self.layers)

    @property
    def _each(self) -> Feedback:
        return Feedback(self.decay, self.estimate_weight)


def _grouped(spec: Spec, at: int, cells: SiteCells) -> Spec:
    """A datasheet of one layer whose nodes are groups."""
    return replace(spec, layers=(dense(1, cells.groups, linear=spec.layers[at].linear),))


def _of_layer(result: ProbeResult, at: int, cells: SiteCells) -> ProbeResult:
    """What a probe showed of one layer, with sites for examples and groups for nodes."""
    push = None if result.probe.nodes is None else result.probe.nodes[at]
    return result._replace(
        baseline=Reading((cells.fold(result.baseline.taps[at]),)),
        baseline_losses=cells.repeat(result.baseline_losses),
        losses=cells.repeat(result.losses),
        probe=Probe(nodes=(None if push is None else cells.fold(push),)),
    )
