"""Digital wiring around a bank of equal crossbar tiles; pure and known to everybody.

A layer gathers each tile's inputs from the activity of the layer before and scatters the tiles'
outputs into the activity of the next. A bank of tiles is one batched product, whatever the wiring:
(*fleet, tiles, batch*sites, cols) @ (*fleet, tiles, cols, rows).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor


class Layer(Protocol):
    """Wiring of one bank of tiles.

    `cols` count the always-on inputs (biases); `features` = tiles * rows * sites.
    """

    @property
    def tiles(self) -> int:
        """How many crossbars the bank has."""
        ...

    @property
    def rows(self) -> int:
        """Outputs of a tile."""
        ...

    @property
    def cols(self) -> int:
        """Inputs of a tile, always-on ones included."""
        ...

    @property
    def features_in(self) -> int:
        """Values that drive the layer."""
        ...

    @property
    def features(self) -> int:
        """Values that the layer gives."""
        ...

    @property
    def linear(self) -> bool:
        """True for a read-out: sensed, but not passed through a neuron."""
        ...

    @property
    def step(self) -> "Layer | None":
        """The layer of one step, if this one has a state: it is driven once for each step of a sequence.

        It is driven by the step's inputs and, behind them, by its own activity of the step before. None: the
        layer has no state, and all its sites are driven at once.
        """
        ...

    def gather(self, x: Tensor) -> Tensor:
        """Wire activity to the columns of the tiles; columns that a state drives get 0.

        Args:
            x: (..., batch, features_in)

        Returns:
            (..., tiles, batch*sites, cols)
        """
        ...

    def ungather(self, z: Tensor) -> Tensor:
        """Wire columns of the tiles back to the features that drive them: the adjoint of `gather`.

        Only chips that relax send anything back. What drives several columns gets the sum of theirs, and
        always-on inputs, which nothing drives, get none.

        Args:
            z: (..., tiles, batch*sites, cols)

        Returns:
            (..., batch, features_in)

        Raises:
            ValueError: signals go one way through this wiring.
        """
        ...

    def scatter(self, u: Tensor) -> Tensor:
        """Wire the rows of the tiles to the activity of the next layer.

        Args:
            u: (..., tiles, batch*sites, rows)

        Returns:
            (..., batch, features)
        """
        ...

    def unscatter(self, y: Tensor) -> Tensor:
        """Undo `scatter`: find what the rows of the tiles gave.

        Args:
            y: (..., batch, features)

        Returns:
            (..., tiles, batch*sites, rows)
        """
        ...

    @property
    def regular(self) -> bool:
        """Whether `multiply` takes less time than to gather and multiply."""
        ...

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        """Multiply activity, as it is wired to the columns of the tiles, by weights.

        Args:
            x: (..., batch, features_in)
            weights: (..., tiles, rows, cols)

        Returns:
            (..., tiles, batch*sites, rows)
        """
        ...

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        """Carry a gradient at the summing nodes to the weights of `multiply`, summed over the batch.

        Args:
            x: (..., batch, features_in), what drove the layer.
            nodes: (..., batch, features), the gradient.

        Returns:
            (..., tiles, rows, cols)
        """
        ...

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        """Carry a gradient at the summing nodes to what drove the layer, by the transpose of `multiply`.

        Args:
            x: (..., batch, features_in), what drove the layer.
            nodes: (..., batch, features), the gradient.
            weights: (..., tiles, rows, cols)

        Returns:
            (..., batch, features_in)

        Raises:
            ValueError: nothing is carried back through this wiring.
        """
        ...

    @property
    def core(self) -> "Layer":
        """The same wiring without what is prepared digitally in front of it."""
        ...

    def prepare(self, x: Tensor) -> Tensor:
        """Prepare digitally what drives the layer, for its core.

        Args:
            x: (..., batch, features_in)

        Returns:
            (..., batch, core.features_in)
        """
        ...

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Carry a gradient at what drives the core back to what drives the layer.

        Args:
            x: (..., batch, features_in), what drove the layer.
            gradient: (..., batch, core.features_in)

        Returns:
            (..., batch, features_in)
        """
        ...

    def lift(self, change: Tensor) -> Tensor:
        """Find a change of what drives the layer that changes what drives its core as told, whatever it is.

        Args:
            change: (..., batch, core.features_in)

        Returns:
            (..., batch, features_in)

        Raises:
            ValueError: there is none for every change.
        """
        ...


