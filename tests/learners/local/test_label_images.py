"""Labels in images, and what a read-out sees."""

import torch

from analog import stream
from learners.local import embed_label, embed_neutral_label, normalize, readout_features


def test_a_label_takes_the_first_pixels_and_no_other() -> None:
    x = torch.rand(2, 6, generator=stream(0, "x"))
    labeled = embed_label(x, torch.tensor([[0, 2], [1, 1]]), 3, 2.0)
    wanted = torch.tensor([[[2.0, 0, 0], [0, 0, 2.0]], [[0, 2.0, 0], [0, 2.0, 0]]])
    assert torch.equal(labeled[..., :3], wanted)
    assert torch.equal(labeled[..., 3:], x[:, 3:].expand(2, 2, 3))
    neutral = embed_neutral_label(x, 3, 3.0)
    assert torch.equal(neutral[:, :3], torch.ones(2, 3)) and torch.equal(neutral[:, 3:], x[:, 3:])


def test_a_read_out_sees_directions_of_all_layers_but_the_lowest() -> None:
    taps = [torch.rand(4, size, generator=stream(0, "tap", size)) for size in (5, 3, 2)]
    wanted = torch.cat([normalize(tap) for tap in taps[1:]], -1)
    assert torch.equal(readout_features(taps), wanted) and readout_features(taps, 0).shape == (4, 10)
    doubled = torch.cat([2 * tap for tap in taps], -1)
    assert torch.equal(readout_features(taps, 0, lambda tap: 2 * tap), doubled)
