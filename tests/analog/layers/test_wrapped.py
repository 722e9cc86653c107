"""A layer around a layer is all that the inner one is."""

import torch

from analog import Chip, Mismatched, conv2d, dense, stream
from analog.layers import Wrapped


def test_a_chip_of_wrapped_layers_answers_bitwise_as_one_of_bare_layers() -> None:
    bare = (conv2d((1, 6, 6), 2, 3, stride=2), dense(8, 3, linear=True))
    x = torch.rand(4, 36, generator=stream(0))
    answers = []
    for layers in (bare, tuple(Wrapped(layer) for layer in bare)):
        port = Chip(Mismatched(), layers, [0, 1]).port()
        port.pulse(tuple(torch.full(shape, 0.01) for shape in port.spec.shapes))
        answers.append(port.measure(x).taps)
        assert [la.features_in for la in port.spec.layers] == [36, 8]
        assert [la.linear for la in port.spec.layers] == [False, True]
        y = torch.rand(4, 8, generator=stream(1))
        assert layers[0].unscatter(y).equal(bare[0].unscatter(y))
    assert all(a.equal(b) for a, b in zip(*answers, strict=True))
