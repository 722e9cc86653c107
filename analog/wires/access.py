"""A wrapper around wires that takes a level of access away, and how targets are told to wires that keep them.

How much a learner may see is a dimension of every claim about it: with the loss alone only perturbation is
left; node probes or spans let a backward model be learned or measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..access import Access, NoAccess
from ..layers.wrapped import Wrapped
from ..port import Port, Probe, Reading, make_port
from ..spec import BadInput

LossOfOutputs = Callable[[Tensor, Tensor], Tensor]  # out (..., batch, features), target -> (..., batch)


def withheld(
    port: Port, access: Access, loss: LossOfOutputs | None = None, *, target_features: int | None = None
) -> Port:
    """The same wires, showing no more than `access` gives; what they withhold already stays withheld.

    The datasheet says what is left (`port.spec.access`). At the level "loss" the wires take each example with
    its target behind it (see `append_target`), and the one tap is its loss, (..., batch, 1).

    Args:
        port: the wires of one chip, or of a fleet.
        access: what is left.
        loss: for the level "loss", which judges the outputs by the target, (..., batch), such as
            `CrossEntropy()`; None for the others.
        target_features: how many numbers a target (..., batch, target_features) has; None: it is one class
            number, int64 (..., batch).

    Returns:
        Wires that raise `NoAccess` for what is withheld, before the hardware sees any of it.

    Raises:
        ValueError: a loss is missing, or there is none to be taken.
    """
    left = port.spec.access & access
    if (left.level == "loss") != (loss is not None):
        raise ValueError(f"withheld: {left.level!r} is left, loss is {loss!r}; 'loss' and no other takes one")
    if loss is not None and port.spec.access.level == "loss":
        raise ValueError("withheld: these wires show losses, which no other loss can judge")
    layers = port.spec.layers
    if loss is not None:
        layers = (_TargetBehind(layers[0], target_features or 1), *layers[1:])
    spec = replace(port.spec, layers=layers, access=left)
    top = len(layers) - 1

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        if left.level != "spans" and (first, last) != (0, top):
            raise NoAccess(f"measure: layers {first}..{last} alone were asked for, access is to {left}")
        if not left.node_probes and any(e is not None and bool(e.any()) for e in probe.nodes or ()):
            raise NoAccess(f"measure: a probe pushes summing nodes, access is to {left}")
        if loss is None:
            reading = port.measure(x, probe, first=first, last=last)
            return reading if left.level in ("taps", "spans") else Reading(reading.taps[-1:])
        x, target = _split_target(x, target_features)
        return Reading((loss(port.measure(x, probe).out, target).unsqueeze(-1),))

    return make_port(spec, port.program, port.pulse, read)


def append_target(x: Tensor, target: Tensor) -> Tensor:
    """Put each example's target behind it, for wires that show its loss alone.

    Args:
        x: (..., batch, features_in).
        target: class numbers, int64 (..., batch), or numbers (..., batch, target_features).

    Returns:
        (..., batch, features_in + 1), or (..., batch, features_in + target_features).

    Raises:
        BadInput: the target does not belong to these examples.
    """
    behind = target if target.is_floating_point() else target.unsqueeze(-1)
    if behind.shape[:-1] != x.shape[:-1]:
        raise BadInput(f"append_target: x is {tuple(x.shape)}, target {tuple(target.shape)}; batches differ")
    return torch.cat((x, behind.to(x.dtype)), -1)


def _split_target(x: Tensor, target_features: int | None) -> tuple[Tensor, Tensor]:
    """Undo `append_target`.

    Raises:
        BadInput: a class number is none.
    """
    if target_features is not None:
        return x[..., :-target_features], x[..., -target_features:]
    target = x[..., -1]
    if bool((target != target.round()).any()) or bool((target < 0).any()):
        raise BadInput("measure: the last feature of x is no class number; see analog.wires.append_target")
    return x[..., :-1], target.long()


@dataclass(frozen=True)
class _TargetBehind(Wrapped):
    """A first layer whose examples have their target behind them; the cells do not see it."""

    target_features: int

    @property
    def features_in(self) -> int:
        return self.layer.features_in + self.target_features

    def gather(self, x: Tensor) -> Tensor:
        return self.layer.gather(x[..., : -self.target_features])

    def ungather(self, z: Tensor) -> Tensor:
        return torch.nn.functional.pad(self.layer.ungather(z), (0, self.target_features))

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        return self.layer.multiply(x[..., : -self.target_features], weights)

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        return self.layer.weight_gradient(x[..., : -self.target_features], nodes)

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        gradient = self.layer.input_gradient(x[..., : -self.target_features], nodes, weights)
        return torch.nn.functional.pad(gradient, (0, self.target_features))

    def prepare(self, x: Tensor) -> Tensor:
        return self.layer.prepare(x[..., : -self.target_features])

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        back = self.layer.pull_back(x[..., : -self.target_features], gradient)
        return torch.nn.functional.pad(back, (0, self.target_features))

    def lift(self, change: Tensor) -> Tensor:
        return torch.nn.functional.pad(self.layer.lift(change), (0, self.target_features))
