"""Backprop with optimizers of well-kept libraries, what other learners are set beside.

First-order ones are torch's. Shampoo is `ScalableShampoo` of pytorch-optimizer (extra "baselines"), the
blocked and grafted form that its authors use. K-FAC's step is ours (`kfac`), for want of a library that has
it; its factors are ours or those of curvlinops (same extra). Its trust region is the best of nine tries over
60 batches.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn

from analog import Knobs, stream
from learners import Loss

from .kfac import KFAC, library_factors


@dataclass(frozen=True)
class Baseline:
    """An optimizer with a guess of its rate; the other settings are its library's defaults, or said here."""

    guess: float  # of the learning rate
    make: Callable[[nn.Sequential, float, float], torch.optim.Optimizer | KFAC]  # the last is `second`
    second: float | None = None  # a guess of the setting next in weight: what is added to its matrices
    package: str | None = None  # that it needs, of the extra "baselines"
    before_step: Callable[[Any, Tensor], None] = lambda optimizer, x: None  # what it does with a batch first


def missing_package(name: str) -> str | None:
    """The package to install before this baseline can be had, as a sentence; None: there is none."""
    package = BASELINES[name].package if name in BASELINES else None
    if package is None or find_spec(package):
        return None
    return f'needs {package.replace("_", "-")}: pip install "mortal[baselines]"'


def _shampoo(net: nn.Module, rate: float, added: float) -> Any:
    shampoo = import_module("pytorch_optimizer").ScalableShampoo
    often = {"preconditioning_compute_steps": 20, "start_preconditioning_step": 20}
    return shampoo(net.parameters(), rate, matrix_eps=added, **often)


def _first_order(make: Callable[..., torch.optim.Optimizer], guess: float, **settings: Any) -> Baseline:
    return Baseline(guess, lambda net, rate, _: make(net.parameters(), rate, **settings))


def _kfac(net: nn.Sequential, rate: float, damping: float) -> KFAC:
    return KFAC(net, rate, stream(0, "drawn targets"), damping=damping)


def _library_kfac(net: nn.Sequential, rate: float, damping: float) -> KFAC:
    return KFAC(net, rate, stream(0, "drawn targets"), damping=damping, factors=library_factors)


BASELINES: Final[dict[str, Baseline]] = {
    "SGD": _first_order(torch.optim.SGD, 1e-2),
    "Momentum": _first_order(torch.optim.SGD, 1e-3, momentum=0.9),
    "Nesterov": _first_order(torch.optim.SGD, 1e-3, momentum=0.9, nesterov=True),
    "AdaGrad": _first_order(torch.optim.Adagrad, 1e-2),
    "RMSProp": _first_order(torch.optim.RMSprop, 1e-4, alpha=0.9, momentum=0.9),
    "Adam": _first_order(torch.optim.Adam, 1e-3),
    "Shampoo": Baseline(1e-3, _shampoo, 1e-6, "pytorch_optimizer"),
    "K-FAC": Baseline(3e-1, _kfac, 1e-2, None, KFAC.update_factors),
    "K-FAC, curvlinops": Baseline(3e-1, _library_kfac, 1e-2, "curvlinops", KFAC.update_factors),
}


class Backprop:
    """A tanh network in torch, with the weights that a chip was fabricated with, learning to reproduce."""

    def __init__(self, knobs: Knobs, linear: Iterable[bool], name: str, second: float | None = None) -> None:
        parts: list[nn.Module] = []
        for weights, is_linear in zip(knobs, linear, strict=True):
            layer = nn.Linear(weights.shape[-1] - 1, weights.shape[-2], device="meta").to_empty(device="cpu")
            with torch.no_grad():
                layer.weight.copy_(weights[0, :, :-1])
                layer.bias.copy_(weights[0, :, -1])
            parts += [layer] if is_linear else [layer, nn.Tanh()]
        self.net = nn.Sequential(*parts)
        self.baseline = BASELINES[name]
        known = self.baseline.second if second is None else second
        self.optimizer = self.baseline.make(self.net, self.baseline.guess, known or 0.0)

    def step(self, learning_rate: float, x: Tensor, loss: Loss) -> None:
        """Take one step on images (batch, pixels)."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.baseline.before_step(self.optimizer, x)
        self.optimizer.zero_grad()
        loss(self.net(x), x).mean().backward()
        self.optimizer.step()

    def outputs(self, x: Tensor) -> Tensor:
        """The network's outputs for images, (batch, pixels) -> the same."""
        with torch.no_grad():
            return self.net(x)

    @property
    def memory_size(self) -> int:
        """How many numbers the optimizer keeps, wherever it has put them."""
        weights = {id(p) for p in self.net.parameters()} | {id(p.grad) for p in self.net.parameters()}
        return count_numbers(vars(self.optimizer), weights)


def count_numbers(tree: Any, excluded: Iterable[int] = ()) -> int:
    """How many numbers there are in the tensors of nested containers, each tensor counted once.

    Args:
        excluded: ids of what is left out.
    """
    nodes, visited, total = [tree], set(excluded), 0
    while nodes:
        node = nodes.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, Tensor):
            total += node.numel()
        elif isinstance(node, dict):
            nodes += node.values()
        elif isinstance(node, list | tuple):
            nodes += node
        elif type(node).__module__.startswith("pytorch_optimizer"):
            nodes.append(vars(node))
    return total


def autoencoder_sizes(pixels: int, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of an autoencoder whose encoder has these sizes."""
    return list(pairwise((pixels, *sizes, *sizes[-2::-1], pixels)))
