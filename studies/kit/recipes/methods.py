"""What teaches a chip in place, under the names that rows have: recipes, others', and learners of one's own.

One's own is named by reference, as in `mine:MyLearner(size=0.1)`. What is named is called with its arguments
and then with the loss of the task, and gives a learner; if the loss is its first argument, with both at once;
and what has `init` and `step` then is a learner as it is. One that takes `update=`, and was not given it or a
learning rate, gets the study's, so that it descends as ours do.

What each says it needs of the wires is in its rows (`learners.access.stated_access`); of one of your own
that has no `needs` they say that it is not stated. Feedback is a backward model, learned from probes or
measured through spans, and its rows say so.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from analog import Chip
from learners import CrossEntropy, Feedback, Loss, Update, alternatives, recipes
from learners.estimators import KnobFeedback
from learners.learner import Learner, for_steps

from ..run.arguments import by_name
from ..run.references import BadReference, public_reference, resolve
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
AlternativeName = Literal[  # of the literature; see `learners.alternatives`
    "SPSA",  # pairs of signs at all knobs, from the loss alone
    "finite differences",  # as many knobs a step as there are probes, there and back, from the loss alone
    "feedback alignment",  # fixed random matrices from layer to layer; no probes
    "direct feedback alignment",  # fixed random matrices from the outputs to each layer; no probes
    "PEPITA",  # a second pass with the error added to the input; no probes
    "OpenAI-ES",  # Gaussian pairs at all knobs, by the ranks of their losses
    "separable CMA-ES",  # candidates at all knobs, by the ranks of their losses; wants the library cmaes
]
OWN_STEPS: Final[frozenset[AlternativeName]] = frozenset({"separable CMA-ES"})  # take no update
HOMES: Final = ("learners.recipes", "learners", "learners.alternatives")
Recipe = Callable[..., Learner]  # a loss in, a learner out


def read_learner(reference: str) -> Any:
    """Import what a reference names: a learner, or what gives one when it is called with a loss.

    Raises:
        BadReference: in one line, what was wrong.
    """
    part = resolve(reference, takes=1)
    if not (_is_learner(part) or callable(part)):
        raise BadReference(f"{reference}: is no learner, and cannot be called with a loss to give one")
    return part


def learner_by_name(names: Sequence[str]) -> Any:
    """How the command line reads a learner: one of these names, or one's own by reference."""
    return by_name("learner", names, read_learner, HOMES)


NAMES: Final[tuple[str, ...]] = (*get_args(MethodName), *get_args(AlternativeName))
AnyLearner = Annotated[MethodName | AlternativeName | Recipe | Learner, learner_by_name(NAMES)]
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
    steps: int | None = None  # of the training, for learners that ask how many


def method_name(method: Any) -> str:
    """What rows call a learner: ours by its name, others by their reference."""
    return method if isinstance(method, str) else public_reference(method)


def make_learner(method: Any, setup: Setup) -> Learner:
    """The learner of a name of ours, or of one's own.

    Args:
        method: the name, a learner, or what gives one when it is called with a loss.
        setup: what it is made with.

    Raises:
        ValueError: what was called gave no learner.
    """
    if isinstance(method, str):
        return METHODS[method](setup)  # type: ignore[index]  # other names are the studies' own
    made: Any = method
    if takes_update(method):
        made = method(setup.loss, update=setup.update)
    elif not _is_learner(method):
        made = method(setup.loss)
    if not _is_learner(made):
        kind = type(made).__name__
        raise ValueError(f"{method_name(method)}: gave a {kind} of the loss; wanted a learner, init and step")
    return made if setup.steps is None else for_steps(made, setup.steps)


def takes_update(method: Any) -> bool:
    """Whether a learner descends by the update that it is given; ours do, but for `OWN_STEPS`."""
    if isinstance(method, str):
        return method not in OWN_STEPS
    if _is_learner(method):
        return False
    given = {*method.keywords} if isinstance(method, partial) else set()
    return "update" in inspect.signature(method).parameters and not given & {"update", "learning_rate"}


def _is_learner(part: Any) -> bool:
    return hasattr(part, "init") and hasattr(part, "step") and not isinstance(part, type)


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


def _alternative(recipe: Recipe) -> Callable[[Setup], Learner]:
    return lambda setup: recipe(setup.loss, update=setup.update)


def _probed_alternative(recipe: Recipe) -> Callable[[Setup], Learner]:
    return lambda setup: recipe(setup.loss, update=setup.update, probes=setup.probes)


METHODS: Final[Mapping[MethodName | AlternativeName, Callable[[Setup], Learner]]] = {
    "node perturbation": _node_perturbation,
    "node perturbation + feedback": _feedback(1.0),
    "learned feedback": _feedback(recipes.FEEDBACK.estimate_weight),
    "learned feedback alone": _feedback(0.0),
    "weight perturbation": _weight_perturbation(delta_rule=False),
    "weight perturbation + delta rule": _weight_perturbation(delta_rule=True),
    "weight perturbation + feedback": _weight_perturbation(True, KnobFeedback(recipes.FEEDBACK.decay)),
    "measured feedback": lambda setup: recipes.measured_feedback(setup.loss, update=setup.update),
    "exact gradient": lambda setup: ExactGradient(setup.chip, setup.update, setup.loss),
    "SPSA": _probed_alternative(alternatives.spsa),
    "finite differences": _probed_alternative(alternatives.finite_differences),
    "feedback alignment": _alternative(alternatives.feedback_alignment),
    "direct feedback alignment": _alternative(alternatives.direct_feedback_alignment),
    "PEPITA": _alternative(alternatives.pepita),
    "OpenAI-ES": _probed_alternative(alternatives.openai_es),
    "separable CMA-ES": lambda setup: alternatives.separable_cma_es(setup.loss),
}
