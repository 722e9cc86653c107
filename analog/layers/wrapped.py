"""A layer within another, which changes only what drives it."""

from dataclasses import dataclass

from torch import Tensor

from .crossbar import Layer


@dataclass(frozen=True)
class Wrapped:
    """A layer that is all of its inner layer, but for what a subclass says otherwise."""

    layer: Layer

    @property
    def tiles(self) -> int:
        return self.layer.tiles

    @property
    def rows(self) -> int:
        return self.layer.rows

    @property
    def cols(self) -> int:
        return self.layer.cols

    @property
    def features_in(self) -> int:
        return self.layer.features_in

    @property
    def features(self) -> int:
        return self.layer.features

    @property
    def linear(self) -> bool:
        return self.layer.linear

    @property
    def step(self) -> Layer | None:
        return self.layer.step

    def gather(self, x: Tensor) -> Tensor:
        return self.layer.gather(x)

    def ungather(self, z: Tensor) -> Tensor:
        return self.layer.ungather(z)

    def scatter(self, u: Tensor) -> Tensor:
        return self.layer.scatter(u)

    def unscatter(self, y: Tensor) -> Tensor:
        return self.layer.unscatter(y)

    @property
    def regular(self) -> bool:
        return self.layer.regular

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        return self.layer.multiply(x, weights)

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        return self.layer.weight_gradient(x, nodes)

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        return self.layer.input_gradient(x, nodes, weights)

    @property
    def core(self) -> Layer:
        return self.layer.core

    def prepare(self, x: Tensor) -> Tensor:
        return self.layer.prepare(x)

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        return self.layer.pull_back(x, gradient)

    def lift(self, change: Tensor) -> Tensor:
        return self.layer.lift(change)
