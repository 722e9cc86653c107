"""The contract every device must keep, ours and the user's: `check_device(MyDevice())`."""

from typing import Any

import torch

from ..contract import ContractError
from ..device import Device
from ..layers.crossbar import Layer
from ..layers.crossbar import conv2d
from ..layers.crossbar import dense
from ..layers.crossbar import grouped
from .assertions import require
from .cells import ageing
from .cells import births
from .cells import histories
from .cells import pulses
from .cells import purity
from .cells import rows
from .readings import examples
from .readings import gradients
from .readings import memory
from .readings import noises

_WIRINGS: tuple[tuple[Layer, ...], ...] = (
    (dense(5, 4), dense(4, 3, linear=True)),
    (conv2d((2, 4, 4), 4, 2, stride=2, groups=[[0], [1]]), grouped(16, 6, 2), dense(6, 3, linear=True)),
)


def check_device(device: Device[Any], *, steps: int = 200, fresh: bool = False) -> None:
    """Raise `ContractError` unless a device keeps every law of the Device protocol.

    Args:
        steps: of the lives that its chips live after that (program, pulse, probe, measure, span, wait, save,
            load, kill), about a second's worth; 0 leaves them out.
        fresh: True for other lives at every call.

    Laws: no function alters its arguments; shapes and dtype follow the input; outputs are finite; the
    same identity with the same history is the same chip, bitwise, and another identity is another; a
    fleet's row is the lone chip, bitwise at birth and to rounding in its silent response and pulses;
    noise is drawn for each chip, probe and example; pulses move knobs the way they are told, a pulse of
    zero not at all; a probe leaves no trace; nothing read or sent shares memory with cells; the exact
    gradient agrees with central differences of the silent chip; ageing for two times is ageing for
    their sum; the global generators are left alone.

    And at any point of any life: cells stay finite, of their shapes, and within the bounds if the device
    states them; two chips of one history are the same, one of them through files; the clock shows what
    uses and waits took; dead is `Dead`, always.
    """
    if isinstance(device, type):
        raise ContractError(f"got the class {device.__name__}, wanted a device: write {device.__name__}()")
    before = torch.get_rng_state()
    for law in (births, purity, rows, pulses, histories, noises, examples, memory, gradients, ageing):
        for layers in _WIRINGS:
            try:
                law(device, layers)
            except ContractError:
                raise
            except Exception as error:
                about = (law.__doc__ or "").strip().splitlines()[0]
                raise ContractError(
                    f"{about} While checking this: {type(error).__name__}: {error}"
                ) from error
            finally:  # this says why another law may look broken, so it goes first
                require(
                    torch.equal(before, torch.get_rng_state()),
                    "the global torch generator was used; draw from `birth` and `noise` only",
                )
    if steps:
        from .life import live  # brings hypothesis along, which nothing else here needs

        live(device, _WIRINGS, steps, fresh=fresh)


__all__ = [
    "check_device",
]
