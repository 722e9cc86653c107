"""The digital network is the ideal chip of the same wiring, and learns as torch teaches it."""

import torch

from analog import Chip, Ideal, stream
from learners import Batch
from learners.wiring import Statistics, with_standardization
from studies.kit.digital.convolutional import ConvolutionalNetwork
from studies.kit.recipes.image_chips import ConvolutionalChip

WIRING = ConvolutionalChip((3, 8, 8), (4, 5, 6))


def network(steps: int = 5) -> ConvolutionalNetwork:
    return ConvolutionalNetwork(WIRING, 2, 3, steps, 1e-2, stream(0, "weights"))


def test_it_answers_as_an_ideal_chip_with_its_weights_and_statistics() -> None:
    learned, x = network(), torch.rand(20, 192, generator=stream(0, "images"))
    for number in range(3):
        learned.step(Batch(x, torch.arange(20) % 3), stream(number, "nothing"))
    chip = Chip(Ideal(), (*WIRING.layers(), WIRING.head(2, 2, 3)))
    chip.port().program(tuple(w.detach()[None] for w in learned._weights))
    known = [Statistics(*pair) for pair in zip(learned._means, learned._variances, strict=True)]
    answers = with_standardization(chip.port(), WIRING.standardized(), known).measure(x).out
    torch.testing.assert_close(learned.predict(x, x), answers, rtol=1e-4, atol=1e-5)


def test_its_rate_has_fallen_to_nothing_at_the_end() -> None:
    learned, x = network(steps=4), torch.rand(9, 192, generator=stream(0, "images"))
    moves = []
    for _ in range(5):
        before = learned._weights[0].detach().clone()
        learned.step(Batch(x, torch.arange(9) % 3), stream(0, "nothing"))
        moves.append(float((learned._weights[0].detach() - before).abs().max()))
    assert moves[0] > 0 and moves[4] == 0
