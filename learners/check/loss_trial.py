"""A loss on made-up outputs, and the laws that it must keep there."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from analog.tree import tree_leaves, tree_map

from ..losses import Loss
from .comparison import (
    answer_of,
    equal_trees,
    finite,
    made_up,
    multiple,
    others_changed,
    require,
    require_close,
    require_form,
)

EXAMPLES = 6
_STEP = 1e-5
_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4}
_SIZES = (0.0, 30.0, 1e3, 4e3)  # times the outputs, at which all is finite
_STEEP = (1.0, 30.0, 1e3)  # times the outputs, at which the gradient is compared
_COUNTS = (1, 2, 5, 12)  # of examples in other batches


class LossTrial:
    """A loss, outputs (2 probes, 3 chips, 6 examples, features) and the target of the examples.

    Its methods `check_...` are laws of losses; each raises a ContractError of a loss that breaks it.
    """

    def __init__(self, loss: Loss, out: Tensor, target: Any) -> None:
        self.loss, self.out, self.given = loss, out, target
        self.rounding = _ROUNDING[out.dtype]
        self.fleet, *_ = out  # (3, 6, features), the baseline reading
        self.target = self._call("freeze", loss.freeze, self.fleet, target)
        self.functions = {"value": self._value}
        if loss.gradient is not None:
            self.functions["gradient"] = self._gradient

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a method gives, twice the same, of arguments that it leaves as they are."""
        shapes = [tuple(a.shape) for a in arguments[:1] if isinstance(a, Tensor)]
        where = f"{name} of outputs {shapes} {self.out.dtype}"
        uses_autograd = name == "gradient"  # it may
        nothing = "a loss draws nothing"
        return answer_of(
            f"{self.loss!r}", where, function, *arguments, nothing=nothing, gradients=uses_autograd
        )

    def _value(self, out: Tensor, target: Any) -> Tensor:
        found = self._call("value", self.loss.value, out, target)
        wanted, hint = (
            (*out.shape[:-1], self.loss.parts),
            ": a number for each part of each example, not averaged",
        )
        require_form(found, wanted, out.dtype, f"{self.loss!r}: value gave", hint)
        return found

    def _gradient(self, out: Tensor, target: Any) -> Tensor:
        gradient = self.loss.gradient
        assert gradient is not None
        found = self._call("gradient", gradient, out, target)
        require_form(found, out.shape, out.dtype, f"{self.loss!r}: gradient is", " like the outputs")
        return found

    def _require(self, kept: bool, statement: str) -> None:
        require(kept, f"{self.loss!r}: {statement}")

    def _close(self, found: Tensor, wanted: Tensor, statement: str) -> None:
        require_close(found, wanted, self.rounding, f"{self.loss!r}: {statement}")

    def check_target(self) -> None:
        """A settled target, which `freeze` gives, is finite and a constant."""
        graph = [n for n, t in tree_leaves(self.target).items() if isinstance(t, Tensor) and t.requires_grad]
        self._require(not graph, f"freeze gave a target with a graph at {' and '.join(graph)}")
        self._require(finite(self.target), "freeze gave a target that is not finite")

    def check_value(self) -> None:
        """Every part of every example has a finite number of its own, and the call is their sum."""
        parts = self._value(self.out, self.target)
        self._require(finite(parts), "value is not finite")
        total = self._call("the call", self.loss, self.out, self.target)
        hint = ", one number for each example; do not override it"
        require_form(total, parts.shape[:-1], self.out.dtype, f"{self.loss!r}: the call gave", hint)
        self._close(total, parts.sum(-1), "the call is the sum of the parts; do not override it")

    def check_sizes(self) -> None:
        """Loss and gradient are finite where outputs are 0 or large."""
        for name, function in self.functions.items():
            for size in _SIZES:
                found = function(size * self.out, self.target)
                self._require(finite(found), f"{name} is not finite at {size:g} times")

    def check_freeze(self) -> None:
        """The target of a chip is settled alike in a fleet and alone."""
        whole = self._value(self.out, self.target)
        for chip, out in enumerate(self.fleet):
            alone = self._value(self.out[:, chip], self.loss.freeze(out, self.given))
            self._close(
                alone, whole[:, chip], "freeze and value are the same for a chip alone and in a fleet"
            )

    def check_examples(self) -> None:
        """With the target settled, an example's loss and gradient hang on its own outputs alone."""
        if self.loss.couples_examples:
            return
        for name, function in self.functions.items():
            whole = function(self.out, self.target)
            for at in range(EXAMPLES):
                found = function(others_changed(self.out, at, -2), self.target)
                statement = f"the {name} of an example hangs on other examples (a mean over the batch?)"
                self._close(found[..., at, :], whole[..., at, :], statement)

    def check_leading_axes(self) -> None:
        """Each reading of a fleet, under each probe, is judged as if it stood alone."""
        (lone, *_), *_ = self.out
        first, *_ = self.fleet
        target = self._call("freeze", self.loss.freeze, first, self.given)
        for name, function in self.functions.items():
            whole = function(self.out, self.target)
            for out, wanted in zip(self.out, whole, strict=True):
                statement = f"the {name} is the same for each probe alone and all together"
                self._close(function(out, self.target), wanted, statement)
            several = function(self.out.unsqueeze(0), self.target)
            statement = f"the {name} is the same under two axes of probes"
            self._close(several, whole.unsqueeze(0), statement)
            (wanted, *_), *_ = whole
            statement = f"the {name} is the same for a lone chip without probes, of outputs (batch, features)"
            self._close(function(lone, target), wanted, statement)

    def check_batches(self) -> None:
        """An example's loss and gradient are the same in a batch of another size or in another order."""
        if self.loss.couples_examples:
            return
        rows = {leaf.shape[:1] for leaf in tree_leaves(self.given).values() if isinstance(leaf, Tensor)}
        if rows != {(EXAMPLES,)} or not equal_trees(self.target, self.given):
            return
        (lone, *_), *_ = self.out
        for name, function in self.functions.items():
            for count in _COUNTS:
                place = torch.randint(EXAMPLES, (count,), generator=made_up("batch", count))
                target = tree_map(lambda t, p=place: t[p] if isinstance(t, Tensor) else t, self.given)
                statement = (
                    f"the {name} of an example is the same in a batch of {count}, whatever its place there"
                )
                for out in (self.out, lone):
                    wanted = function(out, self.target)[..., place, :]
                    self._close(function(out[..., place, :], target), wanted, statement)

    def check_fitted(self) -> None:
        """Loss and gradient are finite where the outputs are what the target says."""
        for place, leaf in tree_leaves(self.given, "target").items():
            like = isinstance(leaf, Tensor) and leaf.dtype == self.out.dtype
            if like and leaf.shape == self.out.shape[-2:]:
                for name, function in self.functions.items():
                    found = function(leaf.expand(self.out.shape).clone(), self.target)
                    self._require(finite(found), f"{name} is not finite at out == {place}")

    def check_gradient(self) -> None:
        """The gradient, where a loss knows one, is that of central differences."""
        gradient = self.loss.gradient
        if gradient is None or self.out.dtype != torch.float64:  # differences tell little in float32
            return
        for size in _STEEP:
            out = size * self.out
            found, wanted = gradient(out, self.target), self._differences(out)
            statement = (
                f"gradient is {multiple(found, wanted):.3g} times that of central differences along it, at "
                f"outputs of size {size:g}"
            )
            slack = 1e-15 / _STEP * float(self.loss.value(out, self.target).abs().max())
            require_close(found, wanted, 1e-6, f"{self.loss!r}: {statement}", slack)

    def _differences(self, out: Tensor) -> Tensor:
        """The gradient of each example's loss by central differences, of the shape of the outputs."""
        steps = _STEP * torch.eye(out.shape[-1], dtype=out.dtype)
        together = torch.eye(EXAMPLES) if self.loss.couples_examples else torch.ones(1, EXAMPLES)

        def along(step: Tensor, moved: Tensor) -> Tensor:
            sent = moved.to(out)[:, None] * step  # (batch, features)
            up, down = (self.loss.value(out + s * sent, self.target).sum(-1) for s in (1, -1))
            return (up - down) / (2 * _STEP) * moved.to(out)

        return torch.stack([sum((along(step, m) for m in together), torch.zeros(())) for step in steps], -1)
