"""Contracts for users' own parts: `check_learner(...)` and `check_estimator(MyEstimator())`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor

from analog.contract import ContractError
from analog.port import Port, Probe
from analog.spec import Knobs, Spec
from analog.wires.tape import ReplayMismatch, Tape, replayed, taped

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import Gradient, knob_gradients
from ..learner import Batch, Learner, Step, fit
from .linear_chip import LinearChip, reordered
from .two_stage import Sample, listed, refused, two_stage


def check_learner(
    learner: Learner, port: Port, batches: Iterable[Batch], generator: Callable[[], Generator]
) -> None:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same.

    Args:
        learner: the learner under test.
        port: of a chip that may be taught.
        batches: what to learn from; a handful is enough.
        generator: makes a fresh generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Raises:
        ReplayMismatch: the learner used something that changes and did not come over its wires: true weights,
            a generator that nobody handed to it, memory of an earlier run.
        TypeError: `step` does not give a state and a `Step`.
        ValueError: there is no batch to learn from.
    """
    examples = tuple(batches)
    if not examples:
        raise ValueError("check_learner: no batch to learn from; give at least one")
    live, again = Tape(port.spec), Tape(port.spec)
    for _, step in fit(learner, taped(port, live), examples, generator()):
        if not isinstance(step, Step):
            raise TypeError(f"check_learner: step gave {type(step).__name__} second; wanted (state, Step)")
    list(fit(learner, taped(replayed(live), again), examples, generator()))
    if len(again.events) != len(live.events):
        raise ReplayMismatch(
            f"tape: {len(again.events)} events played back, the recording has {len(live.events)}"
        )


def check_estimator(
    estimator: Estimator,
    generator: Generator,
    samples: int = 4000,
    variance: Callable[[LinearChip], Tensor] | None = None,
) -> None:
    """Try whether an estimator keeps the laws of unbiased perturbation estimates.

    Tried on a linear chip of two layers (3 -> 4 -> 2) and five examples, where the exact gradient is known.
    Exactly: probes enter and gradients are told where the estimator says; the estimate is linear in the
    losses, does not change when all losses move by a constant, nor (for estimators without a memo) when
    examples are reordered; of losses in two parts each node learns from its own, unless `tell` raises a
    ValueError; torch's global generator is left alone. By the two-stage rule: its mean is the gradient;
    probes have mean zero; chips of a fleet and, for probes at nodes, examples are probed independently. About
    200 means, so a false alarm once in 5e6 calls.

    Args:
        estimator: for losses smooth enough that its probe size does not matter.
        generator: for the draws of the check; every call may have another.
        samples: independent estimates of the first stage.
        variance: what the estimator's author predicts on the linear chip: the variance of every knob's
            estimate, all layers flattened and joined (as `learners.laws` gives for ours); None: not checked.

    Raises:
        ContractError: naming the law that is broken, and by how much.
        ValueError: `variance` predicts something of another shape.
    """
    if isinstance(estimator, type):
        raise ContractError(
            f"got the class {estimator.__name__}, wanted an estimator: write {estimator.__name__}(...)"
        )
    chip, state = LinearChip(), torch.get_rng_state()
    try:
        _exact_laws(estimator, chip, generator)
    except ValueError as error:
        raise ContractError(str(error)) from error
    finally:  # this says why another law may look broken, so it goes first
        if not torch.equal(state, torch.get_rng_state()):
            raise ContractError(
                f"{type(estimator).__name__}: the global torch generator was used; "
                "draw from the one that `ask` is handed"
            )
    _probe_laws(estimator, chip, samples, generator)

    def estimates(n: int, generator: Generator) -> Tensor:
        spec = chip.spec(n)
        result = chip.result(spec, *chip.ask(estimator, spec, generator))
        return torch.cat([k.flatten(1) for k in _at_knobs(estimator, spec, result)], -1)

    _mean_law(estimates, chip, samples, generator)
    if variance is not None:
        mean = torch.cat([g.flatten() for g in chip.gradient])
        _variance_law(estimates, mean, variance(chip), samples, generator)
    _parts_law(estimator, chip, generator)


def _mean_law(estimates: Sample, chip: LinearChip, samples: int, generator: Generator) -> None:
    """The mean of the estimate is the gradient."""
    wanted = torch.cat([g.flatten() for g in chip.gradient])
    worst = two_stage(estimates, wanted, samples, generator)
    if refused(worst):
        cut = chip.gradient[0].numel()
        mean = estimates(samples, generator).mean(0)
        share = [
            float(m @ g / (g @ g))
            for m, g in zip(mean.tensor_split([cut]), wanted.tensor_split([cut]), strict=True)
        ]
        raise ContractError(
            f"the mean of the estimate is not the gradient: along it, {share[0]:.2f} times the gradient "
            f"in layer 0 and {share[1]:.2f} times in layer 1; |z| = {listed(worst)}"
        )


