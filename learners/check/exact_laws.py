"""The laws of an estimator that need no sampling: what its estimate hangs on, and what not."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from analog.contract import ContractError
from analog.port import Reading
from analog.spec import Spec
from analog.tree import tree_map

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import Gradient
from .forms import at_knobs, blame, check_ask, check_tell, fail, tell
from .linear_chip import Asked, LinearChip

_ORDER = (3, 0, 4, 2, 1)
_TWICE = (0, 1, 2, 3, 4, 0, 1, 2, 3, 4)


def check_exactly(estimator: Estimator, chip: LinearChip, fleet: int | None, generator: Generator) -> None:
    """All laws that hold for any draw, on a fleet of so many chips or on a lone one.

    Raises:
        ContractError: naming the law.
    """
    spec = chip.spec(fleet)
    asked = check_ask(estimator, chip, spec, generator)
    result = chip.result(spec, asked)
    plain = check_tell(estimator, spec, result)
    laws = _Laws(estimator, chip, spec, asked, plain)
    laws.require(
        "three times the losses give three times the estimate", chip.result(spec, asked, scale=3.0), 3.0
    )
    laws.require("a constant added to all losses changes nothing", chip.result(spec, asked, shift=10.0))
    laws.check_sum(result)
    if fleet is not None:
        x = result.x.expand(*spec.fleet, *result.x.shape).clone()
        laws.require("an x for each chip, though all alike, changes nothing", result._replace(x=x))
        with blame("ask raised, given an x for each chip of a fleet"):
            estimator.ask(spec, x, chip.baseline(spec), generator)
    if fleet is not None:
        laws.check_chips_apart(result)
    if asked.memo is None:  # the order of a memo is its estimator's business
        order = chosen_examples(result, _ORDER)
        laws.require("the order of the examples changes nothing", order, order=_ORDER)
    if asked.memo is None and fleet is not None:
        laws.check_lone(result)


def check_batches(estimator: Estimator, chip: LinearChip, generator: Generator) -> None:
    """An estimator tells the same of an example in a batch of one and in one of twice the size.

    Raises:
        ContractError: it is not; an estimator with a memo is not tried.
    """
    spec = chip.spec(3)
    asked = chip.ask(estimator, spec, generator)
    if asked.memo is not None:  # which examples it remembers is its own business
        return
    result = chip.result(spec, asked)
    laws = _Laws(estimator, chip, spec, asked, tell(estimator, spec, result))
    laws.require("examples that come twice change nothing", chosen_examples(result, _TWICE), order=_TWICE)
    laws.check_single_examples(result)


class _Laws:
    """An estimate, and how it has to change when what was measured does."""

    def __init__(
        self, estimator: Estimator, chip: LinearChip, spec: Spec, asked: Asked, plain: tuple[Tensor, ...]
    ) -> None:
        self.estimator, self.chip, self.spec, self.asked, self.plain = estimator, chip, spec, asked, plain
        self.rounding = 1e-7 if chip.dtype == torch.float64 else 2e-3

    def require(
        self,
        statement: str,
        other: ProbeResult,
        factor: float = 1.0,
        *,
        plus: tuple[Tensor, ...] | None = None,
        order: tuple[int, ...] | None = None,
    ) -> None:
        """Require that what is told of another result is `factor` times what was told, `plus` something."""
        found = tell(self.estimator, self.spec, other)
        for i, (a, b) in enumerate(zip(found, self.plain, strict=True)):
            wanted = factor * b if plus is None else factor * b + plus[i]
            if order is not None and self.estimator.gradient_at == "nodes":
                wanted = wanted[..., list(order), :]
            self.require_close(a, wanted, f"layer {i}: {statement}")

    def require_close(self, found: Tensor, wanted: Tensor, statement: str) -> None:
        gap, size = float((found - wanted).abs().max()), float(wanted.abs().max())
        if not gap <= self.rounding * (size + 1e-3):
            fail(f"{statement}; here it is off by {gap:.3g} where estimates are about {size:.3g}")

    def check_sum(self, result: ProbeResult) -> None:
        """Estimates of two losses add up."""
        other = Gradient(nodes=tuple(d.flip(0, 1).square() for d in self.chip.node_gradients))
        second = result._replace(losses=self.chip.losses(self.asked, other))
        both = result._replace(
            losses=result.losses + second.losses,
            baseline_losses=result.baseline_losses + second.baseline_losses,
        )
        told = tell(self.estimator, self.spec, second)
        self.require("estimates of two losses add up to that of their sum", both, plus=told)

    def check_single_examples(self, result: ProbeResult) -> None:
        """What is told of a batch is what is told of its examples one by one, side by side or on average."""
        each = [
            tell(self.estimator, self.spec, chosen_examples(result, (k,))) for k in range(self.chip.examples)
        ]
        for i, (parts, wanted) in enumerate(zip(zip(*each, strict=True), self.plain, strict=True)):
            nodes = self.estimator.gradient_at == "nodes"
            found = torch.cat(parts, -2) if nodes else torch.stack(parts).mean(0)
            self.require_close(found, wanted, f"layer {i}: an example's part is the same in a batch of one")

    def check_chips_apart(self, result: ProbeResult) -> None:
        """Nothing that was measured of other chips enters the first chip's estimate."""

        def elsewhere(at: int) -> Callable[[Tensor], Tensor]:
            """What the first chip of the axis `at` showed, beside something else of all others."""
            return lambda t: torch.cat(
                (t.narrow(at, 0, 1), t.narrow(at, 1, t.shape[at] - 1) * -2.3 + 0.7), at
            )

        others = result._replace(
            baseline=tree_map(elsewhere(0), result.baseline),
            baseline_losses=elsewhere(0)(result.baseline_losses),
            probed=tree_map(elsewhere(1), result.probed),
            losses=elsewhere(1)(result.losses),
        )
        found = tell(self.estimator, self.spec, others)
        for i, (a, b) in enumerate(zip(found, self.plain, strict=True)):
            statement = f"layer {i}: what other chips of a fleet measured does not change a chip's estimate"
            self.require_close(a[0], b[0], statement)

    def check_lone(self, result: ProbeResult) -> None:
        """A chip's estimate is the same alone and in a fleet."""

        def pick(at: int) -> Callable[[Tensor], Tensor]:
            return lambda t: t.select(at, 1)

        alone = ProbeResult(
            result.x,
            tree_map(pick(0), result.baseline),
            pick(0)(result.baseline_losses),
            tree_map(pick(1), result.probe),
            tree_map(pick(1), result.probed),
            pick(1)(result.losses),
        )
        try:
            found = tell(self.estimator, self.chip.spec(None), alone)
        except ContractError as error:
            raise ContractError(f"{error} (on a lone chip)") from error
        for i, (a, b) in enumerate(zip(found, self.plain, strict=True)):
            wanted = b[1]
            if tuple(a.shape) != tuple(wanted.shape):
                fail(f"layer {i}: of a lone chip tell gave {tuple(a.shape)}, wanted {tuple(wanted.shape)}")
            self.require_close(a, wanted, f"layer {i}: a chip's estimate is the same alone and in a fleet")


