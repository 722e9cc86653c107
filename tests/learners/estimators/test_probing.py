"""Probing: which layers are probed together, alone, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Knobs, Ledger, conv2d, dense, grouped, metered, stream, xray
from analog.access import Access
from learners import (
    Batch,
    Descent,
    Feedback,
    Gradient,
    Loss,
    NodePerturbation,
    SquaredError,
    WeightPerturbation,
    fit,
    sgd,
)
from learners.estimators import Flipout, ProbeDistribution, RunningMean
from learners.estimators.estimate import judge_baseline
from learners.estimators.probing import Probing
from tests.signs import moments, signs

WIRINGS = {
    "dense": (dense(16, 5), dense(5, 3, linear=True)),
    "conv, grouped": (conv2d((1, 4, 4), 2, 2, stride=2), grouped(8, 4, 2), dense(4, 3, linear=True)),
    "one layer": (dense(16, 3, linear=True),),
}


def lessons(count: int, batch: int) -> list[Batch]:
    generator = stream(0, "lessons")
    return [
        Batch(torch.randn(batch, 16, generator=generator), torch.randint(0, 3, (batch,), generator=generator))
        for _ in range(count)
    ]


def test_layers_in_turn_do_not_leak_into_each_other() -> None:
    """Var_l = |x_l|^2 (q_l - 1)|d_l|^2 for each layer, exactly: one chip for every pair of sign vectors.

    The chips are one and the same, its losses are linear in what the probes add (they are so small), and
    its pulses are caught at the wires.
    """
    rows = signs(5)
    chip = Chip(Ideal(), (dense(3, 3), dense(3, 2, linear=True)), [4] * 32, dtype=torch.float64)
    x, target = torch.tensor([[0.4, -1.0, 0.7]]).double(), torch.tensor([[0.3, -0.8]]).double()

    class Dealt(ProbeDistribution):
        def draw(self, count: int, lead: Any, bodies: Any, spec: Any, generator: Any) -> tuple[torch.Tensor]:
            ((units,),) = bodies
            return ((rows[:, :3] if units == 3 else rows[:, 3:]).view(1, 32, 1, units),)

    caught: list[Knobs] = []
    port = chip.port()._replace(pulse=caught.append)
    learner = Descent(
        NodePerturbation(1e-6, distribution=Dealt()), sgd(1.0), SquaredError(), False, in_turn=True
    )
    list(fit(learner, port, [Batch(x, target)], stream(0)))
    hidden = xray.respond(chip, x).taps[0][0, 0]
    slopes = xray.node_gradient(chip, x, target, SquaredError())
    for told, d, given_to in zip(caught[0], slopes, (x[0], hidden), strict=True):
        mean, covariance = moments(-told.flatten(1))
        whole = torch.cat((given_to, torch.ones(1).double()))  # the bias
        torch.testing.assert_close(mean, torch.outer(d[0, 0], whole).flatten(), rtol=1e-4, atol=1e-5)
        wanted = whole.square().sum() * (d.shape[-1] - 1) * d[0, 0].square().sum()
        assert float(covariance.trace()) == pytest.approx(float(wanted), rel=1e-4)


def test_layers_in_turn_are_driven_alone() -> None:
    chip = Chip(Ideal(), WIRINGS["conv, grouped"])
    ledger = Ledger(chip.spec)
    learner = Descent(NodePerturbation(0.1, probes=3), sgd(0.1), SquaredError(), False, in_turn=True)
    batch = Batch(torch.ones(2, 16), torch.zeros(2, 3))
    list(fit(learner, metered(chip.port(), ledger), [batch], stream(0)))
    assert ledger.reads == [2 * (1 + 3), 2 * (1 + 3 + 3), 2 * (1 + 3 + 3 + 3)]


@dataclass(frozen=True)
class Judged(Loss):
    """A loss of the outputs alone, whose gradient nobody wrote."""

    judge: Callable[[torch.Tensor], torch.Tensor]

    def value(self, out: torch.Tensor, target: object) -> torch.Tensor:
        return self.judge(out)


def test_the_delta_rule_is_used_where_the_read_out_is_linear_and_the_loss_has_a_gradient() -> None:
    """Elsewhere, or where it is switched off, every layer is probed: the pulse of all moves by the probes."""
    linear, bent = ((dense(3, 4), dense(4, 2, linear=last)) for last in (True, False))
    unknown = Judged(lambda out: out.square().sum(-1, keepdim=True))
    for layers, loss, on, used in (
        (linear, SquaredError(), True, True),
        (linear, SquaredError(), False, False),
        (bent, SquaredError(), True, False),
        (linear, unknown, True, False),
    ):
        learner = Descent(NodePerturbation(0.1, mask=False), sgd(1.0), loss, delta_rule=on)
        chip = Chip(Ideal(), layers, 1, dtype=torch.float64)
        assert learner.uses_delta_rule(chip.spec) is used
        x = torch.randn(4, 3, generator=stream(0, "where"), dtype=torch.float64)
        caught: list[Knobs] = []
        port = chip.port()._replace(pulse=caught.append)
        for probes in (stream(0, "probes"), stream(1, "probes")):
            list(fit(learner, port, [Batch(x, torch.zeros(4, 2).double())], probes))
        assert torch.equal(caught[0][1], caught[1][1]) is used
        assert not torch.equal(caught[0][0], caught[1][0])


def test_control_variates_that_need_a_gradient_refuse_a_loss_without_one() -> None:
    unknown = Judged(lambda out: out.sum(-1, keepdim=True))
    with pytest.raises(ValueError, match="Feedback.* needs a loss with a gradient"):
        Descent(NodePerturbation(0.1), sgd(0.1), unknown, control_variate=Feedback())


@pytest.mark.parametrize(
    "value",
    [
        lambda out: (out - 1).square().mean(),
        lambda out: (out - 1).square().mean((-1, -2)),
        lambda out: (out - 1).square().sum(-1),
        lambda out: (out - 1).square(),
        lambda out: (out - 1).square().sum(-1, keepdim=True).double(),
    ],
    ids=["mean of all", "mean of the batch", "no parts", "not summed", "other dtype"],
)
@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
def test_a_loss_that_is_not_per_example_is_refused(value: Any, kind: Any) -> None:
    chip = Chip(Ideal(), WIRINGS["dense"], range(2))
    before = xray.knobs(chip)
    loss = Judged(value)
    with pytest.raises(ValueError, match=r"wanted .*, 4, 1\), a number for each part of each example"):
        list(fit(Descent(kind(0.1, probes=4), sgd(0.1), loss), chip.port(), lessons(1, 4), stream(0)))
    assert all(torch.equal(a, b) for a, b in zip(before, xray.knobs(chip), strict=True))


@dataclass(frozen=True)
class TwoHalves(Loss):
    """The squares of either half of the outputs, each weighed."""

    weights: tuple[float, float] = (1.0, 1.0)
    parts = 2

    def value(self, out: torch.Tensor, target: object) -> torch.Tensor:
        squares = out.square().unflatten(-1, (2, -1)).sum(-1)
        return squares * torch.tensor(self.weights, dtype=out.dtype)

    def gradient(self, out: torch.Tensor, target: object) -> torch.Tensor:
        return 2 * out * torch.tensor(self.weights, dtype=out.dtype).repeat_interleave(2)


DEEP = (dense(3, 4), dense(4, 4), dense(4, 4), dense(4, 4, linear=True))


def gradients(probing: Probing, layers: Any = DEEP, batch: int = 5) -> tuple[torch.Tensor, ...]:
    """The estimated gradient at the knobs of all layers of a chip without noise."""
    port = Chip(Ideal(), layers, 3, dtype=torch.float64).port()
    x = torch.randn(batch, 3, generator=stream(0, "x"), dtype=torch.float64)
    baseline = judge_baseline(probing.loss, x, None, port.measure(x))
    found, _ = probing.estimates(port, baseline, probing.init(port.spec), stream(0, "probes"))
    return tuple(knobs for one in found for knobs in one.at_knobs())


@pytest.mark.parametrize("in_turn", [True, False])
@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
def test_each_layer_answers_to_as_many_parts_as_it_was_given(kind: Any, in_turn: bool) -> None:
    """Where the second part weighs more, only nodes that answer to it learn otherwise."""
    counts = (1, 2, 2, 1)

    def learned(*weights: float) -> tuple[torch.Tensor, ...]:
        loss = TwoHalves(weights)  # type: ignore[arg-type]
        return gradients(Probing(kind(0.01, 3), loss, False, in_turn, parts_per_layer=counts))

    for count, one, other in zip(counts, learned(1.0, 1.0), learned(1.0, 5.0), strict=True):
        assert torch.equal(one[0, :2], other[0, :2]) is (count == 2)
        assert not torch.equal(one[0, 2:], other[0, 2:])
    plain = gradients(Probing(kind(0.01, 3), TwoHalves(), False, in_turn))
    for one, other in zip(
        plain, gradients(Probing(kind(0.01, 3), TwoHalves(), False, in_turn, None, (2,) * 4)), strict=True
    ):
        torch.testing.assert_close(one, other)


class Whole(TwoHalves):
    """Both halves' losses, as one."""

    parts = 1

    def value(self, out: torch.Tensor, target: object) -> torch.Tensor:
        return super().value(out, target).sum(-1, keepdim=True)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("kind", [NodePerturbation, WeightPerturbation])
