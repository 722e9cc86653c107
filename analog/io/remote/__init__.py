"""A chip in another process: `serve` its wires on a socket, `connect` to get a Port that behaves alike.

    serve(chip.port(), token, address="tcp://127.0.0.1:5555")          # here, until stopped
    with connect("tcp://127.0.0.1:5555", token, layers) as port: ...   # there; any learner takes this port

What is served may as well be a lab bench: `Port(spec, dac.write, dac.pulse, adc.read)`. Needs the extra
`bench`, which is pyzmq.

Transport: ZeroMQ with its CURVE encryption, under a key made from the token. Who lacks the token fails in the
handshake, in the cryptographic library and in constant time, and not one byte of his reaches this code; so
do garbage and half messages. Blocks are safetensors: nothing received is executed. One client holds the
bench at a time. Requests are numbered and the last answer is kept, so that a request that is sent again after
a dropped connection is answered again and not carried out again: no pulse is lost, none repeated. A client
that holds the token is trusted not to ask for a reading that needs more memory than there is.
"""

try:
    import zmq  # noqa: F401  # asked for by name, so that what is missing inside it keeps its own message
except ModuleNotFoundError as error:
    if error.name != "zmq":
        raise
    message = 'analog.io.remote needs pyzmq: pip install "mortal[bench]"'
    raise ModuleNotFoundError(message, name="zmq") from None

from .client import connect
from .protocol import BadToken, Busy, RemoteError
from .server import serve

__all__ = [
    "BadToken",
    "Busy",
    "RemoteError",
    "connect",
    "serve",
]
