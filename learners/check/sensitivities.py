"""The law of tuned updates: how a drive hangs on a hyper-parameter is what differences say."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from analog.spec import Knobs

from ..updates.record import Rule, TakenStep
from ..updates.sensitivity import sensitivities
from .comparison import multiple, require_close


def check_rule(rule: Rule, gradients: Sequence[Knobs], update: str) -> None:
    """Hold a rule to this: d drive / d hyper-parameter, state held fixed, is that of central differences.

    Args:
        rule: of an update that another may tune.
        gradients: of a fleet at each step, (fleet, tiles, rows, cols) float64 of each layer.
        update: what messages call it.

    Raises:
        ContractError: naming the hyper-parameter.
    """
    zeros = tuple(map(torch.zeros_like, next(iter(gradients))))
    given = {name: torch.as_tensor(h.value, dtype=torch.float64) for name, h in rule.hyperparameters.items()}
    fleet = len(next(iter(zeros)))
    values = {name: v.expand(fleet)[:, None, None, None].clone() for name, v in given.items()}
    state = rule.init(zeros)
    for gradient in gradients:
        drive, after = rule.step(gradient, state, **values, **rule.constants)
        found = sensitivities(rule, TakenStep(gradient, state, drive, after), values)
        for name, value in values.items():
            _check_sensitivity(update, rule, (gradient, state), values, name, 1e-7 * value, found[name])
        state = after


def _check_sensitivity(
    update: str,
    rule: Rule,
    before: tuple[Knobs, Any],
    values: dict[str, Tensor],
    name: str,
    step: Tensor,
    found: Knobs,
) -> None:
    up, down = (
        rule.step(*before, **{**values, name: values[name] + sign * step}, **rule.constants)[0]
        for sign in (1, -1)
    )
    for layer, (high, low, sensitivity) in enumerate(zip(up, down, found, strict=True)):
        wanted = (high - low) / (2 * step)
        hint = "; is the drive proportional to it?" if rule.hyperparameters[name].scales_drive else ""
        law = (
            f"{update}: layer {layer}: the sensitivity of the drive to {name} is "
            f"{multiple(sensitivity, wanted):.3g} times that of central differences{hint}"
        )
        require_close(sensitivity, wanted, 1e-5, law)
