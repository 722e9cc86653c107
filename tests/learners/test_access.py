"""A learner says what it needs to see of a chip: with that it learns, with less it is refused."""

from typing import Any

import pytest
import torch

from analog import Chip, Ledger, Mismatched, dense, metered, stream
from analog.access import LEVELS
from analog.wires import Access, NoAccess, append_target, withheld
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    MeasuredLoss,
    NodePerturbation,
    WeightPerturbation,
    alternatives,
    fit,
    recipes,
    sgd,
    train,
)
from learners.access import needed_access
from learners.alternatives import (
    PEPITA,
    DirectFeedbackAlignment,
    EvolutionStrategy,
    FeedbackAlignment,
)
from learners.data import Dataset
from learners.estimators import ActiveNodePerturbation, Flipout, KnobFeedback, RunningMean
from learners.local import Block, Greedy, LocoProp, PerturbedNodeGradients, TargetPropagation
from learners.wiring import Decorrelated
from tests.learners.alternatives.toy_optimizer import BetterHalf

DEEP = (dense(4, 5), dense(5, 5), dense(5, 3, linear=True))
FLAT = (dense(4, 3, linear=True),)
X = torch.rand(6, 4, generator=stream(0, "access"))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
NODES, LOSS, UPDATE = NodePerturbation(0.1, 2), CrossEntropy(), sgd(0.1)

LOSSES, OUTPUTS, TAPS, SPANS = (Access(level, node_probes=False) for level in LEVELS)
PROBED, PROBED_TAPS, PROBED_SPANS = (Access(level, node_probes=True) for level in LEVELS[1:])
BLOCKS = (
    Block(1, Descent(NODES, UPDATE, LOSS), dense(5, 3, linear=True)),
    Block(2, Descent(NODES, UPDATE, LOSS)),
)
PLAIN_WEIGHTS = Descent(WeightPerturbation(0.01), UPDATE, LOSS, delta_rule=False)

CASES: list[
    tuple[str, Any, Access, Access | None]
] = [  # learner; what it needs of the deep chip, the flat one
    ("weights, loss", recipes.weight_perturbation(MeasuredLoss(), update=UPDATE), LOSSES, LOSSES),
    ("weights", recipes.weight_perturbation(LOSS, update=UPDATE), OUTPUTS, OUTPUTS),
    ("weights, delta", recipes.weight_perturbation(LOSS, delta_rule=True, update=UPDATE), TAPS, OUTPUTS),
    (
        "weights, mean",
        Descent(WeightPerturbation(0.01), UPDATE, LOSS, control_variate=RunningMean()),
        TAPS,
        OUTPUTS,
    ),
    (
        "weights, feedback",
        Descent(WeightPerturbation(0.01), UPDATE, LOSS, delta_rule=False, control_variate=KnobFeedback()),
        TAPS,
        OUTPUTS,
    ),
    ("nodes", recipes.node_perturbation(LOSS, update=UPDATE), PROBED_TAPS, OUTPUTS),
    ("nodes, no delta", Descent(NODES, UPDATE, LOSS, delta_rule=False), PROBED_TAPS, PROBED),
    ("nodes in turn", Descent(NODES, UPDATE, LOSS, in_turn=True), PROBED_SPANS, OUTPUTS),
    ("learned feedback", recipes.learned_feedback(LOSS, update=UPDATE), PROBED_TAPS, OUTPUTS),
    ("measured feedback", recipes.measured_feedback(LOSS, update=UPDATE), SPANS, OUTPUTS),
    ("active nodes", Descent(ActiveNodePerturbation(), UPDATE, LOSS), TAPS, OUTPUTS),
    ("flipout", Descent(Flipout(0.01), UPDATE, LOSS, delta_rule=False), PROBED_TAPS, PROBED),
    ("loco", LocoProp(PerturbedNodeGradients(NODES), UPDATE, LOSS, gamma=0.1), PROBED_SPANS, OUTPUTS),
    ("targets", TargetPropagation(UPDATE, UPDATE, LOSS, 0.1), SPANS, OUTPUTS),
    ("decorrelated", Decorrelated(PLAIN_WEIGHTS, 1e-3), SPANS, OUTPUTS),
    ("greedy", Greedy(BLOCKS), PROBED_SPANS, None),
    ("SPSA, loss", alternatives.spsa(MeasuredLoss(), update=UPDATE), LOSSES, LOSSES),
    ("differences", alternatives.finite_differences(LOSS, probes=2, update=UPDATE), OUTPUTS, OUTPUTS),
    ("feedback alignment", FeedbackAlignment(UPDATE, LOSS), TAPS, OUTPUTS),
    ("direct feedback alignment", DirectFeedbackAlignment(UPDATE, LOSS), TAPS, OUTPUTS),
    ("PEPITA", PEPITA(UPDATE, LOSS), TAPS, OUTPUTS),
    ("OpenAI-ES, loss", alternatives.openai_es(MeasuredLoss(), update=UPDATE), LOSSES, LOSSES),
    ("evolution strategy", EvolutionStrategy(BetterHalf, LOSS), OUTPUTS, OUTPUTS),
    ("evolution strategy, loss", EvolutionStrategy(BetterHalf, MeasuredLoss()), LOSSES, LOSSES),
]
EXAMPLES = [
    pytest.param(layers, learner, need, id=f"{name}, {len(layers)}")
    for name, learner, *needs in CASES
    for layers, need in zip((DEEP, FLAT), needs, strict=True)
    if need is not None
]
EACH = pytest.mark.parametrize(("layers", "learner", "need"), EXAMPLES)


