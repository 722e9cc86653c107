"""Linear chips are what they say: their losses are linear, and have the gradients that are told of them."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Probe, stream
from learners import NodePerturbation, WeightPerturbation, gaussian
from learners.check.linear_chip import CONVOLUTION, DEEP, DENSE, LinearChip, _risen, _shares, _signed, _waves
from learners.estimators.gradient import Gradient

F64 = torch.float64
NODES = NodePerturbation(0.3, probes=2, distribution=gaussian)
WEIGHTS = WeightPerturbation(0.3, probes=2, distribution=gaussian)
CHIPS = [LinearChip(DENSE), LinearChip(CONVOLUTION), LinearChip(DEEP, examples=2)]


def drawn(shapes: Any, name: str) -> tuple[Tensor, ...]:
    generator = stream(0, "linear chip", name)
    return tuple(torch.randn(s, generator=generator, dtype=F64).requires_grad_() for s in shapes)


def probe_of(chip: LinearChip) -> tuple[Probe, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """One probe of a lone chip, everywhere at once; and what it is at the knobs and at the nodes."""
    shapes = [(1, chip.examples, layer.features) for layer in chip.layers]
    knobs, nodes = drawn([(1, *s) for s in chip.spec(None).shapes], "knobs"), drawn(shapes, "nodes")
    return Probe(knobs=knobs, nodes=nodes), knobs, nodes


def losses_of(chip: LinearChip, probe: Probe, gradient: Gradient | None = None) -> Tensor:
    asked = chip.answer(NODES, chip.spec(None), probe, None, stream(0))
    return chip.losses(asked, gradient)


@pytest.mark.parametrize("chip", CHIPS, ids=["dense", "convolution", "deep"])
def test_the_gradients_that_are_told_are_those_of_the_losses(chip: LinearChip) -> None:
    probe, knobs, nodes = probe_of(chip)
    losses, count = losses_of(chip, probe), len(chip.layers)
    assert losses.shape == (1, chip.examples, 1)
    found = torch.autograd.grad(losses.mean(), (*knobs, *nodes))
    for at_knobs, wanted in zip(found[:count], chip.gradient, strict=True):
        torch.testing.assert_close(at_knobs, wanted.unsqueeze(0))
    for at_nodes, d in zip(found[count:], chip.node_gradients, strict=True):
        torch.testing.assert_close(chip.examples * at_nodes, d.unsqueeze(0))
    nothing = Probe(knobs=tuple(map(torch.zeros_like, knobs)))
    torch.testing.assert_close(losses_of(chip, nothing), torch.full_like(losses, 0.3))


@pytest.mark.parametrize("chip", CHIPS, ids=["dense", "convolution", "deep"])
@pytest.mark.parametrize("estimator", [NODES, WEIGHTS], ids=["nodes", "weights"])
def test_a_basis_holds_every_unit_gradient_and_what_is_to_be_told_of_it(
    chip: LinearChip, estimator: Any
) -> None:
    (probe, knobs, nodes), basis = probe_of(chip), chip.basis(estimator)
    entries = knobs if estimator is WEIGHTS else nodes
    told_of_all = torch.stack([told for _, _, told in basis])
    shapes = [
        g.numel() if estimator is WEIGHTS else la.features
        for g, la in zip(chip.gradient, chip.layers, strict=True)
    ]
    assert [at for at, _, _ in basis] == [at for at, size in enumerate(shapes) for _ in range(size)]
    assert torch.linalg.matrix_rank(told_of_all) == len(basis)
    for at, gradient, told in basis[:: max(1, len(basis) // 7)]:
        losses = losses_of(chip, probe, gradient)
        parts = torch.autograd.grad(losses.mean(), entries, allow_unused=True, materialize_grads=True)
        scale = 1 if estimator is WEIGHTS else chip.examples
        torch.testing.assert_close(scale * torch.cat([p.flatten() for p in parts]), told)
        assert [i for i, p in enumerate(parts) if bool(p.any())] == [at]


class AtKnobs(NodePerturbation):
    """Probes nodes and tells of knobs."""

    gradient_at: Any = "knobs"
    probes_at: Any = "nodes"


def test_what_probes_at_nodes_tell_of_knobs_is_the_gradient_there() -> None:
    for chip in CHIPS:
        (probe, knobs, _), basis = probe_of(chip), chip.basis(AtKnobs(0.3))
        assert len(basis) == sum(layer.features for layer in chip.layers)
        for _, gradient, told in basis[::3]:
            parts = torch.autograd.grad(
                losses_of(chip, probe, gradient).mean(),
                knobs,
                allow_unused=True,
                materialize_grads=True,
            )
            torch.testing.assert_close(torch.cat([p.flatten() for p in parts]), told)


def test_a_result_shows_what_was_asked_for() -> None:
    chip = LinearChip()
    spec = chip.spec(3)
    asked = chip.ask(NODES, spec, stream(0, "asked"))
    plain, other = chip.result(spec, asked), chip.result(spec, asked, scale=2.0, shift=10.0, bend=0.5)
    assert plain.x is chip.x and plain.memo is asked.memo and plain.probe is asked.probe
    low = torch.full((3, 5, 1), 0.3, dtype=F64)
    torch.testing.assert_close(plain.baseline_losses, low)
    torch.testing.assert_close(other.baseline_losses, 2 * low + 10)
    torch.testing.assert_close(plain.losses, chip.losses(asked))
    torch.testing.assert_close(other.losses, 2 * plain.losses + 10)
    rows = zip(
        plain.baseline.taps, plain.probed.taps, other.probed.taps, asked.changes, chip.taps, strict=True
    )
    for baseline, probed, bent, change, tap in rows:
        assert change is not None
        torch.testing.assert_close(baseline, tap.expand(3, *tap.shape))
        torch.testing.assert_close(probed, baseline + change)
        torch.testing.assert_close(bent, probed + 0.5 * change.square() / change.square().mean())
    assert not bool(_risen(torch.zeros(4)).any())


def test_layers_that_no_probe_enters_show_their_baseline_and_an_empty_probe_is_refused() -> None:
    chip = LinearChip()
    spec, (first, _) = chip.spec(None), chip.layers
    nodes = torch.ones(2, 5, first.features, dtype=F64)
    asked = chip.answer(NODES, spec, Probe(nodes=(nodes, None)), "memo", stream(0))
    assert asked.memo == "memo" and asked.changes[1] is None and asked.knobs == (None, None)
    result = chip.result(spec, asked, bend=0.5)
    assert torch.equal(result.probed.taps[1], chip.taps[1])
    torch.testing.assert_close(result.losses[0, :, 0], 0.3 + chip.node_gradients[0].sum(-1))
    of_knobs = chip.losses(asked, Gradient(knobs=chip.gradient))
    torch.testing.assert_close(of_knobs, torch.full_like(of_knobs, 0.3))
    with pytest.raises(ValueError, match="ask gave an empty probe"):
        chip.answer(NODES, spec, Probe(), None, stream(0))


def test_where_nothing_is_sent_the_chips_own_noise_does_it() -> None:
    class OwnNoise(NodePerturbation):
        probes_at: Any = None

    chip, count = LinearChip(), 3
    spec = chip.spec(2)
    shapes = [(count, *s) for s in spec.shapes]
    unsent = Probe(knobs=tuple(torch.zeros(s, dtype=F64) for s in shapes))
    asked = chip.answer(OwnNoise(0.3), spec, unsent, None, stream(0))
    for change, layer in zip(asked.changes, chip.layers, strict=True):
        assert change is not None and change.shape == (count, 2, chip.examples, layer.features)
        assert 0.7 < float(change.std()) < 1.3
    assert asked.probe is unsent and asked.knobs == (None, None)


@pytest.mark.parametrize("examples", [1, 2, 5, 48])
def test_examples_are_told_apart_and_share_the_mean_loss_in_full(examples: int) -> None:
    shares, signed = _shares(F64, examples), _signed(F64, examples)
    assert shares.shape == signed.shape == (examples,) and float(shares.mean()) == pytest.approx(1)
    for numbers in (shares, signed):
        assert examples < 5 or bool((numbers < 0).any())
        assert all(abs(a - b) > 0.1 for a, b in pairwise(numbers.tolist())) and bool(numbers.all())
    assert _shares(torch.float32, 2).dtype == _signed(torch.float32, 2).dtype == torch.float32


def test_numbers_have_no_pattern_to_speak_of() -> None:
    for rate in (3, 7, 11):
        waves = _waves(rate, 5, 4)
        assert (
            waves.shape == (5, 4)
            and float(waves.abs().max()) <= 1
            and len(set(waves.flatten().tolist())) == 20
        )
        assert torch.linalg.matrix_rank(waves) >= 2
        torch.testing.assert_close(_waves(rate, 5, 4, 0.5), waves + 0.5)
        assert float(waves.diff(dim=-1).abs().max()) < rate * 2 / 39 * 1.01  # slow
    chip = LinearChip(DEEP, torch.float32, 2)
    assert {t.dtype for t in (chip.x, *chip.taps, *chip.node_gradients, *chip.gradient)} == {torch.float32}
    assert chip.spec(4).fleet == (4,) and chip.spec(None).fleet == () and chip.spec(4).dtype == torch.float32


def test_each_chip_of_a_fleet_has_the_losses_of_a_lone_one() -> None:
    chip = LinearChip()
    asked = chip.ask(WEIGHTS, chip.spec(3), stream(0, "fleet"))
    for gradient in (None, Gradient(knobs=chip.gradient)):
        fleet = chip.losses(asked, gradient)
        assert fleet.shape == (2, 3, 5, 1) and asked.probe.knobs is not None
        for k in range(3):
            probe = Probe(knobs=tuple(None if e is None else e[:, k] for e in asked.probe.knobs))
            torch.testing.assert_close(losses_of(chip, probe, gradient), fleet[:, k])


def test_wirings_are_what_they_are_called() -> None:
    for layers in (DENSE, CONVOLUTION, DEEP):
        assert [layer.linear for layer in layers] == [False] * (len(layers) - 1) + [True]
    assert [layer.features_in for layer in CONVOLUTION] == [6, 4] and LinearChip().x.shape == (5, 3)
