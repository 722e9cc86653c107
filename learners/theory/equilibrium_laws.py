"""Closed forms of equilibrium propagation: the variance of its estimates, beside that of node perturbation.

A nudge of current c along an example's output gradient e shows at node i the adjoint (S e)_i, S being the
response of nodes to currents into the outputs; in units of e the current is c / |e|. With read noise s at
every tap, K pairs, and tau = s^2 / 2K, an adjoint has the noise tau |e|^2 / c^2 and a state, which is the
mean of what is compared, the noise tau; the two are independent. Hence for one example and a cell whose
energy is minus the product of its states v and v', with adjoints a and a',

    tau (v^2 + v'^2 + 2 tau) |e|^2 / c^2  +  tau (a^2 + a'^2)  +  slope,

and where its energy is half the squared difference D of the states, with n noisy nodes (2; 1 above a clamped
input),

    n tau (D^2 + n tau) |e|^2 / c^2  +  n tau (a - a')^2  +  slope.

`slope` is what the noise of the free reading does to e itself, whatever the nudge: s^2 |H (S v' + S' v)|^2,
H the loss's second derivative at the outputs. It adds to |e|^2 and a^2 as well. One-sided estimates have four
times the noise in their adjoints; what is more, the free reading is then in e and in the difference, which at
the outputs adds to the variance of nudges towards the target and takes from that of nudges away from it.

All is exact for a quadratic loss on a chip that responds in proportion (between diodes that flip), centered.
One-sided, the noise of e also turns the push, half of which the states lie away from rest: that is taken
along to first order, exactly as noise vanishes, for any Hessian. At s |H| = .05 |e| it is right within 3 %
(over drawn chips, nudges from .03 to 1.5 V), at .4 it was wrong by half, so beyond .05 it is refused.
Derived for this project; after Scellier and Bengio 2017 (https://doi.org/10.3389/fncom.2017.00024).
"""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from analog.spec import Synapse

from ..local.equilibrium import Nudging

_FIRST_ORDER: Final = 0.05  # of the output gradient that noise may change where nudges are one-sided


class SettledLayer(NamedTuple):
    """The nodes above and below a layer's cells as they settle for one example, and how they respond."""

    above: Tensor  # (q,), V, the mean of the states that are compared
    below: Tensor  # (p,), V, likewise
    above_response: Tensor  # (q, outputs), by so much per current into an output
    below_response: Tensor | None = None  # (p, outputs); None: the nodes below are clamped inputs
    is_last: bool = False  # whether the nodes above are the outputs


class ReadNoise(NamedTuple):
    """How an example is nudged and read."""

    read_noise: float  # V, of a reading of a tap
    nudge: float  # V, the current of the example
    nudging: Nudging = "centered"
    pairs: int = 1  # K, how often nudged states are read


