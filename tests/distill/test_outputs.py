"""Wires read as those of a chip that only names classes."""

import torch

from analog import Chip, Ideal, dense, stream
from distill.outputs import class_outputs, sum_subclasses, sum_words

LAYERS = (dense(4, 5), dense(5, 6, linear=True))
X = torch.randn(7, 4, generator=stream(0, "classes"))


def test_only_the_last_tap_of_the_whole_chip_is_read_otherwise() -> None:
    port = Chip(Ideal(), LAYERS, range(2)).port()
    whole = port.measure(X)
    spelling = torch.tensor([[0, 0], [2, 1]])
    first, second = (part.log_softmax(-1) for part in whole.out.split(3, -1))
    named = torch.stack((first[..., 0] + second[..., 0], first[..., 2] + second[..., 1]), -1)
    for read, wanted in (
        (class_outputs(port, 4), whole.out[..., :4]),
        (sum_subclasses(port, 3), whole.out.exp().unflatten(-1, (3, 2)).sum(-1).log()),
        (sum_words(port, spelling), named),
    ):
        torch.testing.assert_close(read.measure(X).out, wanted)
        torch.testing.assert_close(read.measure(X).taps[0], whole.taps[0])
        torch.testing.assert_close(read.measure(X, last=0).out, whole.taps[0])
        torch.testing.assert_close(read.measure(whole.taps[0], first=1, last=1).out, wanted)
