"""The contract of updates: `check_update(my_update(1e-2))`."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.spec import Knobs
from analog.streams import stream
from analog.tree import tree_leaves, tree_unflatten

from ..updates.record import Rule, TakenStep, Update
from ..updates.sensitivity import sensitivities
from .comparison import (
    clone_tree,
    equal_trees,
    finite,
    multiple,
    refuse_changed_modes,
    require,
    require_close,
)

_SHAPES = ((1, 4, 3), (2, 2, 5))  # (tiles, rows, cols) of two layers
_STEPS = 6
_LONG = 200  # steps of a long run
_SLOPE = 0.1  # of the gradient then
_FILLED = 4  # steps after which nothing of a state is yet to come, in updates tuned three times over


def check_update(update: Update, *, fleet: int = 3) -> None:
    """Check that an update keeps its contract on made-up gradients of a fleet, in float32 and float64.

    `init` and `step` are pure: they alter nothing, give the same at every call and draw nothing. Drives are
    finite, of the gradient's shapes and dtype, also where a gradient is 0 or large. The state is a tree of
    tensors and numbers whose structure, shapes and dtypes stay as they are once it is filled (tuned updates
    take a step a level), and a training that goes on from its file is bitwise the one that was never stopped.
    Chips of a fleet are independent: what is sent to one hangs on its own gradients, and is the
    same in a fleet of another size and alone, without a fleet's axis, unless the update has numbers of its
    own for each chip. Over 200 steps of one gradient the drives sum up to a way down it in every layer of
    every chip, or to nothing, and all stays finite. Where another update may tune it, the sensitivity of its
    drive to each hyper-parameter is that of central differences, as is the claim that the drive is
    proportional to a learning rate.

    Not seen: what happens only after 200 steps, or at gradients of sizes between 0, .1, 1, 1e4 and 1e15.

    Args:
        update: anybody's.
        fleet: how many chips, for an update with numbers of its own for each.

    Raises:
        ContractError: naming the law that is broken, and by how much.
    """
    if not isinstance(update, Update):
        raise ContractError(f"got {update!r}, wanted an Update such as adam(1e-2)")
    trials = [_Trial(update, fleet, dtype) for dtype in (torch.float64, torch.float32)]
    for trial in trials:
        trial.check()
    trials[-1].check_descent()
    if update.rule is not None:
        _check_sensitivities(update, update.rule, fleet)


def made_up_gradients(steps: int, fleet: int, dtype: torch.dtype) -> list[Knobs]:
    """Gradients like those of knobs, (fleet, tiles, rows, cols) of two layers at every step."""
    generator = stream(0, "check", "update")
    return [
        tuple(torch.randn(fleet, *s, generator=generator, dtype=torch.float64).to(dtype) for s in _SHAPES)
        for _ in range(steps)
    ]


class _Trial:
    """An update, and the gradients of a fleet."""

    def __init__(self, update: Update, fleet: int, dtype: torch.dtype) -> None:
        self.update = update
        self.gradients = made_up_gradients(_STEPS, fleet, dtype)
        self.zeros = tuple(torch.zeros_like(g) for g in self.gradients[0])
        self.rounding = 1e-9 if dtype == torch.float64 else 1e-4

    def check(self) -> None:
        states, drives = self._run(self.gradients)
        self._check_states(states)
        again, other = self._run(self.gradients)
        same = equal_trees(drives, other) and equal_trees(states, again)
        self._require(same, "two runs by turns of one update differ; keep what is remembered in the state")
        self._check_files(states, drives)
        self._check_chips(drives)
        for size in (0.0, 1e4, 1e15):
            extreme = [tuple(size * g for g in gradient) for gradient in self.gradients]
            _, driven = self._run(extreme, f" where gradients are {size:g} times as large")
            if size == 1e4:
                self._check_chips(driven, size)
        if not self._has_numbers_of_chips():
            self._check_other_fleets(drives)

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
        kept, found = clone_tree(arguments), []
        for seed in (1, 2):
            with (
                torch.set_grad_enabled(seed == 1),
                refuse_changed_modes(f"{self.update}: {name}"),
                reseed_global_generators(seed),
                refuse_global_generators(f"{self.update}", "an update draws nothing"),
            ):
                try:
                    found.append(function(*arguments))
                except Exception as error:
                    raise ContractError(
                        f"{self.update}: {name} raised {type(error).__name__}: {error}"
                    ) from error
            self._require(equal_trees(arguments, kept), f"{name} altered what it was given; work on a copy")
            pair = name == "init" or (isinstance(found[-1], tuple) and len(found[-1]) == 2)
            self._require(pair, f"step gave {type(found[-1]).__name__}, wanted a drive and the next state")
        self._require(
            equal_trees(*found), f"{name} gave two answers to one question; keep all memory in the state"
        )
        return found[0]

    def _check_drive(self, gradient: Knobs, drive: Any, where: str) -> None:
        whole = isinstance(drive, tuple) and len(drive) == len(gradient)
        self._require(
            whole, f"step gave a drive {type(drive).__name__}, wanted a tuple of {len(gradient)} tensors"
        )
        for layer, (d, g) in enumerate(zip(drive, gradient, strict=True)):
            form = f"{d.dtype} {tuple(d.shape)}" if isinstance(d, Tensor) else type(d).__name__
            fits = isinstance(d, Tensor) and d.shape == g.shape and d.dtype == g.dtype
            self._require(fits, f"layer {layer}: the drive is {form}, wanted {g.dtype} {tuple(g.shape)}")
        self._require(finite(drive), f"a drive is not finite{where}")

    def _check_states(self, states: list[Any]) -> None:
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

    def _check_files(self, states: list[Any], drives: list[Knobs]) -> None:
        """What goes on from a file goes on bitwise."""
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

    def _check_other_fleets(self, drives: list[Knobs]) -> None:
        """The first chip is sent the same in a fleet of two, and alone."""
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
        gradient = tuple(g.sign() * _SLOPE for g in self.gradients[0])
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
            along = float((moved * g).flatten(1).sum(1).max())
            self._require(
                along <= 0, f"layer {layer}: the drives of {_LONG} steps sum up to a way up their gradient"
            )

    def _check_chips(self, drives: list[Knobs], size: float = 1.0) -> None:
        """What is sent to the first chip hangs on its own gradients."""

        def elsewhere(g: Tensor) -> Tensor:
            return size * torch.cat((g[:1], g[1:] * -2.3 + 0.7))

        _, others = self._run([tuple(map(elsewhere, step)) for step in self.gradients])
        for one, other in zip(drives, others, strict=True):
            for layer, (a, b) in enumerate(zip(one, other, strict=True)):
                statement = f"layer {layer}: what is sent to a chip hangs on the gradients of other chips"
                require_close(b[0], a[0], self.rounding, f"{self.update}: {statement}")

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


def _check_sensitivities(update: Update, rule: Rule, fleet: int) -> None:
    """d drive / d hyper-parameter, state held fixed, is that of central differences."""
    gradients = made_up_gradients(_STEPS, fleet, torch.float64)
    zeros = tuple(torch.zeros_like(g) for g in gradients[0])
    given = {name: torch.as_tensor(h.value, dtype=torch.float64) for name, h in rule.hyperparameters.items()}
    values = {name: v.expand(fleet)[:, None, None, None].clone() for name, v in given.items()}
    state = rule.init(zeros)
    for gradient in gradients:
        drive, after = rule.step(gradient, state, **values, **rule.constants)
        found = sensitivities(rule, TakenStep(gradient, state, drive, after), values)
        for name, value in values.items():
            _check_sensitivity(update, rule, (gradient, state), values, name, 1e-7 * value, found[name])
        state = after


def _check_sensitivity(
    update: Update,
    rule: Rule,
    before: tuple[Knobs, Any],
    values: dict[str, Tensor],
    name: str,
    step: Tensor,
    found: Knobs,
) -> None:
    up, down = (
        rule.step(*before, **{**values, name: values[name] + sign * step}, **rule.constants)[0]
        for sign in (1, -1)
    )
    for layer, (high, low, sensitivity) in enumerate(zip(up, down, found, strict=True)):
        wanted = (high - low) / (2 * step)
        gap, size = float((sensitivity - wanted).abs().max()), float(wanted.abs().max())
        hint = "; is the drive proportional to it?" if rule.hyperparameters[name].scales_drive else ""
        require(
            gap <= 1e-5 * (size + 1e-3),
            f"{update}: layer {layer}: the sensitivity of the drive to {name} is "
            f"{multiple(sensitivity, wanted):.3g} times that of central differences, and off by up to "
            f"{gap:.3g} of {size:.3g}{hint}",
        )
