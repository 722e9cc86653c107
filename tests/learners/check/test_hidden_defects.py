"""Defects of estimators that hide well, each caught and named by the law that it breaks."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import pytest
import torch
from torch import Generator, Tensor

from analog import ContractError, Probe, Reading, Spec, stream
from analog.contract import reseed_global_generators
from analog.tree import tree_map
from learners import (
    Estimator,
    Gradient,
    NodePerturbation,
    WeightPerturbation,
    antithetic,
    check_estimator,
    gaussian,
    rademacher,
)
from learners.check.estimator import _check_elsewhere
from learners.estimators import ProbeDistribution, coordinates, haar, knob_gradients, sphere
from learners.estimators.base import ProbeResult
from learners.estimators.distributions import Independent
from tests.sampled import sampled

NODES, WEIGHTS = NodePerturbation(0.3, probes=2), WeightPerturbation(0.3, probes=2)


@dataclass(frozen=True)
class Defective:
    """An estimator with another `tell` or another `ask`."""

    inner: Any
    change_ask: Callable[..., tuple[Probe, Any]] | None = None
    change_tell: Callable[..., Gradient] | None = None
    told_at: Any = None

    @property
    def gradient_at(self) -> Any:
        return self.told_at or self.inner.gradient_at

    @property
    def probes_at(self) -> Any:
        return self.inner.probes_at

    def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, Any]:
        probe, memo = self.inner.ask(spec, x, baseline, generator)
        return (probe, memo) if self.change_ask is None else self.change_ask(probe, memo, generator)

    def tell(self, spec: Spec, result: ProbeResult) -> Gradient:
        found = self.inner.tell(spec, result)
        return found if self.change_tell is None else self.change_tell(found, spec, result)


def scaled(factor: float, inner: Estimator, layer: int | None = None) -> Defective:
    def change(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
        def entries(tensors: Any) -> Any:
            pairs = enumerate(tensors or ())
            return (
                None if tensors is None else tuple(t * factor if layer in (None, i) else t for i, t in pairs)
            )

        return Gradient(entries(found.knobs), entries(found.nodes))

    return Defective(inner, change_tell=change)


def asked(change: Callable[[Tensor], Tensor], inner: Any) -> Defective:
    return Defective(inner, change_ask=lambda probe, memo, generator: (tree_map(change, probe), memo))


def told(change: Callable[[Tensor], Tensor], inner: Any) -> Defective:
    return Defective(inner, change_tell=lambda found, spec, result: tree_map(change, found))


def shares(
    axis: int, pairs: list[tuple[int, int]], change: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Units along an axis take over what others were probed with, changed."""

    def share(p: Tensor) -> Tensor:
        p = p.clone()
        for one, other in pairs:
            if p.ndim > -axis and p.shape[axis] > max(one, other):
                p.select(axis, other).copy_(change(p.select(axis, one)))
        return p

    return share


def same(t: Tensor) -> Tensor:
    return t


def fleet_of(t: Tensor, change: Callable[[Tensor], Tensor], axes: int) -> Tensor:
    """Change what is told of a fleet, and leave a lone chip alone."""
    return change(t) if t.ndim > axes else t


def lop_sided(probe: Probe, memo: Any, generator: Generator) -> tuple[Probe, Any]:
    """The second of a pair is a tenth shorter."""
    return tree_map(lambda p: torch.stack((p[::2], -0.9 * p[::2]), 1).flatten(0, 1), probe), memo


def cut_normal(limit: float, clamp: bool) -> Independent:
    def draw(shape: tuple[int, ...], spec: Spec, generator: Generator) -> Tensor:
        v = torch.randn(shape, generator=generator, dtype=spec.dtype)
        return v.clamp(-limit, limit) if clamp else torch.where(v.abs() > limit, torch.zeros_like(v), v)

    return Independent("cut", draw, (3.0,))


@dataclass(frozen=True)
class OneDirection(ProbeDistribution):
    """Says that its directions are independent, and sends one of them again and again."""

    @property
    def directions_independent(self) -> bool:
        return True

    def draw(
        self, count: int, lead: Any, bodies: Any, spec: Spec, generator: Generator
    ) -> tuple[Tensor, ...]:
        once = rademacher.draw(1, lead, bodies, spec, generator)
        return tuple(v.expand(count, *v.shape[1:]).clone() for v in once)


@dataclass(frozen=True)
class Replaced(ProbeDistribution):
    """Coordinates of a lottery whose length is that of the lottery less one."""

    def draw(
        self, count: int, lead: Any, bodies: Any, spec: Spec, generator: Generator
    ) -> tuple[Tensor, ...]:
        drawn = coordinates.draw(count, lead, bodies, spec, generator)
        size = sum(v[0].flatten(len(lead)).shape[-1] if lead else v[0].numel() for v in drawn)
        return tuple(v * ((size - 1) / size) ** 0.5 for v in drawn)


