"""What a teacher says, at which cost: exact counts, limits, and losses that vanish when all is learnt."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from analog import Chip, Mismatched, dense, stream
from distill import (
    AnswerFormat,
    HardCaptions,
    HardLabels,
    Logits,
    QuantizedLogits,
    SampledLabels,
    SoftCaptions,
    SoftLabels,
    TeacherTarget,
    Traffic,
    distillation_steps,
    lessons,
    soften,
)
from learners import Batch, Descent, NodePerturbation, sgd
from tests.distill.slopes import slope_gap
from tests.twostage import kept

F64 = torch.float64


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "answers", *shape), dtype=F64)


@given(classes=st.integers(2, 2000), count=st.integers(1, 8), bits=st.integers(1, 12))
def test_bits_are_counted_exactly(classes: int, count: int, bits: int) -> None:
    """A fixed code tells apart exactly what can be said, and one bit less would not."""
    assert SoftLabels(2.0).bits(classes) == 32 * (classes - 1) and Logits().bits(classes) == 32 * classes
    assert QuantizedLogits(bits).bits(classes) == bits * classes
    for cost, choices in (
        (HardLabels().bits(classes), classes),
        (SampledLabels(count).bits(classes), classes**count),
    ):
        assert 2**cost >= choices > 2 ** (cost - 1)


def test_hintons_count() -> None:
    assert HardLabels().bits(1024) == 10 and SoftLabels(1.0).bits(1024) == 1023 * 32


def test_many_bits_are_the_soft_answer() -> None:
    """Rounding errs by half a step, span / (2^b - 1) / 2, in each output."""
    out = draw(50, 10)
    for bits in (4, 8, 12):
        gap = QuantizedLogits(bits, span=16.0, temperature=1.0).encode(out, None, stream(0)).soft.log()
        gap = gap - SoftLabels(1.0).encode(out, None, stream(0)).soft.log()
        assert 0 < float(gap.abs().max()) <= 16.0 / (2**bits - 1)


def loss_and_target(answers: AnswerFormat, out: Tensor) -> tuple[Any, Any]:
    return answers.loss, answers.encode(out, None, stream(0, "said"))


ALL: tuple[AnswerFormat, ...] = (
    SoftLabels(3.0),
    Logits(),
    HardLabels(),
    SampledLabels(3, 2.0),
    QuantizedLogits(3, 4.0, 2.0),
)


@pytest.mark.parametrize("answers", ALL, ids=str)
def test_each_slope_is_the_slope_of_its_loss(answers: AnswerFormat) -> None:
    loss, told = loss_and_target(answers, draw(5, 4))
    assert slope_gap(loss, draw(2, 5, 4), told) < 1e-6


def test_golden_losses() -> None:
    """Two classes, teacher (log 3, 0), so it says 3/4; the student knows nothing and owes what is quoted."""
    teacher, student = torch.tensor([[math.log(3), 0.0]], dtype=F64), torch.zeros(1, 2, dtype=F64)
    soft = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)  # KL((3/4, 1/4) || (1/2, 1/2))
    wanted = {
        SoftLabels(1.0): soft,
        SoftLabels(2.0): 4 * (math.log(2) - binary_entropy(3**0.5 / (3**0.5 + 1))),
        Logits(): math.log(3) ** 2 / 2,
        HardLabels(): math.log(2),
        QuantizedLogits(1, 2 * math.log(3), 1.0): 0.0,  # half a step below: rounds to even, here to none
        QuantizedLogits(1, math.log(3), 1.0): soft,
    }
    for answers, value in wanted.items():
        loss, told = loss_and_target(answers, teacher)
        assert float(loss(student, told)) == pytest.approx(value, abs=1e-12), answers


def binary_entropy(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


@pytest.mark.parametrize("answers", [SoftLabels(3.0), Logits(), QuantizedLogits(20, 40.0, 2.0)], ids=str)
def test_the_teachers_own_outputs_are_the_best_answer(answers: AnswerFormat) -> None:
    """What says all there is to say is matched by its own words, and by no others as well."""
    out = draw(5, 4)
    loss, told = loss_and_target(answers, out)
    assert float(loss(out, told).abs().max()) < 1e-9 and float(loss.gradient(out, told).abs().max()) < 1e-4
    assert float(loss(draw(2, 5, 4)[1], told).min()) > 0.01


@pytest.mark.parametrize(
    "answers", [HardLabels(), SampledLabels(3, 1.0), QuantizedLogits(2, 3.0, 1.5)], ids=str
)
def test_what_was_said_is_the_best_answer(answers: AnswerFormat) -> None:
    """The loss is least where the student's own probabilities are those that were said."""
    loss, told = loss_and_target(answers, draw(5, 4))
    chances = told.soft if isinstance(told, TeacherTarget) else one_hot(told, 4).double()
    warmth = getattr(loss, "temperature", 1.0)
    best = warmth * (chances + 1e-12).log()
    assert float(loss.gradient(best, told).abs().max()) < 1e-9
    for k in range(4):
        aside = torch.zeros(4, dtype=F64)
        aside[k] = 0.1
        assert bool((loss(best + aside, told) >= loss(best, told) - 1e-9).all())


