"""The contract of control variates: `check_control_variate(MyPredictor())`."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog.contract import ContractError, Law, OncePerPart, first_sentence, refuse_global_generators
from analog.layers.crossbar import dense
from analog.port import Probe, Reading
from analog.spec import Spec
from analog.tree import tree_map

from ..estimators.base import ProbeResult
from ..estimators.control_variates import ControlVariate
from ..estimators.gradient import Gradient
from .comparison import (
    answer_of,
    equal_trees,
    finite,
    made_up,
    refuse_changed_modes,
    require,
    require_close,
    require_form,
)

_LAYERS = (dense(5, 4), dense(4, 4))
_WHOLE = (*_LAYERS, dense(4, 3, linear=True))
_PROBES, _EXAMPLES, _STEPS = 4, 6, 4
_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-3}  # of a fleet beside its chips alone


def check_control_variate(variate: ControlVariate, *, fleet: int = 3) -> tuple[str, ...]:
    """Check that a control variate leaves the mean of estimates alone, on made-up measurements of a fleet.

    A prediction does not hang on what the probes of its own step were or showed (`probe`, `probed`, `losses`
    and `memo` of the result), which is what keeps the mean of the estimate. `init`, `predict` and `observe`
    are pure: they alter nothing, draw nothing, give the same at every call and leave global generators and
    modes of torch alone. Predictions stand where `predicts_at` says, of the shapes and dtype of the layers,
    and finite; the state keeps its structure, shapes and dtypes. Chips of a fleet are independent.

    Not seen: whether it pays, which is for a training to say.

    Args:
        variate: anybody's.
        fleet: how many chips.

    Returns:
        The laws that were tried, each as a sentence.

    Raises:
        ContractError: naming the law that is broken.
    """
    laws = control_variate_laws(fleet=fleet)
    for law in laws:
        law.check(variate)
    return tuple(law.sentence for law in laws)


def control_variate_laws(*, fleet: int = 3) -> tuple[Law, ...]:
    """The laws of control variates, each of which may be tried by itself: `law.check(variate)`.

    Args:
        fleet: how many chips.
    """
    trials, tried = OncePerPart(partial(_trials, fleet=fleet)), (_check_steps, _check_ignorance, _check_chips)
    return tuple(Law(first_sentence(law), partial(_try, law, trials)) for law in tried)


def _trials(variate: ControlVariate, fleet: int) -> "tuple[_Trial, ...]":
    if isinstance(variate, type) or not isinstance(variate, ControlVariate):
        raise ContractError(f"got {variate!r}, wanted an instance of a subclass of ControlVariate")
    return tuple(_Trial(variate, fleet, dtype) for dtype in (torch.float64, torch.float32))


def _try(
    law: "Callable[[_Trial], None]", trials: "OncePerPart[tuple[_Trial, ...]]", variate: ControlVariate
) -> None:
    for trial in trials(variate):
        with (
            refuse_global_generators(f"{variate!r}", "a control variate draws nothing"),
            refuse_changed_modes(f"{variate!r}"),
        ):
            law(trial)


def _check_steps(trial: "_Trial") -> None:
    """`init`, `predict` and `observe` are pure; what they give is finite, and like the layers."""
    for number, taken in enumerate(trial.steps):
        require(
            finite(taken.following), f"{trial.variate!r}: the state is not finite after step {number + 1}"
        )


def _check_ignorance(trial: "_Trial") -> None:
    """A prediction does not hang on what the probes of its own step were or showed."""
    for step, taken in enumerate(trial.steps):
        trial.check_ignorance(step, taken)


def _check_chips(trial: "_Trial") -> None:
    """A chip alone begins, predicts and learns as it does in a fleet."""
    for step, taken in enumerate(trial.steps):
        trial.check_chips(step, taken)


class _Taken(NamedTuple):
    """A step: the state before it, what was predicted, and the state after it."""

    state: Any
    predicted: Gradient
    following: Any


class _Trial:
    """A control variate, and what the probes of a fleet showed at every step."""

    def __init__(self, variate: ControlVariate, fleet: int, dtype: torch.dtype) -> None:
        self.variate, self.fleet, self.dtype = variate, fleet, dtype
        self.spec, self.whole = (Spec(layers, fleet=(fleet,), dtype=dtype) for layers in (_LAYERS, _WHOLE))

    @cached_property
    def steps(self) -> list[_Taken]:
        """Some steps, each of pure functions that give what they should."""
        state = self._answer("init", self.spec, self.whole)
        steps = []
        for step in range(_STEPS):
            result, outputs, estimate = self._measurement(step)
            predicted = self._answer("predict", state, self.spec, result, outputs)
            self._check_form(predicted)
            found = (state, self.spec, predicted, result, outputs, estimate)
            following = self._answer("observe", *found)
            steps.append(_Taken(state, predicted, following))
            state = following
        return steps

    def _measurement(
        self, step: int, chips: int | None = None
    ) -> tuple[ProbeResult, Tensor | None, Gradient]:
        """What was measured at a step, of the fleet or of one chip of it alone."""
        generator = made_up("control variate", step)

        def draw(*shape: int, axis: int = 0, size: float = 1.0) -> Tensor:
            whole = size * torch.randn(shape, generator=generator, dtype=torch.float64).to(self.dtype)
            return whole if chips is None else whole.select(axis, chips)

        lead, pushed = (self.fleet, _EXAMPLES), (_PROBES, self.fleet, _EXAMPLES)
        taps = tuple(draw(*lead, la.features).relu() for la in _LAYERS)
        probed = tuple(draw(*pushed, la.features, axis=1).relu() for la in _LAYERS)
        x, outputs = draw(*lead, 5), draw(*lead, 3)
        baseline, losses = draw(*lead, 1).sigmoid(), draw(*pushed, 1, axis=1).sigmoid()
        shapes = [(self.fleet, la.tiles, la.rows, la.cols) for la in _LAYERS]
        if self.variate.predicts_at == "nodes":
            probe = Probe(nodes=tuple(draw(*pushed, la.features, axis=1, size=0.1) for la in _LAYERS))
            estimate = Gradient(nodes=tuple(draw(*lead, la.features) for la in _LAYERS))
        else:
            probe = Probe(knobs=tuple(draw(_PROBES, *shape, axis=1, size=0.1) for shape in shapes))
            estimate = Gradient(knobs=tuple(draw(*shape) for shape in shapes))
        result = ProbeResult(x, Reading(taps), baseline, probe, Reading(probed), losses)
        return result, outputs if self.variate.needs_output_gradient else None, estimate

    def _answer(self, name: str, *given: Any) -> Any:
        """What a method gives, twice the same, of arguments that it leaves alone."""
        nothing = "a control variate draws nothing"
        return answer_of(f"{self.variate!r}", name, getattr(self.variate, name), *given, nothing=nothing)

    def _check_form(self, predicted: object) -> None:
        place, lead = self.variate.predicts_at, (self.fleet, _EXAMPLES)
        fits = isinstance(predicted, Gradient)
        entries = getattr(predicted, place, None) if fits else None
        require(fits and entries is not None, f"{self.variate!r}: predict gave no Gradient at {place}")
        assert entries is not None
        for layer, entry in zip(_LAYERS, entries, strict=False):
            wanted: tuple[int, ...] = (*lead, layer.features)
            if place == "knobs":
                wanted = (self.fleet, layer.tiles, layer.rows, layer.cols)
            if entry is not None:
                require_form(entry, wanted, self.dtype, f"{self.variate!r}: predict gave")
        require(len(entries) == len(_LAYERS), f"{self.variate!r}: predict gave {len(entries)} layers of 2")
        require(finite(predicted), f"{self.variate!r}: a prediction is not finite")

    def check_ignorance(self, step: int, taken: _Taken) -> None:
        """Require the same prediction, whatever the probes were and showed."""
        result, outputs, _ = self._measurement(step)
        other, _, _ = self._measurement(_STEPS)
        others = {
            "probe": result._replace(probe=other.probe),
            "probed": result._replace(probed=other.probed),
            "losses": result._replace(losses=other.losses),
            "memo": result._replace(memo="another"),
        }
        for field, changed in others.items():
            again = self.variate.predict(taken.state, self.spec, changed, outputs)
            law = f"the prediction hangs on `{field}` of its own step, and the mean of the estimate on it"
            require(equal_trees(again, taken.predicted), f"{self.variate!r}: {law}")

    def check_chips(self, step: int, taken: _Taken) -> None:
        """Require of a chip alone what it gave in the fleet."""
        spec, whole = (Spec(layers, dtype=self.dtype) for layers in (_LAYERS, _WHOLE))
        for chip in (0, self.fleet - 1):
            result, outputs, estimate = self._measurement(step, chip)
            alone, of_chip = self._row(taken.state, chip), self._row(taken.predicted, chip)
            found = self.variate.predict(alone, spec, result, outputs)
            self._require_alike(found, of_chip, "predicts")
            after = self.variate.observe(alone, spec, of_chip, result, outputs, estimate)
            self._require_alike(after, self._row(taken.following, chip), "learns")
        self._require_alike(
            self.variate.init(spec, whole), self._row(self.variate.init(self.spec, self.whole), 0), "begins"
        )

    def _row(self, tree: Any, chip: int) -> Any:
        """The part of one chip; what has no axis of the fleet all share."""

        def of_chip(leaf: Any) -> Any:
            fits = isinstance(leaf, Tensor) and leaf.ndim and leaf.shape[0] == self.fleet
            return leaf[chip] if fits else leaf

        return tree_map(of_chip, tree)

    def _require_alike(self, found: Any, wanted: Any, what: str) -> None:
        law = f"{self.variate!r}: a chip alone {what} otherwise than in its fleet"

        def compare(a: Any, b: Any) -> Any:
            if isinstance(a, Tensor) and isinstance(b, Tensor):
                require_close(a, b, _ROUNDING[self.dtype], law)
            else:
                require(equal_trees(a, b), law)

        tree_map(compare, found, wanted)
