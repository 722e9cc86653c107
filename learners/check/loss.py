"""The contract of losses: `check_loss(MyLoss())`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from analog.contract import ContractError, Law, OncePerPart, first_sentence
from analog.tree import tree_map

from ..losses import Loss
from .comparison import made_up, require
from .loss_trial import EXAMPLES, LossTrial

_LAWS = (  # a law that says why others may look broken goes first
    LossTrial.check_target,
    LossTrial.check_value,
    LossTrial.check_sizes,
    LossTrial.check_freeze,
    LossTrial.check_examples,
    LossTrial.check_batches,
    LossTrial.check_leading_axes,
    LossTrial.check_gradient,
    LossTrial.check_fitted,
)
_LEFT_OUT = "Left out: that an example's loss hangs on its own outputs alone; the loss couples examples."


def check_loss(loss: Loss, target: Any = None, *, outputs: int = 6) -> tuple[str, ...]:
    """Check that a loss keeps its contract on made-up outputs of six examples.

    Every part of every example has a number, of the dtype of the outputs, and the call is their sum; it is
    finite for outputs up to 1e4 and where they are the target, is the same at every call, with gradients
    recorded or not, alters nothing, and hangs on no other example, whatever the leading axes (none to three:
    probes, fleet), in float32 and float64. `freeze` gives one target for a fleet and for its chips alone, and
    what it gives is a constant. Where it leaves the target as it is and each tensor of that has six rows, an
    example's loss and gradient are also the same in batches of 1, 2, 5 and 12 and in another order. Of a loss
    that says `couples_examples` nothing of this is asked, and its gradient is that of an example's loss along
    its own outputs, the others' held. The
    gradient, if the loss knows one, is that of central differences at outputs of size 1, 30 and 1e3; a kink
    that happens to lie within 1e-5 of an output would be taken for an error. With no `target` another count
    of outputs is tried too, if the loss takes it.

    Not seen: what happens at other batch sizes, counts of outputs or sizes than these alone, and a dependence
    on the others' outputs that a target settled by `freeze` carries.

    Args:
        loss: anybody's.
        target: of six examples, a tensor (6, ...) or a NamedTuple of such; floating ones in float64. None:
            class numbers, or numbers from 0 to 1 like the outputs, whichever the loss takes first.
        outputs: how many each example has, a multiple of the loss's parts.

    Returns:
        The laws that were tried, each as a sentence; then what was left out because the loss couples
        examples.

    Raises:
        ContractError: naming the law that is broken, and by how much.
        ValueError: `target` is None, and the loss takes neither kind.
    """
    laws = loss_laws(target, outputs=outputs)
    for law in laws:
        law.check(loss)
    return (*(law.sentence for law in laws), *((_LEFT_OUT,) if loss.couples_examples else ()))


def loss_laws(target: Any = None, *, outputs: int = 6) -> tuple[Law, ...]:
    """The laws of losses, each of which may be tried by itself: `law.check(loss)`.

    Args:
        target: of six examples, as `check_loss` takes it.
        outputs: how many each example has.
    """
    trials = OncePerPart(partial(_trials, target=target, outputs=outputs))
    return tuple(Law(first_sentence(law), partial(_try, law, trials)) for law in _LAWS)


def _try(law: Callable[[LossTrial], None], trials: OncePerPart[tuple[LossTrial, ...]], loss: Loss) -> None:
    for trial in trials(loss):
        law(trial)


def _trials(loss: Loss, target: Any, outputs: int) -> tuple[LossTrial, ...]:
    """A loss with outputs in either precision, and with more of them where it takes these too."""
    if isinstance(loss, type):
        raise ContractError(f"got the class {loss.__name__}, wanted a loss: write {loss.__name__}(...)")
    require(isinstance(loss, Loss), f"{loss!r} is no instance of a subclass of learners.Loss")
    parts = loss.parts
    fits = isinstance(parts, int) and not isinstance(parts, bool) and parts >= 1
    require(fits, f"{loss!r}: parts is {parts!r}, wanted an integer of at least 1")
    if outputs % parts:
        raise ValueError(f"check_loss: {outputs} outputs do not fall into {parts} parts; give outputs=")
    out = _outputs(outputs)
    chosen = _target(loss, out) if target is None else target
    both = (LossTrial(loss, out.to(dtype), _cast(chosen, dtype)) for dtype in (torch.float64, torch.float32))
    return (*both, *(_wider(loss, 3 * outputs) if target is None else ()))


def _outputs(count: int) -> Tensor:
    """Made-up outputs, (2 probes, 3 chips, 6 examples, count)."""
    return torch.randn(2, 3, EXAMPLES, count, generator=made_up("loss", count), dtype=torch.float64)


def _wider(loss: Loss, outputs: int) -> tuple[LossTrial, ...]:
    """A trial of another count of outputs, if the loss takes it."""
    out = _outputs(outputs)
    try:
        target = _target(loss, out)
    except ValueError:  # it is made for one count of outputs
        return ()
    return (LossTrial(loss, out, target),)


def _target(loss: Loss, out: Tensor) -> Any:
    """Class numbers, or numbers from 0 to 1 like the outputs of a chip, whichever the loss takes first."""
    (lone, *_), *_ = out
    generator = made_up("target")
    examples, classes = lone.shape
    labels = torch.randint(classes, (examples,), generator=generator)
    kinds = (labels, torch.rand(lone.shape, generator=generator, dtype=lone.dtype))
    for kind in kinds:
        try:
            loss.value(lone, loss.freeze(lone, kind))
        except Exception:
            continue
        return kind
    raise ValueError(
        f"check_loss: {loss!r} takes neither class numbers nor numbers like the outputs; give a target="
    )


def _cast(tree: Any, dtype: torch.dtype) -> Any:
    def cast(leaf: Any) -> Any:
        return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf

    return tree_map(cast, tree)