def test_samples_are_soft_on_average() -> None:
    """Mean and variance of K draws from p are p and p (1 - p) / K; 18 means, by the two-stage rule."""
    count, out = 4, draw(3, 3)
    soft = soften(out, 2.0)

    def sample(n: int, generator: Generator) -> Tensor:
        said = SampledLabels(count, 2.0).encode(out.expand(n, 3, 3), None, generator).soft
        return torch.cat((said, (said - soft).square()), -1).flatten(1)

    wanted = torch.cat((soft, soft * (1 - soft) / count), -1).flatten()
    assert kept(sample, wanted, 2000, "samples")


def test_samples_count_whole_draws() -> None:
    said = SampledLabels(5, 2.0).encode(draw(2, 6, 4), None, stream(0)).soft
    assert torch.equal(said.sum(-1), torch.ones(2, 6, dtype=F64)) and said.shape == (2, 6, 4)
    torch.testing.assert_close(5 * said, (5 * said).round())
    cold = SampledLabels(3, 1e-4).encode(draw(6, 4), None, stream(0)).soft
    assert torch.equal(cold.argmax(-1), HardLabels().encode(draw(6, 4), None, stream(0)))


@given(bits=st.integers(1, 10), span=st.floats(0.5, 30))
def test_rounding_keeps_to_its_steps(bits: int, span: float) -> None:
    """Outputs that are told, up to a constant, are within half a step of those that were read, or cut off."""
    out = 3 * draw(20, 5)
    said = QuantizedLogits(bits, span, 1.0).encode(out, None, stream(0)).soft.log()
    below, step = out - out.amax(-1, keepdim=True), span / (2**bits - 1)
    told = said - said.amax(-1, keepdim=True)
    assert float((told - below.clamp(min=-span)).abs().max()) <= step / 2 + 1e-9
    levels = told / step
    assert float((levels - levels.round()).abs().max()) < 1e-6 and float(levels.min()) >= 1 - 2**bits - 1e-6


def test_bad_settings_are_refused() -> None:
    for made in (lambda: SampledLabels(0), lambda: QuantizedLogits(0), lambda: SampledLabels(True)):
        with pytest.raises(ValueError, match="wanted an integer of at least 1"):
            made()
    for span in (0.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="span is"):
            QuantizedLogits(4, span)
    for temperature in (0.0, math.inf):
        for kind in (SoftLabels, lambda t: SampledLabels(1, t), lambda t: QuantizedLogits(4, 16.0, t)):
            with pytest.raises(ValueError, match="temperature is"):
                kind(temperature)


@settings(max_examples=20)
@given(
    answers=st.sampled_from((*ALL, SoftCaptions(2, 3.0), HardCaptions(2))),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    teachers=st.sampled_from(((), (2,))),
    students=st.integers(1, 3),
)
def test_booked_is_exactly_what_was_sent(
    answers: AnswerFormat, sizes: list[int], teachers: tuple[int, ...], students: int
) -> None:
    """Lessons times bits, whatever the answers, batches and fleets; nothing is sent before it is asked."""
    layers = (dense(3, 4, linear=True),)
    teacher = Chip(Mismatched(), layers, range(2) if teachers else 0).port()
    fleet = 2 if teachers else students
    student = Chip(Mismatched(), layers, range(5, 5 + fleet)).port()
    stimuli = [Batch(draw(n, 3).float()) for n in sizes]
    once, again = Traffic(), Traffic()
    asked = lessons(teacher, stimuli, answers, generator=stream(0), traffic=once)
    assert once == Traffic()
    for k, taught in enumerate(asked, 1):
        assert once == Traffic(sum(sizes[:k]), sum(sizes[:k]) * answers.bits(4))
        assert taught.x.shape[-2] == sizes[k - 1]
    for _ in distillation_steps(
        teacher,
        student,
        lambda loss: Descent(NodePerturbation(0.1, 1), sgd(0.01), loss),
        stimuli,
        answers=answers,
        generator=stream(0),
        answer_generator=stream(0),
        traffic=again,
    ):
        pass
    assert again == once
