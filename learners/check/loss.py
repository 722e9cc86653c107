"""The contract of losses: `check_loss(MyLoss())`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.streams import stream
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

_BATCH = 6
_STEP = 1e-5
_LEFT_OUT = "Left out: that an example's loss hangs on its own outputs alone; the loss couples examples."
_BATCHES = ((2,), (4, 1), (3, 0, 4, 5, 1), (5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5))  # examples, by number


def check_loss(loss: Loss, target: Any = None, *, outputs: int = 6) -> tuple[str, ...]:
    """Check that a loss keeps its contract on made-up outputs of six examples.

    Every part of every example has a number, of the dtype of the outputs, and the call is their sum; it is
    finite for outputs up to 1e4 and where they are the target, is the same at every call, with gradients
    recorded or not, alters nothing, and hangs on no other example, whatever the leading axes (none to three:
    probes, fleet), in float32 and float64. `freeze` gives one target for a fleet and for its chips alone, and
    what it gives is a constant. Where it leaves the target as it is and each tensor of that has six rows, an
    example's loss and gradient are also the same in batches of 1, 2, 5 and 12 and in another order. Of a loss
    that says `couples_examples` nothing of this is asked, and its gradient is that of an example's loss along
    its own outputs, the others' held. The
    gradient, if the loss knows one, is that of central differences at outputs of size 1, 30 and 1e3; a kink
    that happens to lie within 1e-5 of an output would be taken for an error. With no `target` another count
    of outputs is tried too, if the loss takes it.

    Not seen: what happens at other batch sizes, counts of outputs or sizes than these alone, and a dependence
    on the others' outputs that a target settled by `freeze` carries.

    Args:
        loss: anybody's.
        target: of six examples, a tensor (6, ...) or a NamedTuple of such; floating ones in float64. None:
            class numbers, or numbers from 0 to 1 like the outputs, whichever the loss takes first.
        outputs: how many each example has, a multiple of the loss's parts.

    Returns:
        What was left out, a sentence each, because the loss couples examples.

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
    if target is None:
        _check_wider(loss, 2 * outputs + parts)
    return (_LEFT_OUT,) if loss.couples_examples else ()


def _check_wider(loss: Loss, outputs: int) -> None:
    """Try another count of outputs, if the loss takes it."""
    generator = stream(0, "check", "wider loss")
    out = torch.randn(2, 3, _BATCH, outputs, generator=generator, dtype=torch.float64)
    try:
        target = _target(loss, out[0, 0], outputs)
    except ValueError:  # it is made for one count of outputs
        return
    _Trial(loss, out, target).check()


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
        if not self.loss.couples_examples:
            self._check_examples()
            self._check_batches()
        self._check_leading_axes()
        if self.loss.gradient is not None:
            self._check_gradient(self.loss.gradient)
        self._check_fitted()

    def call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
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
        for size in (0.0, 30.0, 1e3, 4e3):
            large = size * self.out
            self._require(finite(self.value(large, self.target)), f"value is not finite at {size:g} times")
            if self.loss.gradient is not None:
                found = self.call("gradient", self.loss.gradient, large, self.target)
                self._require(finite(found), f"gradient is not finite at {size:g} times")

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
        several = self.value(self.out.unsqueeze(0), self.target)
        self._close(several, whole.unsqueeze(0), "the loss is the same under two axes of probes")
        lone = self.call("freeze", self.loss.freeze, self.fleet[0], self.given)
        self._close(
            self.value(self.out[0, 0], lone),
            whole[0, 0],
            "the loss is the same for a lone chip without probes, whose outputs are (batch, features)",
        )
        if self.loss.gradient is not None:
            gradient = self.call("gradient", self.loss.gradient, self.out, self.target)
            found = self.call("gradient", self.loss.gradient, self.out[0, 0], lone)
            self._close(found, gradient[0, 0], "the gradient is the same for a lone chip without probes")

    def _check_batches(self) -> None:
        """An example's loss and gradient are the same in a batch of another size or in another order."""
        rows = {leaf.shape[:1] for leaf in tree_leaves(self.given).values() if isinstance(leaf, Tensor)}
        if rows != {(_BATCH,)} or not equal_trees(self.target, self.given):
            return
        for chosen in _BATCHES:
            place = list(chosen)
            target = tree_map(lambda t, p=place: t[p] if isinstance(t, Tensor) else t, self.given)
            for name, function in (("loss", self.value), ("gradient", self.loss.gradient)):
                if function is not None:
                    whole = function(self.out, self.target)[..., place, :]
                    for out, wanted in ((self.out, whole), (self.out[0, 0], whole[0, 0])):
                        found = self.call(name, function, out[..., place, :], target)
                        statement = f"the {name} of an example is the same in a batch of {len(place)}"
                        self._close(found, wanted, f"{statement}, whatever its place there")

    def _check_fitted(self) -> None:
        """Loss and gradient are finite where the outputs are what the target says."""
        for name, leaf in tree_leaves(self.given, "target").items():
            if not isinstance(leaf, Tensor) or leaf.dtype != self.out.dtype:
                continue
            if leaf.shape != self.out.shape[-2:]:
                continue
            fitted = leaf.expand(self.out.shape).clone()
            self._require(finite(self.value(fitted, self.target)), f"value is not finite at out == {name}")
            if self.loss.gradient is not None:
                found = self.call("gradient", self.loss.gradient, fitted, self.target)
                self._require(finite(found), f"gradient is not finite at out == {name}")

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
        together = torch.eye(_BATCH) if self.loss.couples_examples else torch.ones(1, _BATCH)

        def along(step: Tensor, moved: Tensor) -> Tensor:
            sent = moved.to(out).unsqueeze(-1) * step  # (batch, features)
            up, down = (self.loss.value(out + s * sent, self.target).sum(-1) for s in (1, -1))
            return (up - down) / (2 * _STEP) * moved.to(out)

        return torch.stack([sum((along(step, m) for m in together), torch.zeros(())) for step in steps], -1)
