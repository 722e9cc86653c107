"""Updates say what they are; tuners refuse what they cannot do."""

from collections.abc import Callable

import pytest
import torch

from learners import Hyperparameter, Tuner, Update, adagrad, adam, layerwise, linear_decay, sgd, update_rule


@pytest.mark.parametrize(
    ("update", "says"),
    [
        (sgd(0.1), "sgd(learning_rate=0.1)"),
        (sgd(torch.tensor([0.25, 0.5])), "sgd(learning_rate=[0.25, 0.5])"),
        (
            adam(0.01, tuned_by=adagrad(0.3)),
            "adam(learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-08, "
            "tuned_by=adagrad(learning_rate=0.3, epsilon=1e-10))",
        ),
        (
            sgd(0.1, tuned_by=Tuner(sgd(0.2, tuned_by=sgd(0.3)), warmup=5)),
            "sgd(learning_rate=0.1, tuned_by=Tuner(sgd(learning_rate=0.2, tuned_by=sgd(learning_rate=0.3)), "
            "warmup=5))",
        ),
        (
            layerwise(linear_decay(sgd(0.1), 9)),
            "layerwise(linear_decay(sgd(learning_rate=0.1), steps=9, floor=0.0))",
        ),
    ],
)
def test_an_update_is_shown_as_the_call_that_makes_it(update: Update, says: str) -> None:
    assert repr(update) == says


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Tuner(sgd(1.0), horizon=-1.0), "horizon is -1.0, wanted a finite number"),
        (lambda: Tuner(sgd(1.0), warmup=1.5), "warmup is 1.5, wanted an integer"),  # type: ignore[arg-type]
        (
            lambda: Tuner(sgd(1.0, tuned_by=Tuner(sgd(1.0), warmup=3))),
            "sgd.* has a horizon or warm-up; give it at the lowest tuned_by",
        ),
        (lambda: adam(0.1, 0.0, tuned_by=sgd(1.0)), "adam: beta1 is 0.0, wanted 0 < beta1 < 1"),
        (
            lambda: sgd(torch.ones(2), tuned_by=sgd(1.0)).init((torch.zeros(3, 1, 1, 1),)),
            r"learning_rate has shape \(2,\), wanted one number or one for each chip of the fleet \(3,\)",
        ),
        (
            lambda: sgd(1.0, tuned_by=sgd(1.0)).init((torch.zeros(4),)),
            r"wants knobs .*rows, cols\), got \[\(4,\)\]",
        ),
        (lambda: sgd(1.0, tuned_by=sgd(1.0)).init(()), r"wants knobs .*rows, cols\), got \[\]"),
        (
            lambda: update_rule("fixed", lambda zeros: (), lambda g, s: (g, s), {}, tuned_by=sgd(1.0)),
            "fixed: has no hyper-parameter to tune",
        ),
        (
            lambda: update_rule(
                "doubled", lambda zeros: (), lambda g, s: (g, s), {"rate": Hyperparameter.positive(-2.0)}
            ),
            "doubled: rate is -2.0, wanted 0 < rate < inf",
        ),
    ],
)
def test_bad_tuning_is_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
