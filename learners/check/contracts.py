"""Contracts for users' own parts: `check_learner(...)` and `check_estimator(MyEstimator())`."""

from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Generator
from torch import Tensor

from analog.contract import ContractError
from analog.port import Port
from analog.port import Probe
from analog.wires.tape import ReplayMismatch
from analog.wires.tape import Tape
from analog.wires.tape import replayed
from analog.wires.tape import taped

from ..estimators.base import Estimator
from ..learner import Batch
from ..learner import Learner
from ..learner import Step
from ..learner import fit
from .linear_chip import MadeUp

STAGES = ((1, 3.2905), (10, 4.8916))  # (sample factor, bound on |z|): two-sided 1e-3, then 1e-6


_Pushes = Callable[[int, Generator], Tensor]


def check_learner(
    learner: Learner[Any], port: Port, batches: Iterable[Batch], generator: Callable[[], Generator]
) -> None:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same.

    Args:
        batches: what to learn from; a handful is enough.
        generator: makes a fresh generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Raises:
        ReplayMismatch: the learner used something that changes and did not come over its wires: true weights,
            a generator that nobody handed to it, memory of an earlier run.
    """
    lessons = tuple(batches)
    if not lessons:
        raise ValueError("check_learner: no batch to learn from; give at least one")
    live, again = Tape(port.spec), Tape(port.spec)
    for _, step in fit(learner, taped(port, live), lessons, generator()):
        if not isinstance(step, Step):
            raise TypeError(f"check_learner: step gave {type(step).__name__} second; wanted (state, Step)")
    list(fit(learner, taped(replayed(live), again), lessons, generator()))
    if len(again.events) != len(live.events):
        raise ReplayMismatch(
            f"tape: {len(again.events)} events played back, the recording has {len(live.events)}"
        )


def two_stage(
    sample: Callable[[int, Generator], Tensor], wanted: Tensor, size: int, generator: Generator
) -> tuple[float, ...]:
    """Worst |z| of sampled means against a law, at each stage that was needed.

    Stage 1 tests at 1e-3; only on failure stage 2 draws an independent ten-fold sample and tests at
    1e-6. A true law fails both with probability about 1e-9 per mean, while the normal limit is trusted
    only to moderate z.

    Args:
        sample: (n, generator) -> (n, means), independent rows.
        wanted: (means,) by the law.
    """
    worst: list[float] = []
    for factor, bound in STAGES:
        drawn = sample(size * factor, generator)
        error = drawn.std(0) / len(drawn) ** 0.5
        gap = (drawn.mean(0) - wanted).abs()
        exact = gap <= 1e-12 * (1 + wanted.abs())
        worst.append(float(torch.where(exact, torch.zeros_like(gap), gap / error).max()))
        if worst[-1] <= bound:
            break
    return tuple(worst)


def refused(worst: tuple[float, ...]) -> bool:
    """Whether `two_stage` found the law broken."""
    return not worst[-1] <= STAGES[len(worst) - 1][1]


def check_estimator(
    estimator: Estimator,
    generator: Generator,
    samples: int = 4000,
    variance: Callable[[MadeUp], Tensor] | None = None,
) -> None:
    """Raise `ContractError` unless an estimator keeps the laws of unbiased perturbation estimates.

    Tried on a made-up chip of two layers (3 -> 4 -> 2), five examples and losses that are linear in
    what the probe adds, where the exact gradient is known. Exactly: the estimate is linear in the
    losses, does not change when all losses move by a constant, nor when examples are reordered. By the
    two-stage rule: its mean is the gradient; probes have mean zero; chips of a fleet and, for probes at
    nodes, examples are probed independently. About 200 means, so a false alarm once in 5e6 calls.

    Args:
        estimator: for losses smooth enough that its probe size does not matter.
        generator: for the draws of the check; every call may have another.
        samples: independent estimates of the first stage.
        variance: what the estimator's author predicts on the made-up chip: the variance of every knob's
            estimate, all layers flattened and joined (as `learners.laws` gives for ours); None: not checked.
    """
    if isinstance(estimator, type):
        raise ContractError(
            f"got the class {estimator.__name__}, wanted an estimator: write {estimator.__name__}(...)"
        )
    made = MadeUp()
    try:
        _exact_laws(estimator, made, generator)
    except ValueError as error:
        raise ContractError(str(error)) from error
    _probe_laws(estimator, made, samples, generator)

    def estimates(n: int, generator: Generator) -> Tensor:
        spec = made.spec(n)
        probe = made.ask(estimator, spec, generator)
        return torch.cat([k.flatten(1) for k in made.tell(estimator, spec, probe)], -1)

    wanted = torch.cat([g.flatten() for g in made.gradient])
    worst = two_stage(estimates, wanted, samples, generator)
    if refused(worst):
        cut = made.gradient[0].numel()
        mean = estimates(samples, generator).mean(0)
        share = [
            float(m @ g / (g @ g))
            for m, g in zip(mean.tensor_split([cut]), wanted.tensor_split([cut]), strict=True)
        ]
        raise ContractError(
            f"the mean of the estimate is not the gradient: along it, {share[0]:.2f} times the gradient "
            f"in layer 0 and {share[1]:.2f} times in layer 1; |z| = {_listed(worst)}"
        )
    if variance is not None:
        _spread_law(estimates, wanted, variance(made), samples, generator)


def _spread_law(
    estimates: _Pushes, mean: Tensor, predicted: Tensor, samples: int, generator: Generator
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
            f"predicted {float(predicted[at]):.3g}; |z| = {_listed(worst)}"
        )


def _exact_laws(estimator: Estimator, made: MadeUp, generator: Generator) -> None:
    spec = made.spec(3)
    probe = made.ask(estimator, spec, generator)
    if not isinstance(probe, Probe):
        raise ContractError(f"ask gave {type(probe).__name__}, wanted a Probe")
    if _alike(probe, made.ask(estimator, spec, generator)):
        raise ContractError(
            "ask gave the same probe twice from a generator that moved on; draw from the one it is handed"
        )
    plain = made.tell(estimator, spec, probe)
    if not isinstance(plain, tuple) or len(plain) != len(spec.layers):
        raise ContractError(f"tell gave {type(plain).__name__}, wanted a tuple of {len(spec.layers)} tensors")
    for i, (told, shape) in enumerate(zip(plain, spec.shapes, strict=True)):
        if tuple(told.shape) != shape:
            raise ContractError(f"layer {i}: tell gave {tuple(told.shape)}, knobs are {shape}")
    again = partial(made.tell, estimator, spec, probe)
    laws = [
        ("three times the losses give three times the estimate", 3.0, again(scale=3.0)),
        ("a constant added to all losses changes nothing", 1.0, again(shift=10.0)),
    ]
    if type(probe) is Probe:  # one that remembers more cannot be told in another order
        order = torch.tensor([3, 0, 4, 2, 1])
        laws.append(("the order of the examples changes nothing", 1.0, again(order=order)))
    for law, factor, other in laws:
        for i, (a, b) in enumerate(zip(other, plain, strict=True)):
            gap, size = float((a - factor * b).abs().max()), float(b.abs().max())
            if not gap <= 1e-7 * (size + 1e-3):
                raise ContractError(
                    f"layer {i}: {law}, but it does: by {gap:.3g} where estimates are about {size:.3g}"
                )


def _probe_laws(estimator: Estimator, made: MadeUp, samples: int, generator: Generator) -> None:
    def entries(n: int, generator: Generator) -> dict[str, Tensor]:
        probe = made.ask(estimator, made.spec(n), generator)
        parts = (("knobs", probe.knobs), ("nodes", probe.nodes))
        return {
            f"{k} of layer {i}": p for k, part in parts for i, p in enumerate(part or ()) if p is not None
        }

    for name, first in entries(100, generator).items():
        loudest = int(first.flatten(1).norm(dim=1).argmax())  # baselines are probed silently

        def pushes(n: int, generator: Generator, name: str = name, at: int = loudest) -> Tensor:
            return entries(n, generator)[name][at]

        def chips(n: int, generator: Generator, pushes: _Pushes = pushes) -> Tensor:
            one, other = pushes(2 * n, generator).flatten(1).unflatten(0, (n, 2)).unbind(1)
            return one * other

        def examples(n: int, generator: Generator, pushes: _Pushes = pushes) -> Tensor:
            drawn = pushes(n, generator)
            return (drawn[:, 1:] * drawn[:, :-1]).flatten(1)

        def means(n: int, generator: Generator, pushes: _Pushes = pushes) -> Tensor:
            return pushes(n, generator).flatten(1)

        laws = {"of two chips of a fleet hang together": chips, "have a mean": means}
        if name.startswith("nodes"):
            laws["of two examples hang together"] = examples
        for law, sample in laws.items():
            wanted = torch.zeros(sample(4, generator).shape[1], dtype=torch.float64)
            worst = two_stage(sample, wanted, samples // 4, generator)
            if refused(worst):
                raise ContractError(f"probes of {name} {law}: |z| = {_listed(worst)}")


def _alike(a: Probe, b: Probe) -> bool:
    pairs = [(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x or (), y or (), strict=True)]
    return all(p is None or q is None or torch.equal(p, q) for p, q in pairs)


def _listed(worst: tuple[float, ...]) -> str:
    return ", then ".join(f"{z:.1f}" for z in worst)
