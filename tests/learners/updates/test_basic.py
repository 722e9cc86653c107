"""The five rules are those of the libraries, for numbers and for a number of each chip."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from learners import accumulate, adagrad, adam, linear_decay, momentum, rmsprop, sgd

from .sequences import F64, UPDATES, assert_equal_to_rounding, assert_fleet_is_its_chips, drives, gradients


@given(rate=st.floats(1e-4, 1.0), seed=st.integers(0, 5))
@pytest.mark.parametrize("name", UPDATES)
def test_updates_agree_with_torch_optim(name: str, rate: float, seed: int) -> None:
    sequence = torch.randn(20, 4, generator=stream(0, name, seed), dtype=F64)
    weight = torch.zeros(4, dtype=F64, requires_grad=True)
    ours, theirs = {
        "sgd": (sgd(rate), torch.optim.SGD([weight], rate)),
        "momentum": (momentum(rate, 0.8), torch.optim.SGD([weight], rate, momentum=0.8)),
        "adagrad": (adagrad(rate), torch.optim.Adagrad([weight], rate)),
        "rmsprop": (rmsprop(rate), torch.optim.RMSprop([weight], rate)),
        "adam": (adam(rate), torch.optim.Adam([weight], rate)),
    }[name]
    places = []
    for g in sequence:
        weight.grad = g.clone()
        theirs.step()
        places.append(weight.detach().clone())
    assert_equal_to_rounding(drives(ours, [(g,) for g in sequence]).cumsum(0), torch.stack(places))


@pytest.mark.parametrize("name", UPDATES)
def test_every_chip_of_a_fleet_may_have_its_own_numbers(name: str) -> None:
    """Not tuned, a fleet with a learning rate for each chip does what each chip would do alone."""
    rates, sequence = (0.01, 0.1, 1.0), gradients(10, "plain fleet", name, fleet=(3,))
    fleet = UPDATES[name](torch.tensor(rates, dtype=F64))
    alone = [UPDATES[name](rate) for rate in rates]
    assert_fleet_is_its_chips(fleet, alone, sequence)


@pytest.mark.parametrize("name", UPDATES)
def test_no_knobs_have_no_drive(name: str) -> None:
    """As those of a learner that trains nothing but its read-out."""
    update = UPDATES[name](0.1)
    drive, _ = update.step((), update.init(()))
    assert drive == ()


def test_updates_keep_no_state_of_their_own() -> None:
    """One update may serve two learners: what is remembered is in the state that is handed around."""
    update, sequence = linear_decay(accumulate(adam(0.1), 0.05), 10), gradients(5, "pure")
    assert torch.equal(drives(update, sequence), drives(update, sequence))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sgd(0), "sgd: learning_rate is 0, wanted 0 < learning_rate < inf"),
        (lambda: sgd(float("nan")), "learning_rate is nan"),
        (lambda: sgd(torch.tensor([0.1, -0.1])), "learning_rate is tensor"),
        (lambda: adam(-1), "adam: learning_rate is -1"),
        (lambda: adam(0.1, beta1=1.0), "adam: beta1 is 1.0, wanted 0 <= beta1 < 1"),
        (lambda: rmsprop(0.1, beta2=1.5), "rmsprop: beta2 is 1.5"),
        (lambda: momentum(0.1, -0.1), "momentum: beta is -0.1, wanted 0 <= beta < 1"),
        (
            lambda: sgd(torch.ones(2)).init((torch.zeros(3, 1, 1, 1),)),
            r"sgd: learning_rate has shape \(2,\), wanted one number or one for each chip .* \(3,\)",
        ),
    ],
)
def test_bad_numbers_are_refused(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]
