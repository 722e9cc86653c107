"""A chip in another process: the same results bitwise, through cut lines and beside hostile clients."""

import importlib
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import zmq

from analog import (
    BadInput,
    BadReading,
    Chip,
    Dead,
    Layer,
    Mismatched,
    Port,
    Probe,
    Reading,
    Spec,
    conv2d,
    dense,
    grouped,
    stream,
    xray,
)
from analog.io.remote import BadToken, Busy, RemoteError, connect, serve, server
from analog.io.remote.protocol import key
from analog.io.serialization import pack
from analog.port import make_port
from learners import Batch, Descent, NodePerturbation, SquaredError, WeightPerturbation, adam, fit
from tests.analog.io.remote.serving import TOKEN, cuttable, served

DENSE = (dense(4, 3), dense(3, 2, linear=True))
WIRED = (conv2d((2, 4, 4), 4, 2, stride=2, groups=[[0], [1]]), grouped(16, 6, 2), dense(6, 2, linear=True))
X = torch.ones(5, 4)


def trained(port: Port, estimator: Any) -> list[torch.Tensor]:
    """What a learner sees in five steps."""
    generator = stream(0, "lessons")
    lessons = [
        Batch(
            torch.randn(6, port.spec.layers[0].features_in, generator=generator),
            torch.randn(6, 2, generator=generator),
        )
        for _ in range(5)
    ]
    learner = Descent(estimator, adam(0.01), SquaredError(), delta_rule=False)
    return [
        t for _, s in fit(learner, port, lessons, stream(0, "probes")) for t in (s.loss, *s.baseline.taps)
    ]


def alike(a: Chip, b: Chip) -> bool:
    """Bitwise the same cells, clock and dice."""
    cells = zip(xray.knobs(a), xray.knobs(b), strict=True)
    same = all(torch.equal(p, q) for p, q in cells)
    return (
        same
        and a.clock == b.clock
        and torch.equal(a._generators[0].get_state(), b._generators[0].get_state())
    )


@pytest.mark.parametrize("layers", [DENSE, WIRED], ids=["dense", "wired"])
@pytest.mark.parametrize("identity", [7, (3, 4)], ids=["lone", "fleet"])
@pytest.mark.parametrize(
    "estimator", [NodePerturbation(0.1, 3), WeightPerturbation(0.1, 3)], ids=["nodes", "knobs"]
)
def test_a_learner_gets_bitwise_the_same(estimator: Any, identity: Any, layers: tuple[Layer, ...]) -> None:
    here, there = (Chip(Mismatched(), layers, identity) for _ in range(2))
    with served(there.port()) as address, connect(address, TOKEN, layers) as port:
        assert port.spec == here.spec
        for mine, its in zip(trained(here.port(), estimator), trained(port, estimator), strict=True):
            assert torch.equal(mine, its)
    assert alike(here, there)


SERVER = """
import sys
from analog import Chip, Mismatched, dense
from analog.io.remote import serve
layers = (dense(4, 3), dense(3, 2, linear=True))
serve(Chip(Mismatched(), layers, 7).port(), sys.argv[1], ready=lambda a: print(a, flush=True))
"""


