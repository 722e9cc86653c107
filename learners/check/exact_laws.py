"""The laws of an estimator that need no sampling: what its estimate hangs on, and what not."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Generator, Tensor

from analog.contract import ContractError
from analog.port import Reading
from analog.spec import Spec
from analog.tree import tree_map

from ..estimators.base import Estimator, ProbeResult
from ..estimators.gradient import Gradient
from .comparison import others_changed, require_close
from .forms import at_knobs, blame, check_ask, check_tell, tell
from .linear_chip import EXAMPLES, Asked, LinearChip

_ORDER = (3, 0, 4, 2, 1)
_TWICE = 2 * tuple(range(EXAMPLES))
_ROUNDING = {torch.float64: 1e-7, torch.float32: 2e-3}


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
        "three times the losses give three times the estimate",
        chip.result(spec, asked, scale=3.0),
        tuple(3 * p for p in plain),
    )
    laws.require(
        "a constant added to all losses changes nothing", chip.result(spec, asked, shift=10.0), plain
    )
    laws.check_sum(result)
    if fleet is not None:
        x = result.x.expand(*spec.fleet, *result.x.shape).clone()
        laws.require("an x for each chip, though all alike, changes nothing", result._replace(x=x), plain)
        with blame("ask raised, given an x for each chip of a fleet"):
            estimator.ask(spec, x, chip.baseline(spec), generator)
    if fleet is not None:
        laws.check_chips_apart(result)
    if asked.memo is None:  # the order of a memo is its estimator's business
        laws.require_of_examples("the order of the examples changes nothing", result, _ORDER)
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
    laws.require_of_examples("examples that come twice change nothing", result, _TWICE)
    laws.check_single_examples(result)


class _Laws:
    """An estimate, and how it has to change when what was measured does."""

    def __init__(
        self, estimator: Estimator, chip: LinearChip, spec: Spec, asked: Asked, plain: tuple[Tensor, ...]
    ) -> None:
        self.estimator, self.chip, self.spec, self.asked, self.plain = estimator, chip, spec, asked, plain
        self.rounding = _ROUNDING[chip.dtype]

    def require(self, statement: str, other: ProbeResult, wanted: tuple[Tensor, ...]) -> None:
        """Require that what is told of another result is what is wanted."""
        self.require_alike(statement, tell(self.estimator, self.spec, other), wanted)

    def require_alike(self, statement: str, found: Iterable[Tensor], wanted: Iterable[Tensor]) -> None:
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            require_close(a, b, self.rounding, f"layer {i}: {statement}")

    def require_of_examples(self, statement: str, result: ProbeResult, order: tuple[int, ...]) -> None:
        """Require of some examples, in this order, what was told of them all."""
        wanted = self.plain
        if self.estimator.gradient_at == "nodes":
            wanted = tuple(p[..., list(order), :] for p in wanted)
        self.require(statement, chosen_examples(result, order), wanted)

    def check_sum(self, result: ProbeResult) -> None:
        """Estimates of two losses add up."""
        other = Gradient(nodes=tuple(d.flip(0, 1) for d in self.chip.node_gradients))
        second = result._replace(losses=self.chip.losses(self.asked, other))
        both = result._replace(
            losses=result.losses + second.losses,
            baseline_losses=result.baseline_losses + second.baseline_losses,
        )
        told = tell(self.estimator, self.spec, second)
        wanted = tuple(p + t for p, t in zip(self.plain, told, strict=True))
        self.require("estimates of two losses add up to that of their sum", both, wanted)

    def check_single_examples(self, result: ProbeResult) -> None:
        """What is told of a batch is what is told of its examples one by one, side by side or on average."""
        each = [
            tell(self.estimator, self.spec, chosen_examples(result, (k,))) for k in range(self.chip.examples)
        ]
        nodes = self.estimator.gradient_at == "nodes"
        found = (
            torch.cat(parts, -2) if nodes else torch.stack(parts).mean(0) for parts in zip(*each, strict=True)
        )
        self.require_alike("an example's part is the same in a batch of one", found, self.plain)

    def check_chips_apart(self, result: ProbeResult) -> None:
        """Nothing that was measured of other chips enters the first chip's estimate."""

        chip = 0

        def elsewhere(at: int) -> Callable[[Tensor], Tensor]:
            """What one chip of the axis `at` showed, beside something else of all others."""
            return partial(others_changed, kept=chip, axis=at)

        others = result._replace(
            baseline=tree_map(elsewhere(0), result.baseline),
            baseline_losses=elsewhere(0)(result.baseline_losses),
            probed=tree_map(elsewhere(1), result.probed),
            losses=elsewhere(1)(result.losses),
        )
        found = tell(self.estimator, self.spec, others)
        statement = "what other chips of a fleet measured does not change a chip's estimate"
        self.require_alike(statement, (f[chip] for f in found), (p[chip] for p in self.plain))

    def check_lone(self, result: ProbeResult) -> None:
        """A chip's estimate is the same alone and in a fleet."""

        chip = 1

        def pick(at: int) -> Callable[[Tensor], Tensor]:
            return lambda t: t.select(at, chip)

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
        statement = "a chip's estimate is the same alone and in a fleet"
        self.require_alike(statement, found, (p[chip] for p in self.plain))


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
        *_, rows, _ = b.shape
        factors = torch.tensor([1.0, 2.0], dtype=b.dtype).repeat_interleave(rows // 2)
        law = "each half of the nodes learns from its own of 2 parts of the losses (their last axis)"
        require_close(a, factors[:, None] * b, 1e-7, f"layer {i}: {law}")


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
