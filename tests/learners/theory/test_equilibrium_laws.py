"""What laws say of equilibrium propagation is what a settled chip's noisy readings show."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Probe, dense, mlp, stream, xray
from analog.devices import Hopfield, Resistive
from analog.layers import Paired, prepared
from learners import NodePerturbation, SquaredError, antithetic, sgd
from learners.estimators.estimate import judge_baseline, probe_span
from learners.local import EquilibriumPropagation
from learners.theory.best_settings import best_nudge
from learners.theory.equilibrium_laws import (
    ReadNoise,
    SettledLayer,
    adjoint_variance,
    cell_variance,
    probed_adjoint_variance,
)

# of these chips no neuron and no diode is near its knee
CHIPS: dict[str, tuple[Any, Any, int]] = {
    "Hopfield": (Hopfield(sweeps=40), mlp(5, 4, 3, bias=False), 24),
    "Resistive": (
        Resistive(sweeps=40),
        (prepared(dense(12, 4, bias=False), Paired(3.0)), dense(4, 3, bias=False, linear=True)),
        1,
    ),
}
MANY = 20_000  # repetitions: a variance is known to 1 %
X = torch.rand(1, 5, generator=stream(0, "x"), dtype=torch.float64)
Y = torch.tensor([[0.9, -0.6, 0.5]], dtype=torch.float64)
EYE = torch.eye(3, dtype=torch.float64)  # the second derivative of a squared error
NUDGE = 0.05


def made(name: str, read_noise: float) -> Chip[Any]:
    device, layers, identity = CHIPS[name]
    return Chip(replace(device, read_noise=read_noise), layers, identity, dtype=torch.float64)


def settled(chip: Chip[Any], shift: float) -> list[SettledLayer]:
    """How each layer settles, pushed by `shift` along the output gradient, and how it responds."""
    pushes = torch.stack((NUDGE * EYE, -NUDGE * EYE)).flatten(0, 1)[:, None]
    both = xray.respond(chip, X, Probe(nodes=(None, pushes))).taps
    responses = [((tap[:3] - tap[3:]) / (2 * NUDGE)).squeeze(1).T for tap in both]
    e = xray.respond(chip, X).out - Y
    push = shift * e / e.norm()
    states = [tap[0] for tap in xray.respond(chip, X, Probe(nodes=(None, push))).taps]
    inputs = chip.spec.layers[0].gather(X)[0, 0]
    first = SettledLayer(states[0], inputs, responses[0])
    return [first, SettledLayer(states[1], states[0], responses[1], responses[0], is_last=True)]


def estimates(chip: Chip[Any], reading: ReadNoise) -> list[Tensor]:
    """Many estimates of one example's gradient at the cells, (MANY, q, p) of each layer."""
    learner = EquilibriumPropagation(sgd(1.0), SquaredError(), NUDGE, reading.nudging, reading.pairs)
    port, x = chip.port(), X.expand(MANY, -1)
    free = port.measure(x)
    found = learner.adjoints(port, x, free.taps, free.out - Y)
    adjoints: Any = found.gradient.nodes
    inputs = chip.spec.layers[0].gather(x).squeeze(-3)
    below = [(0 * inputs, inputs), (adjoints[0], found.states[0])]
    made = []
    for adjoint, state, (back, down) in zip(adjoints, found.states, below, strict=True):
        a, v, b, w = adjoint[:, :, None], state[:, :, None], back[:, None, :], down[:, None, :]
        made.append(a * w + b * v if chip.spec.synapse == "product" else (b - a) * (v - w))
    return made


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize(
    ("nudging", "pairs"), [("centered", 1), ("centered", 3), ("towards", 1), ("away", 2)]
)
def test_the_variance_at_every_cell_is_what_the_law_says(name: str, nudging: Any, pairs: int) -> None:
    reading = ReadNoise(0.01, NUDGE, nudging, pairs)
    chip = made(name, reading.read_noise)
    shift = {"centered": 0.0, "towards": -NUDGE / 2, "away": NUDGE / 2}[nudging]
    e = (xray.respond(chip, X).out - Y)[0]
    for layer, found in zip(settled(chip, shift), estimates(chip, reading), strict=True):
        wanted = cell_variance(chip.spec.synapse, layer, e, EYE, reading)
        ratio = found.var(0) / wanted
        assert float(found.var(0).sum() / wanted.sum()) == pytest.approx(1, abs=0.03)
        assert float((ratio - 1).abs().max()) < 0.06, ratio