def wires(layers: Any, access: Access) -> tuple[Any, Batch, Ledger]:
    """Wires with so much access to a fresh chip, a batch for them, and what the chip was put through."""
    bare = Chip(Mismatched(), layers, 3).port()
    ledger = Ledger(bare.spec)
    if access.level == "loss":
        return withheld(metered(bare, ledger), access, LOSS), Batch(append_target(X, LABELS)), ledger
    return withheld(metered(bare, ledger), access), Batch(X, LABELS), ledger


def weaker(access: Access) -> list[Access]:
    """The accesses that give just less."""
    level = LEVELS.index(access.level)
    less = [Access(LEVELS[level - 1], access.node_probes)] if level else []
    return less + [Access(access.level, False)] * access.node_probes


@EACH
def test_a_learner_learns_with_no_more_than_it_needs(layers: Any, learner: Any, need: Access) -> None:
    port, batch, ledger = wires(layers, need)
    assert needed_access(learner, port.spec) == need
    list(fit(learner, port, [batch] * 2, stream(0, "probes")))
    assert max(ledger.reads) > 0


@EACH
def test_a_learner_that_needs_more_is_refused_before_any_read(
    layers: Any, learner: Any, need: Access
) -> None:
    for access in weaker(need):
        port, batch, ledger = wires(layers, access)
        data = Dataset("some", batch, batch, 3, "")
        for teach in (
            lambda p=port, b=batch: list(fit(learner, p, [b], stream(0, "probes"))),
            lambda p=port, d=data: train(p, learner, d, epochs=1, seed=0, batch_size=6),
        ):
            with pytest.raises(NoAccess, match=rf"needs {need}, these wires give {access}$"):
                teach()
        assert max(ledger.reads) == 0


@EACH
def test_a_learner_could_not_do_with_less_than_it_says(layers: Any, learner: Any, need: Access) -> None:
    """Stepped past the check, through wires that give just less, it cannot finish a step."""
    for access in weaker(need):
        port, batch, _ = wires(layers, access)
        with pytest.raises((NoAccess, ValueError, IndexError, RuntimeError)):
            learner.step(port, batch, learner.init(port.spec), stream(0, "probes"))


def test_a_recipe_says_what_it_needs_before_it_knows_its_steps() -> None:
    port = Chip(Mismatched(), DEEP, 3).port()
    assert needed_access(recipes.measured_feedback(LOSS), port.spec) == Access("spans", False)


def test_of_a_learner_that_does_not_say_the_wires_decide() -> None:
    class Silent:
        def init(self, spec: Any) -> None:
            return None

        def step(self, port: Any, batch: Any, state: Any, generator: Any) -> Any:
            port.measure(batch.x[:, :5].new_zeros(2, 5), first=1)

    with pytest.raises(NoAccess, match="alone were asked for"):
        list(fit(Silent(), wires(DEEP, Access("taps"))[0], [Batch(X, LABELS)], stream(0)))  # type: ignore[arg-type]
