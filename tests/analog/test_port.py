"""Bad input at the port: one clear error each, and the chip is bitwise unchanged afterwards."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from analog import (
    BadInput,
    BadReading,
    Chip,
    Mismatched,
    Port,
    Probe,
    Reading,
    Spec,
    checked,
    dense,
    stream,
    xray,
)
from analog.port import make_port, rewired
from analog.tree import tree_leaves

LAYERS = (dense(6, 4), dense(4, 3, linear=True))
FLEET = (2,)


def chip() -> Chip:
    return Chip(Mismatched(), LAYERS, range(2))


def knobs(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return tuple(torch.full(s, 0.01, dtype=dtype) for s in shapes or ((2, 1, 4, 7), (2, 1, 3, 5)))


def broken(at: float) -> tuple[torch.Tensor, ...]:
    made = knobs()
    made[1][1, 0, 2, 4] = at
    return made


X = torch.ones(5, 6)
NODES = (torch.zeros(2, 2, 5, 4), torch.zeros(2, 2, 5, 3))
BAD: list[tuple[str, Callable[[Port], Any], str]] = [
    (
        "x too wide",
        lambda p: p.measure(torch.ones(5, 7)),
        r"x is \(5, 7\), layer 0 wants \(\.\.\., batch, 6\)",
    ),
    ("x a vector", lambda p: p.measure(torch.ones(6)), r"x is \(6,\)"),
    ("x of another fleet", lambda p: p.measure(torch.ones(3, 5, 6)), r"must end with the fleet \(2,\)"),
    ("x of another dtype", lambda p: p.measure(X.double()), r"dtype is torch.float64, .* torch.float32"),
    ("x no tensor", lambda p: p.measure([[1.0] * 6]), "got list, wanted a torch tensor"),
    ("x not a number", lambda p: p.measure(X * float("nan")), "30 of 30 values are NaN or infinite"),
    ("x infinite", lambda p: p.measure(X / 0), "30 of 30 values are NaN or infinite"),
    ("no examples", lambda p: p.measure(torch.ones(0, 6)), "empty batch"),
    ("span backwards", lambda p: p.measure(torch.ones(5, 4), first=1, last=0), "span: 1..0 runs backwards"),
    ("span too far", lambda p: p.measure(X, last=2), r"last is 2, the chip has layers 0..1"),
    ("span negative", lambda p: p.measure(X, first=-1), r"first is -1, the chip has layers 0..1"),
    ("span no number", lambda p: p.measure(X, first="0"), "first is '0'"),
    (
        "x of the wrong layer",
        lambda p: p.measure(X, first=1),
        r"x is \(5, 6\), layer 1 wants \(\.\.\., batch, 4\)",
    ),
    (
        "probe for a layer that does not exist",
        lambda p: p.measure(X, Probe(nodes=(*NODES, NODES[1]))),
        r"probe.nodes has 3 entries, the driven span is layers 0..1",
    ),
    (
        "probe outside the span",
        lambda p: p.measure(X, Probe(nodes=NODES), last=0),
        r"probe.nodes has 2 entries, the driven span is layers 0..0",
    ),
    (
        "probe of another batch",
        lambda p: p.measure(X, Probe(nodes=(torch.zeros(2, 2, 4, 4), None))),
        r"layer 0: probe.nodes is \(2, 2, 4, 4\), wanted \(\*probes, 2, 5, 4\)",
    ),
    (
        "probe without the fleet",
        lambda p: p.measure(X, Probe(nodes=(torch.zeros(5, 4), None))),
        "no fleet axis",
    ),
    (
        "knob probe of the wrong shape",
        lambda p: p.measure(X, Probe(knobs=(None, torch.zeros(2, 1, 5, 3)))),
        r"layer 1: probe.knobs is \(2, 1, 5, 3\)",
    ),
    (
        "no probe at all",
        lambda p: p.measure(X, Probe(nodes=(torch.zeros(0, 2, 5, 4), None))),
        "send at least one",
    ),
    (
        "probes that differ in number",
        lambda p: p.measure(X, Probe(nodes=(NODES[0], torch.zeros(3, 2, 5, 3)))),
        "probe axes differ",
    ),
    (
        "x and probe that differ in number",
        lambda p: p.measure(X.expand(3, 2, 5, 6), Probe(nodes=NODES)),
        r"x has probe axes \(3,\), the probe has \(2,\)",
    ),
    ("probe no probe", lambda p: p.measure(X, NODES), "wanted a Probe"),
    (
        "probe not a number",
        lambda p: p.measure(X, Probe(nodes=(NODES[0] * float("nan"), None))),
        "layer 0: probe.nodes: 80 of 80 values are NaN",
    ),
]
for wire in ("pulse", "program"):
    BAD += [
        (
            f"{wire} too few layers",
            lambda p, w=wire: getattr(p, w)(knobs()[:1]),
            "wanted a tuple of 2 tensors",
        ),
        (f"{wire} one tensor", lambda p, w=wire: getattr(p, w)(knobs()[0]), "got Tensor, wanted a tuple"),
        (
            f"{wire} wrong shape",
            lambda p, w=wire: getattr(p, w)(knobs((2, 1, 4, 7), (2, 1, 5, 3))),
            r"layer 1: .* is \(2, 1, 5, 3\), knobs are \(2, 1, 3, 5\)",
        ),
        (
            f"{wire} wrong fleet",
            lambda p, w=wire: getattr(p, w)(knobs((3, 1, 4, 7), (3, 1, 3, 5))),
            r"layer 0: .* is \(3, 1, 4, 7\), knobs are \(2, 1, 4, 7\)",
        ),
        (
            f"{wire} no fleet",
            lambda p, w=wire: getattr(p, w)(knobs((1, 4, 7), (1, 3, 5))),
            r"layer 0: .* is \(1, 4, 7\), knobs are \(2, 1, 4, 7\); no fleet axis\?",
        ),
        (
            f"{wire} wrong dtype",
            lambda p, w=wire: getattr(p, w)(knobs(dtype=torch.float64)),
            "layer 0: .*dtype is torch.float64",
        ),
        (f"{wire} NaN", lambda p, w=wire: getattr(p, w)(broken(float("nan"))), "layer 1: .*1 of 30 values"),
        (
            f"{wire} infinity",
            lambda p, w=wire: getattr(p, w)(broken(float("inf"))),
            "layer 1: .*1 of 30 values",
        ),
    ]


@pytest.mark.parametrize(("send", "says"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_refused_and_nothing_changed(send: Callable[[Port], Any], says: str) -> None:
    used, spared = chip(), chip()
    with pytest.raises(BadInput, match=says):
        send(used.port())
    for a, b in zip(used._cells, spared._cells, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))
    assert used.clock == spared.clock == 0.0
    assert torch.equal(used.port().measure(X).out, spared.port().measure(X).out)  # the dice did not roll


class Raises(torch.Tensor):
    """A user's class of tensors of which nothing can be asked."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError("who asks?")


