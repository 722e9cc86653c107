"""Made-up stimuli have the moments they promise; chosen ones are what students need, and are charged."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from analog import Chip, Ideal, Ledger, Mismatched, dense, metered, stream
from distill import (
    DistillationLoss,
    SoftLabels,
    TeacherTarget,
    bald,
    lessons,
    predictive_entropy,
    select_top,
    subsample,
)
from distill.stimuli import drop_classes, gaussian_noise, mixup, resize
from learners import Batch
from learners.data import take
from tests.twostage import kept as agrees

F64 = torch.float64
POOL = Batch(torch.rand(40, 4, generator=stream(0, "pool"), dtype=F64), torch.arange(40) % 5)
LAYERS = (dense(4, 6), dense(6, 3, linear=True))
X = POOL.x.float()


def test_some_are_different_stimuli_with_their_targets_each_as_likely() -> None:
    few = subsample(POOL, 7, stream(0, "some"))
    places = [int((POOL.x == x).all(-1).nonzero()) for x in few.x]
    assert len({*places}) == 7 and torch.equal(few.target, POOL.target[places])
    assert torch.equal(
        few.x, subsample(POOL, 20, stream(0, "some")).x[:7]
    )  # with the same dice, the first of more
    numbered = Batch(torch.eye(6, dtype=F64))

    def sample(n: int, generator: Generator) -> Tensor:
        return torch.stack([subsample(numbered, 2, generator).x.sum(0) for _ in range(n)])

    assert agrees(sample, torch.full((6,), 1 / 3, dtype=F64), 400, "some")
    for count in (0, 41):
        with pytest.raises(ValueError, match="of a pool of 40"):
            subsample(POOL, count, stream(0))


@given(classes=st.sets(st.integers(0, 6)))
def test_a_pool_without_classes_is_the_rest_in_order(classes: set[int]) -> None:
    if classes >= set(range(5)):
        with pytest.raises(ValueError, match="nothing is left"):
            drop_classes(POOL, tuple(classes))
        return
    left = drop_classes(POOL, tuple(classes))
    wanted = [i for i in range(40) if i % 5 not in classes]
    assert torch.equal(left.x, POOL.x[wanted]) and torch.equal(left.target, POOL.target[wanted])


def test_noise_matches_each_pixel_and_stays_in_range() -> None:
    """Far from the ends of the range nothing is clipped, and mean, spread and independence are exact."""
    like = torch.tensor([[0.45, 0.5, 0.3], [0.55, 0.5, 0.4], [0.5, 0.5, 0.5]], dtype=F64)
    wide = torch.cat((like.repeat(300, 1), torch.tensor([[-9.0] * 3, [9.0] * 3], dtype=F64)))
    mean, spread = wide.mean(0), wide.std(0, correction=0)

    def sample(n: int, generator: Generator) -> Tensor:
        z = (gaussian_noise(wide, n, generator) - mean) / spread
        return torch.cat((z, z.square(), z * z.roll(1, -1)), -1)

    wanted = torch.tensor([0.0] * 3 + [1.0] * 3 + [0.0] * 3, dtype=F64)
    assert agrees(sample, wanted, 4000, "noise")
    made = gaussian_noise(like, 500, stream(0, "noise"))
    assert float(made.min()) == 0.3 and float(made.max()) == 0.55 and made[:, 1].eq(0.5).all()


def test_mixtures_lie_between_two_different_stimuli() -> None:
    corners = torch.eye(5, dtype=F64)  # where a mixture shows what it was made of
    made = mixup(corners, 300, stream(0, "mixtures"))
    torch.testing.assert_close(made.sum(-1), torch.ones(300, dtype=F64))
    assert (made > 0).sum(-1).eq(2).all()

    def sample(n: int, generator: Generator) -> Tensor:
        m = mixup(corners, n, generator)
        return torch.cat((m, m.square().sum(-1, keepdim=True)), -1)  # E[u^2 + (1 - u)^2] = 2/3

    assert agrees(sample, torch.tensor([0.2] * 5 + [2 / 3], dtype=F64), 2000, "mixtures")
    with pytest.raises(ValueError, match="at least 2"):
        mixup(corners[:1], 3, stream(0))


def test_resampled_images_keep_their_mean_and_equal_areas_are_averaged() -> None:
    images = torch.rand(3, 36, generator=stream(0, "images"), dtype=F64)
    small = resize(images, 4)
    wanted = images.reshape(3, 2, 3, 2, 3).mean((2, 4)).reshape(3, 4)
    torch.testing.assert_close(small, wanted)
    assert torch.equal(resize(images, 36), images)
    torch.testing.assert_close(resize(resize(images[:, :4], 16), 4), images[:, :4])
    torch.testing.assert_close(resize(torch.ones(2, 784), 64), torch.ones(2, 64))
    for pool, pixels in ((images, 5), (images[:, :35], 4)):
        with pytest.raises(ValueError, match="square"):
            resize(pool, pixels)


def test_doubt_and_dispute_by_hand() -> None:
    sure, unsure = [50.0, 0.0, 0.0], [1.0, 1.0, 1.0]
    other = [0.0, 50.0, 0.0]
    out = torch.tensor([[sure, unsure, sure], [sure, unsure, other]], dtype=F64)
    log2, log3 = torch.tensor([2.0, 3.0], dtype=F64).log().tolist()
    torch.testing.assert_close(predictive_entropy(out, None), torch.tensor([[0, log3, 0]] * 2, dtype=F64))
    torch.testing.assert_close(bald(out, None), torch.tensor([0, 0, log2], dtype=F64))
    with pytest.raises(ValueError, match="a fleet's outputs"):
        bald(out[0], None)


@given(chips=st.integers(1, 5), spread=st.floats(0, 20))
def test_dispute_is_none_among_twins_and_at_most_the_log_of_their_number(chips: int, spread: float) -> None:
    out = spread * torch.randn(chips, 9, 4, generator=stream(0, "dispute", chips), dtype=F64)
    score = bald(out, None)
    assert float(score.min()) > -1e-12 and float(score.max()) < math.log(chips) + 1e-12
    twins = bald(out[:1].expand(3, -1, -1), None)
    torch.testing.assert_close(twins, torch.zeros(9, dtype=F64))


def test_those_with_the_highest_mean_score_are_kept_and_all_are_charged() -> None:
    students = Chip(Ideal(), LAYERS, range(3))
    ledger = Ledger(students.spec)
    (batch,) = select_top([Batch(X, POOL.target)], metered(students.port(), ledger), 6, predictive_entropy)
    scores = predictive_entropy(students.port().measure(X).out, None).mean(0)
    best = scores.topk(6).indices
    assert torch.equal(batch.x, X[best]) and torch.equal(batch.target, POOL.target[best])
    assert ledger.reads == [40, 40]
    (every,) = select_top([Batch(X)], students.port(), 40, bald)
    assert Counter(map(tuple, every.x.tolist())) == Counter(map(tuple, X.tolist())) and every.target is None
    for keep in (0, 41):
        with pytest.raises(ValueError, match="of 40 candidates"):
            next(select_top([Batch(X)], students.port(), keep, predictive_entropy))


def test_lessons_that_surprise_most_are_kept_with_their_answers() -> None:
    """A loss is a score: students are asked where they are farthest from the teacher."""
    teacher, student = Chip(Ideal(), LAYERS, 1).port(), Chip(Ideal(), LAYERS, 2).port()
    taught = lessons(teacher, [Batch(X)], SoftLabels(2.0))
    (batch,) = select_top(taught, student, 5, DistillationLoss(2.0))
    soft = (teacher.measure(X).out / 2).softmax(-1)
    gap = DistillationLoss(2.0)(student.measure(X).out, TeacherTarget(soft))
    best = gap.topk(5).indices
    assert torch.equal(batch.x, X[best]) and torch.equal(batch.target.soft, soft[best])


def test_students_choose_anew_as_they_learn() -> None:
    """Nothing is asked before a batch is wanted, so that the choice is that of the student of that moment."""
    chip = Chip(Mismatched(read_noise=0.0), LAYERS, 1)
    port = chip.port()
    choosing = select_top([Batch(X)] * 2, port, 3, predictive_entropy)
    first = next(choosing)
    port.program(tuple(torch.randn(k.shape, generator=stream(0, "knobs")) for k in port.spec.zeros()))
    best = predictive_entropy(port.measure(X).out, None).topk(3).indices
    assert torch.equal(next(choosing).x, X[best]) and not torch.equal(first.x, X[best])


def test_kept_goes_into_tuples_and_leaves_out_what_is_not_there() -> None:
    which = torch.tensor([3, 1])
    batch = take(Batch(X, TeacherTarget(X.double(), None)), which)
    assert torch.equal(batch.target.soft, X.double()[which]) and batch.target.label is None
    assert take(Batch(X), which).target is None
