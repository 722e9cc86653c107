"""Updates that tune their own hyper-parameters by another update, to any height.

Chandra, Xie, Ragan-Kelley and Meijer, "Gradient Descent: The Ultimate Optimizer" (NeurIPS 2022,
https://arxiv.org/abs/1909.13371). The derivative of the next loss with respect to a hyper-parameter phi of
the last drive, inner state held fixed, is

    dL(t+1) / d phi = g(t+1) . d drive(t) / d phi,

two consecutive gradients, which is what an `Update` is given: no graph and no second pass. Each level's
hyper-parameters are what the level above descends on, as if they were knobs; higher levels move first.

Where we differ: d drive / d phi, the sensitivity, is taken forward within the step instead of back through a
graph that lasts until the next, so memory is flat by construction; rates are tuned by their logarithms; every
chip of a fleet has hyper-parameters of its own. On a chip the two gradients are estimates from independent
probes, so the hypergradient is unbiased wherever they are; `laws.hypergradient` has its variance.

Unbiased, but of the next loss alone, hence greedy: a step pays its noise at once and is paid for where it
leads only later (the short-horizon bias of Wu et al., ICLR 2018, https://arxiv.org/abs/1803.02021), so rates
end far too low. The horizon of a `Tuner` is against that, its warm-up against a start that would break the
knobs before anything is known.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog.spec import Knobs

from .record import Rule, TakenStep, Tuner, Update
from .sensitivity import sensitivities

_LARGEST = 1e15  # hypergradient whose square still fits float32
_FIRST = 1e-4  # share of the drive at the start of a warm-up


class _Level(NamedTuple):
    """The state of a tuned update; its size never changes after the first step."""

    unconstrained: Knobs  # its hyper-parameters, (*fleet, 1, 1, 1) each
    memory: Any  # the rule's state
    sensitivities: tuple[Knobs, ...] | None  # of its drives; None before the first
    above: Any  # the state of what tunes it


class _TunedState(NamedTuple):
    """The state of the lowest level, and the one clock of all."""

    steps: int
    level: _Level


class _Pace(NamedTuple):
    """How fast a step may tune, the same for all levels."""

    move: float  # of an unconstrained hyper-parameter at most; what it lacks to 1 is what the past is worth
    rise: float  # likewise upwards


def tuned(rule: Rule, tuner: Tuner) -> Update:
    """The update of a rule whose hyper-parameters are tuned.

    Those of the highest level stay as they are given. A hypergradient that is not a number tunes nothing, and
    hyper-parameters stop where they would leave float32 (rates at 1e-20 and 1e20), so none is ever lost.
    """
    horizon, warmup = tuner.horizon, tuner.warmup

    def init(zeros: Knobs) -> _TunedState:
        if not zeros or any(z.ndim < 3 for z in zeros):
            shapes = [tuple(z.shape) for z in zeros]
            raise ValueError(f"{rule.name}: tuned, it wants knobs (*fleet, tiles, rows, cols), got {shapes}")
        return _TunedState(0, _start(rule, tuner, zeros))

    def step(gradient: Knobs, state: _TunedState) -> tuple[Knobs, _TunedState]:
        move, warming = 1 / (1 + horizon * max(0, state.steps - warmup)), state.steps < warmup
        share = _FIRST ** (1 - state.steps / warmup) if warming else 1.0
        pace = _Pace(move, 0.0 if warming else move)
        drive, level = _step(rule, tuner, gradient, state.level, pace, share)
        return drive, _TunedState(state.steps + 1, level)

    return Update(init, step, rule.describe(tuner), rule, tuner)


def current_hyperparameters(update: Update, state: Any) -> list[dict[str, float | Tensor]]:
    """The hyper-parameters of an update and of those above it, as they stand in a state of it.

    Returns:
        For each level, the update's own first: values by name, (*fleet,) where they are tuned.
    """
    levels: list[dict[str, float | Tensor]] = []
    above = state if update.tuner is None else state.level
    while update.rule is not None and update.tuner is not None:
        values = _values(update.rule, above)
        levels.append({name: value[..., 0, 0, 0] for name, value in values.items()})
        update, above = update.tuner.update, above.above
    return [*levels, {n: h.value for n, h in update.rule.hyperparameters.items()} if update.rule else {}]


def _start(rule: Rule, tuner: Tuner, zeros: Knobs) -> _Level:
    rule.check_fleet(zeros)
    hyperparameters, like = rule.hyperparameters.values(), zeros[0]
    unconstrained = tuple(h.domain.unconstrained(_on_fleet(h.value, like)) for h in hyperparameters)
    update, below = tuner.update, tuple(torch.zeros_like(u) for u in unconstrained)
    if update.rule is None or update.tuner is None:
        return _Level(unconstrained, rule.init(zeros), None, update.init(below))
    return _Level(unconstrained, rule.init(zeros), None, _start(update.rule, update.tuner, below))


def _step(
    rule: Rule, tuner: Tuner, gradient: Knobs, level: _Level, pace: _Pace, share: float = 1.0
) -> tuple[Knobs, _Level]:
    """Tune the hyper-parameters, then take the step of the rule; a warm-up takes a share of its drive."""
    past, above = level.sensitivities, level.above
    if past is not None:
        moves, above = _step_above(tuner.update, _hypergradient(rule, gradient, level, past), above, pace)
        level = level._replace(unconstrained=_moved(rule, level.unconstrained, moves, pace))
    values = _values(rule, level)
    drive, memory = rule.step(gradient, level.memory, **values, **rule.constants)
    fresh = sensitivities(rule, TakenStep(gradient, level.memory, drive, memory), values)
    scaled = tuple(_scaled(fresh[name], share) for name in values)
    remembered = scaled if past is None else _remembered(scaled, past, 1 - pace.move)
    return _scaled(drive, share), _Level(level.unconstrained, memory, remembered, above)


def _step_above(update: Update, gradient: Knobs, state: Any, pace: _Pace) -> tuple[Knobs, Any]:
    """The step of what tunes; where it is tuned itself, it goes at the pace of all."""
    if update.rule is None or update.tuner is None:
        return update.step(gradient, state)
    return _step(update.rule, update.tuner, gradient, state, pace)


def _moved(rule: Rule, unconstrained: Knobs, moves: Knobs, pace: _Pace) -> Knobs:
    """Hyper-parameters after moves that are neither faster nor wider than allowed."""
    bounds = (h.domain.bound for h in rule.hyperparameters.values())
    return tuple(
        (u + move.clamp(-pace.move, pace.rise)).clamp(-bound, bound)
        for u, move, bound in zip(unconstrained, moves, bounds, strict=True)
    )


def _values(rule: Rule, level: _Level) -> dict[str, Tensor]:
    pairs = zip(rule.hyperparameters.items(), level.unconstrained, strict=True)
    return {name: h.domain.value(u) for (name, h), u in pairs}


def _hypergradient(rule: Rule, gradient: Knobs, level: _Level, past: tuple[Knobs, ...]) -> Knobs:
    """The derivative of a loss of this gradient with respect to the unconstrained hyper-parameters."""
    values = zip(rule.hyperparameters.values(), _values(rule, level).values(), strict=True)
    derivatives = [h.domain.derivative(value) for h, value in values]
    return tuple(_bounded(_along(gradient, s) * d) for s, d in zip(past, derivatives, strict=True))


def _remembered(fresh: tuple[Knobs, ...], past: tuple[Knobs, ...], keep: float) -> tuple[Knobs, ...]:
    """Sensitivities of this drive, and of those before it by what they are worth."""
    if keep == 0:
        return fresh
    return tuple(
        tuple(torch.add(f, p, alpha=keep) for f, p in zip(now, before, strict=True))
        for now, before in zip(fresh, past, strict=True)
    )


def _scaled(knobs: Knobs, share: float) -> Knobs:
    return knobs if share == 1 else tuple(k * share for k in knobs)


def _along(gradient: Knobs, sensitivity: Knobs) -> Tensor:  # (*fleet, 1, 1, 1)
    """The change of a loss of this gradient along a sensitivity."""
    pairs = zip(gradient, sensitivity, strict=True)
    parts = [torch.linalg.vecdot(g.flatten(-3), s.flatten(-3)) for g, s in pairs]
    return torch.stack(parts).sum(0)[..., None, None, None]


def _bounded(hypergradient: Tensor) -> Tensor:
    return hypergradient.nan_to_num(0.0, _LARGEST, -_LARGEST).clamp(-_LARGEST, _LARGEST)


def _on_fleet(value: float | Tensor, like: Tensor) -> Tensor:  # (*fleet, 1, 1, 1)
    start = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    return start.expand(like.shape[:-3])[..., None, None, None].clone()
