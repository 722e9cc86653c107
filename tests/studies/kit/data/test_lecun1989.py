"""The task of 1989: its data, the same in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from analog import Chip, Ideal, stream
from learners import Batch
from learners.data import Dataset, load_data
from studies.kit.data import lecun1989

MNIST = (Path(os.environ.get("MORTAL_DATA", "/nowhere")) / "mnist").is_dir()
CHECKSUM = """
from learners.data import load_data
from studies.kit.data import lecun1989
print(lecun1989.draw_digits(load_data("digits")).checksum)
"""


def test_it_has_the_papers_parameters() -> None:
    for linear in (True, False):
        layers = lecun1989.network_layers(linear)
        assert tuple(la.tiles * la.rows * la.cols for la in layers) == lecun1989.PARAMETERS
        assert sum(lecun1989.PARAMETERS) == 9_760 and layers[-1].linear is linear


def test_it_computes_the_convolutions_of_the_source() -> None:
    """Beside torch's convolutions of images padded with -1, planes 0-7, 4-11, and 0-3 with 8-11."""
    chip = Chip(Ideal(), lecun1989.network_layers(), identity=3, dtype=torch.float64)
    x = torch.rand(4, 256, generator=stream(0, "lecun"), dtype=torch.float64) * 2 - 1
    taps = chip.port().measure(x).taps
    one, two = (c.knobs for c in chip._cells[:2])
    pad = torch.nn.functional.pad
    image = pad(x.view(4, 1, 16, 16), (2, 2, 2, 2), value=-1.0)
    maps = torch.nn.functional.conv2d(image, one[0, :, :25].view(12, 1, 5, 5), stride=2)
    maps = (maps + one[0, :, 25:].view(12, 8, 8)).relu()
    torch.testing.assert_close(taps[0], maps.flatten(1))
    wide = pad(maps, (2, 2, 2, 2), value=-1.0)
    for tile, seen in enumerate([[*range(8)], [*range(4, 12)], [*range(4), *range(8, 12)]]):
        kernel = two[tile, :, :200].view(4, 8, 5, 5)
        out = torch.nn.functional.conv2d(wide[:, seen], kernel, stride=2) + two[tile, :, 200:].view(4, 4, 4)
        torch.testing.assert_close(taps[1][:, 64 * tile : 64 * tile + 64], out.relu().flatten(1))


def test_a_constant_image_stays_constant_and_a_ramp_a_ramp() -> None:
    """Bilinear interpolation keeps what is linear: pixel k of 16 sits at (k + 1/2) side/16 - 1/2."""
    flat = lecun1989.shrink(torch.full((1, 784), 0.25))
    torch.testing.assert_close(flat, torch.full((1, 256), -0.5))
    ramp = (torch.arange(28.0) / 27).expand(1, 28, 28).flatten(1)
    at = (torch.arange(16) + 0.5) * 28 / 16 - 0.5
    torch.testing.assert_close(lecun1989.shrink(ramp).view(16, 16)[3], 2 * at / 27 - 1)
    with pytest.raises(ValueError, match="wants square images, got 12 pixels"):
        lecun1989.shrink(torch.zeros(2, 12))


def made_up() -> Dataset:
    x = torch.rand(60, 64, generator=stream(0, "made up"))
    labels = torch.arange(60) % 10
    return Dataset.from_batches("made up", Batch(x[:40], labels[:40]), Batch(x[40:], labels[40:]))


def test_a_shorter_draw_begins_a_longer_one() -> None:
    few, all_of_them = lecun1989.draw_digits(made_up(), 10, 5), lecun1989.draw_digits(made_up(), 1000, 1000)
    assert len(few.train.x) == 10 and len(all_of_them.train.x) == 40 and len(all_of_them.test.x) == 20
    assert torch.equal(few.train.x, all_of_them.train.x[:10])
    assert sorted(all_of_them.train.target.tolist()) == sorted(made_up().train.target.tolist())
    assert few.train.x.min() >= -1 and few.train.x.max() <= 1
    with pytest.raises(ValueError, match="at least one image"):
        lecun1989.draw_digits(made_up(), 0)


def test_the_data_are_the_same_under_every_hash_seed() -> None:
    """That of this process, and another; the digits stand in for MNIST, the draw is the same."""
    elsewhere = subprocess.run(
        [sys.executable, "-c", CHECKSUM],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == lecun1989.draw_digits(load_data("digits")).checksum


@pytest.mark.skipif(not MNIST, reason="no MNIST at $MORTAL_DATA")
def test_the_draw_from_mnist() -> None:
    few, many = (
        lecun1989.draw_digits(load_data("mnist"), count)
        for count in (lecun1989.TRAIN_IMAGES, lecun1989.MANY_TRAIN_IMAGES)
    )
    assert len(few.train.x) == 7_291 and len(many.train.x) == 50_000 and len(many.test.x) == 2_007
    assert few.train.target[:10].tolist() == [7, 7, 1, 4, 2, 3, 5, 4, 5, 3]
    assert few.test.target[:10].tolist() == [2, 5, 2, 3, 1, 2, 6, 3, 7, 9]
    assert torch.equal(few.test.x, many.test.x) and torch.equal(few.train.x, many.train.x[:7_291])
