"""Sensitivities: how the drive of a step changes with the hyper-parameters of its rule, state held fixed."""

import warnings
from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from analog.spec import Knobs

from .record import Rule, TakenStep


def sensitivities(rule: Rule, taken: TakenStep, values: Mapping[str, Tensor]) -> Mapping[str, Knobs]:
    """d drive / d hyper-parameter, by name: of the shape of the knobs for each.

    The drive is divided by what it is proportional to; the others are in closed form where the rule has one,
    else by forward-mode automatic differentiation of the rule.
    """
    others = [name for name, h in rule.hyperparameters.items() if not h.scales_drive]
    if rule.derivatives is not None:
        derivatives = rule.derivatives(taken, **values, **rule.constants)
    else:
        derivatives = {name: _forward_mode(rule, taken, values, name) for name in others}
    return {
        name: derivatives[name] if name in others else tuple(d / value for d in taken.drive)
        for name, value in values.items()
    }


def _forward_mode(rule: Rule, taken: TakenStep, values: Mapping[str, Tensor], name: str) -> Knobs:
    """The derivative along ones, for chips have hyper-parameters of their own; 0 where it is 0/0.

    Roots have no derivative at 0, where cells are that never had a gradient, such as those of pixels that are
    always black.
    """

    def drive(value: Tensor) -> Knobs:
        return rule.step(taken.gradient, taken.before, **{**values, name: value}, **rule.constants)[0]

    _prepare_forward_mode()
    derivative = torch.func.jvp(drive, (values[name],), (torch.ones_like(values[name]),))[1]
    return tuple(d.nan_to_num(0.0, torch.inf, -torch.inf) for d in derivative)


@cache
def _prepare_forward_mode() -> None:
    """torch loads formulas at the first use of its forward mode, and some versions warn then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.func.jvp(torch.exp, (torch.zeros(()),), (torch.ones(()),))
