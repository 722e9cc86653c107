"""What a user gives as a batch, made into rows and their targets: the one place for `fit` and `train`."""

from math import prod
from typing import Any

from torch import Tensor

from analog.spec import BadInput, Spec


def flatten_examples(x: Tensor, target: object, spec: Spec, user: str) -> Tensor:
    """The examples as rows, for a chip that is driven by rows.

    On a port, axes in front of the batch are probes, so (32, 1, 64) would be 32 readings of one example. No
    batch has such axes: its first is that of the examples, or the fleet's where chips have batches of their
    own. Where that leaves two meanings, (chips, 1, features), a target for each chip says that chips are
    examples.

    Args:
        x: (batch, ...), such as images (batch, planes, height, width), or (*fleet, batch, ...).
        target: of the batch.
        spec: the datasheet of the chip that will be driven.
        user: whom messages name.

    Returns:
        (batch, features_in) or (*fleet, batch, features_in); what is no such tensor comes back as it was, for
        the port to refuse.

    Raises:
        BadInput: an example has more axes than one, and not as many numbers as the chip wants.
    """
    if not isinstance(x, Tensor) or x.ndim <= 2:
        return x
    wanted, fleet = spec.layers[0].features_in, spec.fleet
    own = bool(fleet) and tuple(x.shape[: len(fleet)]) == fleet  # chips have batches of their own
    shared = prod(x.shape[1:]) == wanted
    if own and shared and isinstance(target, Tensor):
        own = not (target.ndim == 1 and len(target) == len(x))
    if own and prod(x.shape[len(fleet) + 1 :]) == wanted:
        return x.flatten(len(fleet) + 1) if x.ndim > len(fleet) + 2 else x
    if shared:
        return x.flatten(1)
    numbers = " x ".join(map(str, x.shape[1:]))
    raise BadInput(
        f"{user}: x is {tuple(x.shape)}, examples of {numbers} = {prod(x.shape[1:])} numbers; the chip wants "
        f"{wanted}"
    )


def as_pair(batch: Any, user: str) -> tuple[Any, Any]:
    """The examples and the target of what a loader or a user gives as a batch.

    Args:
        batch: (x, target), or (x,) where nothing is wanted of the examples.
        user: whom messages name.

    Raises:
        TypeError: it is no such tuple or list.
    """
    if not isinstance(batch, tuple | list) or not 1 <= len(batch) <= 2:
        parts = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
        raise TypeError(f"{user}: a batch is a {type(batch).__name__}{parts}, wanted a pair (x, target)")
    return batch[0], batch[1] if len(batch) > 1 else None
