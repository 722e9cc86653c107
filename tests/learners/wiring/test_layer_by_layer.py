"""Layers driven one by one: what stands around them does what it says, under every probe, in every span."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import BadInput, Chip, Ideal, Port, Probe, stream
from learners.wiring import decorrelated, layer_by_layer, residual, with_interlayers
from studies.kit.recipes.maintenance import rescaled

from .three_layers import F64, LAYERS, probe

X = torch.randn(5, 4, generator=stream(0, "x"), dtype=F64)
KINDS = pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])
WHERE = pytest.mark.parametrize("where", ["knobs", "0", "1", "2"])


def matrices() -> list[Tensor]:
    generator = stream(0, "matrices")
    return [torch.randn(la.features_in, la.features_in, generator=generator, dtype=F64) for la in LAYERS]


WRAPPERS: dict[str, Callable[[Port], Port]] = {
    "nothing": layer_by_layer,
    "interlayer": lambda port: with_interlayers(port, [lambda tap: -2 * tap] * 2),
    "decorrelated": lambda port: decorrelated(port, matrices()),
    "rescaled": lambda port: rescaled(port, (0.5, 2.0, 3.0)),
    "residual": lambda port: residual(port, ()),
    "all at once": lambda port: layer_by_layer(
        port,
        before=lambda layer, x: x + layer,
        at_nodes=lambda layer, drives: drives[layer][..., :3] if layer == 2 else None,
        after=lambda layer, out: (layer + 2) * out,
    ),
}


@KINDS
@WHERE
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_span_shows_what_the_whole_shows(name: str, where: str, identity: Any) -> None:
    """What a layer's tap shows does not hang on where the measurement began or ended."""
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    wires, sent = WRAPPERS[name](chip.port()), probe(chip, where)
    whole = wires.measure(X, sent).taps
    for first in range(3):
        for last in range(first, 3):
            part = Probe(*(None if entries is None else entries[first : last + 1] for entries in sent))
            taps = wires.measure(whole[first - 1] if first else X, part, first=first, last=last).taps
            for seen, wanted in zip(taps, whole[first : last + 1], strict=True):
                torch.testing.assert_close(*torch.broadcast_tensors(seen, wanted))


@KINDS
@WHERE
def test_wiring_that_does_nothing_changes_nothing(identity: Any, where: str) -> None:
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    port, sent = chip.port(), probe(chip, where)
    plain = port.measure(X, sent).taps
    for wires in (
        layer_by_layer(port),
        with_interlayers(port, [lambda tap: tap] * 2),
        rescaled(port, (1.0,) * 3),
    ):
        assert all(torch.equal(a, b) for a, b in zip(wires.measure(X, sent).taps, plain, strict=True))


@KINDS
@WHERE
def test_an_interlayer_stands_between_what_the_layers_show(identity: Any, where: str) -> None:
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    port, sent = chip.port(), probe(chip, where)
    first, second, third = with_interlayers(port, [lambda tap: -2 * tap] * 2).measure(X, sent).taps
    assert torch.equal(first, port.measure(X, sent).taps[0])
    alone = [Probe(*(None if part is None else part[i : i + 1] for part in sent)) for i in (1, 2)]
    assert torch.equal(port.measure(-2 * first, alone[0], first=1, last=1).out, second)
    assert torch.equal(port.measure(-2 * second, alone[1], first=2, last=2).out, third)


def test_layers_know_what_drove_those_below() -> None:
    """The layer under study is among them, and none above it."""
    known: list[list[int]] = []
    chip = Chip(Ideal(), LAYERS, dtype=F64)
    layer_by_layer(chip.port(), at_nodes=lambda layer, drives: known.append(list(drives))).measure(X)
    assert known == [[0], [0, 1], [0, 1, 2]]


def test_a_span_that_runs_backwards_is_refused() -> None:
    with pytest.raises(BadInput, match="runs backwards"):
        layer_by_layer(Chip(Ideal(), LAYERS, dtype=F64).port()).measure(X, first=2, last=1)