def cell_variance(
    synapse: Synapse, layer: SettledLayer, output_gradient: Tensor, hessian: Tensor, reading: ReadNoise
) -> Tensor:
    """The variance of one example's gradient at every cell of a layer, (q, p), from the noise of its taps.

    Args:
        synapse: "product" or "difference".
        layer: how the example settles.
        output_gradient: e, (outputs,), of the example's loss.
        hessian: H, (outputs, outputs), of its loss.
        reading: how it is nudged and read.

    Raises:
        ValueError: signals go one way through the cells, a setting is none, or the nudge is one-sided and
            read noise changes the output gradient by more than a little of it.
    """
    _require(synapse, reading)
    _require_first_order(output_gradient, hessian, reading)
    power = reading.read_noise**2
    gains = _slope_gains(synapse, layer)  # (q, p, outputs), what a change of e makes of a cell's gradient
    if reading.nudging != "centered":
        gains = gains + _turned_push_gains(synapse, layer, output_gradient, reading)
    from_output = power * (gains @ hessian).square().sum(-1)
    length = (output_gradient.square().sum() + power * hessian.square().sum()).sqrt() / reading.nudge
    adjoint, state, both = _noise(reading, float(length))
    responses = (layer.above_response, layer.below_response)
    squares = [_mean_square(response, output_gradient, hessian, power) for response in responses]
    up, down = layer.above[:, None], layer.below[None, :]
    if synapse == "product":
        free = layer.below_response is not None
        products = adjoint * (down.square() + free * up.square())
        moved = state * (squares[0][:, None] + squares[1][None, :]) if free else 0.0
        crossed = 2 * both * _crossed(layer, output_gradient) if free else 0.0
        noise = products + moved + crossed + (2 * (adjoint * state + both**2) if free else 0.0)
    else:
        nodes = 1 if layer.below_response is None else 2
        squared = _squared_contrast(layer, output_gradient, hessian, power)
        noise = nodes * (adjoint * (up - down).square() + state * squared)
        noise = noise + nodes**2 * (adjoint * state + both**2)
        noise = noise + 2 * nodes * both * (up - down) * _contrast(layer, output_gradient)
    if layer.is_last and reading.nudging != "centered":
        noise = noise + _shared_reading(synapse, layer, output_gradient, gains @ hessian, reading)
    return from_output + noise


def adjoint_variance(output_gradient: Tensor, reading: ReadNoise) -> float:
    """The variance of an example's gradient at one node by equilibrium propagation, from its tap's noise.

    Args:
        output_gradient: (outputs,), of the example's loss; its own noise is left out.
        reading: how it is nudged and read.
    """
    return _noise(reading, float(output_gradient.norm()) / reading.nudge)[0]


def probed_adjoint_variance(
    adjoints: Tensor, output_gradient: Tensor, *, read_noise: float, size: float, pairs: int
) -> Tensor:
    """The same by node perturbation with pairs of signs at all nodes: each hears what the others do.

    [|A|^2 - A_i^2 + s^2 |e|^2 / (2 size^2)] / K: with nudge = size the noise of the readings is that of
    equilibrium propagation, and the rest is what reciprocity removes.

    Args:
        adjoints: A, (nodes,), the gradient of the example's loss at all nodes that are probed.
        output_gradient: e, (outputs,).
        read_noise: s, V.
        size: of the probe at each node, V.
        pairs: K.

    Returns:
        (nodes,).
    """
    squares, loss_noise = adjoints.square(), read_noise**2 * output_gradient.square().sum()
    return (squares.sum() - squares + loss_noise / (2 * size**2)) / pairs


def _noise(reading: ReadNoise, length: float) -> tuple[float, float, float]:
    """The variances of an adjoint and of a state that it goes with, and the covariance of the two."""
    power, pairs = reading.read_noise**2, reading.pairs
    if reading.nudging == "centered":
        return power * length**2 / (2 * pairs), power / (2 * pairs), 0.0
    sign = _sign(reading)
    readings = power * (1 + 1 / pairs)
    return readings * length**2, readings / 4, sign * length * power * (1 / pairs - 1) / 2


def _mean_square(response: Tensor | None, e: Tensor, hessian: Tensor, power: float) -> Tensor:
    """The mean square of every node's adjoint, the slope's noise in it."""
    if response is None:
        return e.new_zeros(1)
    return (response @ e).square() + power * (response @ hessian).square().sum(-1)


def _slope_gains(synapse: Synapse, layer: SettledLayer) -> Tensor:
    above, below = layer.above[:, None, None], layer.below[None, :, None]
    own = layer.above_response[:, None, :]
    other = own.new_zeros(1, len(layer.below), 1)
    if layer.below_response is not None:
        other = layer.below_response[None, :, :]
    return own * below + other * above if synapse == "product" else (other - own) * (above - below)


