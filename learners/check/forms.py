"""The form of what `ask` and `tell` give, and of what they must not do to what they are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from torch import Generator, Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.port import Probe
from analog.spec import Spec
from analog.tree import tree_leaves, tree_map

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import Gradient, knob_gradients
from .comparison import equal_trees, refuse_changed_modes
from .linear_chip import Asked, LinearChip

REMEDY = "draw from the one that `ask` is handed"


def check_ask(estimator: Estimator, chip: LinearChip, spec: Spec, generator: Generator) -> Asked:
    """Ask for a probe of any shape that fits the chip, and check the form of it and of its memo."""
    state = generator.get_state()
    first, second, again = (_ask(estimator, chip, spec, generator, state, seed) for seed in (1, 2, 3))
    if not same(first, again) or not same(second, again):
        fail(
            "ask gave two probes from one state of its generator; it hangs on something else (a global "
            "generator, a clock, an earlier call)"
        )
    probe, memo = again
    with blame("ask raised"):
        other = estimator.ask(spec, chip.x, chip.baseline(spec), generator)[0]
    if estimator.probes_at is not None and same(probe, other):
        fail("ask gave the same probe twice from a generator that moved on; draw from the one it is handed")
    entered = [place for place, entries in probe._asdict().items() if entries is not None]
    if estimator.probes_at is not None and entered != [estimator.probes_at]:
        fail(
            f"probes enter at {' and '.join(entered) or 'no place'}, "
            f"the estimator says at {estimator.probes_at} (its probes_at)"
        )
    for name, entry in tree_leaves(probe).items():
        if entry.dtype != spec.dtype:
            fail(f"ask gave a probe of {entry.dtype} at {name}, the chip is of {spec.dtype}")
        if not bool(torch.isfinite(entry).all()):
            fail(f"ask gave a probe that is not finite at {name}")
    with blame("ask gave a probe that does not fit the chip"):
        asked = chip.answer(estimator, spec, probe, memo, generator)
        chip.losses(asked)
    return asked


def _ask(
    estimator: Estimator, chip: LinearChip, spec: Spec, generator: Generator, state: Tensor, seed: int
) -> tuple[Probe, Any]:
    x, baseline = chip.x.clone(), chip.baseline(spec)
    generator.set_state(state)
    name = type(estimator).__name__
    with (
        refuse_changed_modes(f"{name}: ask"),
        reseed_global_generators(seed),
        refuse_global_generators(name, REMEDY),
        blame("ask raised"),
    ):
        asked = estimator.ask(spec, x, baseline, generator)
    if not torch.equal(x, chip.x) or not same(baseline, chip.baseline(spec)):
        fail("ask altered what it was given")
    if isinstance(asked, Probe) or not isinstance(asked, tuple) or len(asked) != 2:
        fail(f"ask gave {type(asked).__name__}, wanted a Probe and a memo (or None)")
    if not isinstance(asked[0], Probe):
        fail(f"ask gave {type(asked[0]).__name__} and a memo, wanted a Probe and a memo")
    return asked


def check_tell(estimator: Estimator, spec: Spec, result: ProbeResult) -> tuple[Tensor, ...]:
    """Let an estimator tell, and check the form of what it gives, (*fleet, ...) for each layer."""
    copy = tree_map(lambda t: t.clone() if isinstance(t, Tensor) else t, result._replace(memo=None))
    gradients = []
    for seed in (1, 2):
        name = type(estimator).__name__
        with (
            refuse_changed_modes(f"{name}: tell"),
            reseed_global_generators(seed),
            refuse_global_generators(name, REMEDY),
            blame("tell raised"),
        ):
            gradients.append(estimator.tell(spec, result))
        _require_form(estimator, spec, gradients[-1])
        if not same(copy, result._replace(memo=None)):
            fail("tell altered what it was given")
    if not same(*gradients):
        fail("tell gave two estimates of one result; it hangs on something else")
    with blame("tell gave a gradient that does not fit the chip"):
        knobs = knob_gradients(spec, gradients[0], result.inputs, result.out)
    lead = (*spec.fleet, result.x.shape[-2])
    for i, (gradient, shape) in enumerate(zip(knobs, spec.shapes, strict=True)):
        if tuple(gradient.shape) != shape:
            fail(f"layer {i}: at the knobs the gradient is {tuple(gradient.shape)}, knobs are {shape}")
        node = (gradients[0].nodes or (None,) * len(knobs))[i]
        wanted = (*lead, spec.layers[i].features)
        if node is not None and tuple(node.shape) != wanted:
            fail(f"layer {i}: at the nodes the gradient is {tuple(node.shape)}, wanted {wanted}")
        if gradient.dtype != spec.dtype:
            fail(f"layer {i}: the gradient is {gradient.dtype}, the chip is of {spec.dtype}")
        if not bool(torch.isfinite(gradient).all()):
            fail(f"layer {i}: the gradient is not finite")
    return _entries(spec, result, gradients[0])


def _require_form(estimator: Estimator, spec: Spec, gradient: object) -> None:
    """Refuse what `tell` gave unless it has the form that it has to have."""
    if not isinstance(gradient, Gradient):
        fail(f"tell gave {type(gradient).__name__}, wanted a Gradient")
    there = [name for name, entries in zip(gradient._fields, gradient, strict=True) if entries is not None]
    if there != [estimator.gradient_at]:
        fail(
            f"tell gave a gradient at {' and '.join(there) or 'no place'}, "
            f"the estimator says at {estimator.gradient_at} (its gradient_at)"
        )
    entries = gradient.nodes if gradient.knobs is None else gradient.knobs
    if not isinstance(entries, tuple) or len(entries) != len(spec.layers):
        fail(f"tell gave {type(entries).__name__}, wanted a tuple of {len(spec.layers)} tensors")


def tell(estimator: Estimator, spec: Spec, result: ProbeResult) -> tuple[Tensor, ...]:
    """The estimate where it is told, (*fleet, ...) for each layer; 0 of layers that it left alone."""
    with blame("tell raised"):
        return _entries(spec, result, estimator.tell(spec, result))


def _entries(spec: Spec, result: ProbeResult, gradient: Gradient) -> tuple[Tensor, ...]:
    lead = (*spec.fleet, result.x.shape[-2])
    if gradient.nodes is None:
        shapes = list(spec.shapes)
    else:
        shapes = [(*lead, layer.features) for layer in spec.layers]
    entries = gradient.knobs if gradient.nodes is None else gradient.nodes
    pairs = zip(entries or (), shapes, strict=True)
    return tuple(torch.zeros(s, dtype=spec.dtype) if e is None else e for e, s in pairs)


def at_knobs(estimator: Estimator, spec: Spec, result: ProbeResult) -> tuple[Tensor, ...]:
    """The estimate at the knobs, (*fleet, tiles, rows, cols) for each layer."""
    return knob_gradients(spec, estimator.tell(spec, result), result.inputs, result.out)


@contextmanager
def blame(statement: str) -> Iterator[None]:
    """Any error breaks the contract of the method that is named; a ValueError speaks for itself.

    Raises:
        ContractError: something was raised.
    """
    try:
        yield
    except ContractError:
        raise
    except ValueError as error:
        raise ContractError(str(error)) from error
    except Exception as error:
        raise ContractError(f"{statement}: {type(error).__name__}: {error}") from error


def same(a: Any, b: Any) -> bool:
    """Bitwise equality of trees, as far as tensors are concerned."""
    ours, theirs = tree_leaves(a), tree_leaves(b)
    return ours.keys() == theirs.keys() and all(
        not isinstance(leaf, Tensor) or equal_trees(leaf, theirs[name]) for name, leaf in ours.items()
    )


def fail(statement: str) -> NoReturn:
    """Raise a `ContractError` with this statement.

    Raises:
        ContractError: always.
    """
    raise ContractError(statement)
