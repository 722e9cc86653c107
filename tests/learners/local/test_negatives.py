"""Wrong labels: never the true one, and drawn as the network takes images for them."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from analog import Chip, Ideal, Spec, dense, stream
from learners import Batch, CrossEntropy, Descent, NodePerturbation, sgd
from learners.local import WrongLabels
from learners.local.negatives import _ReadoutState, sample_categorical
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


X = torch.zeros(1, 16)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda port: WrongLabels(1), "2 classes"),
        (lambda port: WrongLabels(10, 0.0), "some brightness"),
        (lambda port: WrongLabels(16).init(port.spec), "leave nothing of 16 pixels"),
        (lambda port: WrongLabels(3, 1.0, READOUT, skipped=2).init(port.spec), "leaves none"),
        (lambda port: WrongLabels(3).pair(port, Batch(X), _ReadoutState(None, None), stream(0)), "NoneType"),
    ],
)
def test_bad_input_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(Chip(Ideal(), spec(16).layers).port())
