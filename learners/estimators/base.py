"""What gradient estimators are: probes and losses in, an estimated gradient out. No chip in sight."""

from abc import abstractmethod
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Generator, Tensor

from analog.access import Access
from analog.port import Probe, Reading
from analog.spec import Spec

from ..access import taps_access
from .distributions import ProbeDistribution
from .gradient import Gradient, Place
from .schemes import Scheme


class ProbeResult(NamedTuple):
    """The result of one set of probes, all of it measured or sent by the learner itself.

    An example's loss may fall into parts (see `Loss`), so losses always have that axis.

    x: (batch, features_in), or (*fleet, batch, features_in).
    baseline: of x without a probe; its taps are (*fleet, batch, features).
    baseline_losses: (*fleet, batch, parts).
    probe: as `ask` gave it; at knobs (probes, *fleet, tiles, rows, cols), at nodes (probes, *fleet, batch,
        features), one entry for each layer.
    probed: the reading under the probes; its taps are (probes, *fleet, batch, features).
    losses: (probes, *fleet, batch, parts), never averaged over the batch.
    memo: what `ask` wanted to be remembered.
    """

    x: Tensor  # (batch, features_in), or (*fleet, batch, features_in)
    baseline: Reading  # taps (*fleet, batch, features), of x without a probe
    baseline_losses: Tensor  # (*fleet, batch, parts)
    probe: Probe  # what was asked, (probes, ...)
    probed: Reading  # taps (probes, *fleet, batch, features)
    losses: Tensor  # (probes, *fleet, batch, parts), per example: never averaged over the batch
    memo: Any = None  # what the estimator wanted to remember of its probe

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What drove each layer in the baseline reading: x, then all taps but the last."""
        return (self.x, *self.baseline.taps[:-1])

    @property
    def out(self) -> Tensor | None:
        """The last layer's tap in the baseline reading; None where there was none."""
        return self.baseline.taps[-1] if self.baseline.taps else None

    def layer(self, at: int, parts: int) -> "ProbeResult":
        """The result at one layer, to whose nodes so many parts of the loss are laid.

        Args:
            at: the layer, counted from the first that was probed.
            parts: a divisor of the number of parts; consecutive ones are added up.
        """
        return ProbeResult(
            self.inputs[at],
            Reading(self.baseline.taps[at : at + 1]),
            self.baseline_losses.unflatten(-1, (parts, -1)).sum(-1),
            self.probe.part(at, at),
            Reading(self.probed.taps[at : at + 1]),
            self.losses.unflatten(-1, (parts, -1)).sum(-1),
        )


class Estimator(Protocol):
    """Asks for measurements and tells what they say of the gradient. Subclass it.

    `ask` gives probes at knobs (probes, *fleet, tiles, rows, cols) or at nodes (probes, *fleet, batch,
    features); `tell` gives the gradient at knobs (*fleet, tiles, rows, cols), of the batch's mean loss, or at
    nodes (*fleet, batch, features), of each example's own loss. Either is a tuple with one entry per layer.

    What an estimator says of itself by its properties is all that learners, control variates and local
    objectives know of it.
    """

    @property
    @abstractmethod
    def gradient_at(self) -> Place:
        """Where `tell` tells the gradient: "knobs" or "nodes"."""
        ...

    @property
    def probes_at(self) -> Place | None:
        """Where probes enter: "knobs" or "nodes", by default where the gradient is told.

        None: none are sent (chip noise serves), so nothing can be predicted.
        """
        return self.gradient_at

    def needs(self, spec: Spec) -> Access:
        """The access that it needs beside the losses: to all taps where nodes are probed or told of."""
        at_nodes = self.probes_at == "nodes"
        if not at_nodes and self.gradient_at == "knobs":
            return Access("loss", node_probes=False)
        return taps_access(spec, node_probes=at_nodes)

    @abstractmethod
    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, Any]:
        """Draw all probes of one step.

        Args:
            spec: the layers to be probed.
            x: (batch, features_in) or (*fleet, batch, features_in), what drives the first of them.
            baseline: a reading of x without a probe, just made, taps (*fleet, batch, features).
            generator: for what is drawn by lot.

        Returns:
            The probes, stacked along the first axis, and a memo: what `tell` will want to know besides
            (`ProbeResult.memo`); None for most estimators.
        """
        ...

    @abstractmethod
    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        """Estimate the gradient from what the probes showed.

        Args:
            spec: the layers that were probed.
            result: the probes, the memo and the losses.

        Returns:
            The gradient at `gradient_at`, without probe axes; None for a layer that was left alone.
        """
        ...


@runtime_checkable
class ProbingEstimator(Estimator, Protocol):
    """An estimator that takes differences along random directions; a frozen dataclass of these fields."""

    @property
    def size(self) -> float:
        """The sd of the probe at each coordinate."""
        ...

    @property
    def probes(self) -> int:
        """The number of directions of one step."""
        ...

    @property
    def distribution(self) -> ProbeDistribution:
        """How the directions are drawn."""
        ...

    @property
    def scheme(self) -> Scheme:
        """How the directions are measured."""
        ...

    @property
    def shared_over_batch(self) -> bool:
        """Whether all examples are probed in the same directions, so that only their mean loss counts."""
        return self.probes_at == "knobs"


def validate(name: str, size: float, probes: int, distribution: ProbeDistribution, scheme: Scheme) -> None:
    """Check that the settings of an estimator make sense, each by itself and together.

    Raises:
        TypeError: the distribution or the scheme is none.
        ValueError: naming the estimator, what came and what was wanted.
    """
    for part, kind in ((distribution, ProbeDistribution), (scheme, Scheme)):
        if isinstance(part, type) or not isinstance(part, kind):
            raise TypeError(f"{name}: {part!r} is no instance of a subclass of learners.{kind.__name__}")
    if not 0 < size < float("inf"):
        raise ValueError(f"{name}: size is {size}, wanted a finite probe size above 0")
    if isinstance(probes, bool) or not isinstance(probes, int) or probes < 1:
        raise ValueError(f"{name}: probes is {probes!r}, wanted an integer of at least 1")
    if probes < scheme.min_directions:
        raise ValueError(f"{name}: {scheme!r} wants at least {scheme.min_directions} probes, got {probes}")
    if probes % distribution.multiple:
        raise ValueError(
            f"{name}: probes of {distribution!r} come in multiples of {distribution.multiple}, got {probes}"
        )
