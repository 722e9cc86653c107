"""What `ask` and `tell` give is of the form that is wanted, and they alter nothing."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import ContractError, Probe, stream
from analog.tree import tree_map
from learners import Gradient, NodePerturbation, WeightPerturbation
from learners.check.forms import at_knobs, blame, check_ask, check_tell, same, tell
from learners.check.linear_chip import LinearChip
from learners.estimators import knob_gradients

F64 = torch.float64
INNER = {"nodes": NodePerturbation(0.3, probes=2), "knobs": WeightPerturbation(0.3, probes=2)}
CHIP = LinearChip()
SPEC = CHIP.spec(3)
NAN = float("nan")


class Bent:
    """Node or weight perturbation that asks, or tells, something else."""

    def __init__(self, place: str = "nodes", *, ask: Any = None, tell: Any = None, **says: Any) -> None:
        self.inner: Any = INNER[place]
        self.changed_ask, self.changed_tell = ask, tell
        self.probes_at = says.get("probes_at", place)
        self.gradient_at = says.get("gradient_at", place)

    def ask(self, *given: Any) -> Any:
        found = self.inner.ask(*given)
        return found if self.changed_ask is None else self.changed_ask(*found, given)

    def tell(self, spec: Any, result: Any) -> Any:
        found = self.inner.tell(spec, result)
        return found if self.changed_tell is None else self.changed_tell(found, result)


def asked(estimator: Any) -> Any:
    return check_ask(estimator, CHIP, SPEC, stream(0, "asked"))


def told(estimator: Any) -> tuple[Tensor, ...]:
    inner: Any = estimator.inner
    return check_tell(estimator, SPEC, CHIP.result(SPEC, CHIP.ask(inner, SPEC, stream(0, "told"))))


@pytest.mark.parametrize("place", INNER)
def test_what_is_sound_is_passed_on(place: str) -> None:
    estimator: Any = Bent(place)
    answer = asked(estimator)
    entries = answer.probe._asdict()
    assert entries.pop(place) is not None and set(entries.values()) == {None} and answer.memo is None
    probe, _ = estimator.ask(SPEC, CHIP.x, CHIP.baseline(SPEC), stream(0, "asked"))
    assert same(answer.probe, probe)  # of the generator as it was handed over
    inner = estimator.inner
    result = CHIP.result(SPEC, CHIP.ask(inner, SPEC, stream(0, "told")))
    wanted = inner.tell(SPEC, result)
    for found in (told(estimator), tell(estimator, SPEC, result)):
        assert same(found, getattr(wanted, place))
    knobs = knob_gradients(SPEC, wanted, result.inputs, result.out)
    assert same(at_knobs(estimator, SPEC, result), knobs)


def in_a_fork(probe: Probe, memo: Any, given: Any) -> Any:
    with torch.random.fork_rng():
        return tree_map(lambda p: p * (0.5 + torch.rand(())), probe), memo


def only_the_first_time(probe: Probe, memo: Any, given: Any, count: Any = itertools.count()) -> Any:
    return tree_map(lambda p: 2 * p if next(count) < 2 else p, probe), memo


def altered(part: str) -> Any:
    def ask(probe: Probe, memo: Any, given: Any) -> Any:
        (given[1] if part == "x" else given[2].taps[1]).add_(1.0)
        return probe, memo

    return ask


def deaf(probe: Probe, memo: Any, given: Any) -> Any:
    return INNER["nodes"].ask(*given[:3], stream(0))


ASKS: dict[str, tuple[Any, str]] = {
    "another world": (Bent(ask=in_a_fork), "ask gave two probes from one state of its generator"),
    "the first time": (Bent(ask=only_the_first_time), "ask gave two probes from one state of its generator"),
    "deaf": (Bent(ask=deaf), "ask gave the same probe twice from a generator that moved on"),
    "x altered": (Bent(ask=altered("x")), "ask altered what it was given"),
    "baseline altered": (Bent(ask=altered("baseline")), "ask altered what it was given"),
    "probe alone": (Bent(ask=lambda p, m, g: p), "ask gave Probe, wanted a Probe and a memo"),
    "a list": (Bent(ask=lambda p, m, g: [p, m]), "ask gave list, wanted a Probe and a memo"),
    "three": (Bent(ask=lambda p, m, g: (p, m, m)), "ask gave tuple, wanted a Probe and a memo"),
    "no probe": (Bent(ask=lambda p, m, g: (p.nodes, m)), "ask gave tuple and a memo, wanted a Probe"),
    "elsewhere": (Bent(probes_at="knobs"), "probes enter at nodes, the estimator says at knobs"),
    "nowhere": (
        Bent(ask=lambda p, m, g: (Probe(), torch.rand(1, generator=g[3]))),
        "enter at no place|twice",
    ),
    "in two places": (
        Bent(ask=lambda p, m, g: (INNER["knobs"].ask(*g)[0]._replace(nodes=p.nodes), m)),
        "probes enter at .* and .*, the estimator says at nodes",
    ),
    "dtype": (
        Bent(ask=lambda p, m, g: (tree_map(Tensor.float, p), m)),
        "ask gave a probe at .* of torch.float32",
    ),
    "not finite": (
        Bent(ask=lambda p, m, g: (tree_map(lambda t: torch.where(t == t.max(), NAN, t), p), m)),
        "ask gave a probe that is not finite at nodes.0",
    ),
    "too wide": (
        Bent(ask=lambda p, m, g: (tree_map(lambda t: torch.cat((t, t), -1), p), m)),
        "ask gave a probe that does not fit the chip",
    ),
    "raises": (Bent(ask=lambda p, m, g: p + 1), "^ask raised: TypeError"),
}


@pytest.mark.parametrize("name", ASKS)
def test_a_question_of_another_form_is_named(name: str) -> None:
    estimator, says = ASKS[name]
    with pytest.raises(ContractError, match=says):
        asked(estimator)


def test_the_second_question_may_fail_too() -> None:
    count = itertools.count()

    def tired(probe: Probe, memo: Any, given: Any) -> Any:
        return (probe, memo) if next(count) < 3 else (probe + 1, memo)

    with pytest.raises(ContractError, match="^ask raised: TypeError"):
        asked(Bent(ask=tired))


def test_one_that_sends_nothing_may_ask_for_anything_and_for_the_same_again() -> None:
    probe = Probe(nodes=tuple(torch.zeros(2, 3, 5, layer.features, dtype=F64) for layer in CHIP.layers))
    answer = asked(Bent(ask=lambda p, m, g: (probe, "memo"), probes_at=None))
    assert answer.probe is probe and answer.memo == "memo"


def told_in_a_fork(found: Gradient, result: Any) -> Any:
    with torch.random.fork_rng():
        return tree_map(lambda t: t * (0.5 + torch.rand(())), found)


def with_altered_losses(found: Gradient, result: Any) -> Gradient:
    result.losses.add_(1.0)
    return found


def nodes(found: Gradient) -> Any:
    return found.nodes


TELLS: dict[str, tuple[Any, str]] = {
    "another world": (Bent(tell=told_in_a_fork), "tell gave two estimates of one result"),
    "losses altered": (Bent(tell=with_altered_losses), "tell altered what it was given"),
    "a tuple": (Bent(tell=lambda f, r: tuple(f)), "tell gave tuple, wanted a Gradient"),
    "no place": (Bent(tell=lambda f, r: Gradient()), "tell gave a gradient at no place, .* says at nodes"),
    "two places": (
        Bent(tell=lambda f, r: Gradient(knobs=f.nodes, nodes=f.nodes)),
        "tell gave a gradient at knobs and nodes, the estimator says at nodes",
    ),
    "elsewhere": (Bent(gradient_at="knobs"), "tell gave a gradient at nodes, the estimator says at knobs"),
    "a list": (Bent(tell=lambda f, r: Gradient(nodes=list(f.nodes))), "tell gave list, wanted a tuple of 2"),
    "too few": (Bent(tell=lambda f, r: Gradient(nodes=f.nodes[:1])), "tell gave tuple, wanted a tuple of 2"),
    "too wide": (
        Bent(tell=lambda f, r: tree_map(lambda t: torch.cat((t, t), -1), f)),
        "layer 0: at the (knobs|nodes) the gradient is|tell gave a gradient that does not fit the chip",
    ),
    "too many examples": (
        Bent(tell=lambda f, r: Gradient(nodes=(f.nodes[0].expand(3, 5, 4).unsqueeze(0), f.nodes[1]))),
        "at the (knobs|nodes) the gradient is|does not fit the chip",
    ),
    "one chip's nodes": (
        Bent(tell=lambda f, r: Gradient(nodes=(f.nodes[0], f.nodes[1][:1]))),
        r"layer 1: at the nodes the gradient is torch.float64 \(1, 5, 2\), wanted",
    ),
    "one chip's": (
        Bent("knobs", tell=lambda f, r: tree_map(lambda t: t[0], f)),
        r"layer 0: at the knobs .* \(1, 4, 4\)",
    ),
    "dtype": (
        Bent(tell=lambda f, r: tree_map(Tensor.float, f)),
        "the gradient is torch.float32|does not fit",
    ),
    "knobs' dtype": (
        Bent("knobs", tell=lambda f, r: tree_map(Tensor.float, f)),
        "at the knobs .* torch.float32",
    ),
    "not finite": (
        Bent(tell=lambda f, r: tree_map(lambda t: torch.where(t == t.max(), NAN, t), f)),
        "layer 0: the gradient is not finite",
    ),
    "raises": (Bent(tell=lambda f, r: f + 1), "^tell raised: TypeError"),
}


@pytest.mark.parametrize("name", TELLS)
def test_an_estimate_of_another_form_is_named(name: str) -> None:
    estimator, says = TELLS[name]
    with pytest.raises(ContractError, match=says):
        told(estimator)


@pytest.mark.parametrize("place", INNER)
def test_a_layer_that_is_left_alone_has_an_estimate_of_zero(place: str) -> None:
    def first_only(found: Gradient, result: Any) -> Gradient:
        first, _ = getattr(found, place)
        return Gradient(**{place: (first, None)})

    first, second = told(Bent(place, tell=first_only))
    shape = (3, 5, 2) if place == "nodes" else SPEC.shapes[1]
    assert bool(first.any()) and torch.equal(second, torch.zeros(shape, dtype=F64))


def test_a_memo_may_be_anything_and_no_tensor_may_differ() -> None:
    t = torch.tensor([1.0, NAN])
    assert same((t, 3, None), (t.clone(), 4, None)) and not same((t,), (t, t))
    assert not same((t, 3), (t + 1, 3)) and not same((t,), (t.double(),))


def test_every_error_is_blamed_on_the_method_that_is_named() -> None:
    for error, says in (
        (ContractError("as it is"), "^as it is$"),
        (ValueError("for itself"), "^for itself$"),
        (KeyError("x"), "^it raised: KeyError: 'x'$"),
    ):
        with pytest.raises(ContractError, match=says), blame("it raised"):
            raise error
