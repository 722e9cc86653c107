"""Layers with a state: tiles that are driven step after step by what comes in and by what they gave before.

Elman, "Finding structure in time" (1990), https://doi.org/10.1207/s15516709cog1402_1. The state is held in
digital wiring, which carries a step's activity to the columns of the next; it begins at zero. All steps share
one bank of tiles, each is a measurement with noise of its own, and a probe at the nodes of one changes all
that come after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from .crossbar import Gathering, Layer, dense


@dataclass(frozen=True)
class Recurrent(Gathering):
    """A layer that is driven once for each step of a sequence, by what comes in and by its own last activity.

    Inputs and activity are ordered step by step. A read-out of every step is
    `channel_mixing(steps, features, outputs, linear=True)`, one of the last step alone
    `prepared(dense(features, outputs, linear=True), LastStep(steps))`.

    Args:
        layer: of one step, over its inputs and, behind them, the activity of the step before.
        steps: of a sequence.

    Raises:
        ValueError: there is no step, or the layer of one leaves no room for inputs, has a state itself, is
            linear, or mixes inputs and activity digitally.
    """

    layer: Layer
    steps: int

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"Recurrent: steps is {self.steps!r}, wanted an integer of at least 1")
        if self.layer.step is not None or self.layer.linear:
            kind = "is linear" if self.layer.linear else "has a state itself"
            raise ValueError(f"Recurrent: the layer of one step {kind}; wanted neurons, and no state")
        if self.layer.features >= self.layer.features_in:
            raise ValueError(
                f"Recurrent: {self.layer.features_in} inputs of a step hold its {self.layer.features} "
                "outputs and leave no room for what comes in"
            )
        if not _keeps_apart(self.layer):
            raise ValueError("Recurrent: the layer of one step mixes inputs and activity on their way")

    @property
    def step(self) -> Layer:
        return self.layer

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
        return self.steps * (self.layer.features_in - self.layer.features)

    @property
    def features(self) -> int:
        return self.steps * self.layer.features

    @property
    def linear(self) -> bool:
        return False

    def gather(self, x: Tensor) -> Tensor:
        each = x.unflatten(-1, (self.steps, -1)).flatten(-3, -2)  # (..., batch*steps, inputs of a step)
        return self.layer.gather(pad(each, (0, self.layer.features)))

    def ungather(self, z: Tensor) -> Tensor:
        driven = self.layer.ungather(z)[..., : -self.layer.features]
        return driven.unflatten(-2, (-1, self.steps)).flatten(-2)

    def scatter(self, u: Tensor) -> Tensor:
        return self.layer.scatter(u).unflatten(-2, (-1, self.steps)).flatten(-2)

    def unscatter(self, y: Tensor) -> Tensor:
        return self.layer.unscatter(y.unflatten(-1, (self.steps, -1)).flatten(-3, -2))

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        """Refuse: what a layer with a state gives, (..., tiles, batch*sites, rows), is no one product.

        Raises:
            ValueError: always.
        """
        raise ValueError("Recurrent: a layer with a state is driven step by step, and by no one product")

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        """Refuse: inputs alone do not say what drove a layer with a state; `gather_with_state` does.

        Raises:
            ValueError: always; there is no (..., tiles, rows, cols).
        """
        raise ValueError("Recurrent: a layer with a state is driven by its own activity too; give its tap")

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        """Refuse to carry a gradient (..., batch, features) back: it would have to go back through time.

        Raises:
            ValueError: always.
        """
        raise ValueError("Recurrent: no gradient is carried back through the steps of a layer with a state")


def recurrent(features_in: int, features: int, steps: int, *, bias: bool = True) -> Recurrent:
    """A crossbar of so many neurons over the inputs of a step and its own activity of the step before.

    Args:
        features_in: of one step.
        features: neurons.
        steps: of a sequence.
        bias: whether an input is always 1.
    """
    return Recurrent(dense(features_in + features, features, bias=bias), steps)


@dataclass(frozen=True)
class LastStep:
    """A preparation that passes on the activity of a sequence's last step alone.

    Raises:
        ValueError: there is no step.
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"LastStep: steps is {self.steps}, wanted at least 1")

    def features_in(self, features: int) -> int:
        """As many for each step."""
        return features * self.steps

    def __call__(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.steps, -1))[..., -1, :]

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at all steps, (..., batch, features_in): 0 but at the last."""
        del x  # linear
        return self.lift(gradient)

    def lift(self, change: Tensor) -> Tensor:
        """A change of all steps, (..., batch, features_in), that changes the last as told."""
        return pad(change, ((self.steps - 1) * change.shape[-1], 0))


def count_steps(layer: Layer) -> int:
    """How many times in a row an example drives the tiles of a layer: once, or once for each step."""
    return 1 if layer.step is None else layer.features // layer.step.features


def gather_with_state(layer: Layer, x: Tensor, tap: Tensor | None) -> Tensor:
    """Wire all that drove a layer's tiles to their columns, its own activity too if it has a state.

    Args:
        layer: of any wiring.
        x: (..., batch, features_in), what came in.
        tap: (..., batch, features), what the layer gave; used where it has a state.

    Returns:
        (..., tiles, batch*sites, cols).

    Raises:
        ValueError: the layer has a state, and its tap is not given.
    """
    if layer.step is None:
        return layer.gather(x)
    if tap is None:
        raise ValueError("a layer with a state is driven by its own activity too; give its tap")
    each = tap.unflatten(-1, (count_steps(layer), -1))  # (..., batch, steps, features of a step)
    before = pad(each[..., :-1, :], (0, 0, 1, 0))  # the state begins at zero
    return layer.gather(x) + feed_back(layer.step, before.flatten(-3, -2))


def feed_back(step: Layer, activity: Tensor) -> Tensor:
    """Wire a step's activity to the columns of the next, 0 where something else drives them.

    Args:
        step: the layer of one step.
        activity: (..., batch, features).

    Returns:
        (..., tiles, batch*sites, cols).
    """
    driven = pad(activity, (step.features_in - step.features, 0))
    return step.gather(driven) - step.gather(torch.zeros_like(driven))  # less what is always on


def split_steps(layer: Layer, rows: Tensor) -> tuple[Tensor, ...]:
    """Take apart what tiles are driven with, or give, step by step.

    Args:
        layer: one with a state.
        rows: (..., tiles, batch*sites, n), of all steps.

    Returns:
        (..., tiles, batch*sites, n) of each step.
    """
    steps = count_steps(layer)
    sites = layer.features // (steps * layer.tiles * layer.rows)
    split = rows.unflatten(-2, (-1, steps, sites))
    return tuple(split[..., at, :, :].flatten(-3, -2) for at in range(steps))


def join_steps(layer: Layer, rows: Sequence[Tensor]) -> Tensor:
    """Undo `split_steps`: what tiles gave in each step, (..., tiles, batch*sites, n), becomes one tensor."""
    sites = layer.features // (len(rows) * layer.tiles * layer.rows)
    each = [part.unflatten(-2, (-1, sites)) for part in torch.broadcast_tensors(*rows)]
    return torch.stack(each, -3).flatten(-4, -2)


def require_stateless(layers: Sequence[Layer], user: str) -> None:
    """Refuse layers that have a state.

    Args:
        layers: of a chip.
        user: who cannot do with them, as the message says it.

    Raises:
        ValueError: one of them has.
    """
    for at, layer in enumerate(layers):
        if layer.step is not None:
            raise ValueError(
                f"{user}: layer {at} has a state, carried through {count_steps(layer)} steps; wanted a chip "
                "whose layers have none"
            )


def _keeps_apart(step: Layer) -> bool:
    """Whether inputs and activity reach columns unmixed, so that what each drives can be added up."""
    whole = torch.linspace(1.0, 2.0, step.features_in, dtype=torch.float64)[None]
    inputs = pad(whole[:, : -step.features], (0, step.features))
    return torch.equal(step.gather(inputs) + feed_back(step, whole[:, -step.features :]), step.gather(whole))
