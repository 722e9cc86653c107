"""Blocks of a chip: what one does is its own business, bitwise; heads outside the chip learn exactly."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import Chip, Ideal, Mismatched, dense, stream, xray
from learners import Batch, CrossEntropy, Descent, Loss, NodePerturbation, SquaredError, fit, recipes, sgd
from learners.local import Block, Greedy

F64 = torch.float64
LAYERS = (dense(6, 8), dense(8, 7), dense(7, 5), dense(5, 3, linear=True))


def learner(rate: float = 0.1, **more: Any) -> Descent:
    return Descent(NodePerturbation(0.1, probes=2), sgd(rate), CrossEntropy(), **more)


def blocks(top_rate: float = 0.1) -> tuple[Block, ...]:
    heads = (dense(8, 3, linear=True), dense(5, 3, linear=True))
    return (
        Block(1, learner(), heads[0]),
        Block(2, learner(), heads[1]),
        Block(1, learner(top_rate, delta_rule=False)),
    )


def lessons(count: int) -> list[Batch]:
    generator = stream(0, "lessons")
    made = (torch.randn(16, 6, generator=generator, dtype=F64) for _ in range(count))
    return [Batch(x, x[:, :3].argmax(-1)) for x in made]


def taught(
    greedy: Greedy, device: Any, layers: Any = LAYERS, steps: int = 5, identity: Any = 3
) -> list[Tensor]:
    chip = Chip(device, layers, identity, dtype=F64)
    list(fit(greedy, chip.port(), lessons(steps), stream(0, "probes")))
    return list(xray.knobs(chip))


def above(probes: int, size: float = 0.2) -> Greedy:
    """Other probes in the last block."""
    top = Descent(NodePerturbation(size, probes=probes), sgd(0.1), CrossEntropy(), delta_rule=False)
    return Greedy((*blocks()[:2], Block(1, top)))


@pytest.mark.parametrize("identity", [3, [3, 4]], ids=["chip", "fleet"])
@pytest.mark.parametrize("noisy", [True, False], ids=["noisy", "silent"])
def test_nothing_reaches_a_block_from_above(noisy: bool, identity: Any) -> None:
    """Another rate, other probes, more of them above: the lower blocks do not notice, bitwise.

    More readings above take more of the chips' noise on a noisy chip, so there their number is kept.
    """
    device = Mismatched() if noisy else Ideal()
    usual = taught(Greedy(blocks()), device, identity=identity)
    for other in (Greedy(blocks(0.5)), above(2), above(2 if noisy else 5)):
        knobs = taught(other, device, identity=identity)
        assert all(torch.equal(a, b) for a, b in zip(usual[:3], knobs[:3], strict=True))
        assert not torch.equal(usual[3], knobs[3])


def test_a_block_alone_learns_as_it_does_below_others() -> None:
    alone = taught(Greedy(blocks()[:1]), Ideal(), LAYERS[:1], steps=1)
    assert torch.equal(alone[0], taught(Greedy(blocks()), Ideal(), steps=1)[0])


def test_one_block_without_a_head_is_the_learner_inside() -> None:
    """Up to the dice: by the exact expectation of many probes on a silent chip."""
    many = Descent(NodePerturbation(1e-4, probes=4000), sgd(0.1), CrossEntropy(), delta_rule=False)
    both = []
    for way in (many, Greedy((Block(2, many),))):
        chip = Chip(Ideal(), (dense(6, 4), dense(4, 3, linear=True)), 1, dtype=F64)
        list(fit(way, chip.port(), lessons(1), stream(0, "probes")))
        both.append(torch.cat([k.flatten() for k in xray.knobs(chip)]))
    torch.testing.assert_close(both[0], both[1], atol=0.02, rtol=0.0)


def test_what_stands_between_blocks_is_between_all_of_them() -> None:
    """Doubled activity drives the next block's halved knobs alike."""
    usual = Greedy(blocks())
    doubled = Greedy(tuple(replace(block, interlayer=lambda tap: 2 * tap) for block in blocks()))
    chips = [Chip(Ideal(), LAYERS, 1, dtype=F64) for _ in range(2)]
    knobs = list(xray.knobs(chips[1]))
    for at in (1, 3):
        knobs[at][..., :-1] /= 2  # biases stay
    chips[1].port().program(tuple(knobs))
    taps = []
    for greedy, chip in zip((usual, doubled), chips, strict=True):
        ((_, step),) = fit(greedy, chip.port(), lessons(1), stream(0, "probes"))
        taps.append(step.baseline.taps)
    torch.testing.assert_close(taps[0], taps[1])


