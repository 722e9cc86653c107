"""Wires read as those of a chip that only names classes."""

import torch

from analog import Chip, Ideal, dense, stream
from distill.outputs import class_outputs, sum_subclasses

LAYERS = (dense(4, 5), dense(5, 6, linear=True))
X = torch.randn(7, 4, generator=stream(0, "classes"))


def test_only_the_last_tap_of_the_whole_chip_is_read_otherwise() -> None:
    port = Chip(Ideal(), LAYERS, range(2)).port()
    whole = port.measure(X)
    for read, wanted in (
        (class_outputs(port, 4), whole.out[..., :4]),
        (sum_subclasses(port, 3), whole.out.exp().unflatten(-1, (3, 2)).sum(-1).log()),
    ):
        torch.testing.assert_close(read.measure(X).out, wanted)
        torch.testing.assert_close(read.measure(X).taps[0], whole.taps[0])
        torch.testing.assert_close(read.measure(X, last=0).out, whole.taps[0])
        torch.testing.assert_close(read.measure(whole.taps[0], first=1, last=1).out, wanted)