def test_in_another_process() -> None:
    command = [sys.executable, "-c", SERVER, TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with connect(address, TOKEN, DENSE) as port:
                its = trained(port, NodePerturbation(0.1, 2))
        finally:
            process.terminate()
    mine = trained(Chip(Mismatched(), DENSE, 7).port(), NodePerturbation(0.1, 2))
    assert all(torch.equal(a, b) for a, b in zip(mine, its, strict=True))


def test_spans_probes_and_layouts_cross_the_wire() -> None:
    """None entries, probe axes on x, and tensors that do not lie in order."""
    here, there = (Chip(Mismatched(), DENSE, (3, 4)) for _ in range(2))
    with served(there.port()) as address, connect(address, TOKEN, DENSE) as port:
        for wire in (here.port(), port):
            wire.program(tuple(torch.full(s[::-1], 0.1).permute(3, 2, 1, 0) for s in wire.spec.shapes))
        nodes = torch.full((3, 2, 5, 4), 0.1).mT[..., :3, :].mT
        requests: list[Callable[[Port], Any]] = [
            lambda p: p.measure(X, Probe(nodes=(nodes, None))),
            lambda p: p.measure(X, Probe(knobs=(None, torch.full((3, *p.spec.shapes[1]), 0.1)))),
            lambda p: p.measure(torch.full((3, 5), 0.5).T, first=1),
            lambda p: p.measure(X.expand(3, 2, 5, 4), last=0),
        ]
        for send in requests:
            for mine, its in zip(send(here.port()).taps, send(port).taps, strict=True):
                assert torch.equal(mine, its) and mine.stride() == its.stride()


@pytest.mark.parametrize("lost", ["request", "half", "answer"])
@pytest.mark.parametrize("wire", ["pulse", "measure"])
def test_a_cut_line_neither_loses_nor_repeats(wire: str, lost: str) -> None:
    here, there = (Chip(Mismatched(), DENSE) for _ in range(2))

    def send(port: Port) -> list[torch.Tensor]:
        if wire == "measure":
            return list(port.measure(X).taps)
        port.pulse(tuple(0.1 + z for z in port.spec.zeros()))
        return []

    with served(there.port()) as address, cuttable(address) as line:
        with connect(line.address, TOKEN, DENSE, retry=0.2) as port:
            for cut in (False, True, False, True):
                line.lose = lost if cut else None
                for mine, its in zip(send(here.port()), send(port), strict=True):
                    assert torch.equal(mine, its)
        assert line.cuts == 2
    assert alike(here, there)


@contextmanager
def raw(address: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as made:
        yield made


@contextmanager
def with_token(address: str) -> Iterator[Any]:
    """A client that knows the token and nothing else."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        made.linger = 0
        made.curve_serverkey = zmq.curve_public(key(TOKEN))
        made.curve_publickey, made.curve_secretkey = zmq.curve_keypair()
        made.connect(address)
        yield made


def garbage(address: str) -> None:
    with raw(address) as line:
        line.sendall(bytes(range(256)) * 1000)


def half_a_greeting(address: str) -> None:
    with raw(address) as line:
        line.sendall(b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03")


def wrong_token(address: str) -> None:
    with pytest.raises(BadToken, match="did not accept the token"), connect(address, TOKEN + "!", DENSE):
        pass


def no_token(address: str) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.linger = 0
        plain.connect(address)
        plain.send(pack({"wire": "hello", "session": "x", "number": 0}, {}))
        assert not plain.poll(200)


def second_client(address: str) -> None:
    with pytest.raises(Busy, match="another client holds the bench"), connect(address, TOKEN, DENSE):
        pass


def oversized(address: str) -> None:
    with with_token(address) as line:
        line.send(b"x" * 200_000)
        assert not line.poll(200)


class Bomb:
    def __reduce__(self) -> Any:
        return print, ("executed",)


SPOKEN: dict[str, list[bytes]] = {
    "nothing": [b""],
    "words": [b"open the door"],
    "a pickle": [pickle.dumps(Bomb())],
    "many parts": [b"x"] * 1000,
    "no session": [pack({"number": 1, "wire": "pulse"}, {})],
    "a session of numbers": [pack({"number": 1, "wire": "pulse", "session": 7}, {})],
    "a number of words": [pack({"number": "1", "wire": "pulse", "session": "x"}, {})],
    "another's session": [pack({"number": 1, "wire": "pulse", "session": "x", "drive": []}, {})],
    "no hello": [pack({"number": 1, "wire": "measure", "session": "x"}, {"x": X})],
}


def spoken(address: str) -> None:
    with with_token(address) as line:
        for parts in SPOKEN.values():
            line.send_multipart(parts)
            assert line.poll(5000) and b"error" in line.recv()


@pytest.mark.parametrize(
    "attack",
    [garbage, half_a_greeting, wrong_token, no_token, second_client, oversized, spoken],
    ids=lambda a: a.__name__,
)
def test_hostile_clients_leave_the_chip_untouched(attack: Callable[[str], None]) -> None:
    """While an honest client works, before and after."""
    here, there = (Chip(Mismatched(), DENSE) for _ in range(2))
    with served(there.port(), limit=100_000) as address:
        attack_alone = attack is not second_client
        if attack_alone:
            attack(address)
            assert there.clock == 0 and alike(here, there)
        with connect(address, TOKEN, DENSE) as port:
            for _ in range(2):
                assert torch.equal(here.port().measure(X).out, port.measure(X).out)
                attack(address)
                assert alike(here, there)
            if attack is oversized:
                with pytest.raises(BadInput, match="the bench takes 100000: send fewer examples"):
                    port.measure(torch.ones(10_000, 4))
                assert torch.equal(here.port().measure(X).out, port.measure(X).out)
        with connect(address, TOKEN, DENSE) as port:  # let go by the first client
            assert torch.equal(here.port().measure(X).out, port.measure(X).out)


WRONG: dict[str, tuple[dict[str, Any], dict[str, torch.Tensor], str]] = {
    "an unknown wire": ({"wire": "explode"}, {}, "no wire is called 'explode'"),
    "a wire that is none": ({"wire": "_replace", "drive": []}, {}, "no wire is called '_replace'"),
    "no drive": ({"wire": "pulse"}, {}, "KeyError: 'drive'"),
    "drives that are not there": ({"wire": "pulse", "drive": [True, True]}, {}, "KeyError: 'drive.0'"),
    "no tensors": ({"wire": "pulse", "drive": [False, False]}, {}, "wanted a torch tensor"),
    "too few": ({"wire": "program", "drive": []}, {}, "wanted a tuple of 2 tensors"),
    "not finite": (
        {"wire": "measure", "knobs": None, "nodes": None, "first": 0, "last": None},
        {"x": X / 0},
        "NaN or",
    ),
    "a span of words": (
        {"wire": "measure", "knobs": None, "nodes": None, "first": "0", "last": None},
        {"x": X},
        "first is '0'",
    ),
    "a probe of words": (
        {"wire": "measure", "knobs": "yes", "nodes": None, "first": 0, "last": None},
        {"x": X},
        "KeyError: 'knobs.0'",
    ),
    "a number skipped": ({"wire": "pulse", "drive": [], "number": 99}, {}, "request 99 came after"),
}


def test_a_holder_that_sends_nonsense_is_told_so() -> None:
    chip, fresh = (Chip(Mismatched(), DENSE) for _ in range(2))
    with served(chip.port()) as address, with_token(address) as line:
        line.send(pack({"wire": "hello", "session": "me", "number": 0}, {}))
        assert line.poll(5000) and b"error" not in line.recv()
        for number, (words, tensors, says) in enumerate(WRONG.values(), 1):
            line.send(pack({"session": "me", "number": number, **words}, tensors))
            assert line.poll(5000)
            answer = line.recv()
            assert b"error" in answer and says.encode() in answer.replace(b"\\", b"")
        assert alike(chip, fresh)


def test_an_idle_client_loses_the_bench_and_is_told_so() -> None:
    chip = Chip(Mismatched(), DENSE)
    with (
        served(chip.port(), idle=0.0) as address,
        connect(address, TOKEN, DENSE) as first,
        connect(address, TOKEN, DENSE) as second,
    ):
        second.measure(X)
        clock = chip.clock
        with pytest.raises(Busy, match="does not hold the bench"):
            first.measure(X)
        assert chip.clock == clock


def test_a_bench_that_was_restarted_is_another_bench() -> None:
    """Its chip is not the one that was being trained, so nothing goes on silently."""
    with served(Chip(Mismatched(), DENSE).port()) as address:
        line = connect(address, TOKEN, DENSE, timeout=5.0, retry=0.2)
        port = line.__enter__()
    again = Chip(Mismatched(), DENSE)
    with served(again.port(), address=address):
        with pytest.raises(Busy, match="it was restarted"):
            port.measure(X)
        line.__exit__(None, None, None)
    assert again.clock == 0


def test_a_bench_that_falls_silent_is_not_asked_for_more() -> None:
    with served(Chip(Mismatched(), DENSE).port()) as address:
        line = connect(address, TOKEN, DENSE, timeout=3.0, retry=0.1)
        port = line.__enter__()
    with pytest.raises(TimeoutError, match="no answer within 3.0 s"):
        port.pulse(port.spec.zeros())
    with pytest.raises(RemoteError, match="was never answered, and may have been carried out"):
        port.measure(X)
    line.__exit__(None, None, None)
    with pytest.raises(TimeoutError), connect(address, TOKEN, DENSE, timeout=0.2):
        pass


def test_a_users_instrument_is_served_as_it_is() -> None:
    """Three functions; what they raise is told, and not tried again."""
    sent: list[str] = []
    chip = Chip(Mismatched(), DENSE)

    def jammed(drive: Any) -> None:
        sent.append("pulse")
        raise OSError("the instrument is jammed")

    driver = Port(chip.spec, lambda knobs: sent.append("program"), jammed, chip.port().measure)
    with served(driver) as address, connect(address, TOKEN, DENSE) as port:
        port.program(port.spec.zeros())
        with pytest.raises(RemoteError, match="OSError: the instrument is jammed"):
            port.pulse(port.spec.zeros())
        with pytest.raises(BadInput, match="wanted a tuple of 2 tensors"):
            port.pulse(())
        port.measure(X)
    assert sent == ["program", "pulse"]


def test_a_dead_chip_is_dead_at_the_other_end_too() -> None:
    chip = Chip(Mismatched(), DENSE)
    with served(chip.port()) as address, connect(address, TOKEN, DENSE) as port:
        chip.die()
        for send in (lambda: port.measure(X), lambda: port.pulse(port.spec.zeros())):
            with pytest.raises(Dead, match="died"):
                send()


def test_what_does_not_fit_is_refused() -> None:
    chip = Chip(Mismatched(), DENSE)
    with served(chip.port()) as address:
        with pytest.raises(RemoteError, match="other layers"), connect(address, TOKEN, WIRED):
            pass
        with connect(address, TOKEN, DENSE) as port:
            assert port.spec == Spec(DENSE, chip.spec.costs)
    with (
        pytest.raises(ValueError, match="at least 16 characters"),
        connect("tcp://127.0.0.1:1", "short", DENSE),
    ):
        pass


def test_an_answer_that_is_not_finite_keeps_its_error_across_the_wire() -> None:
    spec = Spec((dense(2, 2, linear=True),))

    def answer(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        return Reading((torch.full((len(x), 2), float("nan")),))

    bench = make_port(spec, lambda knobs: None, lambda drive: None, answer)
    with (
        served(bench) as address,
        connect(address, TOKEN, spec.layers) as port,
        pytest.raises(BadReading, match="^layer 0: the chip's answer is NaN"),
    ):
        port.measure(torch.ones(1, 2))


def test_only_a_port_is_served() -> None:
    with pytest.raises(
        TypeError, match=r"\Aserve: port is a Chip, wanted a Port; give its wires, chip.port\(\)\Z"
    ):
        serve(Chip(Mismatched(), DENSE), TOKEN)  # type: ignore[arg-type]


def test_without_its_extra_the_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("analog.io.remote")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(
        ModuleNotFoundError, match=r'\Aanalog.io.remote needs pyzmq: pip install "mortal\[bench\]"\Z'
    ):
        importlib.import_module("analog.io.remote")


class Recorded:
    """A socket's address and its monitor, that may be full."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.refused = 0
        self.full = False

    def poll(self, timeout: int) -> int:
        return self.refused

    def recv_multipart(self) -> None:
        self.refused -= 1

    def unbind(self, endpoint: str) -> None:
        self.done.append(f"unbind {endpoint}")

    def bind(self, endpoint: str) -> None:
        if self.full:
            raise zmq.ZMQError(zmq.EMFILE if hasattr(zmq, "EMFILE") else 24)
        self.done.append(f"bind {endpoint}")


def test_a_door_is_shut_while_nobody_can_be_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for however many who could not, and is opened again when that is possible."""
    now, bench = [100.0], Recorded()
    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    door = server._Door(bench, bench, "here")
    door.tend()
    assert bench.done == []
    bench.refused, bench.full = 3, True
    for _ in range(5):
        door.tend()
    assert bench.done == ["unbind here"]
    now[0] += 1.1
    door.tend()  # still no file to open
    bench.full = False
    door.tend()
    assert bench.done == ["unbind here"]
    now[0] += 1.1
    for _ in range(3):
        door.tend()
    assert bench.done == ["unbind here", "bind here"] and bench.refused == 0
