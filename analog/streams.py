"""Named streams of random numbers: every generator of the project is made here, from a seed and a path.

Nothing depends on the order of calls elsewhere, and nothing touches torch's global generator.
"""

import hashlib
from typing import Final

import torch
from torch import Generator

_WORDS: Final = 624  # 32-bit words in the state of a Mersenne twister
_HEAD: Final = 3  # 64-bit fields before them in torch's serialized CPU state: seed, left, next


def stream(seed: int, *path: str | int, on: str = "cpu") -> Generator:
    """Make the random generator that belongs to a seed and a path, and to no other.

    torch's CPU generator keeps only 32 bits of a seed, so among 12,000 streams two would coincide
    with probability 1.7 %. The hash of the path therefore fills the whole Mersenne state.

    Args:
        seed: any integer.
        path: words or integers; `("a", 1)` and `("a", "1")` are different streams.
        on: where the generator lives, e.g. "cpu" or "cuda".

    Raises:
        ValueError: the seed is no integer, or no generator can live there.
    """
    require_place(on)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"stream: a seed is an integer, got {seed!r}")
    key = repr((seed, *path)).encode()
    generator = torch.Generator(device=on)
    generator.manual_seed(int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1)
    if generator.device.type == "cpu":
        state = generator.get_state()
        fields = state.view(torch.int64)
        digest = bytearray(hashlib.shake_256(key).digest(4 * _WORDS))
        words = torch.frombuffer(digest, dtype=torch.int32)
        fields[_HEAD : _HEAD + _WORDS] = words.to(torch.int64) & 0xFFFFFFFF
        generator.set_state(state)
    return generator


def require_place(on: str) -> None:
    """Pass on a place where tensors can live here, such as "cpu" or, with a GPU, "cuda".

    Raises:
        ValueError: torch knows no such place, or there is none here.
    """
    if on == "cpu":
        return
    try:
        torch.empty(0, device=on)
        torch.Generator(device=on)  # which "meta", where numbers have no values, has not
    except (RuntimeError, AssertionError, TypeError) as error:
        says = (str(error).splitlines() or [""])[0]
        raise ValueError(
            f"on={on!r}: tensors cannot live there ({says}); wanted 'cpu', or a GPU that is here"
        ) from None
