"""A torch optimizer, with its scheduler, as an update: a pure function of gradient and state.

An optimizer moves parameters; an update makes drives, and nobody knows the knobs that these end in. So each
step a fresh optimizer is handed parameters that are all 0 and the state of the step before, and where they
have moved to is the drive. What depends on the parameters themselves (weight decay, trust ratios) cannot be
had so, nor what mixes the chips of a fleet; both are found out on made-up gradients and refused.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from analog.spec import Knobs
from analog.streams import stream

from ..updates.record import Update
from .schedules import Schedule

_TRIAL_STEPS = 4
_TRIAL_SHAPES = ((2, 1, 3, 2), (2, 2, 2, 1))  # (chips, tiles, rows, cols) of two layers


def from_torch(
    optimizer: Callable[..., Optimizer],
    *,
    scheduler: Callable[[Optimizer], Any] | None = None,
    **settings: Any,
) -> Update:
    """The update that a torch optimizer makes, its hyper-parameters scheduled or not.

        from_torch(torch.optim.NAdam, lr=1e-2, scheduler=partial(CosineAnnealingLR, T_max=500))

    It works for any optimizer whose steps do not depend on the parameters themselves, so weight decay is 0
    (AdamW has 0.01 unless `weight_decay=0`). Its state is tensors and numbers, so `save_state` keeps it; the
    scheduler steps once a step and is a function of their number.

    Args:
        optimizer: a class of `torch.optim`, or another function of parameters and settings.
        scheduler: makes a scheduler of `torch.optim.lr_scheduler` for an optimizer, all else given; not one
            that is told losses, such as ReduceLROnPlateau.
        settings: of the optimizer, such as `lr`.

    Raises:
        TypeError: optimizer or scheduler cannot be made or stepped so.
        ValueError: steps depend on the parameters, mix chips, or keep a state that no file holds.
    """
    if not callable(optimizer):
        made = isinstance(optimizer, Optimizer)
        came = f"a {type(optimizer).__name__} that is made already" if made else repr(optimizer)
        raise TypeError(f"from_torch: optimizer is {came}, wanted a class such as torch.optim.Adam")
    name = _name(optimizer, scheduler, settings)
    make = partial(optimizer, **settings)
    adapter = _Adapter(make, _state_names(name, make), Schedule(name, make, scheduler))
    update = Update(adapter.init, adapter.step, name)
    _require_no_parameters(name, make)
    _require_apart(name, update)
    return update


class _State(NamedTuple):
    """The state between steps."""

    steps: int
    values: tuple[tuple[Any, ...], ...] | None  # of each layer, by sorted names; None before the first step
    group: tuple[float | None, ...]  # numbers that it counts in its group of parameters; None: not yet


class _Names(NamedTuple):
    """What an optimizer calls what it remembers."""

    values: tuple[str, ...]  # of each parameter
    group: tuple[str, ...]  # numbers of its group that change without a scheduler


class _Adapter(NamedTuple):
    """An optimizer that is made anew at every step."""

    make: Callable[..., Optimizer]
    names: _Names
    schedule: Schedule

    def init(self, zeros: Knobs) -> _State:
        """The state before the first step, of knobs (*fleet, tiles, rows, cols)."""
        made = self.make([Parameter(z.clone()) for z in zeros])
        return _State(0, None, tuple(made.param_groups[0].get(name) for name in self.names.group))

    def step(self, gradient: Knobs, state: _State) -> tuple[Knobs, _State]:
        """The drive (*fleet, tiles, rows, cols) of each layer, and the next state."""
        parameters = [Parameter(torch.zeros_like(g)) for g in gradient]
        optimizer = self.make(parameters)
        group = optimizer.param_groups[0]
        counted = zip(self.names.group, state.group, strict=True)
        group.update((name, value) for name, value in counted if value is not None)
        group.update(self.schedule.settings_at(state.steps))
        for parameter, values in zip(parameters, state.values or (), strict=state.values is not None):
            optimizer.state[parameter] = {
                name: value.clone() if isinstance(value, Tensor) else value
                for name, value in zip(self.names.values, values, strict=True)
            }
        _take_step(optimizer, parameters, gradient)
        after = tuple(
            tuple(optimizer.state[parameter].get(name) for name in self.names.values)
            for parameter in parameters
        )
        counts = tuple(group[name] for name in self.names.group)
        return tuple(p.detach() for p in parameters), _State(state.steps + 1, after, counts)


def _take_step(optimizer: Optimizer, parameters: list[Parameter], gradient: Knobs) -> None:
    for parameter, g in zip(parameters, gradient, strict=True):
        parameter.grad = g.detach().clone()
    optimizer.step()


def _made_up_gradients() -> list[Knobs]:
    generator = stream(0, "interop", "optimizer")
    return [
        tuple(torch.randn(s, generator=generator, dtype=torch.float64) for s in _TRIAL_SHAPES)
        for _ in range(_TRIAL_STEPS)
    ]


def _state_names(name: str, make: Callable[..., Optimizer]) -> _Names:
    """The names of what the optimizer remembers, found by stepping it."""
    gradients = _made_up_gradients()
    parameters = [Parameter(torch.zeros_like(g)) for g in gradients[0]]
    try:
        optimizer = make(parameters)
        before = dict(optimizer.param_groups[0])
        for gradient in gradients:
            _take_step(optimizer, parameters, gradient)
    except Exception as error:
        words = " ".join(str(error).split())
        raise TypeError(f"{name}: cannot be made and stepped: {type(error).__name__}: {words}") from error
    kept = [optimizer.state[parameter] for parameter in parameters]
    values = tuple(sorted({key for one in kept for key in one}))
    for one in kept:
        _require_leaves(name, one)
    group = {k: v for k, v in optimizer.param_groups[0].items() if k != "params" and v is not before.get(k)}
    changed = {k: v for k, v in group.items() if not isinstance(v, Tensor) and v != before.get(k)}
    if any(not isinstance(value, int | float) for value in changed.values()):
        raise ValueError(f"{name}: counts {sorted(changed)} in its parameter group, wanted numbers alone")
    return _Names(values, tuple(sorted(changed)))


def _require_leaves(name: str, state: Mapping[str, Any]) -> None:
    for key, value in state.items():
        if not (value is None or isinstance(value, Tensor | int | float)):
            raise ValueError(
                f"{name}: remembers {key}, a {type(value).__name__}; wanted tensors and "
                "numbers, which a file holds"
            )


def _require_no_parameters(name: str, make: Callable[..., Optimizer]) -> None:
    """Pass on an optimizer that moves parameters alike wherever they are."""
    gradients, ways = _made_up_gradients(), []
    for begin in (0.0, 3.0):
        parameters = [Parameter(torch.full_like(g, begin)) for g in gradients[0]]
        optimizer, drives = make(parameters), []
        for gradient in gradients:
            before = [p.detach().clone() for p in parameters]
            _take_step(optimizer, parameters, gradient)
            drives += [p.detach() - b for p, b in zip(parameters, before, strict=True)]
            with torch.no_grad():  # those of the first way stay at 0, those of the other go where they go
                for p, b in zip(parameters, before, strict=True):
                    p.copy_(b if begin == 0 else p)
        ways.append(drives)
    if not all(torch.allclose(a, b, rtol=1e-6, atol=1e-9) for a, b in zip(*ways, strict=True)):
        raise ValueError(
            f"{name}: its steps depend on the parameters themselves, as by weight decay, and wires show no "
            "knobs; pass weight_decay=0, or take another optimizer"
        )


def _require_apart(name: str, update: Update) -> None:
    """Pass on an update that sends a chip the same whoever stands beside it."""
    gradients = _made_up_gradients()
    whole, alone = (update.init(tuple(g[:chips] for g in gradients[0])) for chips in (2, 1))
    for gradient in gradients:
        drives, whole = update.step(gradient, whole)
        single, alone = update.step(tuple(g[:1] for g in gradient), alone)
        if not all(torch.allclose(d[:1], s, rtol=1e-6) for d, s in zip(drives, single, strict=True)):
            raise ValueError(
                f"{name}: what it sends to one chip of a fleet depends on the others, as by norms over all "
                "parameters; take an optimizer that moves each parameter by itself"
            )


def _name(optimizer: Any, scheduler: Any, settings: Mapping[str, Any]) -> str:
    """The call as one would write it."""
    words = [_word(optimizer), *(f"{key}={value!r}" for key, value in settings.items())]
    return (
        f"from_torch({', '.join(words if scheduler is None else [*words, f'scheduler={_word(scheduler)}'])})"
    )


def _word(function: Any) -> str:
    if isinstance(function, partial):
        arguments = [*map(repr, function.args), *(f"{k}={v!r}" for k, v in function.keywords.items())]
        return f"{_word(function.func)}({', '.join(arguments)})"
    return getattr(function, "__name__", repr(function))
