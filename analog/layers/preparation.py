"""Digital preparations of activity before it drives a layer, and how gradients come back through them.

A preparation is pure and known to everybody, so what is carried back through it is exact.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from torch import Tensor

from .crossbar import Layer
from .wrapped import Wrapped


class Preparation(Protocol):
    """A digital transformation of activity before it drives a layer."""

    def features_in(self, features: int) -> int:
        """The number of values that come in where `features` are wanted.

        Raises:
            ValueError: so many cannot be made.
        """
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Prepare activity for the layer.

        Args:
            x: (..., batch, features_in)

        Returns:
            (..., batch, features)
        """
        ...

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Carry a gradient at what comes out back to what came in: the vector-Jacobian product.

        Args:
            x: (..., batch, features_in), what came in.
            gradient: (..., batch, features), at what comes out.

        Returns:
            (..., batch, features_in)
        """
        ...

    def lift(self, change: Tensor) -> Tensor:
        """Find a change of what comes in that changes what comes out as told, whatever came in.

        Args:
            change: (..., batch, features)

        Returns:
            (..., batch, features_in)

        Raises:
            ValueError: there is none for every change.
        """
        ...


@dataclass(frozen=True)
class Normalized:
    """Group normalization: each of `groups` equal shares comes to mean 0 and variance 1, by example.

    Wu and He, "Group normalization" (2018), https://arxiv.org/abs/1803.08494; here nothing in it is learnt.
    """

    groups: int = 1
    epsilon: float = 1e-5  # added to the variance

    def features_in(self, features: int) -> int:
        """The same number.

        Raises:
            ValueError: the groups do not divide it.
        """
        if self.groups < 1 or features % self.groups:
            raise ValueError(f"Normalized: {self.groups} groups do not divide {features} features")
        return features

    def __call__(self, x: Tensor) -> Tensor:
        centered, scale = self._parts(x)
        return (centered * scale).flatten(-2)

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at x, (..., batch, features), from that at the normalized shares."""
        centered, scale = self._parts(x)
        out, shares = centered * scale, gradient.unflatten(-1, (self.groups, -1))
        along = (shares * out).mean(-1, keepdim=True)
        return ((shares - shares.mean(-1, keepdim=True) - out * along) * scale).flatten(-2)

    def lift(self, change: Tensor) -> Tensor:
        """Refuse any change (..., batch, features): what it makes depends on what came in.

        Raises:
            ValueError: always.
        """
        raise ValueError("Normalized: no change of what comes in changes what comes out as told")

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The shares (..., groups, share) less their means, and one over the spread of each."""
        shares = x.unflatten(-1, (self.groups, -1))
        centered = shares - shares.mean(-1, keepdim=True)
        return centered, (centered.square().mean(-1, keepdim=True) + self.epsilon).rsqrt()


@dataclass(frozen=True)
class Averaged:
    """Each channel's mean over all patches."""

    patches: int

    def features_in(self, features: int) -> int:
        """That number for each patch.

        Raises:
            ValueError: there is no patch.
        """
        if self.patches < 1:
            raise ValueError(f"Averaged: patches is {self.patches}, wanted at least 1")
        return features * self.patches

    def __call__(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.patches, -1)).mean(-2)

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at x, (..., batch, patches * features): every patch gets its share."""
        return self.lift(gradient / self.patches).reshape(x.shape)

    def lift(self, change: Tensor) -> Tensor:
        """The same change (..., batch, features) at every patch, (..., batch, patches * features)."""
        alike = change.unsqueeze(-2)
        return alike.expand(*alike.shape[:-2], self.patches, -1).flatten(-2)


@dataclass(frozen=True)
class Prepared(Wrapped):
    """A layer driven with what preparations make of the activity, in their order."""

    preparations: tuple[Preparation, ...]

    def __post_init__(self) -> None:
        _ = self.features_in  # refuses shares that do not divide

    @property
    def features_in(self) -> int:
        features = self.layer.features_in
        for preparation in reversed(self.preparations):
            features = preparation.features_in(features)
        return features

    def gather(self, x: Tensor) -> Tensor:
        return self.layer.gather(self._prepared(x))

    def ungather(self, z: Tensor) -> Tensor:
        """Refuse to send anything back, (..., tiles, batch*sites, cols): preparations are digital.

        Raises:
            ValueError: always; only the first layer of a chip that relaxes may be driven through them.
        """
        raise ValueError("Prepared: signals go one way through digital preparations")

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        return self.layer.multiply(self._prepared(x), weights)

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        return self.layer.weight_gradient(self._prepared(x), nodes)

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        stages = self._stages(x)
        return self._back(stages, self.layer.input_gradient(stages[-1], nodes, weights))

    def prepare(self, x: Tensor) -> Tensor:
        return self.layer.prepare(self._prepared(x))

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        stages = self._stages(x)
        return self._back(stages, self.layer.pull_back(stages[-1], gradient))

    def lift(self, change: Tensor) -> Tensor:
        change = self.layer.lift(change)
        for preparation in reversed(self.preparations):
            change = preparation.lift(change)
        return change

    def _prepared(self, x: Tensor) -> Tensor:
        """What drives the inner layer, (..., batch, its features_in)."""
        return self._stages(x)[-1]

    def _stages(self, x: Tensor) -> list[Tensor]:
        """Activity in front of each preparation, and behind the last."""
        return list(accumulate(self.preparations, lambda y, prepare: prepare(y), initial=x))

    def _back(self, stages: list[Tensor], gradient: Tensor) -> Tensor:
        """A gradient behind the last preparation, carried in front of the first."""
        for preparation, before in zip(reversed(self.preparations), stages[-2::-1], strict=True):
            gradient = preparation.pull_back(before, gradient)
        return gradient


def prepared(layer: Layer, *preparations: Preparation) -> Prepared:
    """The layer, driven with activity prepared like that."""
    return Prepared(layer, preparations)
