"""A loss on made-up outputs, and the laws that it must keep there."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.tree import tree_leaves, tree_map

from ..losses import Loss
from .comparison import (
    clone_tree,
    equal_trees,
    finite,
    multiple,
    refuse_changed_modes,
    require,
    require_close,
)

EXAMPLES = 6
_STEP = 1e-5
_BATCHES = ((2,), (4, 1), (3, 0, 4, 5, 1), (5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5))  # examples, by number


class LossTrial:
    """A loss, outputs (2 probes, 3 chips, 6 examples, features) and the target of the examples.

    Its methods `check_...` are laws of losses; each raises a ContractError of a loss that breaks it.
    """

    def __init__(self, loss: Loss, out: Tensor, target: Any) -> None:
        self.loss, self.out = loss, out
        self.rounding = 1e-9 if out.dtype == torch.float64 else 1e-4
        self.given, self.fleet = target, out[0]  # (3, 6, features), the baseline reading
        self.target = self._call("freeze", loss.freeze, self.fleet, target)

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a method gives, twice the same, of arguments that it leaves as they are."""
        kept, found = clone_tree(arguments), []
        for seed in (1, 2):
            with (
                torch.set_grad_enabled(seed == 1 or name == "gradient"),  # which may use autograd itself
                refuse_changed_modes(f"{self.loss!r}: {name}"),
                reseed_global_generators(seed),
                refuse_global_generators(f"{self.loss!r}", "a loss draws nothing"),
            ):
                try:
                    found.append(function(*arguments))
                except Exception as error:
                    shapes = [tuple(a.shape) for a in arguments[:1] if isinstance(a, Tensor)]
                    where = f"{name} of outputs {shapes} {self.out.dtype}"
                    raise ContractError(
                        f"{self.loss!r}: {where} raised {type(error).__name__}: {error}"
                    ) from error
            self._require(equal_trees(arguments, kept), f"{name} altered what it was given")
        self._require(equal_trees(*found), f"{name} gave two answers to one question")
        return found[0]

    def _value(self, out: Tensor, target: Any) -> Tensor:
        found = self._call("value", self.loss.value, out, target)
        wanted = (*out.shape[:-1], self.loss.parts)
        form = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        self._require(
            isinstance(found, Tensor) and found.shape == wanted and found.dtype == out.dtype,
            f"value gave {form} for outputs {out.dtype} {tuple(out.shape)}, wanted {out.dtype} {wanted}: a "
            "number for each part of each example, not averaged",
        )
        return found

    def _require(self, kept: bool, statement: str) -> None:
        require(kept, f"{self.loss!r}: {statement}")

    def _close(self, found: Tensor, wanted: Tensor, statement: str, rounding: float | None = None) -> None:
        require_close(
            found, wanted, self.rounding if rounding is None else rounding, f"{self.loss!r}: {statement}"
        )

    def check_target(self) -> None:
        """A settled target, which `freeze` gives, is finite and a constant."""
        graph = [n for n, t in tree_leaves(self.target).items() if isinstance(t, Tensor) and t.requires_grad]
        self._require(not graph, f"freeze gave a target with a graph at {' and '.join(graph)}")
        self._require(finite(self.target), "freeze gave a target that is not finite")

    def check_freeze(self) -> None:
        """The target of a chip is settled alike in a fleet and alone."""
        whole = self._value(self.out, self.target)
        for chip, out in enumerate(self.fleet):
            alone = self._value(self.out[:, chip], self.loss.freeze(out, self.given))
            self._close(
                alone, whole[:, chip], "freeze and value are the same for a chip alone and in a fleet"
            )

    def check_value(self) -> None:
        """Every part of every example has a finite number of its own, and the call is their sum."""
        value = self._value(self.out, self.target)
        self._require(bool(torch.isfinite(value).all()), "value is not finite")
        total = self._call("the call", self.loss, self.out, self.target)
        fits = isinstance(total, Tensor) and total.shape == value.shape[:-1]
        self._require(fits, "the call is one number for each example; do not override it")
        self._close(total, value.sum(-1), "the call is the sum of the parts; do not override it")
        for size in (0.0, 30.0, 1e3, 4e3):
            large = size * self.out
            self._require(finite(self._value(large, self.target)), f"value is not finite at {size:g} times")
            if self.loss.gradient is not None:
                found = self._call("gradient", self.loss.gradient, large, self.target)
                self._require(finite(found), f"gradient is not finite at {size:g} times")

    def check_examples(self) -> None:
        """With the target settled, an example's loss and gradient hang on its own outputs alone."""
        if self.loss.couples_examples:
            return
        for at in (0, EXAMPLES - 2):
            others = torch.arange(EXAMPLES) != at
            moved = torch.where(others.unsqueeze(-1), self.out * -1.7 + 0.4, self.out)
            for name, function in (("loss", self._value), ("gradient", self.loss.gradient)):
                if function is not None:
                    before, after = (function(out, self.target)[..., at, :] for out in (self.out, moved))
                    statement = f"the {name} of an example hangs on other examples (a mean over the batch?)"
                    self._close(after, before, statement)

    def check_leading_axes(self) -> None:
        """Each reading of a fleet, under each probe, is judged as if it stood alone."""
        whole = self._value(self.out, self.target)
        for probe, out in enumerate(self.out):
            statement = "the loss is the same for each probe alone and all together"
            self._close(self._value(out, self.target), whole[probe], statement)
        several = self._value(self.out.unsqueeze(0), self.target)
        self._close(several, whole.unsqueeze(0), "the loss is the same under two axes of probes")
        lone = self._call("freeze", self.loss.freeze, self.fleet[0], self.given)
        self._close(
            self._value(self.out[0, 0], lone),
            whole[0, 0],
            "the loss is the same for a lone chip without probes, whose outputs are (batch, features)",
        )
        if self.loss.gradient is not None:
            gradient = self._call("gradient", self.loss.gradient, self.out, self.target)
            found = self._call("gradient", self.loss.gradient, self.out[0, 0], lone)
            self._close(found, gradient[0, 0], "the gradient is the same for a lone chip without probes")

    def check_batches(self) -> None:
        """An example's loss and gradient are the same in a batch of another size or in another order."""
        if self.loss.couples_examples:
            return
        rows = {leaf.shape[:1] for leaf in tree_leaves(self.given).values() if isinstance(leaf, Tensor)}
        if rows != {(EXAMPLES,)} or not equal_trees(self.target, self.given):
            return
        for chosen in _BATCHES:
            place = list(chosen)
            target = tree_map(lambda t, p=place: t[p] if isinstance(t, Tensor) else t, self.given)
            for name, function in (("loss", self._value), ("gradient", self.loss.gradient)):
                if function is not None:
                    whole = function(self.out, self.target)[..., place, :]
                    for out, wanted in ((self.out, whole), (self.out[0, 0], whole[0, 0])):
                        found = self._call(name, function, out[..., place, :], target)
                        statement = f"the {name} of an example is the same in a batch of {len(place)}"
                        self._close(found, wanted, f"{statement}, whatever its place there")

    def check_fitted(self) -> None:
        """Loss and gradient are finite where the outputs are what the target says."""
        for name, leaf in tree_leaves(self.given, "target").items():
            if not isinstance(leaf, Tensor) or leaf.dtype != self.out.dtype:
                continue
            if leaf.shape != self.out.shape[-2:]:
                continue
            fitted = leaf.expand(self.out.shape).clone()
            self._require(finite(self._value(fitted, self.target)), f"value is not finite at out == {name}")
            if self.loss.gradient is not None:
                found = self._call("gradient", self.loss.gradient, fitted, self.target)
                self._require(finite(found), f"gradient is not finite at out == {name}")

    def check_gradient(self) -> None:
        """The gradient, where a loss knows one, is that of central differences."""
        gradient = self.loss.gradient
        if gradient is None:
            return
        found = self._call("gradient", gradient, self.out, self.target)
        form = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        fits = isinstance(found, Tensor) and found.shape == self.out.shape and found.dtype == self.out.dtype
        self._require(
            fits, f"gradient is {form}, wanted {self.out.dtype} {tuple(self.out.shape)} like the outputs"
        )
        self._require(bool(torch.isfinite(found).all()), "gradient is not finite")
        if self.out.dtype != torch.float64:
            return  # differences tell little there
        for size in (1.0, 30.0, 1e3):
            out = size * self.out
            found, wanted = gradient(out, self.target), self._differences(out)
            gap, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
            rounding = 1e-15 / _STEP * float(self.loss.value(out, self.target).abs().max())
            where = "" if size == 1 else f" at outputs {size:g} times as large"
            self._require(
                gap <= 1e-6 * (largest + 1e-3) + rounding,
                f"gradient is {multiple(found, wanted):.3g} times that of central differences along it, and "
                f"off by up to {gap:.3g} of {largest:.3g}{where}",
            )

    def _differences(self, out: Tensor) -> Tensor:
        """The gradient of each example's loss by central differences, of the shape of the outputs."""
        steps = _STEP * torch.eye(out.shape[-1], dtype=out.dtype)
        together = torch.eye(EXAMPLES) if self.loss.couples_examples else torch.ones(1, EXAMPLES)

        def along(step: Tensor, moved: Tensor) -> Tensor:
            sent = moved.to(out).unsqueeze(-1) * step  # (batch, features)
            up, down = (self.loss.value(out + s * sent, self.target).sum(-1) for s in (1, -1))
            return (up - down) / (2 * _STEP) * moved.to(out)

        return torch.stack([sum((along(step, m) for m in together), torch.zeros(())) for step in steps], -1)
