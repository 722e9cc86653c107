"""A hyper-parameter goes to its unconstrained number and back."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learners import Hyperparameter

from .sequences import F64


@settings(max_examples=20)
@given(rate=st.floats(1e-6, 1e6), share=st.floats(1e-3, 0.999))
def test_a_value_goes_to_its_unconstrained_number_and_back(rate: float, share: float) -> None:
    for hyperparameter in (
        Hyperparameter.learning_rate(rate),
        Hyperparameter.positive(rate),
        Hyperparameter.fraction(share),
    ):
        domain, exact = hyperparameter.domain, torch.tensor(hyperparameter.value, dtype=F64)
        unconstrained = domain.unconstrained(exact).requires_grad_()
        value = domain.value(unconstrained)
        (derivative,) = torch.autograd.grad(value, unconstrained)
        torch.testing.assert_close(value.detach(), exact)
        torch.testing.assert_close(domain.derivative(exact), derivative)


def test_the_ends_of_a_domain_are_usable_in_float32() -> None:
    """Rates neither vanish nor overflow when squared; fractions stay inside 0 and 1."""
    for hyperparameter in (Hyperparameter.learning_rate(1.0), Hyperparameter.fraction(0.5)):
        domain = hyperparameter.domain
        low, high = domain.value(torch.tensor([-domain.bound, domain.bound])).tolist()
        assert domain.low < low < high < domain.high
    assert low**2 > 0 and high**2 < torch.finfo(torch.float32).max
