"""A digital read-out is a chip without noise or neurons."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Probe, grouped, stream
from learners.wiring import DigitalReadout

F64 = torch.float64
X = torch.randn(5, 4, generator=stream(0, "x"), dtype=F64)


@pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])
def test_a_readout_is_a_chip_without_noise_and_neurons(identity: Any) -> None:
    layer = grouped(4, 6, 2, linear=True)
    chip = Chip(Ideal(), (layer,), identity, dtype=F64)
    start = tuple(torch.randn(s, generator=stream(0, "k"), dtype=F64) for s in chip.spec.shapes)
    readout = DigitalReadout(chip.spec, layer)
    for port in (chip.port(), readout.port()):
        port.program(start)
        port.pulse(start)
    generator = stream(0, "probe")
    knobs = torch.randn(3, *chip.spec.shapes[0], generator=generator, dtype=F64)
    nodes = torch.randn(3, *chip.spec.fleet, 5, 6, generator=generator, dtype=F64)
    for sent in (Probe(), Probe(knobs=(knobs,)), Probe(nodes=(nodes,)), Probe((knobs,), (nodes,))):
        expected, got = chip.port().measure(X, sent).out, readout.port().measure(X, sent).out
        torch.testing.assert_close(got, expected)
