"""The contract of updates: `check_update(my_update(1e-2))`."""

from collections.abc import Callable
from functools import partial

import torch

from analog.contract import ContractError, Law, OncePerPart, first_sentence

from ..updates.record import Update
from .update_trial import UpdateTrial


def check_update(update: Update, *, fleet: int = 3) -> tuple[str, ...]:
    """Check that an update keeps its contract on made-up gradients of a fleet, in float32 and float64.

    `init` and `step` are pure: they alter nothing, give the same at every call and draw nothing. Drives are
    finite, of the gradient's shapes and dtype, also where a gradient is 0 or large. The state is a tree of
    tensors and numbers whose structure, shapes and dtypes stay as they are once it is filled (tuned updates
    take a step a level), and a training that goes on from its file is bitwise the one that was never stopped.
    Chips of a fleet are independent: what is sent to one hangs on its own gradients, and is the
    same in a fleet of another size and alone, without a fleet's axis, unless the update has numbers of its
    own for each chip. Over 200 steps of one gradient the drives sum up to a way down it in every layer of
    every chip, or to nothing, and all stays finite. Where another update may tune it, the sensitivity of its
    drive to each hyper-parameter is that of central differences, as is the claim that the drive is
    proportional to a learning rate.

    Not seen: what happens only after 200 steps, or at gradients of sizes between 0, .1, 1, 1e4 and 1e15.

    Args:
        update: anybody's.
        fleet: how many chips, for an update with numbers of its own for each.

    Returns:
        The laws that were tried, each as a sentence.

    Raises:
        ContractError: naming the law that is broken, and by how much.
    """
    laws = update_laws(fleet=fleet)
    for law in laws:
        law.check(update)
    return tuple(law.sentence for law in laws)


def update_laws(*, fleet: int = 3) -> tuple[Law, ...]:
    """The laws of updates, each of which may be tried by itself: `law.check(update)`.

    Args:
        fleet: how many chips, for an update with numbers of its own for each.
    """
    trials = OncePerPart(partial(_trials, fleet=fleet))
    tried = (
        UpdateTrial.check_drives,
        UpdateTrial.check_states,
        UpdateTrial.check_files,
        UpdateTrial.check_chips,
        UpdateTrial.check_extremes,
        UpdateTrial.check_other_fleets,
        UpdateTrial.check_descent,
        UpdateTrial.check_sensitivities,
    )
    return tuple(Law(first_sentence(law), partial(_try, law, trials)) for law in tried)


def _try(
    law: Callable[[UpdateTrial], None], trials: OncePerPart[tuple[UpdateTrial, ...]], update: Update
) -> None:
    for trial in trials(update):
        law(trial)


def _trials(update: Update, fleet: int) -> tuple[UpdateTrial, ...]:
    """An update with gradients in either precision."""
    if not isinstance(update, Update):
        raise ContractError(f"got {update!r}, wanted an Update such as adam(1e-2)")
    return tuple(UpdateTrial(update, fleet, dtype) for dtype in (torch.float64, torch.float32))
