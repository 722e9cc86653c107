"""What both ends agree on: the key made from a token, the errors, and the names of tensors on their way."""

import hashlib
from collections.abc import Sequence
from typing import Final

from torch import Tensor
from zmq.utils import z85

from ...port import BadReading, Dead
from ...rejection import Rejected
from ...spec import BadInput


class RemoteError(RuntimeError):
    """The bench could not do what it was asked; says why."""


class Busy(Rejected, RemoteError):
    """Another client holds the bench."""


class BadToken(Rejected, RemoteError):
    """The bench did not accept the token."""


NAMED_ERRORS: Final = {
    e.__name__: e for e in (BadInput, BadReading, Dead, RemoteError, Busy)
}  # errors that keep their class


def named(name: str, entries: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """The tensors, of any shapes, among entries of that name, by their number."""
    return {f"{name}.{i}": e for i, e in enumerate(entries) if e is not None}


def entries(
    tensors: dict[str, Tensor], name: str, present: list[bool] | None
) -> tuple[Tensor | None, ...] | None:
    """The inverse of `named`, for tensors of any shapes; None where `present` says that there is none."""
    if present is None:
        return None
    return tuple(tensors[f"{name}.{i}"] if there else None for i, there in enumerate(present))


def key(token: str) -> bytes:
    """The server's secret key, which the token is; clients take its public half.

    Raises:
        ValueError: the token is too short.
    """
    if not isinstance(token, str) or len(token) < 16:
        raise ValueError("a token has at least 16 characters; secrets.token_urlsafe() makes one")
    return z85.encode(hashlib.blake2b(token.encode(), digest_size=32, person=b"mortal bench").digest())
