"""What chips write follows the chances that they give, by drawn numbers and by their own noise."""

import pytest
import torch

from analog import Chip, Ideal, Mismatched, dense, stream
from analog.layers import OneHot, prepared
from studies.language.writing import by_noise, by_softmax, distance_from_softmax, write

LAYERS = (prepared(dense(15, 20), OneHot(5)), dense(20, 5, linear=True))
CONTEXTS = torch.cartesian_prod(*[torch.arange(5.0)] * 3)[::9]


def test_each_symbol_is_chosen_by_those_before_it() -> None:
    """Of each chip of a fleet: what it wrote last is what it is asked about next."""
    asked = []

    def choose(port: object, contexts: torch.Tensor) -> torch.Tensor:
        asked.append(contexts)
        return (contexts[..., -1] + 1).long() % 5

    written = write(Chip(Ideal(), LAYERS, [1, 2]).port(), CONTEXTS[:2], 4, choose)
    assert written.shape == (2, 2, 4)
    assert torch.equal(asked[3][..., :3].long(), written[..., :3])
    assert torch.equal(written[0, 0], (CONTEXTS[0, -1].long() + torch.arange(1, 5)) % 5)


def test_the_chips_own_noise_chooses_as_drawn_numbers_do() -> None:
    """2,000 choices for each of 14 contexts; for five symbols a true sampler is within .016 or so."""
    port = Chip(Mismatched(read_noise=0.02), LAYERS, 1).port()
    drawn = distance_from_softmax(port, CONTEXTS, by_softmax(stream(0, "drawn")), 2000)
    noisy = distance_from_softmax(port, CONTEXTS, by_noise(port, CONTEXTS, 64), 2000)
    assert drawn < 0.025 and noisy < 0.04

    def largest(port, contexts):  # type: ignore[no-untyped-def]
        return port.measure(contexts).out.argmax(-1)

    assert distance_from_softmax(port, CONTEXTS, largest, 20) > 0.2


def test_a_chip_without_noise_chooses_nothing() -> None:
    with pytest.raises(ValueError, match="this chip is silent"):
        by_noise(Chip(Ideal(), LAYERS, 1).port(), CONTEXTS)
