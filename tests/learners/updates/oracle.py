"""What a tuned update should do, by backpropagation, as the source has it: no formula is written again.

Every drive keeps its graph until the next gradient; the hypergradient is the gradient of their inner product
with respect to the unconstrained hyper-parameters, through the very rules that are tested. Horizon 0, no
warm-up, one chip.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog.spec import Knobs
from learners import Update
from learners.updates.record import Rule

from .sequences import zeros_like

_TINY = 1e-200  # instead of 0, where roots have no derivative


class Level(NamedTuple):
    rule: Rule
    unconstrained: Knobs  # with a graph, from the second step on
    memory: Any


def oracle_drives(update: Update, sequence: list[Knobs]) -> Tensor:  # (steps, knobs)
    """The drives of an update and of all that tunes it."""
    levels, rows, last = _levels(update, zeros_like(sequence[0])), [], None
    with torch.autograd.graph.allow_mutation_on_saved_tensors():  # rules may overwrite what is their own
        for gradient in sequence:
            told = _hypergradients(levels, gradient, last)
            levels, last = _steps(levels, gradient, told)
            rows.append(torch.cat([d.detach().flatten() for d in last]))
    return torch.stack(rows)


def _levels(update: Update, zeros: Knobs) -> list[Level]:
    """From the knobs upwards; the highest is tuned by nothing."""
    rule = update.rule
    assert rule is not None
    numbers = tuple(
        h.domain.unconstrained(torch.full((1, 1, 1), float(h.value), dtype=zeros[0].dtype)).requires_grad_()
        for h in rule.hyperparameters.values()
    )
    above = [] if update.tuner is None else _levels(update.tuner.update, zeros_like(numbers))
    return [Level(rule, numbers, rule.init(tuple(z + _TINY for z in zeros))), *above]


def _hypergradients(levels: list[Level], gradient: Knobs, last: Knobs | None) -> list[Knobs | None]:
    """Of this gradient along the last drive, for every level but the highest; None before the first drive."""
    if last is None:
        return [None] * len(levels)
    loss = torch.stack([(g * d).sum() for g, d in zip(gradient, last, strict=True)]).sum()
    tuned = [level.unconstrained for level in levels[:-1]]
    slopes = iter(torch.autograd.grad(loss, [u for numbers in tuned for u in numbers], allow_unused=True))
    rows = [[next(slopes) for _ in numbers] for numbers in tuned]
    return [*(None if row[0] is None else tuple(row) for row in rows), None]


def _steps(levels: list[Level], gradient: Knobs, told: list[Knobs | None]) -> tuple[list[Level], Knobs]:
    """The levels after a step, and the drive of the lowest with its graph."""
    level, above = levels[0], levels[1:]
    numbers = tuple(u.detach().requires_grad_() for u in level.unconstrained)
    if above and told[0] is not None:
        above, moves = _steps(above, told[0], told[1:])
        numbers = tuple(u.detach() + move for u, move in zip(numbers, moves, strict=True))
    values = {
        name: h.domain.value(u)
        for (name, h), u in zip(level.rule.hyperparameters.items(), numbers, strict=True)
    }
    drive, memory = level.rule.step(gradient, level.memory, **values, **level.rule.constants)
    return [Level(level.rule, numbers, _detached(memory)), *above], drive


def _detached(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach()
    if not isinstance(state, tuple):
        return state
    parts = [_detached(part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
