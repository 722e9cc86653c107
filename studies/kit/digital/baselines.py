"""Backprop with optimizers of well-kept libraries, what other learners are set beside.

First-order ones are torch's. Shampoo is `ScalableShampoo` of pytorch-optimizer (extra "baselines"), the
blocked and grafted form that its authors use. K-FAC is ours (`kfac`), for want of a library that serves; its
damping and reach are the best of nine tries over 60 batches.
"""

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any
from typing import Final

import torch
from torch import Tensor
from torch import nn

from analog import Knobs
from analog import stream
from learners import Loss

from .kfac import KFAC


@dataclass(frozen=True)
class Baseline:
    """An optimizer with a guess of its rate; the other settings are its library's defaults, or said here."""

    guess: float
    made: Callable[[nn.Sequential, float], torch.optim.Optimizer | KFAC]


def missing(name: str) -> str | None:
    """What to install before this baseline can be had."""
    if name != "Shampoo" or find_spec("pytorch_optimizer"):
        return None
    return 'needs pytorch-optimizer: pip install "mortal[baselines]"'


def _shampoo(net: nn.Module, rate: float) -> Any:
    made = import_module("pytorch_optimizer").ScalableShampoo
    return made(net.parameters(), rate, preconditioning_compute_steps=20, start_preconditioning_step=20)


BASELINES: Final[dict[str, Baseline]] = {
    "SGD": Baseline(1e-2, lambda net, rate: torch.optim.SGD(net.parameters(), rate)),
    "Momentum": Baseline(1e-3, lambda net, rate: torch.optim.SGD(net.parameters(), rate, 0.9)),
    "Nesterov": Baseline(1e-3, lambda net, rate: torch.optim.SGD(net.parameters(), rate, 0.9, nesterov=True)),
    "AdaGrad": Baseline(1e-2, lambda net, rate: torch.optim.Adagrad(net.parameters(), rate)),
    "RMSProp": Baseline(
        1e-4, lambda net, rate: torch.optim.RMSprop(net.parameters(), rate, alpha=0.9, momentum=0.9)
    ),
    "Adam": Baseline(1e-3, lambda net, rate: torch.optim.Adam(net.parameters(), rate)),
    "Shampoo": Baseline(1e-3, _shampoo),
    "K-FAC": Baseline(3e-1, lambda net, rate: KFAC(net, rate, stream(0, "drawn targets"))),
}


class Backprop:
    """A tanh network in torch, with the weights that a chip was fabricated with, learning to reproduce."""

    def __init__(self, knobs: Knobs, linear: Iterable[bool], name: str) -> None:
        parts: list[nn.Module] = []
        for held, plain in zip(knobs, linear, strict=True):
            made = nn.Linear(held.shape[-1] - 1, held.shape[-2], device="meta").to_empty(device="cpu")
            with torch.no_grad():
                made.weight.copy_(held[0, :, :-1])
                made.bias.copy_(held[0, :, -1])
            parts += [made] if plain else [made, nn.Tanh()]
        self.net = nn.Sequential(*parts)
        self.optimizer = BASELINES[name].made(self.net, BASELINES[name].guess)

    def lesson(self, rate: float, x: Tensor, loss: Loss) -> None:
        """One step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if isinstance(self.optimizer, KFAC):
            self.optimizer.watch(x)
        self.optimizer.zero_grad()
        loss(self.net(x), x).mean().backward()
        self.optimizer.step()

    def answer(self, x: Tensor) -> Tensor:
        """Outputs."""
        with torch.no_grad():
            return self.net(x)

    @property
    def kept(self) -> int:
        """Numbers in the optimizer's memory, wherever it has put them."""
        own = {id(p) for p in self.net.parameters()} | {id(p.grad) for p in self.net.parameters()}
        return numbers(vars(self.optimizer), own)


def numbers(held: Any, but: Iterable[int] = ()) -> int:
    """How many numbers there are in tensors within tensors' containers, each tensor once."""
    things, known, total = [held], set(but), 0
    while things:
        thing = things.pop()
        if id(thing) in known:
            continue
        known.add(id(thing))
        if isinstance(thing, Tensor):
            total += thing.numel()
        elif isinstance(thing, dict):
            things += thing.values()
        elif isinstance(thing, list | tuple):
            things += thing
        elif type(thing).__module__.startswith("pytorch_optimizer"):
            things.append(vars(thing))
    return total


def sandglass(pixels: int, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of an autoencoder whose encoder has these sizes."""
    return list(pairwise((pixels, *sizes, *sizes[-2::-1], pixels)))