def test_in_turn_only_one_block_is_pulsed_and_later_ones_are_not_even_driven() -> None:
    """Heads begin at zero, so a block with a head feels nothing in its first step."""
    greedy = Greedy(blocks(), steps_per_block=(2, 3))
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    port, state, generator = chip.port(), greedy.init(chip.spec), stream(0, "probes")
    moved, driven = [], []
    for batch in lessons(7):
        before = xray.knobs(chip)
        state, step = greedy.step(port, batch, state, generator)
        moved.append([not torch.equal(a, b) for a, b in zip(before, xray.knobs(chip), strict=True)])
        driven.append(len(step.baseline.taps))
    none, first, second, third = (
        [False] * 4,
        [True, False, False, False],
        [False, True, True, False],
        [False, False, False, True],
    )
    assert moved == [none, first, none, second, second, third, third]
    assert driven == [1, 1, 3, 3, 3, 4, 4]


def test_a_digital_head_and_a_silent_chip_as_head_learn_alike() -> None:
    results = []
    for physical in (False, True):
        head = Chip(Ideal(), (dense(8, 3, linear=True),), 5, dtype=F64)
        head.port().program(head.spec.zeros())
        top = head.port() if physical else dense(8, 3, linear=True)
        chip = Chip(Ideal(), LAYERS[:1], 1, dtype=F64)
        greedy = Greedy((Block(1, learner(), top),))
        *_, (_, last) = fit(greedy, chip.port(), lessons(8), stream(0, "probes"))
        results.append((xray.knobs(chip)[0], last.loss))
    torch.testing.assert_close(results[0], results[1], atol=1e-12, rtol=0.0)


def test_blocks_with_heads_learn() -> None:
    chip = Chip(Mismatched(), LAYERS, 3, dtype=F64)
    greedy = Greedy(blocks())
    losses = [float(step.loss) for _, step in fit(greedy, chip.port(), lessons(400), stream(0, "probes"))]
    assert sum(losses[-50:]) < 0.6 * sum(losses[:50])


class PerPart(Loss):
    """Half the squared distance, of each half of the outputs alone."""

    parts = 2

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        return 0.5 * (out - target).square().unflatten(-1, (2, -1)).sum(-1)


def test_losses_of_parts_are_laid_to_their_own_nodes() -> None:
    """With each half its own loss, half the nodes are perturbed at once: exact for one node a part."""
    x = torch.randn(5, 3, generator=stream(0, "x"), dtype=F64)
    target = torch.randn(5, 2, generator=stream(1, "x"), dtype=F64)
    layers = (dense(3, 2, linear=True),)
    knobs = []
    for loss in (PerPart(), SquaredError()):
        chip = Chip(Ideal(), layers, 1, dtype=F64)
        (exact,) = xray.knob_gradient(chip, x, target, SquaredError())
        before = xray.knobs(chip)[0].clone()
        way = Descent(NodePerturbation(1e-5), sgd(1.0), loss, delta_rule=False)
        ((_, step),) = fit(way, chip.port(), [Batch(x, target)], stream(0, "probes"))
        knobs.append((before - xray.knobs(chip)[0], exact, step.loss))
    torch.testing.assert_close(knobs[0][0], knobs[0][1], atol=1e-4, rtol=0.0)
    assert not torch.allclose(knobs[1][0], knobs[1][1], atol=1e-2)
    torch.testing.assert_close(knobs[0][2], knobs[1][2])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Greedy(()), "at least one block"),
        (lambda: Greedy(blocks(), steps_per_block=(1,)), "wanted 2 numbers"),
        (lambda: Block(0, learner()), "depth is 0"),
        (lambda: Block(1, learner(), head=dense(8, 3)), "Block: head is .*, wanted a linear read-out"),
        (lambda: Greedy(blocks()[:2]).init(Chip(Ideal(), LAYERS).spec), "3 layers, the chip 4"),
        (
            lambda: Greedy((replace(blocks()[0], head=dense(9, 3, linear=True)),)).init(
                Chip(Ideal(), LAYERS[:1]).spec
            ),
            "8 outputs",
        ),
    ],
    ids=["empty", "steps", "depth", "rectified", "count", "head"],
)
def test_bad_settings_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_blocks_are_told_how_long_they_learn() -> None:
    """All of the training side by side, their own turns one after another, and the last what is left."""
    recipe = recipes.learned_feedback(CrossEntropy())
    blocks = tuple(Block(1, recipe) for _ in range(3))
    for turns, counts in ((None, (100, 100, 100)), ((20, 50), (20, 50, 30))):
        told = Greedy(blocks, turns).for_steps(100)
        assert [repr(block.learner) for block in told.blocks] == [repr(recipe.for_steps(n)) for n in counts]