@pytest.mark.parametrize("read_noise", [0.0, 0.05])
def test_a_probe_hears_all_other_nodes_and_a_nudge_none(read_noise: float) -> None:
    chip, size = made("Resistive", read_noise), 0.02
    x = X.expand(MANY, -1)
    quiet = made("Resistive", 0.0).port().measure(x)
    judged = judge_baseline(SquaredError(), x, Y.expand(MANY, -1), quiet)
    estimator = NodePerturbation(size, 2, scheme=antithetic, mask=False)
    result = probe_span(estimator, chip.port(), judged, (0, 1), stream(0, "probes"))
    found = torch.cat(estimator.tell(chip.spec, result).nodes or (), -1)  # type: ignore[arg-type]
    e = (quiet.out - Y)[0]
    adjoints = torch.cat([layer.above_response @ e for layer in settled(made("Resistive", 0.0), 0.0)])
    wanted = probed_adjoint_variance(adjoints, e, read_noise=read_noise, size=size, pairs=2)
    assert float((found.var(0) / wanted - 1).abs().max()) < 0.06
    nudged = adjoint_variance(e, ReadNoise(read_noise, size, pairs=2))
    own = adjoints.square().sum() - adjoints.square()
    assert torch.allclose(wanted - own / 2, torch.tensor(nudged, dtype=torch.float64))


@pytest.mark.parametrize(("nudging", "order"), [("centered", 2), ("towards", 1)])
def test_no_nudge_does_better_than_the_best(nudging: Any, order: int) -> None:
    best = best_nudge(0.3, 0.7, nudging)
    errors = [0.3 / c**2 + (0.7 * c**order) ** 2 for c in (0.99 * best, best, 1.01 * best)]
    assert errors[1] < min(errors[0], errors[2])


HIDDEN, INPUTS, OUTPUTS = 3, 4, 2


def drawn_layer(last: bool, clamped: bool) -> tuple[SettledLayer, Tensor, Tensor]:
    """A layer as it settles and responds, a gradient at the outputs and a loss's second derivative, drawn."""
    generator = stream(0, "drawn layer", last, clamped)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    units = OUTPUTS if last else HIDDEN
    h = drawn(OUTPUTS, OUTPUTS)
    back = None if clamped else drawn(INPUTS, OUTPUTS)
    return (
        SettledLayer(drawn(units), drawn(INPUTS), drawn(units, OUTPUTS), back, last),
        drawn(OUTPUTS),
        h + h.T,
    )


SIDES = {"centered": (1.0, -1.0), "towards": (-1.0, 0.0), "away": (1.0, 0.0)}
PUSH = 0.4


def noise_sizes(layer: SettledLayer, nudging: str) -> list[int]:
    """How many numbers each noisy reading has: both layers' free ones, other outputs' and the nudged ones."""
    above, below = len(layer.above), len(layer.below)
    nudged = sum(side != 0 for side in SIDES[nudging])
    return [above, below, OUTPUTS, *[above] * nudged, *[below] * nudged * (layer.below_response is not None)]


def estimated(
    synapse: str, layer: SettledLayer, e: Tensor, hessian: Tensor, nudging: str, noise: Sequence[Tensor]
) -> Tensor:
    """The gradient at every cell, (..., q, p), of a chip that responds in proportion, read with noise."""
    own_noise = iter(noise[3:])
    felt = e + (noise[0] if layer.is_last else noise[2]) @ hessian
    length = felt.norm(dim=-1, keepdim=True)
    sides, found = SIDES[nudging], []
    mean_shift = sum(sides) / 2 * PUSH * e / e.norm()
    for free, state, response in zip(
        noise, layer[:2], (layer.above_response, layer.below_response), strict=False
    ):
        if response is None:  # a clamped input is known
            found.append((torch.zeros_like(state).expand_as(free), state.expand_as(free)))
            continue
        still = state - response @ mean_shift
        one, other = (
            still + side * PUSH * (felt / length) @ response.T + (next(own_noise) if side else free)
            for side in sides
        )
        found.append(((one - other) * length / (PUSH * (sides[0] - sides[1])), (one + other) / 2))
    (a, v), (b, w) = ((x[..., :, None], y[..., :, None]) for x, y in found)
    b, w = b.mT, w.mT
    return a * w + b * v if synapse == "product" else (b - a) * (v - w)


