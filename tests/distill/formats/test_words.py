"""Words: what each costs, sums over words, and the classes that they name."""

import math

import pytest
import torch
from torch import Tensor

from analog import stream
from distill import DistillationLoss, HardLabels, SampledLabels, SoftLabels, TeacherTarget
from distill.formats import SubclassLoss, Words, WordsLoss
from distill.formats.words import class_scores
from learners import CrossEntropy
from tests.distill.slopes import slope_gap

F64 = torch.float64


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "words", *shape), dtype=F64)


def test_a_caption_is_an_answer_for_each_word() -> None:
    """Three words of four: what is said, what it costs and what is lost are those of three answers."""
    teacher, student = draw(5, 12), draw(2, 5, 12)
    for each in (HardLabels(), SoftLabels(3.0)):
        words = Words(3, each)
        loss = words.loss(student, words.encode(teacher, None, None))
        parts = zip(student.split(4, -1), teacher.split(4, -1), strict=True)
        torch.testing.assert_close(loss, sum(each.loss(s, each.encode(t, None, None)) for s, t in parts))
        assert words.bits(12) == 3 * each.bits(4)
    assert Words(2).bits(20) == 8 and Words(7).bits(14) == 7


def test_slopes_and_a_caption_of_one_word() -> None:
    """A caption of one word is a class, but for the axis of the one word."""
    out, label = draw(2, 5, 6), torch.tensor([0, 5, 2, 2, 1])
    torch.testing.assert_close(WordsLoss(1, CrossEntropy())(out, label[:, None]), CrossEntropy()(out, label))
    told = Words(2, SampledLabels(3)).encode(draw(5, 6), None, stream(0))
    assert told.soft.shape == (5, 2, 3) and slope_gap(WordsLoss(2, DistillationLoss(1.0)), out, told) < 1e-6


def test_words_are_drawn_apart_and_as_probable_as_the_teacher_has_them() -> None:
    """20,000 captions; six standard errors of a frequency are at most 0.022."""
    out = draw(1, 6).expand(20_000, 6)
    told = Words(2, SampledLabels()).encode(out, None, stream(0, "many"))
    assert isinstance(told, TeacherTarget)
    first, second = out[0].split(3)
    pairs = torch.einsum("ni,nj->ij", told.soft[:, 0], told.soft[:, 1]) / len(out)
    assert float((pairs - torch.outer(first.softmax(-1), second.softmax(-1))).abs().max()) < 0.022


def test_the_class_is_as_probable_as_its_words() -> None:
    """Of all sequences there are the probabilities are those of the pairs, and sum to one."""
    out = draw(5, 6)
    pairs = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    found = class_scores(out, pairs).exp()
    first, second = (part.softmax(-1) for part in out.split(3, -1))
    torch.testing.assert_close(found, (first[:, :, None] * second[:, None, :]).flatten(-2))
    certain = torch.tensor([[0.0, 100.0, 100.0, 0.0]], dtype=F64)  # the words 1, 0
    spelling = torch.tensor([[0, 0], [1, 0], [1, 1]])
    assert class_scores(certain, spelling)[0].tolist() == pytest.approx([-100.0, 0.0, -100.0])
    even = class_scores(torch.zeros(1, 4, dtype=F64), spelling)
    assert even[0].tolist() == pytest.approx([-2 * math.log(2)] * 3)


def test_what_are_no_words_is_refused() -> None:
    with pytest.raises(ValueError, match="7 outputs cannot be shared among 2 words"):
        Words(2).encode(draw(5, 7), None, None)
    with pytest.raises(ValueError, match="weighs in labels, which words have not"):
        Words(2, SoftLabels(3.0, hard_weight=0.5))
    with pytest.raises(ValueError, match="wanted an integer of at least 1"):
        Words(0)
    with pytest.raises(ValueError, match="falls into parts or compares examples"):
        WordsLoss(2, SubclassLoss(2))
