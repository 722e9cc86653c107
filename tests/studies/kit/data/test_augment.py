"""ViewRanges move ink about and do nothing else."""

import torch

from analog import stream
from learners.data import load_data
from studies.kit.data.augment import ViewRanges, random_view, warp

X = load_data("digits").train.x[:64].double()
ZERO, ONE = torch.zeros(64, dtype=torch.float64), torch.ones(64, dtype=torch.float64)


def test_without_movement_a_view_is_the_image() -> None:
    torch.testing.assert_close(
        random_view(X, ViewRanges(0, 0, 0, 0), stream(0, "v")), X, atol=1e-12, rtol=0.0
    )


def test_a_shift_by_whole_pixels_and_quarter_turns_are_exact() -> None:
    image = X.view(-1, 8, 8)
    by_one = torch.stack([ONE / 8, ZERO], -1)
    right = warp(X, ZERO, ONE, ZERO, by_one).view(-1, 8, 8)
    torch.testing.assert_close(right[:, :, :-1], image[:, :, 1:], atol=1e-12, rtol=0.0)
    assert float(right[:, :, -1].abs().max()) < 1e-12
    turned = warp(X, ONE * torch.pi / 2, ONE, ZERO, torch.stack([ZERO, ZERO], -1))
    torch.testing.assert_close(turned.view(-1, 8, 8), image.rot90(1, (1, 2)), atol=1e-12, rtol=0.0)


def test_views_differ_but_their_generator_decides_how() -> None:
    one, again, other = (random_view(X, ViewRanges(), stream(s, "v")) for s in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert float(one.min()) >= 0 and float(one.max()) <= 1
    both, image = one.mean(0) - X.mean(0), one - X
    assert float(image.square().mean()) > 4 * float(both.square().mean())
