"""Of states measured side by side every second one is read by converters of its own, and nothing else is."""

import torch

from analog import Chip, Probe, mlp, stream
from analog.devices import Hopfield
from studies.kit.recipes.two_converters import with_two_converters

QUIET = Hopfield(read_noise=0.0)


def test_every_second_state_is_shifted_alike_for_all_examples() -> None:
    chip, x = Chip(QUIET, mlp(6, 5, 3), range(2)), torch.rand(4, 6, generator=stream(0, "x"))
    port = with_two_converters(chip.port(), 0.1, stream(0, "converters"))
    probe = Probe(nodes=(None, torch.zeros(5, 2, 4, 3)))
    for tap, plain in zip(port.measure(x, probe).taps, chip.port().measure(x, probe).taps, strict=True):
        shift = tap - plain
        assert float(shift[0::2].abs().max()) == 0 and torch.allclose(shift[1], shift[3])
        assert torch.allclose(shift[1], shift[1][:, :1].expand_as(shift[1]), atol=1e-6)
        assert float(shift[1, 0, 0].std()) > 0.01 and not torch.allclose(shift[1, 0], shift[1, 1])


def test_a_measurement_of_one_state_and_a_span_have_converters_of_the_same_nodes() -> None:
    chip, x = Chip(QUIET, mlp(6, 5, 3), 0), torch.rand(4, 6, generator=stream(0, "x"))
    port = with_two_converters(chip.port(), 0.1, stream(0, "converters"))
    assert torch.equal(port.measure(x).out, chip.port().measure(x).out)
    inputs = torch.rand(2, 4, 5, generator=stream(0, "inputs"))
    whole = port.measure(torch.stack((x, x))).out - chip.port().measure(torch.stack((x, x))).out
    span = port.measure(inputs, first=1).out - chip.port().measure(inputs, first=1).out
    assert torch.allclose(span, whole, atol=1e-6) and float(span.abs().max()) > 0.01
