"""Images are shifted and mirrored as the lots say, pixel by pixel, and all places are as likely."""

import torch

from analog import stream
from learners import Batch
from learners.data import flip_and_shift, flip_images, shift_images

IMAGE = (3, 5, 4)


def images(count: int) -> torch.Tensor:
    return torch.arange(1.0, count * 60 + 1).view(count, 60)


def test_every_shift_is_some_window_of_the_framed_image_and_all_come_up() -> None:
    x, seen = images(400), set()
    shifted = shift_images(x, IMAGE, 1, stream(0, "shifts"), outside=-1.0).view(-1, *IMAGE)
    framed = torch.nn.functional.pad(x.view(-1, *IMAGE), (1, 1, 1, 1), value=-1.0)
    for image, frame in zip(shifted, framed, strict=True):
        windows = {(i, j): frame[:, i : i + 5, j : j + 4] for i in range(3) for j in range(3)}
        places = [place for place, window in windows.items() if torch.equal(image, window)]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 9  # of 400 images; one place is missed once in 3e19 times


def test_half_of_the_images_are_mirrored_left_to_right() -> None:
    x = images(400)
    flipped = flip_images(x, IMAGE, stream(0, "tosses"))
    mirrored = x.view(-1, *IMAGE).flip(-1).flatten(1)
    same, other = (flipped == x).all(1), (flipped == mirrored).all(1)
    assert bool((same ^ other).all()) and 130 < int(same.sum()) < 270  # 7 standard deviations


def test_one_generator_says_all_and_targets_stay() -> None:
    batch = Batch(images(6), torch.arange(6))
    one, again = (flip_and_shift(batch, IMAGE, 2, stream(0, "lots")) for _ in range(2))
    assert torch.equal(one.x, again.x) and torch.equal(one.target, batch.target)
    assert not torch.equal(one.x, flip_and_shift(batch, IMAGE, 2, stream(1, "lots")).x)
    still = flip_and_shift(batch, IMAGE, 0, stream(0, "lots")).x
    assert torch.equal(still, flip_images(batch.x, IMAGE, stream(0, "lots")))
