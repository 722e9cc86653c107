"""Updates from rules: a pure function and named hyper-parameters give the plain update and the tuned one."""

from collections.abc import Callable, Mapping
from typing import Any

from analog.spec import Knobs

from .hypergradient import tuned
from .hyperparameter import Hyperparameter
from .record import Rule, Tuner, Update, require_update


def update_rule(
    name: str,
    init: Callable[[Knobs], Any],
    step: Callable[..., tuple[Knobs, Any]],
    hyperparameters: Mapping[str, Hyperparameter],
    *,
    constants: Mapping[str, float] | None = None,
    derivatives: Callable[..., Mapping[str, Knobs]] | None = None,
    tuned_by: Update | Tuner | None = None,
) -> Update:
    """The update of a rule that is written once, plain or with its hyper-parameters tuned by another update.

        def nesterov(learning_rate, beta=0.9, *, tuned_by=None):
            def step(gradient, velocity, learning_rate, beta):
                velocity = tuple(v * beta + g for v, g in zip(velocity, gradient))
                return tuple((v * beta + g) * -learning_rate for v, g in zip(velocity, gradient)), velocity

            numbers = {"learning_rate": Hyperparameter.learning_rate(learning_rate),
                       "beta": Hyperparameter.fraction(beta)}
            return update_rule("nesterov", lambda zeros: zeros, step, numbers, tuned_by=tuned_by)

    Args:
        name: what its repr and its errors call it.
        init: knobs-shaped zeros -> state: a tensor, a number or a (named) tuple of such.
        step: (gradient, state, **hyperparameters, **constants) -> (drive, next state), which leaves its
            arguments as they are. Knobs are (*fleet, tiles, rows, cols); a hyper-parameter arrives as it was
            given, or as a tensor (*fleet, 1, 1, 1) where every chip has its own or it is tuned.
        hyperparameters: those that may be tuned, by the name of the argument of `step`.
        constants: further arguments of `step`, which are never tuned.
        derivatives: closed forms in place of automatic differentiation, see `Rule`.
        tuned_by: an update that tunes the hyper-parameters, or a `Tuner` of it.

    Raises:
        TypeError: a hyper-parameter is a bare number, or what tunes is no update.
        ValueError: a hyper-parameter is outside its domain, or there is none to tune.
    """
    rule = Rule(name, init, step, hyperparameters, constants or {}, derivatives)
    if tuned_by is not None and not hyperparameters:
        raise ValueError(f"{name}: has no hyper-parameter to tune")
    if not isinstance(tuned_by, Tuner | None):
        require_update(tuned_by, f"{name}: tuned_by")
        tuned_by = Tuner(tuned_by)
    tuner = tuned_by
    for word, hyperparameter in hyperparameters.items():
        if not isinstance(hyperparameter, Hyperparameter):
            raise TypeError(
                f"{name}: {word} is {hyperparameter!r}, wanted a Hyperparameter such as "
                "Hyperparameter.positive(...)"
            )
        hyperparameter.check(f"{name}: {word}", tuned=tuner is not None)
    return _plain(rule) if tuner is None else tuned(rule, tuner)


def _plain(rule: Rule) -> Update:
    """The update whose hyper-parameters stay as they are."""

    def init(zeros: Knobs) -> Any:
        rule.check_fleet(zeros)
        return rule.init(zeros)

    def step(gradient: Knobs, state: Any) -> tuple[Knobs, Any]:
        values = {name: h.beside(gradient) for name, h in rule.hyperparameters.items()}
        return rule.step(gradient, state, **values, **rule.constants)

    return Update(init, step, rule.describe(None), rule)
