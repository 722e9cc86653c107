"""What teaches a chip in place, under the names that rows have: recipes, others', and learners of one's own.

One's own is named by reference, as in `mine:MyLearner(size=0.1)`. What is named is called with its arguments
and then with the loss of the task, and gives a learner; if the loss is its first argument, with both at once;
and what has `init` and `step` then is a learner as it is. One that takes `update=`, and was not given it or a
learning rate, gets the study's, so that it descends as ours do.

What each says it needs of the wires is in its rows (`learners.access.stated_access`); of one of your own
that has no `needs` they say that it is not stated. Feedback is a backward model, learned from probes or
measured through spans, and its rows say so.

One that takes `second=` gets the wires of a second array of the same device (`learners.alternatives`), and if
it takes `reference=`, what that shows at its symmetric points.

What a learner perturbs with is its `size`, or what else of `SIZES` its recipe takes: comparisons that choose
settings choose that too, of yours as of ours.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

from analog import Chip, Port
from learners import CrossEntropy, Feedback, Loss, Update, alternatives, recipes
from learners.alternatives import second_layer, symmetric_points
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
    "equilibrium propagation",  # chips that relax, their outputs nudged to either side
    "coupled learning",  # chips that relax, their outputs held a part of the way to what is wanted
    "multiplexed gradient descent",  # weight perturbation, one perturbation of a sample; the loss alone
    "PEPG",  # Gaussian pairs at all knobs, which learn how far to vary each
    "mixed precision",  # measured feedback whose drives are summed up digitally until they are worth a write
    "physics-aware training",  # backward through a twin that is read once and then believed; no probes
    "Tiki-Taka 2",  # measured feedback gathered on a second array whose symmetric points were read
    "chopped Tiki-Taka",  # the same, with signs that switch by chance
    "AGAD",  # the same, with signs that switch and references of its own
]
OWN_STEPS: Final[frozenset[AlternativeName]] = frozenset({"separable CMA-ES"})  # take no update
HOMES: Final = ("learners.recipes", "learners", "learners.alternatives")
SECOND: Final = 2_000_003  # from a chip's identity to that of the second array beside it
WRITE: Final = 0.01  # full scale, of a pulse to a cell that any pulse moves by any amount
SIZES: Final = (  # what recipes call how far they perturb, or what else they have beside a learning rate
    "nudge",
    "size",
    "amplitude",
    "sigma",
    "scale",
    "threshold",
)
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


def passed(port: Port) -> Port:
    """The same wires, nothing around them."""
    return port


class Setup(NamedTuple):
    """What a method is given to teach a chip with."""

    chip: Chip  # for the exact gradient alone
    update: Update
    probes: int = recipes.PROBES
    size: float | None = None  # what it perturbs with, in the unit of its own; None: its default
    loss: Loss = CrossEntropy()
    steps: int | None = None  # of the training, for learners that ask how many
    booked: Callable[[Port], Port] = passed  # what is put around the wires of a second array


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
    if not _is_learner(method):
        given = {"update": setup.update} if takes_update(method) else {}
        made = method(setup.loss, **given, **_sized(method, setup.size), **_seconded(method, setup))
    if not _is_learner(made):
        kind = type(made).__name__
        raise ValueError(f"{method_name(method)}: gave a {kind} of the loss; wanted a learner, init and step")
    return made if setup.steps is None else for_steps(made, setup.steps)


def default_size(method: Any) -> float | None:
    """The default size of what a learner perturbs with; None where it takes none or was given one.

    Args:
        method: a name of ours, a learner, or what gives one.
    """
    name = size_name(method)
    if name is None:
        return None
    return float(inspect.signature(_recipe(method)).parameters[name].default)


def size_name(method: Any) -> str | None:
    """The argument, one of `SIZES`, that says how far a learner perturbs; None where it takes none."""
    recipe = _recipe(method)
    if recipe is None or _is_learner(recipe) or not callable(recipe):
        return None
    given = {*recipe.keywords} if isinstance(recipe, partial) else set()
    for name, parameter in inspect.signature(recipe).parameters.items():
        if name in SIZES and name not in given and isinstance(parameter.default, float):
            return name
    return None


def _recipe(method: Any) -> Any:
    """What gives the learner of a name; None of the exact gradient. What is no name, as it is."""
    return RECIPES.get(method) if isinstance(method, str) else method  # type: ignore[call-overload]


def _sized(method: Any, size: float | None) -> dict[str, float]:
    name = size_name(method)
    return {} if size is None or name is None else {name: size}


def _seconded(recipe: Any, setup: Setup) -> dict[str, Any]:
    """A second array of the chip's own device, for a recipe that wants one, and its symmetric points."""
    given = {*recipe.keywords} if isinstance(recipe, partial) else set()
    wanted = {*inspect.signature(recipe).parameters} - given
    if "second" not in wanted:
        return {}
    chip = setup.chip
    others = tuple(who + SECOND for who in chip.identities)
    identity = others[0] if isinstance(chip.identity, int) else others
    like = chip.spec
    array = Chip(chip.device, (second_layer(like),), identity, on=like.on, dtype=like.dtype)
    second = setup.booked(array.port())
    if "reference" not in wanted:
        return {"second": second}
    return {"second": second, "reference": symmetric_points(second, chip.device.costs.step or WRITE)}


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