def inputs_of_the_probed_reading(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
    inputs = (result.x, *(tap.mean(0) for tap in result.probed.taps[:-1]))
    return Gradient(knobs=knob_gradients(spec, found, inputs))


def outer_product_by_hand(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
    def layer(d: Tensor, x: Tensor) -> Tensor:
        biased = torch.cat((x, torch.ones_like(x[..., :1])), -1)
        return (d.mT @ biased / d.shape[-2]).unsqueeze(-3)

    assert found.nodes is not None
    return Gradient(
        knobs=tuple(layer(d, x) for d, x in zip(found.nodes, result.inputs, strict=True) if d is not None)
    )


def drawn_elsewhere(draw: Callable[[], float]) -> Callable[..., tuple[Probe, Any]]:
    return lambda probe, memo, generator: (tree_map(lambda p: p * (1 if draw() < 0.5 else -1), probe), memo)


def seeds_itself() -> float:
    torch.manual_seed(0)
    return float(torch.rand(()))


def in_a_fork() -> float:
    with torch.random.fork_rng():
        return float(torch.rand(()))


def float64_only(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
    return tree_map(lambda t: t @ torch.eye(t.shape[-1], dtype=torch.float64), found)


def by_number(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
    """Takes the second axis of the losses for the fleet's."""
    return tree_map(lambda t: t * torch.ones(spec.fleet[0], *(1,) * (t.ndim - 1), dtype=t.dtype), found)


def cross_talk(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
    assert found.knobs is not None and found.knobs[0] is not None and found.knobs[1] is not None
    return Gradient(knobs=(found.knobs[0], found.knobs[1] + 0.2 * found.knobs[0][..., :1, :1]))


MIXED = "what other chips of a fleet measured does not change"
MEAN = "the mean of the estimate is not the gradient"
HIDDEN: dict[str, tuple[Any, str]] = {
    "mean over the fleet, nodes": (
        told(lambda t: fleet_of(t, lambda f: f.mean(0, keepdim=True).expand(f.shape), 2), NODES),
        MIXED,
    ),
    "mean over the fleet, knobs": (
        told(lambda t: fleet_of(t, lambda f: f.mean(0, keepdim=True).expand(f.shape), 3), WEIGHTS),
        MIXED,
    ),
    "a tenth of the next chip": (
        told(lambda t: fleet_of(t, lambda f: 0.9 * f + 0.1 * f.roll(1, 0), 3), WEIGHTS),
        MIXED,
    ),
    "chips 0 and 2 share": (
        asked(shares(-3, [(0, 2)], same), NODES),
        "two chips of a fleet hang together: 0 and 2",
    ),
    "chips 0 and 2 share knobs": (
        asked(shares(-4, [(0, 2)], same), WEIGHTS),
        "two chips of a fleet hang together: 0 and 2",
    ),
    "chips 3 and 7 share with flipped signs": (
        asked(shares(-3, [(3, 7)], torch.neg), NODES),
        "two chips of a fleet hang together: 3 and 7",
    ),
    "chips 1 and 2 share moved coordinates": (
        asked(shares(-3, [(1, 2)], lambda t: t.roll(1, -1)), NODES),
        "two chips of a fleet hang together: 1 and 2",
    ),
    "chips share weakly": (
        asked(lambda p: (p + 0.3 * p.roll(1, -3)) / 1.09**0.5 if p.ndim > 3 else p, NODES),
        "two chips of a fleet hang together",
    ),
    "examples 0 and 2 share": (
        asked(shares(-2, [(0, 2)], same), NODES),
        "two examples hang together: 0 and 2",
    ),
    "every other example": (
        asked(shares(-2, [(0, 2), (1, 3)], same), NODES),
        "two examples hang together: 0 and 2",
    ),
    "examples with moved coordinates": (
        asked(shares(-2, [(1, 4)], lambda t: t.roll(1, -1)), NODES),
        "two examples hang together: 1 and 4",
    ),
    "one direction for all probes": (
        NodePerturbation(0.3, 4, distribution=OneDirection()),
        "two directions hang together",
    ),
    "a lop-sided pair": (
        Defective(NodePerturbation(0.3, 2, scheme=antithetic), lop_sided),
        f"{MEAN}: .* 0.95 times",
    ),
    "coordinates, (D - 1) / D, nodes": (
        NodePerturbation(0.3, distribution=Replaced()),
        f"{MEAN}: .* 0.8333 times",
    ),
    "coordinates, (D - 1) / D, knobs": (
        WeightPerturbation(0.3, distribution=Replaced()),
        f"{MEAN}: .* 0.9615 times",
    ),
    "a Gaussian cut at 3 sd": (WeightPerturbation(0.3, distribution=cut_normal(3.0, False)), MEAN),
    "a Gaussian clamped at 2 sd": (WeightPerturbation(0.3, distribution=cut_normal(2.0, True)), MEAN),
    "signs, +0.1 %": (scaled(1.001, NODES), f"{MEAN}: .* 1.001 times"),
    "sphere, +0.1 %": (
        scaled(1.001, WeightPerturbation(0.3, distribution=sphere)),
        f"{MEAN}: .* 1.001 times",
    ),
    "haar, +0.1 %": (scaled(1.001, WeightPerturbation(0.3, 5, distribution=haar)), f"{MEAN}: .* 1.001 times"),
    "one layer of signs, -1 %": (
        scaled(0.99, NODES, layer=1),
        r"1 times in layer 0 and 0.99 times in layer 1",
    ),
    "inputs of the probed reading": (
        Defective(NODES, change_tell=inputs_of_the_probed_reading, told_at="knobs"),
        "where taps rise under a probe.*inputs taken from the probed reading",
    ),
    "outer product by hand": (
        Defective(NODES, change_tell=outer_product_by_hand, told_at="knobs"),
        "does not fit the chip|the gradient is .*on a lone chip with a convolution|tell raised.*convolution",
    ),
    "float64 alone": (Defective(NODES, change_tell=float64_only), "tell raised.*in float32"),
    "fleet axis by number": (
        Defective(NODES, change_tell=by_number),
        "tell raised: IndexError.*on a lone chip",
    ),
    "torch's generator": (
        Defective(NODES, drawn_elsewhere(lambda: float(torch.rand(())))),
        "the global torch generator",
    ),
    "seeds torch's itself": (Defective(NODES, drawn_elsewhere(seeds_itself)), "the global torch generator"),
    "torch's, put back": (
        Defective(NODES, drawn_elsewhere(in_a_fork)),
        "two probes from one state of its generator",
    ),
    "numpy's generator": (Defective(NODES, drawn_elsewhere(numpy.random.rand)), "the global numpy generator"),
    "Python's generator": (Defective(NODES, drawn_elsewhere(random.random)), "the global Python generator"),
    "numpy's, fresh": (
        Defective(NODES, lambda p, m, g: (tree_map(lambda t: t * numpy.random.default_rng().normal(), p), m)),
        "two probes from one state of its generator",
    ),
    "float16 estimates": (
        told(lambda t: t.half().to(t.dtype), NODES),
        "give three times the estimate|is off by|same alone",
    ),
    "half precision for good": (
        told(lambda t: t.half(), NODES),
        "the gradient is torch.float16|does not fit",
    ),
    "NaN": (told(lambda t: t / 0 * 0, NODES), "is not finite"),
    "a cross-talk of layers": (
        Defective(WeightPerturbation(0.3, 2), change_tell=cross_talk),
        "where the loss depends on coordinate .* alone",
    ),
    "alters the losses": (
        Defective(NODES, change_tell=lambda found, spec, result: (result.losses.add_(1), found)[1]),
        "tell altered what it was given",
    ),
}


def in_the_middle(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
    top = len(spec.layers) - 1
    return Gradient(
        nodes=tuple(t if t is None or i in (0, top) else 2 * t for i, t in enumerate(found.nodes or ()))
    )


def by_seeds(count: int) -> Any:
    @dataclass(frozen=True)
    class FewSeeds(NodePerturbation):
        """Starts a generator of its own from one of a few seeds."""

        def ask(self, spec: Spec, x: Tensor, baseline: Reading, generator: Generator) -> tuple[Probe, None]:
            seed = int(torch.randint(count, (), generator=generator))
            return super().ask(spec, x, baseline, stream(seed, "few"))

    return FewSeeds(0.3, 2)


def copied_from(axis: int, by: int) -> Callable[[Tensor], Tensor]:
    """Every unit along an axis is probed as the one that many before it."""
    return lambda p: p.index_select(axis, torch.arange(p.shape[axis]) % by) if p.ndim > -axis else p


def gradients_off(probe: Probe, memo: Any, generator: Generator) -> tuple[Probe, Any]:
    torch.set_grad_enabled(False)
    return probe, memo


def float64_by_default(probe: Probe, memo: Any, generator: Generator) -> tuple[Probe, Any]:
    torch.set_default_dtype(torch.float64)
    return probe, memo


SCOPE: dict[str, tuple[Any, str]] = {  # right where a narrower check would look
    "layers between": (Defective(NODES, change_tell=in_the_middle), f"{MEAN}: .* 2 times in layer 1 .*four"),
    "batches of five": (
        Defective(NODES, change_tell=lambda f, s, r: tree_map(lambda t: t * 5 / r.x.shape[-2], f)),
        "examples that come twice change nothing",
    ),
    "batches above one": (
        Defective(WEIGHTS, change_tell=lambda f, s, r: tree_map(lambda t: t * (1 + (r.x.shape[-2] < 2)), f)),
        "the same in a batch of one",
    ),
    "an x for all chips": (
        Defective(NODES, change_tell=lambda f, s, r: tree_map(lambda t: t * (r.x.ndim - 1), f)),
        "an x for each chip, though all alike, changes nothing",
    ),
    "256 seeds": (by_seeds(256), "of 300 steps had the probes of another"),
    "2000 seeds": (by_seeds(2000), "of 300 steps had the probes of another"),
    "chips 1200 apart": (asked(copied_from(-3, 1200), NODES), "two chips .* 0 and 1200 of 2400 are alike"),
    "chips 700 apart, of knobs": (asked(copied_from(-4, 700), WEIGHTS), "two chips of a fleet hang together"),
    "examples 8 apart": (asked(copied_from(-2, 8), NODES), "two examples hang together: 0 and 8"),
    "examples 40 apart": (asked(copied_from(-2, 40), NODES), "two examples hang together: 0 and 40"),
    "gradients off": (Defective(NODES, gradients_off), "ask: torch's gradient mode was left changed"),
    "float64 for good": (Defective(NODES, float64_by_default), "ask: torch's default dtype was left changed"),
}


@pytest.mark.parametrize(
    ("examples", "precision", "says"),
    [
        (1, torch.float64, "2 times the gradient .* chips with a convolution, one example"),
        (2, torch.float32, "2 times the gradient .* four layers in float32, two examples"),
    ],
)
def test_the_mean_is_looked_at_in_batches_of_one_and_of_two(
    examples: int, precision: torch.dtype, says: str
) -> None:
    def twice(found: Gradient, spec: Spec, result: ProbeResult) -> Gradient:
        there = result.x.shape[-2] == examples and spec.dtype == precision
        return tree_map(lambda t: t * (1 + there), found)

    _check_elsewhere(NODES, 0.05, stream(0, "elsewhere"))
    with pytest.raises(ContractError, match=says):
        _check_elsewhere(Defective(NODES, change_tell=twice), 0.05, stream(0, "elsewhere"))


@pytest.mark.parametrize("name", sampled(SCOPE, 3))
def test_what_is_wrong_at_other_sizes_is_named_too(name: str) -> None:
    estimator, says = SCOPE[name]
    with pytest.raises(ContractError, match=says):
        check_estimator(estimator, stream(0, "scope", name))
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name", sampled(HIDDEN, 4))
def test_a_hidden_defect_is_named(name: str) -> None:
    estimator, says = HIDDEN[name]
    with pytest.raises(ContractError, match=says):
        check_estimator(estimator, stream(0, "hidden", name))


def test_the_global_generators_are_left_as_they_were() -> None:
    with reseed_global_generators(3):
        before = (torch.rand(()), numpy.random.rand(), random.random())
    with reseed_global_generators(3):
        for estimator in (NODES, HIDDEN["seeds torch's itself"][0]):
            with contextlib.suppress(ContractError):
                check_estimator(estimator, stream(0))
        assert (torch.rand(()), numpy.random.rand(), random.random()) == before


@pytest.mark.parametrize(
    ("estimator", "factor"),
    sampled(
        [
            (scaled(1.01, NodePerturbation(0.3, 1, gaussian)), 1.01),
            (scaled(0.99, WeightPerturbation(0.3, 2, gaussian, antithetic)), 0.99),
            (scaled(1.01, WeightPerturbation(0.3, 20, gaussian)), 1.01),
        ],
        3,
    ),
    ids=sampled(["nodes, 1 probe, +1 %", "weights, 2 pairs, -1 %", "weights, 20 probes, +1 %"], 3),
)
def test_an_error_of_scale_of_one_percent_is_found(estimator: Any, factor: float) -> None:
    """Gaussian probes; missed with probability .001 by design, as `python -m tests.power` shows."""
    with pytest.raises(ContractError, match=MEAN) as caught:
        check_estimator(estimator, stream(0, "power"))
    said = float(str(caught.value).split("along it, it is ")[1].split(" times")[0])
    assert abs(said - factor) < 0.01


def test_what_a_call_would_have_found_is_told() -> None:
    """To rounding for probes of fixed length, as much as is asked for Gaussian ones."""
    for sound in (NODES, WEIGHTS):
        assert check_estimator(sound, stream(0, "told")).whole == 1e-5
    once = check_estimator(NodePerturbation(0.3, 1, gaussian), stream(0, "told"), tolerance=0.03)
    assert once.whole <= 0.03 and all(layer > once.whole for layer in once.layers)
    for tolerance in (0.0, 1.0):
        with pytest.raises(ValueError, match="tolerance is"):
            check_estimator(NODES, stream(0), tolerance=tolerance)
