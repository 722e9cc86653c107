"""The contract every device must keep, ours and the user's: `check_device(MyDevice())`."""

from collections.abc import Callable

import torch

from ..contract import ContractError
from ..device import Device
from ..layers.convolution import conv2d
from ..layers.crossbar import Layer, dense, grouped
from .assertions import require
from .cells import (
    check_aging,
    check_fabrication,
    check_fleet_rows,
    check_histories,
    check_pulses,
    check_purity,
)
from .readings import check_examples, check_gradients, check_memory, check_noise

_LAWS = (
    check_fabrication,
    check_purity,
    check_fleet_rows,
    check_pulses,
    check_histories,
    check_noise,
    check_examples,
    check_memory,
    check_gradients,
    check_aging,
)
_WIRINGS: tuple[tuple[Layer, ...], ...] = (
    (dense(5, 4), dense(4, 3, linear=True)),
    (conv2d((2, 4, 4), 4, 2, stride=2, groups=[[0], [1]]), grouped(16, 6, 2), dense(6, 3, linear=True)),
)


def check_device(device: Device, *, steps: int = 200, fresh: bool = False) -> tuple[str, ...]:
    """Check that a device keeps every law of the Device protocol.

    Args:
        device: anybody's, e.g. `MyDevice()`.
        steps: of the lives that its chips live after that (program, pulse, probe, measure, span, wait, save,
            load, kill), about a second's worth; 0 leaves them out.
        fresh: True for other lives at every call.

    Returns:
        The laws that were tried, each as a sentence.

    Raises:
        ContractError: a law is broken; the message says which, and by how much.

    Laws: no function alters its arguments; shapes and dtype follow the input; outputs are finite; the
    same identity with the same history is the same chip, bitwise, and another identity is another; a
    fleet's row is the lone chip, bitwise at birth and to rounding in its noiseless response and pulses;
    noise is drawn for each chip, probe and example; pulses move knobs the way they are told, a pulse of
    zero not at all; a probe leaves no trace; nothing read or sent shares memory with cells; the exact
    gradient agrees with central differences of the noiseless chip; aging for two times is aging for
    their sum; the global generators are left alone.

    And at any point of any life: cells stay finite, of their shapes, and within the bounds if the device
    states them; two chips of one history are the same, one of them through files; the clock shows what
    uses and waits took; dead is `Dead`, always.
    """
    if isinstance(device, type):
        raise ContractError(f"got the class {device.__name__}, wanted a device: write {device.__name__}()")
    state = torch.get_rng_state()
    for law in _LAWS:
        for layers in _WIRINGS:
            try:
                law(device, layers)
            except ContractError:
                raise
            except Exception as error:
                message = f"{_sentence(law)} While checking this: {type(error).__name__}: {error}"
                raise ContractError(message) from error
            finally:  # this says why another law may look broken, so it goes first
                require(
                    torch.equal(state, torch.get_rng_state()),
                    "the global torch generator was used; draw from `birth` and `noise` only",
                )
    laws = tuple(map(_sentence, _LAWS))
    if not steps:
        return laws
    from .life import check_lives  # brings hypothesis along, which nothing else here needs

    check_lives(device, _WIRINGS, steps, fresh=fresh)
    return (*laws, _sentence(check_lives))


def _sentence(law: Callable[..., object]) -> str:
    return (law.__doc__ or "").strip().splitlines()[0]


__all__: list[str] = []  # `check_device` is exported by `analog`