RECIPES: Final[Mapping[MethodName | AlternativeName, Recipe]] = {
    "node perturbation": recipes.node_perturbation,
    "node perturbation + feedback": partial(
        recipes.learned_feedback, feedback=Feedback(recipes.FEEDBACK.decay, estimate_weight=1.0)
    ),
    "learned feedback": recipes.learned_feedback,
    "learned feedback alone": partial(
        recipes.learned_feedback, feedback=Feedback(recipes.FEEDBACK.decay, estimate_weight=0.0)
    ),
    "weight perturbation": recipes.weight_perturbation,
    "weight perturbation + delta rule": partial(recipes.weight_perturbation, delta_rule=True),
    "weight perturbation + feedback": partial(
        recipes.weight_perturbation, delta_rule=True, control_variate=KnobFeedback(recipes.FEEDBACK.decay)
    ),
    "measured feedback": recipes.measured_feedback,
    "SPSA": alternatives.spsa,
    "finite differences": alternatives.finite_differences,
    "feedback alignment": alternatives.feedback_alignment,
    "direct feedback alignment": alternatives.direct_feedback_alignment,
    "PEPITA": alternatives.pepita,
    "OpenAI-ES": alternatives.openai_es,
    "separable CMA-ES": alternatives.separable_cma_es,
    "equilibrium propagation": recipes.equilibrium_propagation,
    "coupled learning": recipes.coupled_learning,
    "multiplexed gradient descent": alternatives.multiplexed_gradient_descent,
    "PEPG": alternatives.pepg,
    "mixed precision": alternatives.mixed_precision,
    "physics-aware training": alternatives.physics_aware_training,
    "Tiki-Taka 2": alternatives.tiki_taka,
    "chopped Tiki-Taka": alternatives.chopped_tiki_taka,
    "AGAD": alternatives.agad,
}


def _named(name: MethodName | AlternativeName, recipe: Recipe, setup: Setup) -> Learner:
    """The learner of a recipe, which is given of the setup what it takes."""
    given = {"update": setup.update, "probes": setup.probes}
    taken = inspect.signature(recipe).parameters
    kept = {word: value for word, value in given.items() if word in taken}
    return recipe(setup.loss, **kept, **_sized(name, setup.size), **_seconded(recipe, setup))


METHODS: Final[Mapping[MethodName | AlternativeName, Callable[[Setup], Learner]]] = {
    **{name: partial(_named, name, recipe) for name, recipe in RECIPES.items()},
    "exact gradient": lambda setup: ExactGradient(setup.chip, setup.update, setup.loss),
}
