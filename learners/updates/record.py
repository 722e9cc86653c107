"""The record of an update: a pair of pure functions that make drives of gradients, and what it is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog.spec import Knobs

from .hyperparameter import Hyperparameter


@dataclass(frozen=True, eq=False, repr=False)
class Update:
    """An update turns estimated gradients into the drives that are pulsed.

    init: knobs-shaped zeros -> state.
    step: (gradient, state) -> (drive, next state); the state that comes in is left as it is.
    """

    init: Callable[[Knobs], Any]
    step: Callable[[Knobs, Any], tuple[Knobs, Any]]
    name: str = "Update(...)"  # what its repr says
    rule: "Rule | None" = None  # what another update may tune, where there is something
    tuner: "Tuner | None" = None  # what tunes it

    def __repr__(self) -> str:
        return self.name


def require_update(update: object, name: str) -> None:
    """Refuse what is no update.

    Args:
        update: what was given.
        name: of the argument, as the message says it.

    Raises:
        TypeError: it is a learning rate, a function that makes updates, or an optimizer of torch.
    """
    if not isinstance(update, Update):
        optimizer = update if isinstance(update, type) else type(update)
        torchs = issubclass(optimizer, torch.optim.Optimizer)
        hint = f" or learners.interop.from_torch({optimizer.__name__}, lr=1e-2)" if torchs else ""
        words = f"an optimizer {optimizer.__name__}" if torchs else repr(update)
        raise TypeError(f"{name} is {words}, wanted an Update such as adam(1e-2){hint}")


@dataclass(frozen=True)
class Tuner:
    """An update that tunes the hyper-parameters of another, and for how long their effects are remembered.

    update: the update that tunes.
    horizon: for how long, as a share of the steps taken. 0 is the source: a hyper-parameter answers for
        the last drive alone. Else sensitivities are summed over past drives, as if what they did still stood,
        each worth 1 - 1/(1 + horizon t) of the next at step t after the warm-up; and an unconstrained
        hyper-parameter moves by 1/(1 + horizon t) at most, no faster than what it does is found out. 0.3 to
        0.5 served best on held-out training data of the study `towers`.
    warmup: steps in which drives grow from a ten-thousandth to all of what the rule says, and
        hyper-parameters may fall but not rise: a rate that is far too large is found out before it is used.

    Both hold for all that is nested in it: a tuner that is tuned itself follows the one of the lowest level.

    Raises:
        TypeError: `update` is no update.
        ValueError: a negative or infinite horizon or warm-up, or a tuned tuner with settings of its own.
    """

    update: Update
    horizon: float = 0.4
    warmup: int = 0

    def __post_init__(self) -> None:
        require_update(self.update, "Tuner: update")
        if not 0 <= self.horizon < float("inf"):
            raise ValueError(f"Tuner: horizon is {self.horizon}, wanted a finite number of at least 0")
        if isinstance(self.warmup, bool) or not isinstance(self.warmup, int) or self.warmup < 0:
            raise ValueError(f"Tuner: warmup is {self.warmup!r}, wanted an integer of at least 0")
        above = self.update.tuner
        if above is not None and (above.horizon, above.warmup) != (Tuner.horizon, Tuner.warmup):
            raise ValueError(f"Tuner: {self.update} has a horizon or warm-up; give it at the lowest tuned_by")

    def __repr__(self) -> str:
        settings = {"horizon": (self.horizon, Tuner.horizon), "warmup": (self.warmup, Tuner.warmup)}
        given = [f"{word}={value}" for word, (value, usual) in settings.items() if value != usual]
        return f"Tuner({', '.join([repr(self.update), *given])})" if given else repr(self.update)


class TakenStep(NamedTuple):
    """One step that a rule has taken, whose derivatives are asked for."""

    gradient: Knobs
    before: Any  # the rule's state
    drive: Knobs
    after: Any


@dataclass(frozen=True, eq=False)
class Rule:
    """An update rule written once, for numbers and for hyper-parameters that are tensors (*fleet, 1, 1, 1).

    step: (gradient, state, **hyperparameters, **constants) -> (drive, next state).
    derivatives: (taken step, **hyperparameters, **constants) -> d drive / d hyper-parameter by name, state
        held fixed: knobs for each that the drive is not proportional to. None: they are found by forward-mode
        automatic differentiation of `step`.
    """

    name: str
    init: Callable[[Knobs], Any]
    step: Callable[..., tuple[Knobs, Any]]
    hyperparameters: Mapping[str, Hyperparameter]
    constants: Mapping[str, float] = field(default_factory=dict)
    derivatives: Callable[..., Mapping[str, Knobs]] | None = None

    def check_fleet(self, zeros: Knobs) -> None:
        """A hyper-parameter of each chip is refused where the fleet of the knobs is another.

        Raises:
            ValueError: the shapes differ.
        """
        for name, value in ((name, h.value) for name, h in self.hyperparameters.items()):
            fleet = zeros[0].shape[:-3] if zeros else ()
            if isinstance(value, Tensor) and value.ndim and value.shape != fleet:
                raise ValueError(
                    f"{self.name}: {name} has shape {tuple(value.shape)}, wanted one number or one for each "
                    f"chip of the fleet {tuple(fleet)}"
                )

    def describe(self, tuner: Tuner | None) -> str:
        """The call that makes the update, as its repr shows it."""
        values = {name: _text(h.value) for name, h in self.hyperparameters.items()}
        values |= {name: repr(value) for name, value in self.constants.items()}
        values |= {} if tuner is None else {"tuned_by": repr(tuner)}
        return f"{self.name}({', '.join(f'{word}={value}' for word, value in values.items())})"


def _text(value: float | Tensor) -> str:
    return repr(value.tolist() if isinstance(value, Tensor) else value)
