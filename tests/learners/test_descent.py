"""Descent: the delta rule, layers in turn, and what it refuses."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, conv2d, dense, grouped, stream, xray
from learners import Batch, CrossEntropy, Descent, Feedback, NodePerturbation, SquaredError, Update, fit, sgd
from learners.estimators import WeightMirrors

WIRINGS = {
    "dense": (dense(16, 5), dense(5, 3, linear=True)),
    "conv, grouped": (conv2d((1, 4, 4), 2, 2, stride=2), grouped(8, 4, 2), dense(4, 3, linear=True)),
    "one layer": (dense(16, 3, linear=True),),
}


def test_the_delta_rule_is_the_read_outs_exact_gradient() -> None:
    """On an ideal chip the pulse of the read-out is minus the exact gradient; the hidden probes spare it."""
    chip = Chip(Ideal(), WIRINGS["dense"], dtype=torch.float64)
    x, target = torch.randn(6, 16, generator=stream(0, "d"), dtype=torch.float64), torch.zeros(6, 3).double()
    loss = SquaredError()
    wanted = xray.knob_gradient(chip, x, target, loss)[1]
    before = xray.knobs(chip)[1]
    learner = Descent(NodePerturbation(0.1), sgd(1.0), loss)
    list(fit(learner, chip.port(), [Batch(x, target)], stream(0)))
    torch.testing.assert_close(xray.knobs(chip)[1], before - wanted)


@pytest.mark.parametrize("loss", [lambda out, target: out.sum(-1), CrossEntropy, None, 0.5])
def test_what_is_no_loss_is_refused(loss: Any) -> None:
    with pytest.raises(TypeError, match="wanted an instance of a subclass of learners.Loss"):
        Descent(NodePerturbation(0.1), sgd(0.1), loss)


@pytest.mark.parametrize("update", [torch.optim.Adam, 1e-2, sgd, Update])
def test_what_is_no_update_is_refused(update: Any) -> None:
    with pytest.raises(TypeError, match=r"Descent: update is .*, wanted an Update such as adam\(1e-2\)"):
        Descent(NodePerturbation(0.1), update, CrossEntropy())


@pytest.mark.parametrize("variate", [Feedback, 0.9])
def test_what_is_no_control_variate_is_refused(variate: Any) -> None:
    with pytest.raises(
        TypeError, match=r"control_variate is .*, wanted a ControlVariate such as Feedback\(\)"
    ):
        Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy(), control_variate=variate)


def test_errors_say_a_word_once() -> None:
    with pytest.raises(TypeError, match="^Descent: loss is 0.5, "):
        Descent(NodePerturbation(0.1), sgd(0.1), 0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^WeightMirrors: groups is 0 and patches 1, wanted at least 1$"):
        WeightMirrors(groups=0)
    spec = Chip(Ideal(), WIRINGS["dense"]).spec
    with pytest.raises(ValueError, match="^WeightMirrors: 7 groups of 1 patches do not divide layers"):
        WeightMirrors(groups=7).init(spec, spec)
