"""Fixed random feedback: drawn once, of the right size, each chip its own; chips that relax are refused."""

import pytest
import torch

from analog import Chip, Ideal, dense, stream
from analog.spec import Spec
from learners import CrossEntropy, fit, sgd
from learners.alternatives import PEPITA, DirectFeedbackAlignment, FeedbackAlignment
from learners.alternatives.random_feedback import draw_feedback
from tests.learners.alternatives.rule import labeled

LAYERS = (dense(5, 4), dense(4, 3, linear=True))
each_kind = pytest.mark.parametrize("kind", [FeedbackAlignment, DirectFeedbackAlignment, PEPITA])


def test_entries_have_the_sd_asked_for_and_chips_draw_their_own() -> None:
    """40,000 entries; their sd is off by 1/283 of itself, and 5 times that is allowed."""
    spec = Chip(Ideal(), LAYERS, range(2)).spec
    (matrix,) = draw_feedback([(200, 100)], 0.3, spec, stream(0, "feedback"))
    assert matrix.shape == (2, 200, 100)
    assert float(matrix.std()) == pytest.approx(0.3, rel=5 / 283)
    overlap = torch.corrcoef(matrix.flatten(1))[0, 1]  # of 20,000 pairs
    assert abs(float(overlap)) < 5 / 20_000**0.5


@each_kind
def test_matrices_are_drawn_at_the_first_step_and_stay(kind: type) -> None:
    chip = Chip(Ideal(), LAYERS, 1)
    learner = kind(sgd(0.1), CrossEntropy())
    assert learner.init(chip.spec).feedback is None
    states = [state for state, _ in fit(learner, chip.port(), [labeled(chip)] * 3, stream(0))]
    first, *later = [state.feedback for state in states]
    assert all(torch.equal(a, b) for each in later for a, b in zip(first, each, strict=True))


@each_kind
def test_what_cannot_be_taught_so_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: scale is 0.0, wanted a finite number above 0"):
        kind(sgd(0.1), CrossEntropy(), 0.0)
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: the chip relaxes"):
        kind(sgd(0.1), CrossEntropy()).init(Spec(LAYERS, synapse="product"))
