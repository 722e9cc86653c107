"""The client of a remote port: the end with the learner."""

import math
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import torch
import zmq
from torch import Tensor
from zmq.utils.monitor import recv_monitor_message

from ...access import Access
from ...costs import Costs
from ...layers.crossbar import Layer
from ...port import Port, Probe, Reading, make_port
from ...spec import BadInput, Knobs, Spec
from ..serialization import Header, layer_checksum, pack, unpack
from .protocol import NAMED_ERRORS, BadToken, RemoteError, key, named

_HANDSHAKE: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


@contextmanager
def connect(
    address: str, token: str, layers: Sequence[Layer], *, timeout: float = 60.0, retry: float = 1.0
) -> Iterator[Port]:
    """The wires of a served chip, held until the block ends.

    Args:
        layers: the wiring, which everybody knows; a bench wired otherwise is refused.
        timeout: s to wait for one answer, through dropped connections.
        retry: s of silence after which a request is sent again; the bench does nothing twice.

    Raises:
        BadToken, Busy, RemoteError: at once; TimeoutError: nobody answers.
    """
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.curve_serverkey = zmq.curve_public(key(token))
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        with socket.get_monitor_socket(_HANDSHAKE) as refusals:
            socket.connect(address)
            connection = _Connection(socket, refusals, address, timeout, retry)
            try:
                spec = _spec(connection.ask({"wire": "hello"}, {})[0], layers)
                yield _port(connection, spec)
            finally:
                connection.bye()
                socket.disable_monitor()


class _Connection:
    """One client's end: numbers its requests, and asks again until it is answered."""

    def __init__(self, socket: Any, refusals: Any, address: str, timeout: float, retry: float) -> None:
        self.socket, self.refusals, self.address = socket, refusals, address
        self.timeout, self.retry = timeout, retry
        self.session, self.number, self.limit = uuid.uuid4().hex, -1, math.inf
        self.open = self.waiting = False

    def ask(self, header: Header, tensors: dict[str, Tensor]) -> tuple[Header, dict[str, Tensor]]:
        """What the bench answers; its errors are raised here."""
        block = pack({**header, "session": self.session, "number": self.number + 1}, tensors)
        if len(block) > self.limit:
            raise BadInput(
                f"a message of {len(block)} bytes; the bench takes {self.limit}: send fewer examples"
            )
        if self.waiting:
            raise RemoteError("a request was never answered, and may have been carried out; connect anew")
        self.number, self.waiting = self.number + 1, True
        header, tensors = self._answer(block)
        self.waiting = False
        if "error" in header:
            raise NAMED_ERRORS.get(header["error"], RemoteError)(header["says"])
        self.limit, self.open = header.get("limit", self.limit), True
        return header, tensors

    def _answer(self, block: bytes) -> tuple[Header, dict[str, Tensor]]:
        until = time.monotonic() + self.timeout
        while (left := until - time.monotonic()) > 0:
            self.socket.send(block)
            again = time.monotonic() + min(self.retry, left)
            while (rest := again - time.monotonic()) > 0:
                if self.socket.poll(max(1, int(1000 * min(rest, 0.1)))):
                    header, tensors = unpack(self.socket.recv())
                    if header["number"] == self.number:  # else an answer that was asked for twice
                        return header, tensors
                elif not self.open and self.refusals.poll(0):
                    recv_monitor_message(self.refusals)
                    raise BadToken(f"{self.address} did not accept the token")
        raise TimeoutError(f"{self.address}: no answer within {self.timeout} s; is it being served?")

    def bye(self) -> None:
        """Let go of the bench, if it can be told."""
        if self.open:
            self.timeout, self.waiting = self.retry, False
            with suppress(TimeoutError, RemoteError):
                self.ask({"wire": "bye"}, {})


def _port(connection: _Connection, spec: Spec) -> Port:
    def send(wire: str, drive: Knobs) -> None:
        connection.ask({"wire": wire, "drive": [True] * len(drive)}, named("drive", drive))

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        header: Header = {"wire": "measure", "first": first, "last": last}
        tensors = {"x": x}
        for name, entries in probe._asdict().items():
            header[name] = None if entries is None else [e is not None for e in entries]
            tensors |= named(name, entries or ())
        taps = connection.ask(header, tensors)[1]
        return Reading(tuple(taps[f"tap.{i}"] for i in range(len(taps))))

    return make_port(spec, lambda knobs: send("program", knobs), lambda knobs: send("pulse", knobs), read)


def _spec(hello: Header, layers: Sequence[Layer]) -> Spec:
    """The datasheet at this end, where tensors live on the CPU."""
    datasheet = hello["spec"]
    if datasheet["layer_checksum"] != layer_checksum(layers):
        raise RemoteError("the bench has other layers than those given; connect with the served chip's own")
    dtype = {"float32": torch.float32, "float64": torch.float64}[datasheet["dtype"]]
    costs, access = Costs(**datasheet["costs"]), Access(**datasheet["access"])
    others = {name: datasheet[name] for name in ("synapse", "repeats")}
    others["precision"] = {"bfloat16": torch.bfloat16, None: None}[datasheet["precision"]]
    return Spec(tuple(layers), costs, tuple(datasheet["fleet"]), dtype, access=access, **others)
