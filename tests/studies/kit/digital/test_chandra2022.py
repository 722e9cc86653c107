"""The published towers beside their definition: one graph from a step's hyper-parameters to the next loss."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import stream
from learners import Tuner, Update
from studies.kit.digital import chandra2022

F64 = torch.float64
X = torch.randn(4, 3, generator=stream(0, "inputs"), dtype=F64)
Y = torch.randn(4, generator=stream(0, "outputs"), dtype=F64)
START = torch.tensor([0.3, -0.2, 0.5], dtype=F64)
STEPS = 6


def loss(w: Tensor) -> Tensor:
    return (X @ w - Y).square().mean()


class Level:
    """Numbers that are moved, all in one graph that lasts until the next loss."""

    def __init__(self, rule: Callable[..., Tensor], numbers: list[float], above: "Level | None") -> None:
        self.rule, self.above, self.state = rule, above, {}  # type: ignore[var-annotated]
        self.numbers = torch.tensor(numbers, dtype=F64, requires_grad=True)

    def moved(self, values: Tensor, gradients: dict[int, Tensor]) -> Tensor:
        """Values moved by their gradient, by numbers that were moved first, by theirs."""
        gradient = gradients[id(values)].detach()
        if self.above is not None:
            self.numbers = self.above.moved(self.numbers, gradients)
        return self.rule(values.detach(), gradient, self.numbers, self.state)


def sgd(values: Tensor, gradient: Tensor, numbers: Tensor, state: dict[str, Any]) -> Tensor:
    del state  # it has none
    return values - numbers[0] * gradient


def adam(values: Tensor, gradient: Tensor, numbers: Tensor, state: dict[str, Any]) -> Tensor:
    beta1, beta2 = (numbers[1:].tanh() + 1) / 2
    t = state["t"] = state.get("t", 0) + 1
    mean = beta1 * state.get("mean", 0.0) + (1 - beta1) * gradient
    square = beta2 * state.get("square", 1e-8) + (1 - beta2) * gradient**2
    state["mean"], state["square"] = mean.detach(), square.detach()
    return values - numbers[0] * mean / (1 - beta1**t) / ((square / (1 - beta2**t)).sqrt() + 1e-8)


def rmsprop(values: Tensor, gradient: Tensor, numbers: Tensor, state: dict[str, Any]) -> Tensor:
    gamma = (numbers[1].tanh() + 1) / 2
    square = gamma * state.get("square", 0.0) + (1 - gamma) * gradient**2
    state["square"] = square.detach()
    return values - numbers[0] ** 2 * gradient / (square + 1e-8).sqrt()


def adagrad(values: Tensor, gradient: Tensor, numbers: Tensor, state: dict[str, Any]) -> Tensor:
    state["total"] = state.get("total", 0.1) + gradient**2
    return values - numbers[0] * gradient / (state["total"] + 1e-10).sqrt()


def momentum(values: Tensor, gradient: Tensor, numbers: Tensor, state: dict[str, Any]) -> Tensor:
    velocity = numbers[1] * state.get("velocity", 0.0) + gradient
    state["velocity"] = velocity.detach()
    return values - numbers[0] * velocity


def half_logit(beta: float) -> float:
    return float(torch.logit(torch.tensor(beta, dtype=F64)) / 2)


LOWEST: dict[str, tuple[Callable[..., Tensor], list[float]]] = {
    "sgd": (sgd, [0.05]),
    "momentum": (momentum, [0.05, 0.9]),
    "adagrad": (adagrad, [0.05]),
    "rmsprop": (rmsprop, [0.05**0.5, half_logit(0.99)]),
    "adam": (adam, [0.05, half_logit(0.9), half_logit(0.999)]),
}


def by_one_graph(name: str, rates: list[float]) -> list[Tensor]:
    """The weights after each step; rates are those of SGD above, the highest last."""
    above: Level | None = None
    for rate in reversed(rates):
        above = Level(sgd, [rate], above)
    rule, numbers = LOWEST[name]
    lowest = Level(rule, numbers, above)
    w, visited = START.clone().requires_grad_(), []
    for _ in range(STEPS):
        levels, of_levels = [w], lowest
        while of_levels is not None:
            levels.append(of_levels.numbers)
            of_levels = of_levels.above  # type: ignore[assignment]
        found = torch.autograd.grad(loss(w), levels, allow_unused=True)
        gradients = {
            id(v): torch.zeros_like(v) if g is None else g for v, g in zip(levels, found, strict=True)
        }
        w = lowest.moved(w, gradients)
        visited.append(w.detach())
    return visited


def by_ours(update: Update) -> list[Tensor]:
    w, visited = START.view(1, -1, 1), []
    state = update.init((torch.zeros_like(w),))
    for _ in range(STEPS):
        leaf = w.flatten().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        (drive,), state = update.step((gradient.view_as(w),), state)
        w = (w + drive).detach()
        visited.append(w.flatten())
    return visited


@pytest.mark.parametrize(
    "rates", [[], [1e-3], [1e-3, 1e-4], [1e-3, 1e-4, 1e-4, 1e-5]], ids=lambda r: f"height {len(r) + 1}"
)
@pytest.mark.parametrize("name", LOWEST)
def test_every_tower_is_what_one_graph_gives(name: str, rates: list[float]) -> None:
    above: Update | None = None
    for rate in reversed(rates):
        above = chandra2022.sgd(rate, tuned_by=above)
    tuned_by = None if above is None else Tuner(above, horizon=0.0)
    ours = by_ours(chandra2022.RULES[name](0.05, tuned_by=tuned_by))
    for mine, theirs in zip(ours, by_one_graph(name, rates), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def test_a_tower_has_as_many_levels_as_it_is_high_and_its_top_may_be_multiplied() -> None:
    update: Update | None = chandra2022.published_tower("sgd", 0.01, 5, top=7.0)
    rates = []
    while update is not None and update.rule is not None:
        rates.append(update.rule.hyperparameters["learning_rate"].value)
        update = None if update.tuner is None else update.tuner.update
    assert rates == [
        0.01,
        chandra2022.ABOVE["sgd"],
        *[chandra2022.HIGHER["sgd"]] * 2,
        7 * chandra2022.HIGHER["sgd"],
    ]