def _turned_push_gains(
    synapse: Synapse, layer: SettledLayer, e: Tensor, reading: ReadNoise
) -> Tensor:  # (q, p, outputs)
    """What a change of e makes of a cell's gradient by turning the push, half of which its states lie away.

    The push has the same length c whatever e is, so that only the part of a change across e, P de / |e|,
    moves the state that the adjoint goes with.
    """
    length = e.norm().clamp(min=torch.finfo(e.dtype).tiny)
    across = torch.eye(len(e), dtype=e.dtype, device=e.device) - torch.outer(e, e) / length**2
    half = 0.5 * _sign(reading) * reading.nudge / length
    own = half * (layer.above_response @ across)[:, None, :]
    above = (layer.above_response @ e)[:, None, None]
    if layer.below_response is None:  # clamped inputs, which no push moves
        return torch.zeros_like(own) if synapse == "product" else -above * own
    other = half * (layer.below_response @ across)[None, :, :]
    below = (layer.below_response @ e)[None, :, None]
    return above * other + below * own if synapse == "product" else (below - above) * (own - other)


def _sign(reading: ReadNoise) -> float:
    """The sign of a one-sided nudge along the output gradient."""
    return 1.0 if reading.nudging == "away" else -1.0


def _crossed(layer: SettledLayer, e: Tensor) -> Tensor:
    """Each state times its own adjoint, above and below: (q, p)."""
    assert layer.below_response is not None
    above, below = layer.above * (layer.above_response @ e), layer.below * (layer.below_response @ e)
    return above[:, None] + below[None, :]


def _contrast(layer: SettledLayer, e: Tensor) -> Tensor:
    """The adjoint above less that below, (q, p)."""
    above = (layer.above_response @ e)[:, None]
    return above if layer.below_response is None else above - (layer.below_response @ e)[None, :]


def _squared_contrast(layer: SettledLayer, e: Tensor, hessian: Tensor, power: float) -> Tensor:
    """The mean square of the difference of two adjoints, (q, p)."""
    response = layer.above_response[:, None, :]
    if layer.below_response is not None:
        response = response - layer.below_response[None, :, :]
    return (response @ e).square() + power * (response @ hessian).square().sum(-1)


def _shared_reading(
    synapse: Synapse, layer: SettledLayer, e: Tensor, heard: Tensor, reading: ReadNoise
) -> Tensor:
    """Twice the covariance of the slope's noise and a one-sided difference's: the free reading is in both.

    Args:
        heard: (q, p, outputs), what the noise of an output makes of a cell's gradient by the slope.
    """
    sign = _sign(reading)
    above, below = layer.above[:, None], layer.below[None, :]
    if synapse == "product":
        lever, moved = below, _contrast(layer, e) * 0
        if layer.below_response is not None:
            moved = moved + (layer.below_response @ e)[None, :]
    else:
        lever, moved = below - above, -_contrast(layer, e)
    own = torch.diagonal(heard, dim1=0, dim2=2).T  # (q, p), of the cell's own output
    length = float(e.norm()) / reading.nudge
    return reading.read_noise**2 * (moved - 2 * sign * length * lever) * own


def _require(synapse: Synapse, reading: ReadNoise) -> None:
    if synapse == "one-way":
        raise ValueError("cell_variance: signals go one way through these cells; wanted a chip that relaxes")
    if not 0 < reading.nudge < float("inf") or not reading.read_noise >= 0 or reading.pairs < 1:
        raise ValueError(
            f"cell_variance: {reading} is none; wanted a nudge above 0, noise from 0, pairs from 1"
        )


def _require_first_order(e: Tensor, hessian: Tensor, reading: ReadNoise) -> None:
    changed, limit = reading.read_noise * float(hessian.norm()), _FIRST_ORDER * float(e.norm())
    if reading.nudging != "centered" and changed > limit:
        raise ValueError(
            f"cell_variance: read noise changes the output gradient by {changed:.3g}, wanted {limit:.3g} at "
            f"most ({_FIRST_ORDER:g} of its length) where nudges are one-sided; the law is one of first order"
        )
