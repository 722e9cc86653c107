"""Transistors settle where the published law of their currents balances, and are not quite reciprocal."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from analog import Chip, Probe, stream, xray
from analog.devices import TransistorNetwork
from analog.layers import periodic_lattice
from analog.relaxation import unsettled
from tests.analog.check.judging import require_lawful

LAYERS = periodic_lattice(4, [(3, 3), (3, 1), (1, 1), (1, 3)], [(2, 2), (0, 0)])
X = 0.45 * torch.rand(5, 4, generator=stream(0, "volts"), dtype=torch.float64)
SETTLED = TransistorNetwork(read_noise=0.0, sweeps=300)


def current(gate: Tensor, threshold: Tensor, strength: Tensor, at: Tensor, to: Tensor) -> Tensor:
    """From one node to the other as the textbook has it: ohmic, saturated at the higher node, or off."""
    high, low = torch.maximum(at, to), torch.minimum(at, to)
    ohmic = (gate - threshold - (high + low) / 2) * (high - low)
    saturated = (gate - threshold - low).clamp(min=0).square() / 2
    return strength * torch.where(high < gate - threshold, ohmic, saturated) * (at - to).sign()


@pytest.mark.parametrize("saturated", [False, True])
def test_at_every_node_the_published_currents_add_up_to_nothing(saturated: bool) -> None:
    chip = Chip(SETTLED, LAYERS, range(2), dtype=torch.float64)
    chip.port().program(tuple(0.02 + (0 if saturated else 0.3) * k for k in xray.knobs(chip)))
    hidden, outputs = xray.respond(chip, X).taps
    gates = [SETTLED.gate_min + (SETTLED.gate_max - SETTLED.gate_min) * c.knobs for c in chip._cells]
    flows = []
    for layer, cells, gate, below, above in zip(
        LAYERS, chip._cells, gates, (X, hidden), (hidden, outputs), strict=True
    ):
        ends = layer.gather(below).unsqueeze(-2), layer.unscatter(above).unsqueeze(-1)
        v_g, v_t, k = (constant.unsqueeze(-3) for constant in (gate, cells.threshold, cells.strength))
        flows.append(current(v_g, v_t, k, *ends))
        if saturated and below is X:
            assert bool((torch.maximum(*ends) > (gate - cells.threshold).unsqueeze(-3)).any())
    into_outputs = LAYERS[1].scatter(flows[1].sum(-1))
    into_hidden = LAYERS[0].scatter(flows[0].sum(-1)) - LAYERS[1].ungather(flows[1].sum(-2))
    assert float(into_outputs.abs().max()) < 1e-8 and float(into_hidden.abs().max()) < 1e-8


def test_it_keeps_the_contract() -> None:
    require_lawful(TransistorNetwork(), 0)


def test_a_reading_is_settled_within_some_per_cent() -> None:
    chip = Chip(TransistorNetwork(), LAYERS, range(8), dtype=torch.float64)
    assert float(unsettled(chip.device, chip.spec, chip._cells, X, 100).max()) < 0.06


def test_the_nearer_nodes_are_to_their_gates_the_less_reciprocal_a_chip_is() -> None:
    """Two nodes answer one another by V_G - V_T - V of the one that is pushed."""
    skews = []
    for gate in (0.9, 0.1):
        chip = Chip(replace(SETTLED, severity=0.0), LAYERS, 0, dtype=torch.float64)
        chip.port().program(tuple(torch.full_like(k, gate) for k in xray.knobs(chip)))
        pushes = 1e-4 * torch.eye(12, dtype=torch.float64)[:, None]
        probes = [Probe(nodes=(sign * pushes[..., :8], sign * pushes[..., 8:])) for sign in (1, -1)]
        up, down = (torch.cat(xray.respond(chip, X[:1], probe).taps, -1)[:, 0] for probe in probes)
        skews.append(float((up - down - (up - down).T).norm() / (up - down).norm()))
    assert 0 < 4 * skews[0] < skews[1] < 0.3
    assert not TransistorNetwork().reciprocal


def test_gates_want_a_range() -> None:
    with pytest.raises(ValueError, match="gate_max is 1.0, wanted one above gate_min, 1.0"):
        TransistorNetwork(gate_max=1.0)
