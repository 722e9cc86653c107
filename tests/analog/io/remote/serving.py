"""A served port in a thread, and a line to it that can be cut."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue
from threading import Event, Thread
from typing import Any

from analog import Port
from analog.io.remote import serve

TOKEN = "a token for tests only"


@contextmanager
def served(port: Port, **how: Any) -> Iterator[str]:
    """The address of a bench that serves while the block lasts, and has not failed when it ends."""
    ready: Queue[str] = Queue()
    stop, failed = Event(), Queue[BaseException]()

    def work() -> None:
        try:
            serve(port, TOKEN, ready=ready.put, stop=stop, **how)
        except BaseException as error:
            failed.put(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield ready.get(timeout=60)
        assert thread.is_alive(), "the server did not live"
    finally:
        stop.set()
        thread.join()
        assert failed.empty(), failed.get()


class Cuttable:
    """A relay between clients and a bench that can lose what comes next, and cut the connection there.

    Attributes:
        lose: None, "request" (the next bytes to the bench), "half" (their second half) or "answer".
        cuts: how often it has done so.
    """

    def __init__(self, address: str) -> None:
        self.to = int(address.rpartition(":")[2])
        self.lose: str | None = None
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.threads = [Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                pair = client, socket.create_connection(("127.0.0.1", self.to))
                self.pairs.append(pair)
                for source, sink, kind in ((*pair, "request"), (*pair[::-1], "answer")):
                    self.threads.append(Thread(target=self._pump, args=(source, sink, kind)))
                    self.threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, kind: str) -> None:
        with suppress(OSError):
            while chunk := source.recv(2**16):
                if self.lose == kind or (self.lose == "half" and kind == "request"):
                    if self.lose == "half":
                        sink.sendall(chunk[: len(chunk) // 2])
                    self.lose = None
                    self.cuts += 1
                    break
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for pair in self.pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for pair in self.pairs:
            for end in pair:
                end.close()


@contextmanager
def cuttable(address: str) -> Iterator[Cuttable]:
    line = Cuttable(address)
    try:
        yield line
    finally:
        line.close()
