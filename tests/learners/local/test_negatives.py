"""Fakes: never the true label, never one image alone."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from analog import Chip
from analog import Ideal
from analog import Spec
from analog import dense
from analog import stream
from learners import Batch
from learners import CrossEntropy
from learners import Descent
from learners import NodePerturbation
from learners import sgd
from learners.local import HybridImages
from learners.local import WrongLabels
from learners.local import normalize
from learners.local.negatives import _ReadoutState
from learners.local.negatives import sample_categorical
from tests.twostage import kept

READOUT = Descent(NodePerturbation(1.0), sgd(1e-9), CrossEntropy())


def spec(pixels: int, fleet: int = 0) -> Spec:
    return Spec((dense(pixels, 4), dense(4, 3)), fleet=(fleet,) if fleet else ())


@settings(max_examples=40)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    classes=st.integers(5, 7),
    fleet=st.sampled_from([0, 2]),
    sure=st.sampled_from([None, 0.0, 1e4, -1e4]),
    salt=st.integers(0, 5),
)
def test_a_negative_never_carries_the_true_label(
    labels: list[int], classes: int, fleet: int, sure: float | None, salt: int
) -> None:
    """By chance or by a read-out, however sure that is of a label, of the true one too."""
    ways = WrongLabels(classes, 2.0, None if sure is None else READOUT)
    chip = Chip(Ideal(), spec(16).layers, range(fleet) if fleet else 1)
    held = ways.init(chip.spec)
    if held.readout is not None and sure is not None:
        knobs = held.readout.clone()
        knobs[..., labels[0], -1] = sure  # its bias
        held = _ReadoutState(knobs, held.learner)
    x = torch.rand(len(labels), 16, generator=stream(salt, "x"))
    target = torch.tensor(labels)
    real, fake, _ = ways.pair(chip.port(), Batch(x, target), held, stream(salt, "wrong"))
    assert real.shape == fake.shape == (*chip.spec.fleet, len(labels), 16)
    said = fake[..., :classes]
    assert torch.equal(said.sum(-1), torch.full(said.shape[:-1], 2.0)) and bool(
        (said.max(-1).values == 2).all()
    )
    assert not bool((said.argmax(-1) == target).any())
    assert bool((real[..., :classes].argmax(-1) == target).all())
    assert torch.equal(real[..., classes:], fake[..., classes:])
    assert torch.equal(fake[..., classes:], x[:, classes:].expand_as(fake[..., classes:]))


def test_wrong_labels_are_drawn_as_the_network_takes_images_for_them() -> None:
    """4 means by the two-stage rule."""
    weights = torch.tensor([0.5, 0.0, 0.3, 0.2], dtype=torch.float64)

    def sample(n: int, generator: torch.Generator) -> Tensor:
        return torch.nn.functional.one_hot(sample_categorical(weights.expand(n, 4), generator), 4).double()

    assert kept(sample, weights, 2000, "wrong labels")


@settings(max_examples=40)
@given(side=st.integers(3, 9), count=st.integers(2, 6), blurs=st.integers(0, 8), salt=st.integers(0, 50))
def test_a_hybrid_is_made_of_two_different_images(side: int, count: int, blurs: int, salt: int) -> None:
    """Every pixel is that of the image or of one other, the same for the whole hybrid; half of either."""
    x = torch.arange(count).unsqueeze(-1).expand(count, side * side).double()
    ways = HybridImages(blurs)
    port = Chip(Ideal(), spec(side * side).layers, dtype=torch.float64).port()
    real, fake, _ = ways.pair(port, Batch(x), ways.init(port.spec), stream(salt, "hybrids"))
    assert torch.equal(real, x)
    for own, line in enumerate(fake):
        values, counts = line.unique(return_counts=True)
        assert len(values) == 2 and own in values.tolist()
        assert int(counts.min()) == side * side // 2


def test_masks_are_blots() -> None:
    """The more they are blurred the fewer neighbors differ; unblurred half of them do."""
    x = torch.zeros(50, 28 * 28)
    edges = []
    for blurs in (0, 2, 6):
        mask = HybridImages(blurs).masks(x, stream(0, "blots")).view(-1, 28, 28)
        edges.append(float((mask[:, 1:] != mask[:, :-1]).double().mean()))
        across = float((mask[..., 1:] != mask[..., :-1]).double().mean())
        assert abs(across - edges[-1]) < 0.02  # alike in both directions
    assert abs(edges[0] - 0.5) < 0.02 and edges[0] > 2 * edges[1] > 2.5 * edges[2]


def test_normalizing_keeps_directions_alone() -> None:
    x = torch.randn(3, 4, 6, generator=stream(0, "x"))
    torch.testing.assert_close(normalize(x).square().mean(-1), torch.ones(3, 4))
    torch.testing.assert_close(normalize(7 * x), normalize(x))
    assert torch.equal(normalize(torch.zeros(2, 6)), torch.zeros(2, 6))


X = torch.zeros(1, 16)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda port: WrongLabels(1), "2 classes"),
        (lambda port: WrongLabels(10, 0.0), "some brightness"),
        (lambda port: WrongLabels(16).init(port.spec), "leave nothing of 16 pixels"),
        (lambda port: WrongLabels(3, 1.0, READOUT, skipped=2).init(port.spec), "leaves none"),
        (lambda port: WrongLabels(3).pair(port, Batch(X), _ReadoutState(None, None), stream(0)), "NoneType"),
        (lambda port: HybridImages().init(spec(15)), "no square"),
        (lambda port: HybridImages(-1), "blurs is -1"),
        (lambda port: HybridImages().pair(port, Batch(X), (), stream(0)), "at least 2"),
    ],
)
def test_bad_input_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(Chip(Ideal(), spec(16).layers).port())