def test_where_all_nodes_answer_to_all_parts_the_loss_is_their_sum(kind: Any, batch: int) -> None:
    told = gradients(
        Probing(kind(0.01, 3), TwoHalves((1.0, 3.0)), False, parts_per_layer=(1,) * 4), DEEP, batch
    )
    for one, other in zip(
        told, gradients(Probing(kind(0.01, 3), Whole((1.0, 3.0)), False), DEEP, batch), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_the_delta_rule_tells_the_exact_gradient_of_a_read_out_on_taps_or_on_the_input() -> None:
    x = torch.randn(5, 3, generator=stream(0, "x"), dtype=torch.float64)
    for layers in ((dense(3, 4, linear=True),), (dense(3, 4), dense(4, 4, linear=True))):
        chip = Chip(Ideal(), layers, 3, dtype=torch.float64)
        told = gradients(Probing(NodePerturbation(0.01), TwoHalves((1.0, 2.0))), layers)
        exact = xray.knob_gradient(chip, x, None, TwoHalves((1.0, 2.0)))
        assert len(told) == len(layers)
        torch.testing.assert_close(told[-1], exact[-1])


def test_parts_that_do_not_fit_are_refused() -> None:
    nodes, loss = NodePerturbation(0.1), TwoHalves()
    for counts in ((3, 1, 1), (0, 1, 1), (2, 2, -1)):
        with pytest.raises(ValueError, match="do not divide 2 parts"):
            Probing(nodes, loss, parts_per_layer=counts)
    with pytest.raises(ValueError, match="parts_per_layer is set"):
        Probing(nodes, loss, control_variate=Feedback(), parts_per_layer=(1, 1, 1))
    with pytest.raises(ValueError, match="cannot tell layers one by one"):
        Probing(Flipout(0.1), loss, parts_per_layer=(1, 1, 1))
    deep, flat = (Chip(Ideal(), layers).spec for layers in (DEEP, (dense(3, 4, linear=True),)))
    Probing(nodes, loss, parts_per_layer=(1, 1, 2)).init(deep)
    Probing(nodes, loss, parts_per_layer=()).init(flat)
    for spec, counts, says in ((deep, (1, 1), "has 2 entries, 3"), (flat, (1,), "has 1 entries, 0")):
        with pytest.raises(ValueError, match=f"{says} layers are probed"):
            Probing(nodes, loss, parts_per_layer=counts).init(spec)


def test_a_control_variate_is_told_the_gradient_at_the_outputs_just_where_it_asks_for_it() -> None:
    given: list[torch.Tensor | None] = []

    class Asking(RunningMean):
        needs_output_gradient = True

        def predict(self, state: Any, spec: Any, result: Any, output_gradient: Any) -> Gradient:
            given.append(output_gradient)
            return super().predict(state, spec, result, output_gradient)

    class Content(Asking):
        needs_output_gradient = False

    for kind in (Asking, Content):
        gradients(Probing(WeightPerturbation(0.1), TwoHalves(), control_variate=kind()))
    assert given[0] is not None and given[0].shape == (5, 4) and given[1] is None


def test_what_is_no_loss_or_no_control_variate_is_refused() -> None:
    nodes, loss = NodePerturbation(0.1), SquaredError()
    for settings, says in (
        ({"loss": SquaredError}, "wanted an instance of a subclass of learners.Loss"),
        ({"loss": lambda out, target: out}, "wanted an instance of a subclass of learners.Loss"),
        ({"control_variate": Feedback}, "wanted a ControlVariate such as"),
        ({"control_variate": 0.5}, "wanted a ControlVariate such as"),
    ):
        with pytest.raises(TypeError, match=says):
            Probing(nodes, **{"loss": loss, **settings})  # type: ignore[arg-type]


def test_layers_in_turn_need_spans_and_chips_that_relax_have_none() -> None:
    spec = Chip(Ideal(), DEEP).spec
    for kind, node_probes in ((NodePerturbation, True), (WeightPerturbation, False)):
        needed = Probing(kind(0.1), SquaredError(), in_turn=True).needs(spec)
        assert needed == Access("spans", node_probes=node_probes)
    relaxing = replace(spec, synapse="product")
    Probing(WeightPerturbation(0.1), SquaredError()).init(relaxing)
    with pytest.raises(ValueError, match="cannot be driven alone"):
        Probing(WeightPerturbation(0.1), SquaredError(), in_turn=True).init(relaxing)
