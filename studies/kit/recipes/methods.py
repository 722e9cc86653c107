"""What teaches a chip in place, under the names that rows have: recipes, and one's own by reference.

What each needs of the wires says `learners.access.needed_access`; feedback is a backward model, learned
from probes or measured through spans, and its rows say so.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, NamedTuple

from analog import Chip
from learners import CrossEntropy, Feedback, Loss, Update, recipes
from learners.estimators import KnobFeedback
from learners.learner import Learner

from ..run.arguments import by_reference
from ..run.references import public_reference
from .exact_gradient import ExactGradient

MethodName = Literal[
    "node perturbation",  # plain: no backward model
    "node perturbation + feedback",  # unbiased: feedback learned from the probes is only a control variate
    "learned feedback",  # biased: most of what the probes say beside it is left out
    "learned feedback alone",  # probes teach the backward model and nothing else
    "weight perturbation",  # of all layers, from the loss alone
    "weight perturbation + delta rule",  # the read-out by its delta rule, as in all rows above
    "weight perturbation + feedback",  # and the same control variate, learned from probes at knobs; unbiased
    "measured feedback",  # a backward model read through spans; no probes
    "exact gradient",  # by x-ray, which no real hardware allows
]
Recipe = Callable[..., Learner]  # a loss and `update=` in, a learner out
AnyMethod = MethodName | Annotated[Recipe, by_reference("recipe", has="__call__")]
PROBED_NODES: Final[frozenset[MethodName]] = frozenset(  # methods whose probe size is in V
    {
        "node perturbation",
        "node perturbation + feedback",
        "learned feedback",
        "learned feedback alone",
    }
)


class Setup(NamedTuple):
    """What a method is given to teach a chip with."""

    chip: Chip  # for the exact gradient alone
    update: Update
    probes: int = recipes.PROBES
    probe_size: float = recipes.PROBE_SIZE  # V, at the summing nodes
    loss: Loss = CrossEntropy()


def method_name(method: AnyMethod) -> str:
    """What rows call a method."""
    return method if isinstance(method, str) else public_reference(method)


def make_learner(method: AnyMethod, setup: Setup) -> Learner:
    """The learner of a method; a recipe by reference is called with a loss and an update."""
    if isinstance(method, str):
        return METHODS[method](setup)
    return method(setup.loss, update=setup.update)


def _feedback(estimate_weight: float) -> Callable[[Setup], Learner]:
    feedback = Feedback(recipes.FEEDBACK.decay, estimate_weight)

    def learner(setup: Setup) -> Learner:
        return recipes.learned_feedback(
            setup.loss,
            update=setup.update,
            probes=setup.probes,
            size=setup.probe_size,
            feedback=feedback,
        )

    return learner


def _node_perturbation(setup: Setup) -> Learner:
    return recipes.node_perturbation(
        setup.loss, update=setup.update, probes=setup.probes, size=setup.probe_size
    )


def _weight_perturbation(
    delta_rule: bool, feedback: KnobFeedback | None = None
) -> Callable[[Setup], Learner]:
    def learner(setup: Setup) -> Learner:
        return recipes.weight_perturbation(
            setup.loss,
            update=setup.update,
            probes=setup.probes,
            delta_rule=delta_rule,
            control_variate=feedback,
        )

    return learner


METHODS: Final[Mapping[MethodName, Callable[[Setup], Learner]]] = {
    "node perturbation": _node_perturbation,
    "node perturbation + feedback": _feedback(1.0),
    "learned feedback": _feedback(recipes.FEEDBACK.estimate_weight),
    "learned feedback alone": _feedback(0.0),
    "weight perturbation": _weight_perturbation(delta_rule=False),
    "weight perturbation + delta rule": _weight_perturbation(delta_rule=True),
    "weight perturbation + feedback": _weight_perturbation(True, KnobFeedback(recipes.FEEDBACK.decay)),
    "measured feedback": lambda setup: recipes.measured_feedback(setup.loss, update=setup.update),
    "exact gradient": lambda setup: ExactGradient(setup.chip, setup.update, setup.loss),
}