class Named(torch.Tensor):
    """A user's class of tensors that works as any other."""


def fake(like: torch.Tensor) -> torch.Tensor:
    with FakeTensorMode():
        return torch.zeros(like.shape)


ODD: dict[str, Callable[[torch.Tensor], Any]] = {
    "sparse": torch.Tensor.to_sparse,
    "compressed rows": lambda t: t.flatten(0, -2).to_sparse_csr(),
    "mkldnn": torch.Tensor.to_mkldnn,
    "nested": lambda t: torch.nested.nested_tensor(list(t)),
    "jagged": lambda t: torch.nested.nested_tensor([t.flatten(), t.flatten()], layout=torch.jagged),
    "complex": lambda t: t.to(torch.complex64),
    "quantized": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "meta": lambda t: t.to("meta"),
    "fake": fake,
    "half": torch.Tensor.half,
    "bool": torch.Tensor.bool,
    "array": torch.Tensor.numpy,
    "number": lambda t: 1.0,
    "nothing": lambda t: None,
    "a class": lambda t: torch.Tensor,
}
K0, K1 = knobs()
PLACES: dict[str, Callable[[Port, Callable[[torch.Tensor], Any]], Any]] = {
    "x": lambda p, odd: p.measure(odd(X)),
    "x with a probe": lambda p, odd: p.measure(odd(X), Probe(nodes=NODES)),
    "probe at knobs": lambda p, odd: p.measure(X, Probe(knobs=(odd(K0), odd(K1)))),
    "probe at the last nodes": lambda p, odd: p.measure(X, Probe(nodes=(NODES[0], odd(NODES[1])))),
    "program": lambda p, odd: p.program((K0, odd(K1))),
    "pulse": lambda p, odd: p.pulse((K0, odd(K1))),
    "all of a pulse": lambda p, odd: p.pulse(odd(K0)),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.filterwarnings("ignore")  # torch calls some of these prototypes
def test_no_other_kind_of_tensor_passes_a_wire(place: str, odd: Callable[[torch.Tensor], Any]) -> None:
    if place.startswith("probe") and odd is ODD["nothing"]:
        return  # None leaves a layer alone
    used, spared = chip(), chip()
    with pytest.raises(BadInput, match=r"\A[^\n]+\Z"):
        PLACES[place](used.port(), odd)
    assert unchanged(used, spared)


def test_a_tensor_that_is_being_mapped_has_no_numbers_yet() -> None:
    used = chip()
    with pytest.raises(BadInput, match="cannot be read as numbers"):
        torch.func.vmap(lambda x: used.port().measure(x).out)(X.expand(3, 5, 6))
    assert unchanged(used, chip())


@pytest.mark.parametrize("kind", [Named, torch.nn.Parameter, lambda t: t.as_subclass(Raises)])
def test_a_users_class_of_tensors_is_read_as_a_tensor(kind: Any) -> None:
    used, spared = chip(), chip()
    port = used.port()
    taps = port.measure(kind(X.clone()), Probe(nodes=tuple(kind(n.clone()) for n in NODES))).taps
    port.pulse((kind(K0.clone()), kind(K1.clone())))
    spared.port().measure(X, Probe(nodes=NODES))
    spared.port().pulse((K0, K1))
    assert unchanged(used, spared) and all(type(tap) is torch.Tensor for tap in taps)


def unchanged(used: Chip, spared: Chip) -> bool:
    """Whether cells, clock and the generators of the noise are those of another chip, bitwise."""
    ours, theirs = tree_leaves(used._cells), tree_leaves(spared._cells)
    generators = zip(used._generators, spared._generators, strict=True)
    return (
        used.clock == spared.clock
        and all(torch.equal(leaf, theirs[name]) for name, leaf in ours.items())
        and all(torch.equal(one.get_state(), other.get_state()) for one, other in generators)
    )


def test_a_finite_sum_may_overflow() -> None:
    """Large finite numbers are not mistaken for infinity, neither sent nor answered."""
    seen: list[torch.Tensor] = []

    def answer(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        seen.append(x)
        return Reading(tuple(torch.full((5, n), 3e38) for n in (4, 3)))

    large = torch.full((5, 6), 3e38)
    port = make_port(Spec(LAYERS), lambda knobs: None, lambda drive: None, answer)
    assert torch.equal(port.measure(large).out, torch.full((5, 3), 3e38))
    assert torch.equal(seen[0], large)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("layer", "first"), [(0, 0), (1, 0), (1, 1)])
def test_an_answer_that_is_not_finite_names_its_layer(layer: int, first: int, value: float) -> None:
    """Though a hidden one may leave no trace in the outputs."""

    def answer(x: torch.Tensor, probe: Probe, begin: int, last: int) -> Reading:
        taps = tuple(torch.zeros(5, n) for n in (4, 3)[begin:])
        taps[layer - begin][2, 1] = value
        return Reading(taps)

    port = make_port(Spec(LAYERS), lambda knobs: None, lambda drive: None, answer)
    with pytest.raises(
        BadReading, match=rf"^layer {layer}: the chip's answer is NaN or infinite in 1 of \d+ "
    ):
        port.measure(torch.zeros(5, (6, 4)[first]), first=first)


def test_a_reading_that_overflows_was_made_and_leaves_a_working_chip() -> None:
    used = chip()
    with pytest.raises(BadReading, match="^layer 0: the chip's answer"):
        used.port().measure(torch.full((5, 6), 3e38))
    assert used.clock > 0
    assert torch.isfinite(used.port().measure(X).out).all()


def test_checked_guards_an_instrument_too() -> None:
    sent: list[Any] = []
    spec = Spec(LAYERS)
    bench = checked(Port(spec, sent.append, sent.append, chip().port().measure))
    with pytest.raises(BadInput, match="layer 0"):
        bench.pulse((torch.zeros(4, 7), torch.zeros(3, 5)))
    assert not sent
    bench.pulse(spec.zeros())
    assert len(sent) == 1


def test_layers_must_fit() -> None:
    with pytest.raises(BadInput, match="layer 0 has 4 outputs, layer 1 wants 5"):
        Spec((dense(6, 4), dense(5, 3)))
    with pytest.raises(BadInput, match="at least one layer"):
        Spec(())


def graphs(measure: Callable[..., Reading]) -> list[int]:
    """Taps that carry an autograd graph although everything sent asked for one."""
    x = torch.ones(5, 6, requires_grad=True)
    reading = measure(x, Probe(nodes=(NODES[0].clone().requires_grad_(), None)))
    return [i for i, t in enumerate(reading.taps) if t.requires_grad or t.grad_fn]


def test_wires_carry_no_gradient() -> None:
    made = chip()
    assert graphs(made.port().measure) == []
    with pytest.raises(RuntimeError, match="does not require grad"):
        made.port().measure(torch.ones(5, 6, requires_grad=True)).out.sum().backward()
    assert graphs(lambda x, probe: made._measure(x, probe, 0, 1)) == [
        0,
        1,
    ]  # the same physics outside the wires does: the test can fail


def test_editing_what_was_read_or_sent_changes_nothing() -> None:
    used, spared = chip(), chip()
    for made, edited in ((used, True), (spared, False)):
        drive = knobs()
        port = made.port()
        port.program(drive)
        reading = port.measure(X)
        if edited:
            for t in (*drive, *reading.taps):
                t.fill_(7.0)
    torch.testing.assert_close(xray.knobs(used), xray.knobs(spared), rtol=0, atol=0)


def test_no_attribute_of_a_port_leads_to_cells() -> None:
    """Walk everything public that hangs on a port: no tensor shaped like knobs is there.

    Closures of Python functions cannot be hidden; the tape is the proof that nobody uses them.
    """
    assert _leaks(chip().port()) == []


def test_the_walk_can_find_a_leak() -> None:
    made = chip()
    leaky = made.port()._replace(pulse=made._pulse)  # a bound method: __self__ is the chip
    assert _leaks(leaky) != []


def _leaks(root: Any) -> list[str]:
    shapes = {tuple(k.shape) for k in knobs()}
    found, seen, todo = [], set(), [("port", root, 0)]
    while todo:
        name, thing, depth = todo.pop()
        if id(thing) in seen or depth > 6:
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            if tuple(thing.shape) in shapes:
                found.append(name)
            continue
        if isinstance(thing, tuple | list):
            todo += [(f"{name}[{i}]", v, depth + 1) for i, v in enumerate(thing)]
        words = [w for w in dir(thing) if not w.startswith("__") or w == "__self__"]
        if type(thing).__module__ == "builtins" and not callable(thing):
            continue
        todo += [(f"{name}.{w}", getattr(thing, w, None), depth + 1) for w in words]
    return found


def test_a_stream_for_tests_is_not_the_chips() -> None:
    """The learner's dice and the chips' noise have different names, so they never coincide."""
    a = torch.rand(5, generator=stream(0, "noise", 0, 1))
    assert not torch.equal(a, torch.rand(5, generator=stream(0, "probes", 0, 1)))


def test_a_part_of_a_probe_is_the_entries_of_some_layers() -> None:
    one, two = torch.ones(1), torch.ones(2)
    probe = Probe(knobs=(one, None, two), nodes=(None, None, two))
    assert probe.part(0, 0) == Probe(knobs=(one,))
    assert probe.part(1, 1) == Probe()
    assert probe.part(1) == Probe(knobs=(None, two), nodes=(None, two))


def test_a_padded_probe_leaves_further_layers_alone() -> None:
    one = torch.ones(1)
    assert Probe(nodes=(one,)).padded(1, 2) == Probe(nodes=(None, one, None, None))
    assert Probe(nodes=(one,)).padded(after=1).part(0, 0) == Probe(nodes=(one,))


def test_a_rewired_port_tells_its_reader_both_ends_of_the_span() -> None:
    port, spans = chip().port(), []

    def read(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        spans.append((first, last))
        return port.measure(x, probe, first=first, last=last)

    wires = rewired(port, read)
    wires.measure(X)
    wires.measure(torch.ones(5, 4), first=1)
    assert spans == [(0, 1), (1, 1)]
    assert wires.program is port.program and wires.pulse is port.pulse


def test_a_port_made_of_functions_is_checked() -> None:
    port = chip().port()
    lab = make_port(port.spec, port.program, port.pulse, lambda x, probe, first, last: port.measure(x, probe))
    with pytest.raises(BadInput, match=r"x is \(5, 7\)"):
        lab.measure(torch.ones(5, 7))
    assert lab.measure(X).out.shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: None, "answered with NoneType, wanted a Reading of 2 taps"),
        (lambda x: Reading((torch.zeros(3, 2),) * 3), "answered with 3, wanted a Reading of 2 taps"),
        (lambda x: Reading((torch.zeros(3, 5),)), r"tap of layer 1 is torch.float32 \(3, 5\)"),
        (
            lambda x: Reading((torch.zeros(3, 5), torch.zeros(3, 1))),
            r"tap of layer 1 is torch.float32 \(3, 1\)",
        ),
        (
            lambda x: Reading((torch.zeros(3, 5), torch.zeros(3, 2).double())),
            "tap of layer 1 is torch.float64",
        ),
    ],
    ids=["nothing", "a tap too many", "the first tap alone", "an output short", "other precision"],
)
def test_an_instrument_that_answers_in_another_form_is_named(answer: Any, message: str) -> None:
    spec = Spec((dense(4, 5), dense(5, 2, linear=True)))
    port = checked(
        Port(spec, lambda knobs: None, lambda drive: None, lambda x, probe, first, last: answer(x))
    )
    with pytest.raises(BadReading, match=message):
        port.measure(torch.zeros(3, 4))


@pytest.mark.parametrize("place", ["knobs", "nodes", "x"])
def test_an_instrument_that_passes_over_a_probe_is_named(place: str) -> None:
    spec = Spec((dense(4, 5), dense(5, 2, linear=True)))
    taps = torch.zeros(3, 5), torch.zeros(3, 2)
    port = checked(
        Port(spec, lambda knobs: None, lambda drive: None, lambda x, probe, first, last: Reading(taps))
    )
    assert port.measure(torch.zeros(3, 4)).out.shape == (3, 2)
    shapes = {"knobs": spec.shapes, "nodes": ((3, 5), (3, 2))}
    probe = Probe(**{place: tuple(torch.zeros(6, *s) for s in shapes[place])}) if place in shapes else Probe()
    with pytest.raises(BadReading, match=r"layer 1 is torch.float32 \(3, 2\), .* \(6, 3, 2\)"):
        port.measure(torch.zeros(6, 3, 4) if place == "x" else torch.zeros(3, 4), probe)