def check_parts(estimator: Estimator, chip: LinearChip, generator: Generator) -> None:
    """A node, and the knobs that drive it, learn from the losses of the node's own part alone.

    Raises:
        ContractError: they do not, and the estimator does not refuse losses in parts.
    """
    spec = chip.spec(3)
    asked = chip.ask(estimator, spec, generator)
    result, double = (chip.result(spec, asked, scale=scale) for scale in (1.0, 2.0))
    try:
        equal_parts, other = (at_knobs(estimator, spec, _side_by_side(result, r)) for r in (result, double))
    except ValueError:  # it takes no parts, and says so
        return
    except Exception as error:
        raise ContractError(
            f"tell raised, given losses in 2 parts: {type(error).__name__}: {error}"
        ) from error
    for i, (a, b) in enumerate(zip(other, equal_parts, strict=True)):
        factors = torch.tensor([1.0, 2.0], dtype=b.dtype).repeat_interleave(b.shape[-2] // 2)
        gap, size = float((a - factors[:, None] * b).abs().max()), float(b.abs().max())
        if not gap <= 1e-7 * (size + 1e-3):
            fail(
                f"layer {i}: each half of the nodes learns from its own of 2 parts of the losses (their last "
                f"axis); here it is off by {gap:.3g} where estimates are about {size:.3g}"
            )


def _side_by_side(result: ProbeResult, other: ProbeResult) -> ProbeResult:
    """A result whose losses have two parts."""
    return result._replace(
        losses=torch.cat((result.losses, other.losses), -1),
        baseline_losses=torch.cat((result.baseline_losses, other.baseline_losses), -1),
    )


def uses_probed_taps(estimator: Estimator, chip: LinearChip, generator: Generator) -> bool:
    """Whether the estimate hangs on how taps rise under probes, as inputs read from the probed reading do."""
    if estimator.probes_at is None:  # such changes are its probes
        return False
    spec = chip.spec(2)
    asked = chip.ask(estimator, spec, generator)
    straight, bent = (tell(estimator, spec, chip.result(spec, asked, bend=bend)) for bend in (0.0, 0.5))
    return any(not torch.allclose(a, b) for a, b in zip(straight, bent, strict=True))


def chosen_examples(result: ProbeResult, order: tuple[int, ...]) -> ProbeResult:
    """The same result of some of its examples, in this order; of an estimator that has no memo."""

    def move(t: Tensor) -> Tensor:
        return t[..., list(order), :]

    nodes = result.probe.nodes
    moved = None if nodes is None else tuple(None if p is None else move(p) for p in nodes)
    baseline, probed = (Reading(tuple(map(move, r.taps))) for r in (result.baseline, result.probed))
    low, losses = move(result.baseline_losses), move(result.losses)
    return ProbeResult(move(result.x), baseline, low, result.probe._replace(nodes=moved), probed, losses)