@pytest.mark.parametrize("synapse", ["product", "difference"])
@pytest.mark.parametrize("clamped", [False, True])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("nudging", SIDES)
def test_as_noise_vanishes_the_variance_is_exact_for_any_second_derivative_of_the_loss(
    synapse: Any, clamped: bool, last: bool, nudging: Any
) -> None:
    """The sum over all readings of the squared derivative by its noise, without a draw."""
    layer, e, hessian = drawn_layer(last, clamped)
    pairs, tiny = 3, 1e-7
    silence = tuple(torch.zeros(n, dtype=torch.float64) for n in noise_sizes(layer, nudging))
    slopes: Any = torch.autograd.functional.jacobian(
        lambda *noise: estimated(synapse, layer, e, hessian, nudging, noise), silence
    )
    repeats = [1, 1, 1] + [pairs] * (len(silence) - 3)
    wanted = sum(slope.square().sum(-1) / k for slope, k in zip(slopes, repeats, strict=True))
    found = cell_variance(synapse, layer, e, hessian, ReadNoise(tiny, PUSH, nudging, pairs)) / tiny**2
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("synapse", ["product", "difference"])
@pytest.mark.parametrize("clamped", [False, True])
@pytest.mark.parametrize(
    ("nudging", "noise", "pairs", "last"),
    [
        ("centered", 0.5, 1, False),  # the products of noise rule
        ("centered", 0.5, 3, True),
        ("towards", 0.01, 1, True),  # to first order in what the free reading does to the gradient
        ("away", 0.01, 3, True),
        ("towards", 0.01, 2, False),
        ("towards", 0.5, 3, True),  # of a loss that does not bend, at any noise
        ("away", 0.5, 2, False),
    ],
)
def test_the_variance_is_that_of_readings_of_a_chip_that_responds_in_proportion(
    synapse: Any, nudging: Any, noise: float, pairs: int, clamped: bool, last: bool
) -> None:
    """By 50,000 draws of the noise of all taps; a mean square is known to .6 %."""
    layer, e, hessian = drawn_layer(last, clamped)
    if nudging != "centered" and noise > 0.1:
        with pytest.raises(ValueError, match="the law is one of first order"):
            cell_variance(synapse, layer, e, hessian, ReadNoise(noise, PUSH, nudging, pairs))
        hessian = 0 * hessian
    generator = stream(0, "readings", nudging, pairs, last, clamped)
    heard = [
        torch.randn(50_000, n, generator=generator, dtype=torch.float64)
        * noise
        / (pairs**0.5 if k > 2 else 1)
        for k, n in enumerate(noise_sizes(layer, nudging))
    ]
    found = estimated(synapse, layer, e, hessian, nudging, heard)
    wanted = cell_variance(synapse, layer, e, hessian, ReadNoise(noise, PUSH, nudging, pairs))
    torch.testing.assert_close(found.var(0), wanted, rtol=0.03, atol=1e-9)


def test_what_is_no_reading_has_no_variance() -> None:
    layer, e, hessian = drawn_layer(False, False)
    assert float(cell_variance("product", layer, e, hessian, ReadNoise(0.0, 0.1)).abs().max()) == 0
    with pytest.raises(ValueError, match="signals go one way"):
        cell_variance("one-way", layer, e, hessian, ReadNoise(0.1, 0.1))
    for bad in ((0.1, 0.0), (0.1, -1.0), (0.1, float("inf")), (-0.1, 0.1), (float("nan"), 0.1)):
        with pytest.raises(ValueError, match="wanted a nudge above 0, noise from 0, pairs from 1"):
            cell_variance("product", layer, e, hessian, ReadNoise(*bad))
    with pytest.raises(ValueError, match="pairs from 1"):
        cell_variance("product", layer, e, hessian, ReadNoise(0.1, 0.1, pairs=0))
    for numbers, says in (
        ((0.0, 0.7), "reading is 0"),
        ((0.3, 0.0), "bias is 0"),
        ((-0.3, 0.7), "reading is -0"),
    ):
        with pytest.raises(ValueError, match=f"best_nudge: {says}"):
            best_nudge(*numbers, "centered")
