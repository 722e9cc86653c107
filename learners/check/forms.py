"""The form of what `ask` and `tell` give, and of what they must not do to what they are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor

from analog.contract import ContractError, refuse_global_generators, reseed_global_generators
from analog.port import Probe
from analog.spec import Spec
from analog.tree import tree_leaves

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import Gradient, knob_gradients
from .comparison import clone_tree, equal_trees, finite, refuse_changed_modes, require, require_form
from .linear_chip import Asked, LinearChip

REMEDY = "draw from the one that `ask` is handed"
_WORLDS = (2, 3, 5)  # seeds of the global generators, of which nothing may hang


def check_ask(estimator: Estimator, chip: LinearChip, spec: Spec, generator: Generator) -> Asked:
    """Ask for a probe of any shape that fits the chip, and check the form of it and of its memo."""
    state = generator.get_state()
    asked, *again = (_ask(estimator, chip, spec, generator, state, seed) for seed in _WORLDS)
    require(
        all(same(asked, each) for each in again),
        "ask gave two probes from one state of its generator; it hangs on something else (a global "
        "generator, a clock, an earlier call)",
    )
    probe, memo = asked
    with blame("ask raised"):
        other, _ = estimator.ask(spec, chip.x, chip.baseline(spec), generator)
    entered = [place for place, entries in probe._asdict().items() if entries is not None]
    if estimator.probes_at is not None:
        require(
            not same(probe, other),
            "ask gave the same probe twice from a generator that moved on; draw from the one it is handed",
        )
        require(
            entered == [estimator.probes_at],
            f"probes enter at {' and '.join(entered) or 'no place'}, "
            f"the estimator says at {estimator.probes_at} (its probes_at)",
        )
    for name, entry in tree_leaves(probe).items():
        require_form(entry, entry.shape, spec.dtype, f"ask gave a probe at {name} of")
        require(finite(entry), f"ask gave a probe that is not finite at {name}")
    with blame("ask gave a probe that does not fit the chip"):
        answered = chip.answer(estimator, spec, probe, memo, generator)
        chip.losses(answered)
    return answered


def _ask(
    estimator: Estimator, chip: LinearChip, spec: Spec, generator: Generator, state: Tensor, seed: int
) -> tuple[Probe, Any]:
    x, baseline = clone_tree((chip.x, chip.baseline(spec)))  # lest the chip's own be altered
    generator.set_state(state)
    name = type(estimator).__name__
    with (
        refuse_changed_modes(f"{name}: ask"),
        reseed_global_generators(seed),
        refuse_global_generators(name, REMEDY),
        blame("ask raised"),
    ):
        asked = estimator.ask(spec, x, baseline, generator)
    require(same((x, baseline), (chip.x, chip.baseline(spec))), "ask altered what it was given")
    pair = isinstance(asked, tuple) and not isinstance(asked, Probe) and len(asked) == 2
    require(pair, f"ask gave {type(asked).__name__}, wanted a Probe and a memo (or None)")
    probe, memo = asked
    kind = type(probe).__name__
    require(isinstance(probe, Probe), f"ask gave {kind} and a memo, wanted a Probe and a memo")
    return probe, memo


def check_tell(estimator: Estimator, spec: Spec, result: ProbeResult) -> tuple[Tensor, ...]:
    """Let an estimator tell, and check the form of what it gives, (*fleet, ...) for each layer."""
    measured, name = result._replace(memo=None), type(estimator).__name__
    before, gradients = clone_tree(measured), []
    for seed in _WORLDS:
        with (
            refuse_changed_modes(f"{name}: tell"),
            reseed_global_generators(seed),
            refuse_global_generators(name, REMEDY),
            blame("tell raised"),
        ):
            gradients.append(estimator.tell(spec, result))
        _require_form(estimator, spec, gradients[-1])
        require(same(before, measured), "tell altered what it was given")
    gradient, *again = gradients
    agree = all(same(gradient, each) for each in again)
    require(agree, "tell gave two estimates of one result; it hangs on something else")
    with blame("tell gave a gradient that does not fit the chip"):
        knobs = knob_gradients(spec, gradient, result.inputs, result.out)
    nodes = gradient.nodes or (None,) * len(knobs)
    for i, (at_node, at_knob) in enumerate(zip(nodes, knobs, strict=True)):
        require_form(at_knob, spec.shapes[i], spec.dtype, f"layer {i}: at the knobs the gradient is")
        if at_node is not None:
            wanted = (*spec.fleet, result.x.shape[-2], spec.layers[i].features)
            require_form(at_node, wanted, spec.dtype, f"layer {i}: at the nodes the gradient is")
        require(finite(at_knob), f"layer {i}: the gradient is not finite")
    return _entries(spec, result, gradient)


def _require_form(estimator: Estimator, spec: Spec, gradient: object) -> None:
    """Refuse what `tell` gave unless it has the form that it has to have."""
    require(isinstance(gradient, Gradient), f"tell gave {type(gradient).__name__}, wanted a Gradient")
    assert isinstance(gradient, Gradient)
    there = {place: entries for place, entries in gradient._asdict().items() if entries is not None}
    require(
        list(there) == [estimator.gradient_at],
        f"tell gave a gradient at {' and '.join(there) or 'no place'}, "
        f"the estimator says at {estimator.gradient_at} (its gradient_at)",
    )
    entries = there[estimator.gradient_at]
    require(
        isinstance(entries, tuple) and len(entries) == len(spec.layers),
        f"tell gave {type(entries).__name__}, wanted a tuple of {len(spec.layers)} tensors",
    )


def tell(estimator: Estimator, spec: Spec, result: ProbeResult) -> tuple[Tensor, ...]:
    """The estimate where it is told, (*fleet, ...) for each layer; 0 of layers that it left alone."""
    with blame("tell raised"):
        return _entries(spec, result, estimator.tell(spec, result))


def _entries(spec: Spec, result: ProbeResult, gradient: Gradient) -> tuple[Tensor, ...]:
    lead = (*spec.fleet, result.x.shape[-2])
    places = ((gradient.knobs, spec.shapes), (gradient.nodes, [(*lead, la.features) for la in spec.layers]))
    ((entries, shapes),) = ((e, s) for e, s in places if e is not None)
    pairs = zip(entries, shapes, strict=True)
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
