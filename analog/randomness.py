"""Randomness with a name: who a chip is (Fabrication) and the chips' noise at every use (Noise).

Every random number in the project comes from a generator that `stream` makes from a seed and a path,
so nothing depends on the order of calls elsewhere and nothing touches torch's global generator.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Generator, Tensor

from .streams import stream


class Fabrication:
    """Device-to-device variation, fixed at fabrication: named draws keyed by (identity, layer, name).

    Adding a parameter to a device reshuffles none of the others, and a chip alone is bitwise the
    same as its row in any fleet: numbers are drawn on the CPU in float64, then moved and rounded.

    Args:
        identities: who each chip is.
        fleet: the fleet's axes, () for a chip alone.
        layer: the number of the layer on its chip.
        tiles: of the layer.
        like: a tensor whose dtype and place the draws get.
        scope: what stands in front of every name.
    """

    def __init__(
        self,
        identities: Sequence[int],
        fleet: tuple[int, ...],
        layer: int,
        tiles: int,
        like: Tensor,
        scope: str = "",
    ) -> None:
        self._identities = identities
        self._lead = (*fleet, tiles)
        self._layer = layer
        self._tiles = tiles
        self._like = like  # carries dtype and place, no data
        self._scope = scope  # in front of every name

    def subdivided(self, count: int) -> "Fabrication":
        """The fabrication of the same layer with each of its tiles made of `count` tiles."""
        return Fabrication(
            self._identities, self._lead[:-1], self._layer, self._tiles * count, self._like, self._scope
        )

    def scoped(self, name: str) -> "Fabrication":
        """The fabrication of a part of the same layer, called `name`, whose draws have names of their own."""
        scope = f"{self._scope}{name}: "
        return Fabrication(self._identities, self._lead[:-1], self._layer, self._tiles, self._like, scope)

    def normal(self, name: str, *shape: int) -> Tensor:  # (*fleet, tiles, *shape)
        """Standard normal draws for the parameter called `name`."""
        size = (self._tiles, *shape)
        return self._settle(
            (torch.randn(size, generator=g, dtype=torch.float64) for g in self._streams(name)), shape
        )

    def uniform(self, name: str, *shape: int) -> Tensor:  # (*fleet, tiles, *shape)
        """Uniform draws in [0, 1) for the parameter called `name`."""
        size = (self._tiles, *shape)
        return self._settle(
            (torch.rand(size, generator=g, dtype=torch.float64) for g in self._streams(name)), shape
        )

    def _streams(self, name: str) -> Iterator[Generator]:
        return (stream(who, "identity", self._layer, self._scope + name) for who in self._identities)

    def _settle(self, rows: Iterator[Tensor], shape: tuple[int, ...]) -> Tensor:
        """The draws of each chip beside one another; rounded one by one, so that a large fleet fits."""
        found = torch.empty(len(self._identities), self._tiles, *shape, dtype=self._like.dtype)
        for place, row in zip(found, rows, strict=True):
            place.copy_(row)
        return found.reshape(*self._lead, *shape).to(self._like)


class Noise:
    """Random draws at every use of a device; `Noise.none()` has none.

    Given a generator for each chip of a fleet (its one axis), each chip has its own, and draws what
    it would draw alone.

    Every probe is a measurement of its own with noise of its own. During one measurement `lead` are the
    probe axes and `rank` the number of axes of a tensor that carries them; a draw like a tensor with fewer
    axes (cells, or activity that no probe has reached yet) gets `lead` in front.
    """

    def __init__(
        self, generator: Generator | Sequence[Generator] | None, lead: tuple[int, ...] = (), rank: int = 0
    ) -> None:
        self._generator = generator
        self._lead = lead
        self._rank = rank
        self.drawn = False  # whether anything was drawn of it since it was made

    @classmethod
    def none(cls) -> "Noise":
        """The absence of noise: normal draws are 0, uniform draws are 1/2."""
        return cls(None)

    def with_probe_axes(self, lead: tuple[int, ...], rank: int) -> "Noise":
        """The same draws during a measurement with probe axes.

        Args:
            lead: the probe axes.
            rank: how many axes a tensor has that carries them.
        """
        return Noise(self._generator, lead, rank)

    def normal(self, like: Tensor) -> Tensor:  # ([*lead,] *like.shape); a scalar 0 without noise
        """Independent standard normals for each element of `like`, and for each probe."""
        if self._generator is None:
            return like.new_zeros(())
        return self._fill(like, lambda empty, generator: empty.normal_(generator=generator))

    def uniform(self, like: Tensor) -> Tensor:  # ([*lead,] *like.shape); a scalar 1/2 without noise
        """Independent uniforms in [0, 1) for each element of `like`, and for each probe."""
        if self._generator is None:
            return like.new_full((), 0.5)
        return self._fill(like, lambda empty, generator: empty.uniform_(generator=generator))

    def stochastic_round(self, count: Tensor) -> Tensor:  # ([*lead,] *count.shape)
        """Round each number up or down by chance so that its mean stays; without noise the number itself."""
        return count if self._generator is None else (count + self.uniform(count)).floor()

    def round_to_nearest(self, value: Tensor) -> Tensor:  # (*value.shape)
        """Round each number to the nearest whole one, as converters do; without noise the number itself.

        Rounding is counted among the noise: the response without noise is that of infinitely many bits, so it
        has the derivative that a learner sees from afar instead of none at all.
        """
        return value if self._generator is None else value.round()

    def _fill(self, like: Tensor, draw: Callable[[Tensor, Generator], Tensor]) -> Tensor:
        self.drawn = True
        shape, fleet = self._shape(like), len(self._lead)  # the fleet's axis comes after the probes'
        if isinstance(self._generator, Generator):
            return draw(like.new_empty(shape), self._generator)
        assert self._generator is not None  # the absence of noise has answered before
        alone = (*shape[:fleet], *shape[fleet + 1 :])
        return torch.stack([draw(like.new_empty(alone), generator) for generator in self._generator], fleet)

    def _shape(self, like: Tensor) -> tuple[int, ...]:
        return (*self._lead, *like.shape) if like.ndim < self._rank else tuple(like.shape)


class HeldNoise(Noise):
    """The same draws again after every `rewind`: noise that is slow beside what goes on meanwhile."""

    def __init__(self, noise: Noise) -> None:
        super().__init__(noise._generator, noise._lead, noise._rank)
        self._held: list[Tensor] = []
        self._next = 0

    def rewind(self) -> None:
        """Begin with the first draw again."""
        self._next = 0

    def _fill(self, like: Tensor, draw: Callable[[Tensor, Generator], Tensor]) -> Tensor:
        if self._next == len(self._held):
            self._held.append(super()._fill(like, draw))
        self._next += 1
        return self._held[self._next - 1]
