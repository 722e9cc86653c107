"""What is handed on of an activity: its pattern, whatever its size or, where standardized, its mean."""

import torch

from analog import stream
from learners.local import normalize, standardize, standardized_triangle

X = torch.randn(3, 4, 6, generator=stream(0, "x"), dtype=torch.float64)


def test_normalizing_keeps_directions_alone() -> None:
    torch.testing.assert_close(normalize(X).square().mean(-1), torch.ones(3, 4, dtype=X.dtype))
    torch.testing.assert_close(normalize(7 * X), normalize(X))
    assert torch.equal(normalize(torch.zeros(2, 6)), torch.zeros(2, 6))


def test_standardizing_takes_mean_and_size_away() -> None:
    out = standardize(X)
    torch.testing.assert_close(out.mean(-1), torch.zeros(3, 4, dtype=X.dtype), atol=1e-12, rtol=0)
    torch.testing.assert_close(out.square().mean(-1), torch.ones(3, 4, dtype=X.dtype))
    torch.testing.assert_close(standardize(2 * X + 5), out)


def test_a_triangle_is_flat_below_the_mean_and_keeps_order_above() -> None:
    """Also where all activities are below 0: it sees what a rectifier would not pass."""
    x = torch.tensor([[-9.0, -8.0, -4.0, -3.0]])  # mean -6
    out = standardized_triangle(x)[0]
    assert out[0] == out[1] < out[2] < out[3]
    torch.testing.assert_close((out[3] - out[0]) / (out[2] - out[0]), torch.tensor(1.5))  # 3 and 2 above
