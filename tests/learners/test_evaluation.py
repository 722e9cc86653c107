"""The accuracy of chips is the share of examples that they name rightly."""

import pytest
import torch

from analog import Chip, Ideal, Mismatched, mlp, stream, xray
from learners import Batch, CrossEntropy, evaluate
from learners.evaluation import mean_loss, r_squared

X = torch.rand(3000, 4, generator=stream(0, "evaluation"))


def test_each_chip_of_a_fleet_is_judged_by_what_it_names() -> None:
    fleet = Chip(Ideal(), mlp(4, 5, 3), range(3))
    named = xray.respond(fleet, X).out.argmax(-1)
    accuracy = evaluate(fleet.port(), Batch(X, named[1]))
    assert accuracy.shape == (3,) and float(accuracy[1]) == 1.0
    assert float(accuracy[0]) == float((named[0] == named[1]).double().mean())
    assert evaluate(Chip(Ideal(), mlp(4, 5, 3), 1).port(), Batch(X, named[1])) == 1.0


def test_misuse_is_refused() -> None:
    chip = Chip(Ideal(), mlp(4, 5, 3), 1)
    with pytest.raises(TypeError, match=r"evaluate: port is a Chip, .* chip.port\(\)"):
        evaluate(chip, Batch(X, X[:, 0].long()))  # type: ignore[arg-type]
    for target in (None, X):
        with pytest.raises(ValueError, match=r"evaluate: target is .*, wanted int64 class numbers \(3000,\)"):
            evaluate(chip.port(), Batch(X, target))
    with pytest.raises(ValueError, match="evaluate: the last layer has 3 outputs, and the labels need 10"):
        evaluate(chip.port(), Batch(X, torch.full((3000,), 9)))


def test_the_mean_loss_of_many_examples_is_that_of_all_at_once() -> None:
    """Of each chip of a fleet, in pieces or not."""
    x, target = torch.rand(6000, 4, generator=stream(0, "x")), torch.arange(6000) % 3
    chips = Chip(Mismatched(read_noise=0.0), mlp(4, 3), [1, 2])
    losses = mean_loss(chips.port(), Batch(x, target), CrossEntropy())
    wanted = CrossEntropy()(xray.respond(chips, x).out, target).double().mean(-1)
    torch.testing.assert_close(losses, wanted)


def test_explained_variance_is_one_of_the_truth_and_none_of_the_mean() -> None:
    """Of each chip, behind a digital gain or not; what is worse than the mean comes out below 0."""
    chips = Chip(Ideal(), mlp(4, 5, 2), [1, 2])
    said = xray.respond(chips, X).out
    torch.testing.assert_close(r_squared(chips.port(), Batch(X, said[0]))[0].item(), 1.0)
    torch.testing.assert_close(r_squared(chips.port(), Batch(X, 3 * said[1]), output_gain=3.0)[1].item(), 1.0)
    shown = said[0].double()
    for target in (said[1], -said[0], said[0] + 1):
        wrong, spread = shown - target.double(), target.double() - target.double().mean(0)
        wanted = 1 - wrong.square().sum() / spread.square().sum()
        found = r_squared(chips.port(), Batch(X, target))[0]
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="all targets are the same"):
        r_squared(chips.port(), Batch(X, torch.ones(3000, 2)))
    with pytest.raises(ValueError, match=r"target is \(3000, 1\), wanted \(3000, 2\)"):
        r_squared(chips.port(), Batch(X, said[0][:, :1]))
