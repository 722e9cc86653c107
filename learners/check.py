"""Contracts for users' own parts: `check_learner(...)` and `check_estimator(MyEstimator())`."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from analog.layers import dense
from analog.port import Port, Probe, Reading, Spec
from analog.wires import OffTape, Tape, replayed, taped

from .estimators import Estimator, Evidence, correlate
from .learner import Batch, Learner, Step, fit

STAGES = ((1, 3.2905), (10, 4.8916))  # (sample factor, bound on |z|): two-sided 1e-3, then 1e-6


_Pushes = Callable[[int, Generator], Tensor]


class Unlawful(AssertionError):
    """An estimator breaks a law; the message says which, and by how much."""


def check_learner(
    learner: Learner[Any], port: Port, batches: Iterable[Batch], rng: Callable[[], Generator]
) -> None:
    """Train on the port while taping it, then play the tape back with no chip present.

    Every measurement asked for and every pulse sent must be bitwise the same.

    Args:
        batches: what to learn from; a handful is enough.
        rng: makes a fresh generator of the same seed at each call, e.g. `lambda: stream(0, "probes")`.

    Raises:
        OffTape: the learner used something that changes and did not come over its wires: true weights,
            dice that nobody handed to it, memory of an earlier run.
    """
    lessons = tuple(batches)
    if not lessons:
        raise ValueError("check_learner: no batch to learn from; give at least one")
    live, again = Tape(port.spec), Tape(port.spec)
    for step in fit(learner, taped(port, live), lessons, rng()):
        if not isinstance(step, Step):
            raise TypeError(f"check_learner: step gave {type(step).__name__} second; wanted (state, Step)")
    list(fit(learner, taped(replayed(live), again), lessons, rng()))
    if len(again.events) != len(live.events):
        raise OffTape(f"tape: {len(again.events)} events played back, the recording has {len(live.events)}")


def two_stage(
    sample: Callable[[int, Generator], Tensor], wanted: Tensor, size: int, rng: Generator
) -> tuple[float, ...]:
    """Worst |z| of sampled means against a law, at each stage that was needed.

    Stage 1 tests at 1e-3; only on failure stage 2 draws an independent ten-fold sample and tests at
    1e-6. A true law fails both with probability about 1e-9 per mean, while the normal limit is trusted
    only to moderate z.

    Args:
        sample: (n, rng) -> (n, means), independent rows.
        wanted: (means,) by the law.
    """
    worst: list[float] = []
    for factor, bound in STAGES:
        drawn = sample(size * factor, rng)
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


def check_estimator(estimator: Estimator, rng: Generator, samples: int = 4000) -> None:
    """Raise `Unlawful` unless an estimator keeps the laws of unbiased perturbation estimates.

    Tried on a made-up chip of two layers (3 -> 4 -> 2), five examples and losses that are linear in
    what the probe adds, where the exact gradient is known. Exactly: the estimate is linear in the
    losses, does not change when all losses move by a constant, nor when examples are reordered. By the
    two-stage rule: its mean is the gradient; probes have mean zero; chips of a fleet and, for probes at
    nodes, examples are probed independently. About 200 means, so a false alarm once in 5e6 calls.

    Args:
        estimator: for losses smooth enough that its probe size does not matter.
        rng: dice of the check; every call may have others.
        samples: independent estimates of the first stage.
    """
    if isinstance(estimator, type):
        raise Unlawful(
            f"got the class {estimator.__name__}, wanted an estimator: write {estimator.__name__}(...)"
        )
    made = _Made()
    _exact_laws(estimator, made, rng)
    _probe_laws(estimator, made, samples, rng)

    def estimates(n: int, rng: Generator) -> Tensor:
        spec = made.spec(n)
        probe = made.ask(estimator, spec, rng)
        return torch.cat([k.flatten(1) for k in made.tell(estimator, spec, probe)], -1)

    wanted = torch.cat([g.flatten() for g in made.gradient])
    worst = two_stage(estimates, wanted, samples, rng)
    if refused(worst):
        cut = made.gradient[0].numel()
        mean = estimates(samples, rng).mean(0)
        share = [
            float(m @ g / (g @ g))
            for m, g in zip(mean.tensor_split([cut]), wanted.tensor_split([cut]), strict=True)
        ]
        raise Unlawful(
            f"the mean of the estimate is not the gradient: along it, {share[0]:.2f} times the gradient "
            f"in layer 0 and {share[1]:.2f} times in layer 1; |z| = {_listed(worst)}"
        )


class _Made:
    """A made-up chip with a loss that is linear in what is added at its nodes and knobs."""

    layers = (dense(3, 4), dense(4, 2, linear=True))

    def __init__(self) -> None:
        grid = torch.linspace(-1, 1, 41, dtype=torch.float64)
        self.x = (3 * grid[:15]).sin().view(5, 3) + 0.5
        self.taps = ((7 * grid[:20]).cos().view(5, 4) + 0.3, (5 * grid[:10]).sin().view(5, 2))
        self.slopes = ((11 * grid[:20]).sin().view(5, 4), (9 * grid[10:20]).cos().view(5, 2))
        given = (self.x, self.taps[0])
        self.gathered = tuple(la.gather(g)[0] for la, g in zip(self.layers, given, strict=True))
        self.gradient = tuple(
            correlate(la, d, g) for la, d, g in zip(self.layers, self.slopes, given, strict=True)
        )

    def spec(self, fleet: int) -> Spec:
        return Spec(self.layers, fleet=(fleet,), dtype=torch.float64)

    def losses(self, probe: Probe) -> Tensor:  # (probes, fleet, batch)
        total: Tensor | float = 0.3
        for d, push in zip(self.slopes, probe.nodes or (None, None), strict=True):
            total = total if push is None else total + (push * d).sum(-1)
        for d, z, nudge in zip(self.slopes, self.gathered, probe.knobs or (None, None), strict=True):
            if nudge is not None:
                total = total + torch.einsum("nr,nc,...trc->...n", d, z, nudge)
        if not isinstance(total, Tensor):
            raise Unlawful("ask gave an empty probe, so nothing can be measured")
        return total

    def ask(self, estimator: Estimator, spec: Spec, rng: Generator) -> Probe:
        return estimator.ask(spec, self.x, self._quiet(spec), rng)

    def _quiet(self, spec: Spec) -> Reading:
        return Reading(tuple(t.expand(*spec.fleet, *t.shape) for t in self.taps))

    def tell(
        self,
        estimator: Estimator,
        spec: Spec,
        probe: Probe,
        scale: float = 1.0,
        shift: float = 0.0,
        order: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """The estimate, with losses scaled and shifted and examples reordered."""
        losses = scale * self.losses(probe) + shift
        quiet_loss = torch.full((*spec.fleet, 5), 0.3 * scale + shift, dtype=torch.float64)
        probed = Reading(
            tuple(
                tap if push is None else tap + push
                for tap, push in zip(
                    self._quiet(spec).taps, probe.nodes or (None,) * len(self.layers), strict=True
                )
            )
        )
        seen = Evidence(self.x, self._quiet(spec), quiet_loss, probe, probed, losses)
        return estimator.tell(spec, seen if order is None else _reordered(seen, order))


def _reordered(seen: Evidence, order: Tensor) -> Evidence:
    """The same evidence with its examples in another order."""
    nodes = seen.probe.nodes
    moved = None if nodes is None else tuple(None if p is None else p[..., order, :] for p in nodes)
    quiet, probed = (Reading(tuple(t[..., order, :] for t in r.taps)) for r in (seen.quiet, seen.probed))
    probe = seen.probe._replace(nodes=moved)
    return Evidence(seen.x[order], quiet, seen.quiet_loss[..., order], probe, probed, seen.losses[..., order])


def _exact_laws(estimator: Estimator, made: _Made, rng: Generator) -> None:
    spec = made.spec(3)
    probe = made.ask(estimator, spec, rng)
    if not isinstance(probe, Probe):
        raise Unlawful(f"ask gave {type(probe).__name__}, wanted a Probe")
    if _alike(probe, made.ask(estimator, spec, rng)):
        raise Unlawful(
            "ask gave the same probe twice from dice that rolled on; draw from the rng it is handed"
        )
    plain = made.tell(estimator, spec, probe)
    if not isinstance(plain, tuple) or len(plain) != len(spec.layers):
        raise Unlawful(f"tell gave {type(plain).__name__}, wanted a tuple of {len(spec.layers)} tensors")
    for i, (told, shape) in enumerate(zip(plain, spec.shapes, strict=True)):
        if tuple(told.shape) != shape:
            raise Unlawful(f"layer {i}: tell gave {tuple(told.shape)}, knobs are {shape}")
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
                raise Unlawful(
                    f"layer {i}: {law}, but it does: by {gap:.3g} where estimates are about {size:.3g}"
                )


def _probe_laws(estimator: Estimator, made: _Made, samples: int, rng: Generator) -> None:
    def entries(n: int, rng: Generator) -> dict[str, Tensor]:
        probe = made.ask(estimator, made.spec(n), rng)
        parts = (("knobs", probe.knobs), ("nodes", probe.nodes))
        return {
            f"{k} of layer {i}": p for k, part in parts for i, p in enumerate(part or ()) if p is not None
        }

    for name, first in entries(100, rng).items():
        loudest = int(first.flatten(1).norm(dim=1).argmax())  # baselines are probed silently

        def pushes(n: int, rng: Generator, name: str = name, at: int = loudest) -> Tensor:
            return entries(n, rng)[name][at]

        def chips(n: int, rng: Generator, pushes: _Pushes = pushes) -> Tensor:
            one, other = pushes(2 * n, rng).flatten(1).unflatten(0, (n, 2)).unbind(1)
            return one * other

        def examples(n: int, rng: Generator, pushes: _Pushes = pushes) -> Tensor:
            drawn = pushes(n, rng)
            return (drawn[:, 1:] * drawn[:, :-1]).flatten(1)

        def means(n: int, rng: Generator, pushes: _Pushes = pushes) -> Tensor:
            return pushes(n, rng).flatten(1)

        laws = {"of two chips of a fleet hang together": chips, "have a mean": means}
        if name.startswith("nodes"):
            laws["of two examples hang together"] = examples
        for law, sample in laws.items():
            wanted = torch.zeros(sample(4, rng).shape[1], dtype=torch.float64)
            worst = two_stage(sample, wanted, samples // 4, rng)
            if refused(worst):
                raise Unlawful(f"probes of {name} {law}: |z| = {_listed(worst)}")


def _alike(a: Probe, b: Probe) -> bool:
    pairs = [(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x or (), y or (), strict=True)]
    return all(p is None or q is None or torch.equal(p, q) for p, q in pairs)


def _listed(worst: tuple[float, ...]) -> str:
    return ", then ".join(f"{z:.1f}" for z in worst)