class Gathering:
    """Products of a layer that are taken column by column, after `gather`, for any wiring without a state."""

    @property
    def step(self) -> Layer | None:
        return None

    @property
    def core(self: Layer) -> Layer:
        return self

    def prepare(self, x: Tensor) -> Tensor:
        return x

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        del x  # nothing is prepared
        return gradient

    def lift(self, change: Tensor) -> Tensor:
        return change

    @property
    def regular(self) -> bool:
        return False

    def multiply(self: Layer, x: Tensor, weights: Tensor) -> Tensor:
        return self.gather(x) @ weights.mT

    def weight_gradient(self: Layer, x: Tensor, nodes: Tensor) -> Tensor:
        return self.unscatter(nodes).mT @ self.gather(x)

    def input_gradient(self: Layer, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        del x  # the wiring is linear
        return self.ungather(self.unscatter(nodes) @ weights)


@dataclass(frozen=True)
class Dense(Gathering):
    """Every input of a group drives every output of that group; one tile per group.

    Raises:
        ValueError: a size is below 1, or the groups do not divide the inputs or the outputs.
    """

    features_in: int
    features: int
    tiles: int = 1
    bias: bool = True
    linear: bool = False

    def __post_init__(self) -> None:
        if min(self.features_in, self.features, self.tiles) < 1:
            raise ValueError(f"dense: sizes must be at least 1, got {self}")
        if self.features_in % self.tiles or self.features % self.tiles:
            raise ValueError(
                f"dense: {self.tiles} groups do not divide {self.features_in} inputs "
                f"and {self.features} outputs evenly"
            )

    @property
    def rows(self) -> int:
        return self.features // self.tiles

    @property
    def cols(self) -> int:
        return self.features_in // self.tiles + self.bias

    def gather(self, x: Tensor) -> Tensor:
        wired = self.unscatter(x)
        return torch.cat((wired, wired.new_ones(()).expand(*wired.shape[:-1], 1)), -1) if self.bias else wired

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        # without the column of ones: products of odd widths take up to half as long again
        at_nodes = self.unscatter(nodes)
        weights = at_nodes.mT @ self.unscatter(x)
        if not self.bias:
            return weights
        biases = at_nodes.sum(-2).unsqueeze(-1)
        return torch.cat((weights, biases.expand(*weights.shape[:-1], 1)), -1)

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        del x  # the wiring is linear
        return self.scatter(self.unscatter(nodes) @ (weights[..., :-1] if self.bias else weights))

    def ungather(self, z: Tensor) -> Tensor:
        driven = z[..., :-1] if self.bias else z
        return driven.transpose(-3, -2).flatten(-2) if self.tiles > 1 else driven.squeeze(-3)

    def scatter(self, u: Tensor) -> Tensor:
        return u.transpose(-3, -2).flatten(-2) if self.tiles > 1 else u.squeeze(-3)

    def unscatter(self, y: Tensor) -> Tensor:
        return y.unflatten(-1, (self.tiles, -1)).transpose(-3, -2) if self.tiles > 1 else y.unsqueeze(-3)


def dense(features_in: int, features: int, *, bias: bool = True, linear: bool = False) -> Dense:
    """All inputs drive all outputs."""
    return Dense(features_in, features, bias=bias, linear=linear)


def mlp(*widths: int, bias: bool = True) -> tuple[Dense, ...]:
    """A multilayer perceptron: dense layers one after another, the last of them a linear read-out.

    Args:
        widths: of the input, of each hidden layer, and of the output: `mlp(64, 64, 10)` is two layers.
        bias: whether every layer has an input that is always 1.

    Raises:
        ValueError: fewer than two widths.
    """
    if len(widths) < 2:
        raise ValueError(f"mlp: wants the width of the input and that of the output at least, got {widths}")
    *hidden, last = pairwise(widths)
    return (*(dense(a, b, bias=bias) for a, b in hidden), dense(*last, bias=bias, linear=True))


def grouped(
    features_in: int, features: int, groups: int, *, bias: bool = True, linear: bool = False
) -> Dense:
    """`groups` dense tiles side by side, each with its own share of the inputs and outputs."""
    return Dense(features_in, features, tiles=groups, bias=bias, linear=linear)
