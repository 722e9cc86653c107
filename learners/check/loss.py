"""The contract of losses: `check_loss(MyLoss())`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.streams import stream
from analog.tree import tree_leaves, tree_map

from ..losses import Loss
from .comparison import clone_tree, equal_trees, finite, multiple, require, require_close

_BATCH = 6
_STEP = 1e-5


def check_loss(loss: Loss, target: Any = None, *, outputs: int = 6) -> None:
    """Check that a loss keeps its contract on made-up outputs of six examples.

    Every part of every example has a number, of the dtype of the outputs, and the call is their sum; it is
    finite, is the same at every call, alters nothing, and hangs on no other example, whatever the leading
    axes (probes, fleet), in float32 and float64. `freeze` gives one target for a fleet and for its chips
    alone, and what it gives is a constant. The gradient, if the loss knows one, is that of central
    differences; a kink that happens to lie within 1e-5 of an output would be taken for an error.

    Args:
        loss: anybody's.
        target: of six examples, a tensor (6, ...) or a NamedTuple of such; floating ones in float64. None:
            class numbers, or numbers from 0 to 1 like the outputs, whichever the loss takes first.
        outputs: how many each example has, a multiple of the loss's parts.

    Raises:
        ContractError: naming the law that is broken, and by how much.
        ValueError: `target` is None, and the loss takes neither kind.
    """
    if isinstance(loss, type):
        raise ContractError(f"got the class {loss.__name__}, wanted a loss: write {loss.__name__}(...)")
    require(isinstance(loss, Loss), f"{loss!r} is no instance of a subclass of learners.Loss")
    parts = loss.parts
    fits = isinstance(parts, int) and not isinstance(parts, bool) and parts >= 1
    require(fits, f"{loss!r}: parts is {parts!r}, wanted an integer of at least 1")
    if outputs % parts:
        raise ValueError(f"check_loss: {outputs} outputs do not fall into {parts} parts; give outputs=")
    out = torch.randn(2, 3, _BATCH, outputs, generator=stream(0, "check", "loss"), dtype=torch.float64)
    chosen = _target(loss, out[0, 0], outputs) if target is None else target
    for dtype in (torch.float64, torch.float32):
        _Trial(loss, out.to(dtype), _cast(chosen, dtype)).check()


def _target(loss: Loss, out: Tensor, outputs: int) -> Any:
    generator = stream(0, "check", "target")
    labels = torch.randint(outputs, (_BATCH,), generator=generator)
    kinds = (labels, torch.rand(_BATCH, outputs, generator=generator, dtype=out.dtype))
    for kind in kinds:
        try:
            loss.value(out, loss.freeze(out, kind))
        except Exception:
            continue
        return kind
    raise ValueError(
        f"check_loss: {loss!r} takes neither class numbers nor numbers like the outputs; give a target="
    )


def _cast(tree: Any, dtype: torch.dtype) -> Any:
    def cast(leaf: Any) -> Any:
        return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf

    return tree_map(cast, tree)


class _Trial:
    """A loss, outputs (2 probes, 3 chips, 6 examples, features) and the target of the examples."""

    def __init__(self, loss: Loss, out: Tensor, target: Any) -> None:
        self.loss, self.out = loss, out
        self.rounding = 1e-9 if out.dtype == torch.float64 else 1e-4
        self.given, self.fleet = target, out[0]  # (3, 6, features), the baseline reading
        self.target = self.call("freeze", loss.freeze, self.fleet, target)

    def check(self) -> None:
        graph = [n for n, t in tree_leaves(self.target).items() if isinstance(t, Tensor) and t.requires_grad]
        self._require(not graph, f"freeze gave a target with a graph at {' and '.join(graph)}")
        self._check_value()
        self._check_freeze()
        self._check_examples()
        self._check_leading_axes()
        if self.loss.gradient is not None:
            self._check_gradient(self.loss.gradient)

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a method gives, twice the same, of arguments that it leaves as they are."""
        kept, found = clone_tree(arguments), []
        for seed in (1, 2):
            with (
                reseed_global_generators(seed),
                refuse_global_generators(f"{self.loss!r}", "a loss draws nothing"),
            ):
                try:
                    found.append(function(*arguments))
                except Exception as error:
                    where = f"{name} of outputs {tuple(self.out.shape)} {self.out.dtype}"
                    raise ContractError(
                        f"{self.loss!r}: {where} raised {type(error).__name__}: {error}"
                    ) from error
            self._require(equal_trees(arguments, kept), f"{name} altered what it was given")
        self._require(equal_trees(*found), f"{name} gave two answers to one question")
        return found[0]

    def value(self, out: Tensor, target: Any) -> Tensor:
        found = self.call("value", self.loss.value, out, target)
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

    def _check_freeze(self) -> None:
        self._require(finite(self.target), "freeze gave a target that is not finite")
        whole = self.value(self.out, self.target)
        for chip, out in enumerate(self.fleet):
            alone = self.value(self.out[:, chip], self.loss.freeze(out, self.given))
            self._close(
                alone, whole[:, chip], "freeze and value are the same for a chip alone and in a fleet"
            )

    def _check_value(self) -> None:
        value = self.value(self.out, self.target)
        self._require(bool(torch.isfinite(value).all()), "value is not finite")
        total = self.call("the call", self.loss, self.out, self.target)
        fits = isinstance(total, Tensor) and total.shape == value.shape[:-1]
        self._require(fits, "the call is one number for each example; do not override it")
        self._close(total, value.sum(-1), "the call is the sum of the parts; do not override it")
        for size in (0.0, 50.0):
            self._require(
                finite(self.value(size * self.out, self.target)), f"value is not finite at {size:g} times"
            )

    def _check_examples(self) -> None:
        """With the target settled, an example's loss and gradient hang on its own outputs alone."""
        for at in (0, _BATCH - 2):
            others = torch.arange(_BATCH) != at
            moved = torch.where(others.unsqueeze(-1), self.out * -1.7 + 0.4, self.out)
            for name, function in (("loss", self.value), ("gradient", self.loss.gradient)):
                if function is not None:
                    before, after = (function(out, self.target)[..., at, :] for out in (self.out, moved))
                    statement = f"the {name} of an example hangs on other examples (a mean over the batch?)"
                    self._close(after, before, statement)

    def _check_leading_axes(self) -> None:
        """Each reading of a fleet, under each probe, is judged as if it stood alone."""
        whole = self.value(self.out, self.target)
        for probe, out in enumerate(self.out):
            statement = "the loss is the same for each probe alone and all together"
            self._close(self.value(out, self.target), whole[probe], statement)

    def _check_gradient(self, gradient: Callable[[Tensor, Any], Tensor]) -> None:
        found = self.call("gradient", gradient, self.out, self.target)
        form = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        fits = isinstance(found, Tensor) and found.shape == self.out.shape and found.dtype == self.out.dtype
        self._require(
            fits, f"gradient is {form}, wanted {self.out.dtype} {tuple(self.out.shape)} like the outputs"
        )
        self._require(bool(torch.isfinite(found).all()), "gradient is not finite")
        if self.out.dtype != torch.float64:
            return  # differences tell little there
        wanted = self._differences()
        gap = float((found - wanted).abs().max())
        self._require(
            gap <= 1e-6 * (float(wanted.abs().max()) + 1e-3),
            f"gradient is {multiple(found, wanted):.3g} times that of central differences along it, and "
            f"off by up to {gap:.3g} of {float(wanted.abs().max()):.3g}",
        )

    def _differences(self) -> Tensor:
        """The gradient of each example's loss by central differences, of the shape of the outputs."""
        steps = _STEP * torch.eye(self.out.shape[-1], dtype=self.out.dtype)

        def along(step: Tensor) -> Tensor:
            up, down = (self.loss.value(self.out + s * step, self.target).sum(-1) for s in (1, -1))
            return (up - down) / (2 * _STEP)

        return torch.stack([along(step) for step in steps], -1)
