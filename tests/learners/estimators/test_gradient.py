"""From gradients at nodes to gradients at knobs."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Layer, Spec, conv2d, dense, grouped, stream, xray
from analog.layers import LastStep, OneHot, Recurrent, channel_mixing, prepared, recurrent
from learners import CrossEntropy, Gradient, SquaredError
from learners.estimators import knob_gradients
from learners.estimators.gradient import broadcast_parts, knob_gradient, weighted_sum

F64 = torch.float64
SHAPES = {
    "dense": (dense(6, 4), dense(4, 3, linear=True)),
    "grouped": (grouped(6, 4, 2), grouped(4, 6, 2, linear=True)),
    "conv": (conv2d((1, 4, 4), 2, 2, stride=2, biases="per-site"), dense(8, 3, linear=True)),
}


@pytest.mark.parametrize("layers", SHAPES.values(), ids=SHAPES)
def test_node_gradients_become_knob_gradients(layers: tuple[Layer, ...]) -> None:
    """On an ideal chip the exact node gradient through `knob_gradient` is the exact knob gradient."""
    chip = Chip(Ideal(), layers, 1, dtype=F64)
    x = torch.randn(5, chip.spec.layers[0].features_in, generator=stream(0, "c"), dtype=F64)
    target = torch.tensor([0, 1, 2, 1, 0])
    nodes = xray.node_gradient(chip, x, target, CrossEntropy())
    given_to = (x, *xray.respond(chip, x).taps[:-1])
    ours = tuple(knob_gradient(la, d, g) for la, d, g in zip(chip.spec.layers, nodes, given_to, strict=True))
    torch.testing.assert_close(ours, xray.knob_gradient(chip, x, target, CrossEntropy()))


STATES = {
    "read at every step": (recurrent(2, 3, 4), channel_mixing(4, 3, 3, linear=True)),
    "read at the last": (recurrent(2, 3, 4), prepared(dense(3, 3, linear=True), LastStep(4))),
    "in two layers": (
        prepared(recurrent(2, 3, 4), OneHot(2)),
        Recurrent(grouped(9, 6, 3), 4),
        prepared(dense(6, 3, linear=True), LastStep(4)),
    ),
    "a state at the end": (dense(8, 8), recurrent(2, 3, 4)),
}


@pytest.mark.parametrize("layers", STATES.values(), ids=STATES)
@pytest.mark.parametrize("fleet", [1, (1, 2)])
def test_a_state_adds_up_the_products_of_its_steps(layers: tuple[Layer, ...], fleet: Any) -> None:
    """The exact gradient at the nodes of all steps times what drove them is the exact knob gradient."""
    chip = Chip(Ideal(), layers, fleet, dtype=F64)
    x = torch.randn(5, layers[0].features_in, generator=stream(0, "states"), dtype=F64).abs().round()
    target = torch.randn(5, layers[-1].features, generator=stream(0, "wanted"), dtype=F64)
    nodes = xray.node_gradient(chip, x, target, SquaredError())
    taps = xray.respond(chip, x).taps
    ours = knob_gradients(chip.spec, Gradient(nodes=nodes), (x, *taps[:-1]), taps[-1])
    exact = xray.knob_gradient(chip, x, target, SquaredError())
    torch.testing.assert_close(ours, exact)
    assert all(bool(part.any()) for part in exact)


def test_a_state_without_its_tap_has_no_gradient_at_its_knobs() -> None:
    spec = Chip(Ideal(), STATES["a state at the end"], 1, dtype=F64).spec
    nodes = tuple(torch.ones(5, layer.features, dtype=F64) for layer in spec.layers)
    with pytest.raises(ValueError, match="driven by its own activity too; give its tap"):
        knob_gradients(spec, Gradient(nodes=nodes), (nodes[0], nodes[0]))


def relaxing(
    layers: tuple[Layer, ...], synapse: Any, fleet: tuple[int, ...] = (2,)
) -> tuple[Spec, list[Tensor]]:
    """The datasheet of chips that relax, and what their inputs and nodes show of five examples."""
    spec = replace(Chip(Ideal(), layers, 1, dtype=F64).spec, synapse=synapse, fleet=fleet)
    generator, widths = stream(0, "states"), (layers[0].features_in, *(each.features for each in layers))
    return spec, [torch.randn(*fleet, 5, width, generator=generator, dtype=F64) for width in widths]


@pytest.mark.parametrize("fleet", [(), (2,)], ids=str)
@pytest.mark.parametrize("synapse", ["product", "difference"])
@pytest.mark.parametrize("unknown", [None, 0, 1], ids=["all", "above", "below"])
@pytest.mark.parametrize("layers", SHAPES.values(), ids=SHAPES)
def test_the_gradient_at_a_cell_is_by_how_much_the_adjoints_of_both_its_nodes_lower_its_energy(
    layers: tuple[Layer, ...], unknown: int | None, synapse: str, fleet: tuple[int, ...]
) -> None:
    """Its energy is -v v' or (v - v')^2 / 2, summed over its sites, averaged over examples."""
    spec, states = relaxing(layers, synapse, fleet)
    generator = stream(0, "adjoints")
    adjoints = [torch.randn(v.shape, generator=generator, dtype=F64) for v in states[1:]]
    known = [None if at == unknown else a for at, a in enumerate(adjoints)]
    found = knob_gradients(spec, Gradient(nodes=tuple(known)), states[:-1], states[-1])
    along = [torch.zeros_like(states[0])]  # inputs are clamped
    along += [torch.zeros_like(v) if a is None else a for v, a in zip(states[1:], known, strict=True)]

    def energy(at: int, step: float) -> Tensor:
        v, u = (states[at + k] + step * along[at + k] for k in (0, 1))
        below, above = layers[at].gather(v).unsqueeze(-2), layers[at].unscatter(u).unsqueeze(-1)
        return (-below * above if synapse == "product" else (below - above).square() / 2).sum(-3) / 5

    for at, gradient in enumerate(found):  # of what is quadratic, a difference of both sides is exact
        torch.testing.assert_close(gradient, (energy(at, -1.0) - energy(at, 1.0)) / 2)


def test_a_gradient_at_knobs_and_one_at_nodes_add_up_and_what_is_known_of_neither_is_zero() -> None:
    spec, states = relaxing(SHAPES["dense"], "one-way")
    knobs = tuple(torch.randn(shape, generator=stream(0, "k"), dtype=F64) for shape in spec.shapes)
    at_nodes = knob_gradient(spec.layers[1], states[2], states[1])
    both = knob_gradients(spec, Gradient(knobs=(None, knobs[1]), nodes=(None, states[2])), states[:-1])
    torch.testing.assert_close(both, (torch.zeros_like(knobs[0]), knobs[1] + at_nodes))
    alone = knob_gradients(replace(spec, synapse="difference"), Gradient(knobs=knobs), states[:-1])
    torch.testing.assert_close(alone, knobs)  # nothing is sent back of what was found at the cells


def test_a_chip_that_relaxes_has_no_gradient_at_cells_without_the_states_of_its_last_nodes() -> None:
    spec, states = relaxing(SHAPES["dense"], "product")
    with pytest.raises(ValueError, match="give the last tap as `out`"):
        knob_gradients(spec, Gradient(nodes=tuple(states[1:])), states[:-1])


def test_a_part_that_is_given_to_its_nodes_needs_an_equal_share_of_them() -> None:
    assert broadcast_parts(torch.tensor([[1.0, 2.0]]), 4).tolist() == [[1.0, 1.0, 2.0, 2.0]]
    with pytest.raises(ValueError, match="2 parts do not divide a layer of 3 nodes"):
        broadcast_parts(torch.zeros(1, 2), 3)


def test_a_weighted_sum_counts_what_is_not_known_as_zero() -> None:
    a, b, c, d = torch.randn(4, 3, generator=stream(0, "sum"), dtype=F64)
    first = Gradient(knobs=(a, None, b, None), nodes=None)
    second = Gradient(knobs=(c, d, None, None), nodes=(a, None, b, None))
    told = weighted_sum(0.3, first, second)
    assert told.knobs is not None and told.nodes is not None and told.knobs[3] is None
    torch.testing.assert_close(told.knobs[:3], (0.3 * a + c, d, 0.3 * b))
    assert [entry is None for entry in told.nodes] == [False, True, False, True]
    torch.testing.assert_close((told.nodes[0], told.nodes[2]), (a, b))
    back = weighted_sum(0.3, second, first)
    assert back.knobs is not None and back.nodes is not None
    torch.testing.assert_close(back.knobs[:3], (0.3 * c + a, 0.3 * d, b))
    torch.testing.assert_close((back.nodes[0], back.nodes[2]), (0.3 * a, 0.3 * b))
    assert weighted_sum(0.3, Gradient(), Gradient()) == Gradient()
