"""The contract every device must keep, ours and the user's: `check_device(MyDevice())`."""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

import torch

from ..contract import ContractError, Law, OncePerPart, first_sentence
from ..device import Device
from ..layers.crossbar import Layer, dense, grouped
from ..layers.regular import conv2d
from .aging import check_aging, check_aging_by_chance
from .assertions import require
from .fabrication import check_fabrication, check_files, check_parameters
from .independence import check_fresh_noise, check_noise_of_readings, check_noise_of_writes
from .influence import check_chips_of_fleets, check_influence_in_cells, check_influence_in_readings
from .pulses import check_histories, check_huge_pulses, check_probes, check_pulses, check_zero_pulses
from .purity import check_purity
from .relaxing import check_relaxing
from .repetition import check_first_uses, check_repetition
from .responses import (
    check_finite_readings,
    check_freshness,
    check_gradients,
    check_memory,
    check_noiseless_slopes,
    check_slopes_at_zero,
)
from .stated_weights import check_stated_weights
from .surroundings import Generators
from .trial import Trial
from .watched import Watched

_LAWS: Final = (  # a law that says why others may look broken goes first
    check_parameters,
    check_fabrication,
    check_first_uses,
    check_purity,
    check_repetition,
    check_files,
    check_finite_readings,
    check_relaxing,
    check_freshness,
    check_stated_weights,
    check_probes,
    check_fresh_noise,
    check_influence_in_readings,
    check_influence_in_cells,
    check_huge_pulses,
    check_pulses,
    check_zero_pulses,
    check_chips_of_fleets,
    check_histories,
    check_noise_of_readings,
    check_noise_of_writes,
    check_memory,
    check_gradients,
    check_slopes_at_zero,
    check_noiseless_slopes,
    check_aging,
    check_aging_by_chance,
)
_WIRINGS: Final[tuple[tuple[Layer, ...], ...]] = (
    (dense(5, 4), dense(4, 3, linear=True)),
    (conv2d((2, 4, 4), 4, 2, stride=2, groups=[[0], [1]]), grouped(16, 6, 2), dense(6, 3, linear=True)),
)
_NOISY_DTYPES: Final = (torch.float64, torch.float32)  # of the chips of each wiring whose noise is judged


def check_device(device: Device, *, steps: int = 200, fresh: bool = False) -> tuple[str, ...]:
    """Check that a device keeps every law of the Device protocol.

    Args:
        device: anybody's, e.g. `MyDevice()`.
        steps: of the lives that its chips live after that (program, pulse, probe, measure, span, wait, save,
            load, kill), about a second's worth; 0 leaves them out.
        fresh: True for other numbers and other lives at every call.

    Returns:
        The laws that were tried, each as a sentence; then one for each coupling that the device states, which
        says what was left out for it.

    Raises:
        ContractError: a law is broken; the message says which, and by how much.

    Laws: no function alters its arguments, at any size; shapes and dtype follow the input; outputs are
    finite, of zeros too; what a function gives depends on its arguments alone, not on a global generator, a
    clock, or state kept elsewhere than in cells; the same identity is the same chip, bitwise, and another
    identity is another. Examples, probes, tiles and chips do not influence each other, with noise or
    without, and their noise is independent, judged by its values; what physics does couple, the device
    names in `couples`. Pulses move knobs the way they are told, of zero not at all, however huge not beyond
    the bounds that the device states. Amplifiers and neurons show the knobs as they are; nothing read or sent
    shares memory with cells; the exact gradient agrees with central differences of the noiseless chip;
    ageing for two times is ageing for their sum, also by chance. A chip that relaxes settles in its time, and
    sends back the adjoint of what it collects unless its device says by `reciprocal` that it does not.

    And at any point of any life: cells stay finite, of their shapes, and within the bounds if the device
    states them; two chips of one history are the same, one of them through files; the clock shows what
    uses and waits took; dead is `Dead`, always.

    What it cannot see: a law broken where nobody looks, at one value, size, count or moment among all that
    there are (batches of more than 320 examples, a clock that decides once a month, a cell in 10,000); a
    device that looks for the check itself, among its callers or its memory; parameters, costs and bounds
    that are lawful and wrong.
    """
    laws = device_laws(steps, fresh=fresh)
    for law in laws:
        law.check(device)
    left_out = tuple(
        f"Left out: that {each} do not influence each other, nor share noise; the device couples them."
        for each in sorted(device.couples)
    )
    return (*(law.sentence for law in laws), *left_out)


def device_laws(steps: int = 200, *, fresh: bool = False) -> tuple[Law, ...]:
    """The laws of the Device protocol, each of which may be tried by itself: `law.check(device)`.

    Args:
        steps: of the lives that the last law has chips live; 0 leaves it out.
        fresh: True for other numbers and other lives, at every call of this function.
    """
    trials = OncePerPart(partial(_trials, secrets.randbits(32) if fresh else 0))
    laws = tuple(Law(first_sentence(check), partial(_try, check, trials)) for check in _LAWS)
    return (*laws, *((_law_of_lives(steps, fresh),) if steps else ()))


def _law_of_lives(steps: int, fresh: bool) -> Law:
    from .life import check_lives  # brings hypothesis along, which nothing else here needs

    def check(device: Device) -> None:
        check_lives(Watched(_made(device)), _WIRINGS, steps, fresh=fresh)

    return Law(first_sentence(check_lives), check)


def _made(device: Device) -> Device:
    """Pass on a device that was made.

    Raises:
        ContractError: it is a class.
    """
    if isinstance(device, type):
        raise ContractError(f"got the class {device.__name__}, wanted a device: write {device.__name__}()")
    return device


def _trials(seed: int, device: Device) -> tuple[Trial, ...]:
    """The trials of a device, one of each wiring."""
    watched, wirings = Watched(_made(device)), zip(_WIRINGS, _NOISY_DTYPES, strict=True)
    return tuple(Trial(watched, layers, seed, dtype) for layers, dtype in wirings)


def _try(check: Callable[[Trial], None], trials: OncePerPart[tuple[Trial, ...]], device: Device) -> None:
    """Try a law on chips of each wiring; whatever goes wrong is told as a broken law."""
    for trial in trials(device):
        before = Generators()
        try:
            check(trial)
        except ContractError:
            raise
        except Exception as error:
            message = f"{first_sentence(check)} While checking this: {type(error).__name__}: {error}"
            raise ContractError(message) from error
        used = before.used()
        require(used is None, f"{used} was used; draw from `birth` and `noise` only")


__all__: list[str] = []  # `check_device` is exported by `analog`