def _variance_law(
    estimates: Sample, mean: Tensor, predicted: Tensor, samples: int, generator: Generator
) -> None:
    """Each knob's estimate varies as predicted, by the two-stage rule on squared deviations."""
    if predicted.shape != mean.shape:
        raise ValueError(
            f"check_estimator: variance gave {tuple(predicted.shape)}, knobs are {tuple(mean.shape)}"
        )

    def squares(n: int, generator: Generator) -> Tensor:
        return (estimates(n, generator) - mean).square()

    worst = two_stage(squares, predicted, samples, generator)
    if refused(worst):
        measured = squares(10 * samples, generator).mean(0)
        at = int(((measured - predicted).abs() / (predicted + 1e-12)).argmax())
        raise ContractError(
            f"the variance is not as predicted: at knob {at} it is {float(measured[at]):.3g}, "
            f"predicted {float(predicted[at]):.3g}; |z| = {listed(worst)}"
        )


def _exact_laws(estimator: Estimator, chip: LinearChip, generator: Generator) -> None:
    spec = chip.spec(3)
    probe, memo = _asked(estimator, chip, spec, generator)
    if _equal(probe, _asked(estimator, chip, spec, generator)[0]):
        raise ContractError(
            "ask gave the same probe twice from a generator that moved on; draw from the one it is handed"
        )
    with _blamed("ask gave a probe that does not fit the chip"):
        result = chip.result(spec, probe, memo)
    with _blamed("tell raised"):
        estimate = estimator.tell(spec, result)
    _require_gradient(estimator, spec, estimate)
    with _blamed("tell gave a gradient that does not fit the chip"):
        knob_gradients(spec, estimate, result.inputs)
    plain = _at_knobs(estimator, spec, result)
    for i, (gradient, shape) in enumerate(zip(plain, spec.shapes, strict=True)):
        if tuple(gradient.shape) != shape:
            raise ContractError(
                f"layer {i}: at the knobs the gradient is {tuple(gradient.shape)}, knobs are {shape}"
            )
    scaled = chip.result(spec, probe, memo, scale=3.0)
    shifted = chip.result(spec, probe, memo, shift=10.0)
    laws = [
        ("three times the losses give three times the estimate", 3.0, scaled),
        ("a constant added to all losses changes nothing", 1.0, shifted),
    ]
    if memo is None:  # the order of a memo is its estimator's business
        laws.append(("the order of the examples changes nothing", 1.0, reordered(result, (3, 0, 4, 2, 1))))
    for statement, factor, other in laws:
        for i, (a, b) in enumerate(zip(_at_knobs(estimator, spec, other), plain, strict=True)):
            gap, size = float((a - factor * b).abs().max()), float(b.abs().max())
            if not gap <= 1e-7 * (size + 1e-3):
                raise ContractError(
                    f"layer {i}: {statement}; here it is off by {gap:.3g} "
                    f"where estimates are about {size:.3g}"
                )


