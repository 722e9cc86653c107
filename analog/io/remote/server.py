"""The server of a remote port: the end with the chip."""

import dataclasses
import math
import time
from collections.abc import Callable
from threading import Event
from typing import Any, Final

import zmq
from torch import Tensor

from ...port import Port, Probe, checked, require_port
from ...spec import Spec
from ..serialization import BadBlock, Header, layer_checksum, pack, unpack
from .protocol import NAMED_ERRORS, Busy, RemoteError, entries, key

_SHUT: Final = 1.0  # s


def serve(
    port: Port,
    token: str,
    *,
    address: str = "tcp://127.0.0.1:*",
    limit: int = 2**28,
    idle: float = 60.0,
    ready: Callable[[str], object] = print,
    stop: Event | None = None,
) -> None:
    """Answer for a port until `stop` is set (or for ever).

    Args:
        port: a simulated chip's, or three functions that drive an instrument; its input is checked here.
        token: at least 16 characters that a client must know; `secrets.token_urlsafe()` makes one.
        address: loopback unless you say otherwise; * lets the system choose a free port.
        limit: bytes; a longer message cuts the connection that sends it.
        idle: s; a client that has sent nothing for so long may lose the bench to another.
        ready: called with the address once clients may come.

    Where the process has no file left to open for another connection, none is taken for a second, and those
    that there are are dropped; clients come back by themselves, and nothing is lost.

    Raises:
        ValueError: the token is too short.
        TypeError: it is no port.
    """
    require_port(port, "serve")
    bench = _Server(checked(port), limit, idle)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger, socket.maxmsgsize, socket.rcvhwm = 0, limit, 16
        socket.handshake_ivl = 5000  # ms for a handshake, of whoever connects
        socket.curve_server, socket.curve_secretkey = True, key(token)
        with socket.get_monitor_socket(zmq.EVENT_ACCEPT_FAILED) as failures:
            try:
                socket.bind(address)
                door = _Door(socket, failures, socket.getsockopt_string(zmq.LAST_ENDPOINT))
                ready(door.endpoint)
                while stop is None or not stop.is_set():
                    if socket.poll(100):
                        who, *parts = socket.recv_multipart()
                        socket.send_multipart([who, bench.answer(parts)])
                    door.tend()
            finally:
                socket.disable_monitor()


class _Door:
    """The address where clients come in, which is shut for a while when they cannot be let in.

    The library would try again at once, and for ever, on all of a processor.
    """

    def __init__(self, socket: Any, failures: Any, endpoint: str) -> None:
        self.socket, self.failures, self.endpoint = socket, failures, endpoint
        self.shut_until: float | None = None

    def tend(self) -> None:
        """Shut the door if somebody could not be let in, and open it when its time has come."""
        now = time.monotonic()
        if self.shut_until is None:
            if self.failures.poll(0):
                self.socket.unbind(self.endpoint)
                self.shut_until = now + _SHUT
        elif now >= self.shut_until:
            while self.failures.poll(0):  # what failed before it was shut
                self.failures.recv_multipart()
            try:
                self.socket.bind(self.endpoint)
                self.shut_until = None
            except zmq.ZMQError:
                self.shut_until = now + _SHUT


class _Server:
    """What the server remembers: who holds it, the last number and the last answer."""

    def __init__(self, port: Port, limit: int, idle: float) -> None:
        self.port, self.limit, self.idle = port, limit, idle
        self.holder: str | None = None
        self.last_heard = -math.inf
        self.number, self.last = 0, b""

    def answer(self, parts: list[bytes]) -> bytes:
        """Answer one message, whatever it is."""
        number = None
        try:
            if len(parts) != 1:
                raise BadBlock(f"{len(parts)} parts in a message, wanted 1")
            header, tensors = unpack(parts[0])
            session, number = header["session"], header["number"]
            if not isinstance(session, str) or isinstance(number, bool) or not isinstance(number, int):
                raise BadBlock("a message lacks its session or number")
            return self._turn(session, number, header, tensors)
        except Exception as error:  # whatever a client sends, the server lives
            return _failed(number, error)

    def _turn(self, session: str, number: int, header: Header, tensors: dict[str, Tensor]) -> bytes:
        wire = header["wire"]
        if wire == "hello":
            self._take(session)
            return pack({"number": number, "spec": _spec_header(self.port.spec), "limit": self.limit}, {})
        if session != self.holder:
            raise Busy(
                "this client does not hold the bench: it was restarted, or let go, or given to another"
            )
        self.last_heard = time.monotonic()
        if wire == "bye":
            self.holder = None
            return pack({"number": number}, {})
        if number == self.number and self.last:
            return self.last  # asked again: answered again, not done again
        if number != self.number + 1:
            raise RemoteError(f"request {number} came after {self.number}; nothing was done")
        self.number, self.last = number, b""
        try:
            self.last = pack({"number": number}, _carry_out(self.port, header, tensors))
        except Exception as error:  # this answer is remembered too
            self.last = _failed(number, error)
        self.last_heard = time.monotonic()
        return self.last

    def _take(self, session: str) -> None:
        now = time.monotonic()
        if self.holder not in (None, session) and now - self.last_heard < self.idle:
            raise Busy(
                f"another client holds the bench; it was heard {now - self.last_heard:.0f} s ago, and loses "
                f"it after {self.idle:g} s of silence"
            )
        if session != self.holder:
            self.holder, self.number, self.last = session, 0, b""
        self.last_heard = now


def _carry_out(port: Port, header: Header, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """One request at the real wires, and the taps it shows, if any."""
    moved = {name: tensor.to(port.spec.on) for name, tensor in tensors.items()}
    if header["wire"] in ("program", "pulse"):
        drive: Any = entries(moved, "drive", header["drive"])
        (port.program if header["wire"] == "program" else port.pulse)(drive)
        return {}
    if header["wire"] != "measure":
        raise BadBlock(f"no wire is called {header['wire']!r}")
    probe = Probe(entries(moved, "knobs", header["knobs"]), entries(moved, "nodes", header["nodes"]))
    taps = port.measure(moved["x"], probe, first=header["first"], last=header["last"]).taps
    return {f"tap.{i}": tap for i, tap in enumerate(taps)}


def _failed(number: int | None, error: Exception) -> bytes:
    kind = type(error).__name__
    says = str(error) if kind in NAMED_ERRORS else f"{kind}: {error}"
    return pack({"number": number, "error": kind, "says": says}, {})


def _spec_header(spec: Spec) -> Header:
    """The datasheet in JSON; the client has the layers, and shows by a checksum that they are the same."""
    return {
        "costs": dataclasses.asdict(spec.costs),
        "fleet": list(spec.fleet),
        "dtype": str(spec.dtype).removeprefix("torch."),
        "layer_checksum": layer_checksum(spec.layers),
        "access": dataclasses.asdict(spec.access),
        "synapse": spec.synapse,
        "repeats": spec.repeats,
        "precision": spec.precision and str(spec.precision).removeprefix("torch."),
    }
