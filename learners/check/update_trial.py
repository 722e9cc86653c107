"""An update on made-up gradients, and the laws that it must keep there."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from analog.spec import Knobs
from analog.tree import tree_leaves, tree_unflatten

from ..updates.record import Update
from .comparison import (
    answer_of,
    equal_trees,
    finite,
    made_up,
    others_changed,
    require,
    require_close,
    require_form,
)
from .sensitivities import check_rule

_SHAPES = ((1, 4, 3), (2, 2, 5))  # (tiles, rows, cols) of two layers
_STEPS = 6
_LONG = 200  # steps of a long run
_SLOPE = 0.1  # of the gradient then
_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4}
_FILLED = 4  # steps after which nothing of a state is yet to come, in updates tuned three times over


def made_up_gradients(steps: int, fleet: int, dtype: torch.dtype) -> list[Knobs]:
    """Gradients like those of knobs, (fleet, tiles, rows, cols) of two layers at every step."""
    generator = made_up("update")
    return [
        tuple(torch.randn(fleet, *s, generator=generator, dtype=torch.float64).to(dtype) for s in _SHAPES)
        for _ in range(steps)
    ]


class UpdateTrial:
    """An update, and the gradients of a fleet.

    Its methods `check_...` are laws of updates; each raises a ContractError of an update that breaks it.
    """

    def __init__(self, update: Update, fleet: int, dtype: torch.dtype) -> None:
        self.update, self.fleet, self.dtype = update, fleet, dtype
        self.gradients = made_up_gradients(_STEPS, fleet, dtype)
        self.first, *_ = self.gradients
        self.zeros = tuple(map(torch.zeros_like, self.first))
        self.rounding = _ROUNDING[dtype]

    @cached_property
    def taken(self) -> tuple[list[Any], list[Knobs]]:
        """The states before and after each step of a run, and its drives."""
        return self._run(self.gradients)

    def check_drives(self) -> None:
        """`init` and `step` are pure, and keep all memory in the state; drives are like the gradients."""
        states, drives = self.taken
        again, other = self._run(self.gradients)
        same = equal_trees(drives, other) and equal_trees(states, again)
        self._require(same, "two runs by turns of one update differ; keep what is remembered in the state")

    def check_extremes(self) -> None:
        """Drives and states are finite where gradients are 0 or large."""
        for size in (0.0, 1e4, 1e15):
            extreme = [tuple(size * g for g in gradient) for gradient in self.gradients]
            self._run(extreme, f" where gradients are {size:g} times as large")

    def _run(self, gradients: list[Knobs], where: str = "") -> tuple[list[Any], list[Knobs]]:
        """The states before and after each step, and its drives."""
        states, drives = [self._call("init", self.zeros)], []
        for gradient in gradients:
            drive, state = self._call("step", gradient, states[-1])
            self._check_drive(gradient, drive, where)
            states.append(state)
            drives.append(drive)
        return states, drives

    def _call(self, name: str, *arguments: Any) -> Any:
        """What init or step gives, twice the same, of arguments that it leaves as they are."""
        function = self.update.init if name == "init" else self.update.step
        found = answer_of(f"{self.update}", name, function, *arguments, nothing="an update draws nothing")
        pair = name == "init" or (isinstance(found, tuple) and len(found) == 2)
        self._require(pair, f"step gave {type(found).__name__}, wanted a drive and the next state")
        return found

    def _check_drive(self, gradient: Knobs, drive: Any, where: str) -> None:
        whole = isinstance(drive, tuple) and len(drive) == len(gradient)
        self._require(
            whole, f"step gave a drive {type(drive).__name__}, wanted a tuple of {len(gradient)} tensors"
        )
        for layer, (d, g) in enumerate(zip(drive, gradient, strict=True)):
            require_form(d, g.shape, g.dtype, f"{self.update}: layer {layer}: the drive is")
        self._require(finite(drive), f"a drive is not finite{where}")

    def check_states(self) -> None:
        """A state is a tree of finite tensors and numbers that keeps its structure once it is filled."""
        states, _ = self.taken
        for state in states:
            for name, leaf in tree_leaves(state, "state").items():
                fits = isinstance(leaf, Tensor | int | float)
                statement = (
                    f"{name} is a {type(leaf).__name__}, wanted a tensor or a number (in tuples) to save"
                )
                self._require(fits, statement)
            self._require(finite(state), "a state is not finite")
        early, late = (
            {n: _form(leaf) for n, leaf in tree_leaves(s).items()} for s in (states[_FILLED], states[-1])
        )
        changed = [name for name in early.keys() | late.keys() if early.get(name) != late.get(name)]
        self._require(
            not changed, f"the state changes in structure from step to step, at {sorted(changed)[:3]}"
        )

    def check_files(self) -> None:
        """A training that goes on from the file of its state is bitwise the one that was never stopped."""
        states, drives = self.taken
        half = _STEPS // 2
        state = _through_a_file(states[half])
        for at in range(half, _STEPS):
            drive, state = self.update.step(self.gradients[at], state)
            self._require(
                equal_trees(drive, drives[at]), "a training that goes on from its file is another one"
            )

    def _has_numbers_of_chips(self) -> bool:
        """Whether the update wants this fleet and no other, having a number for each of its chips."""
        rule = self.update.rule
        values = () if rule is None else [h.value for h in rule.hyperparameters.values()]
        return any(isinstance(value, Tensor) and value.ndim > 0 for value in values)

    def check_other_fleets(self) -> None:
        """A chip is sent the same in a fleet of another size, and alone."""
        if self._has_numbers_of_chips():
            return
        _, drives = self.taken
        ways: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
            ("in a fleet of another size", lambda t: t[:2]),
            ("alone, without a fleet's axis", lambda t: t[0]),
        )
        for name, part in ways:
            state = self._call("init", tuple(map(part, self.zeros)))
            for gradient, wanted in zip(self.gradients, drives, strict=True):
                found, state = self._call("step", tuple(map(part, gradient)), state)
                self._check_drive(tuple(map(part, gradient)), found, f" for a chip {name}")
                for layer, (a, b) in enumerate(zip(found, map(part, wanted), strict=True)):
                    statement = f"layer {layer}: a chip is sent the same {name}"
                    require_close(a, b, self.rounding, f"{self.update}: {statement}")

    def check_descent(self) -> None:
        """Over many steps of one gradient the drives sum up to a way down it, and nothing runs away."""
        if self.dtype == torch.float64:  # float32 runs away first
            return
        gradient = tuple(g.sign() * _SLOPE for g in self.first)
        state, form = self.update.init(self.zeros), None
        total = [torch.zeros_like(g) for g in gradient]
        for step in range(_LONG):
            drive, state = self.update.step(gradient, state)
            self._require(finite((drive, state)), f"drive or state is not finite at step {step + 1}")
            total = [t + d for t, d in zip(total, drive, strict=True)]
            leaves = {name: _form(leaf) for name, leaf in tree_leaves(state).items()}
            form = leaves if step < _FILLED else form
            self._require(leaves == form, f"the state changes in structure at step {step + 1}")
        for layer, (moved, g) in enumerate(zip(total, gradient, strict=True)):
            up = torch.einsum("c...,c...->c", moved, g) > 0
            self._require(
                not bool(up.any()),
                f"layer {layer}: the drives of {_LONG} steps sum up to a way up their gradient",
            )

    def check_chips(self) -> None:
        """A chip is sent what hangs on its own gradients alone, large ones too."""
        for size in (1.0, 1e4):
            _, drives = self._run([tuple(size * g for g in step) for step in self.gradients])
            self._check_chip(drives, size)

    def _check_chip(self, drives: list[Knobs], size: float) -> None:
        chip = 0
        beside = [tuple(size * others_changed(g, chip, 0) for g in step) for step in self.gradients]
        _, others = self._run(beside)
        for one, other in zip(drives, others, strict=True):
            for layer, (a, b) in enumerate(zip(one, other, strict=True)):
                statement = f"layer {layer}: what is sent to a chip hangs on the gradients of other chips"
                require_close(b[chip], a[chip], self.rounding, f"{self.update}: {statement}")

    def check_sensitivities(self) -> None:
        """The sensitivity of a drive to each hyper-parameter that may be tuned is that of differences."""
        if self.update.rule is not None and self.dtype == torch.float64:  # differences tell little in float32
            check_rule(self.update.rule, made_up_gradients(_STEPS, self.fleet, self.dtype), f"{self.update}")

    def _require(self, kept: bool, statement: str) -> None:
        require(kept, f"{self.update}: {statement}")


def _form(leaf: Any) -> Any:
    return (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else type(leaf)


def _through_a_file(state: Any) -> Any:
    """A state whose tensors went through a file, as those of a training do."""
    leaves = tree_leaves(state)
    tensors = {name: leaf.contiguous().clone() for name, leaf in leaves.items() if isinstance(leaf, Tensor)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        safetensors.torch.save_file(tensors, path)
        return tree_unflatten(state, leaves | safetensors.torch.load_file(path))