def _parts_law(estimator: Estimator, chip: LinearChip, generator: Generator) -> None:
    """A node, and the knobs that drive it, learn from the losses of the node's own part alone."""
    spec = chip.spec(3)
    probe, memo = chip.ask(estimator, spec, generator)
    result, double = (chip.result(spec, probe, memo, scale=scale) for scale in (1.0, 2.0))
    both = result._replace(
        losses=torch.cat((result.losses, double.losses), -1),
        baseline_losses=torch.cat((result.baseline_losses, double.baseline_losses), -1),
    )
    try:
        with _blamed("tell raised, given losses in 2 parts"):
            estimates = _at_knobs(estimator, spec, both)
    except ValueError:  # it takes no parts, and says so
        return
    for i, (a, b) in enumerate(zip(estimates, _at_knobs(estimator, spec, result), strict=True)):
        factors = torch.tensor([1.0, 2.0], dtype=b.dtype).repeat_interleave(b.shape[-2] // 2)
        gap, size = float((a - factors[:, None] * b).abs().max()), float(b.abs().max())
        if not gap <= 1e-7 * (size + 1e-3):
            raise ContractError(
                f"layer {i}: each half of the nodes learns from its own of 2 parts of the losses (their last "
                f"axis); here it is off by {gap:.3g} where estimates are about {size:.3g}"
            )


@contextmanager
def _blamed(statement: str) -> Iterator[None]:
    """What goes wrong in torch breaks the contract of the method that is named.

    Raises:
        ContractError: shapes do not fit.
    """
    try:
        yield
    except (RuntimeError, IndexError, TypeError, AttributeError) as error:
        raise ContractError(f"{statement}: {type(error).__name__}: {error}") from error


def _asked(estimator: Estimator, chip: LinearChip, spec: Spec, generator: Generator) -> tuple[Probe, Any]:
    """What `ask` gave, of the form that it has to have."""
    with _blamed("ask raised"):
        asked = chip.ask(estimator, spec, generator)
    if isinstance(asked, Probe) or not isinstance(asked, tuple) or len(asked) != 2:
        raise ContractError(f"ask gave {type(asked).__name__}, wanted a Probe and a memo (or None)")
    probe, memo = asked
    if not isinstance(probe, Probe):
        raise ContractError(f"ask gave {type(probe).__name__} and a memo, wanted a Probe and a memo")
    entered = [place for place, entries in probe._asdict().items() if entries is not None]
    if estimator.probes_at is not None and entered != [estimator.probes_at]:
        raise ContractError(
            f"probes enter at {' and '.join(entered) or 'no place'}, "
            f"the estimator says at {estimator.probes_at} (its probes_at)"
        )
    return probe, memo


def _at_knobs(estimator: Estimator, spec: Spec, result: ProbeResult) -> Knobs:
    return knob_gradients(spec, estimator.tell(spec, result), result.inputs)


def _require_gradient(estimator: Estimator, spec: Spec, gradient: object) -> None:
    """Refuse what `tell` gave unless it has the form that it has to have."""
    if not isinstance(gradient, Gradient):
        raise ContractError(f"tell gave {type(gradient).__name__}, wanted a Gradient")
    there = [name for name, entries in zip(gradient._fields, gradient, strict=True) if entries is not None]
    if there != [estimator.gradient_at]:
        raise ContractError(
            f"tell gave a gradient at {' and '.join(there) or 'no place'}, "
            f"the estimator says at {estimator.gradient_at} (its gradient_at)"
        )
    entries = gradient.nodes if gradient.knobs is None else gradient.knobs
    if not isinstance(entries, tuple) or len(entries) != len(spec.layers):
        raise ContractError(
            f"tell gave {type(entries).__name__}, wanted a tuple of {len(spec.layers)} tensors"
        )


def _entries(estimator: Estimator, chip: LinearChip, n: int, generator: Generator) -> dict[str, Tensor]:
    """What a probe of n chips adds to each layer, by a name for messages."""
    probe, _ = chip.ask(estimator, chip.spec(n), generator)
    parts = (("knobs", probe.knobs), ("nodes", probe.nodes))
    return {f"{k} of layer {i}": p for k, part in parts for i, p in enumerate(part or ()) if p is not None}


def _probe_laws(estimator: Estimator, chip: LinearChip, samples: int, generator: Generator) -> None:
    for name, first in _entries(estimator, chip, 100, generator).items():
        loudest = int(first.flatten(1).norm(dim=1).argmax())  # some are of size zero, for a baseline

        def pushes(n: int, generator: Generator, name: str = name, at: int = loudest) -> Tensor:
            return _entries(estimator, chip, n, generator)[name][at]

        def chips(n: int, generator: Generator, pushes: Sample = pushes) -> Tensor:
            one, other = pushes(2 * n, generator).flatten(1).unflatten(0, (n, 2)).unbind(1)
            return one * other

        def examples(n: int, generator: Generator, pushes: Sample = pushes) -> Tensor:
            drawn = pushes(n, generator)
            return (drawn[:, 1:] * drawn[:, :-1]).flatten(1)

        def means(n: int, generator: Generator, pushes: Sample = pushes) -> Tensor:
            return pushes(n, generator).flatten(1)

        laws = {"of two chips of a fleet hang together": chips, "have a mean": means}
        if name.startswith("nodes"):
            laws["of two examples hang together"] = examples
        for statement, sample in laws.items():
            wanted = torch.zeros(sample(4, generator).shape[1], dtype=torch.float64)
            worst = two_stage(sample, wanted, samples // 4, generator)
            if refused(worst):
                raise ContractError(f"probes of {name} {statement}: |z| = {listed(worst)}")


def _equal(a: Probe, b: Probe) -> bool:
    pairs = [(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x or (), y or (), strict=True)]
    return all(p is None or q is None or torch.equal(p, q) for p, q in pairs)
