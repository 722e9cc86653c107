"""Priors are met, in one way only; what is calibrated stays as it is; no number is made up for the rest."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from analog import Chip, Mismatched, Probe, dense, stream
from distill import fit_prior_bias, with_output_bias

F64 = torch.float64


def draw(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=stream(0, "prior", *shape), dtype=F64)


def means(out: Tensor, shift: Tensor) -> Tensor:
    return (out + shift.unsqueeze(-2)).softmax(-1).mean(-2)


PRIORS = st.lists(st.floats(0.01, 1), min_size=2, max_size=5)
SPREADS = st.floats(0.0, 40.0)


def test_golden_by_hand() -> None:
    """Alike outputs, prior p: the bias is the log odds. Two kinds of stimuli, by the quadratic equation."""
    shift = fit_prior_bias(torch.zeros(5, 4, dtype=F64), {2: 0.1})
    assert shift[2].item() == pytest.approx(math.log(0.1 / 0.9 * 3), abs=1e-5)
    assert shift[[0, 1, 3]].tolist() == [0, 0, 0]
    # half of the stimuli have odds a, half b for class 1; with s = e^shift: as/(1+as) + bs/(1+bs) = 2p
    a, b, p = 0.2, 3.0, 0.3
    root = ((2 * p - 1) * (a + b) + math.sqrt((2 * p - 1) ** 2 * (a + b) ** 2 + 16 * a * b * p * (1 - p))) / (
        4 * a * b * (1 - p)
    )
    out = torch.tensor([[0.0, math.log(a)], [0.0, math.log(b)]], dtype=F64)
    assert fit_prior_bias(out, {1: p})[1].item() == pytest.approx(math.log(root), abs=1e-5)
    both = fit_prior_bias(out, {0: 1 - p, 1: p})  # all named: their mean is 0
    assert both.tolist() == pytest.approx([-math.log(root) / 2, math.log(root) / 2], abs=1e-5)


@given(priors=PRIORS, spread=SPREADS)
def test_all_priors_are_met(priors: list[float], spread: float) -> None:
    wanted = torch.tensor(priors, dtype=F64) / sum(priors)
    out = draw(2, 12, len(priors), scale=spread)
    shift = fit_prior_bias(out, dict(enumerate(wanted.tolist())))
    assert shift.shape == (2, len(priors)) and float(shift.mean(-1).abs().max()) < 1e-9
    torch.testing.assert_close(means(out, shift), wanted.expand(2, -1), rtol=0, atol=1e-6)


@given(priors=PRIORS, spread=SPREADS, spare=st.floats(0.05, 0.9))
def test_named_priors_are_met_and_the_rest_is_left_alone(
    priors: list[float], spread: float, spare: float
) -> None:
    """The classes that nobody named keep their odds among each other."""
    wanted = torch.tensor(priors, dtype=F64) / sum(priors) * (1 - spare)
    out = draw(2, 12, len(priors) + 2, scale=spread)
    shift = fit_prior_bias(out, {c + 1: p for c, p in enumerate(wanted.tolist())})
    torch.testing.assert_close(means(out, shift)[:, 1:-1], wanted.expand(2, -1), rtol=0, atol=1e-6)
    assert shift[:, [0, -1]].eq(0).all()


@given(spread=st.floats(0.1, 5.0), constant=st.floats(-50, 50))
def test_what_probabilities_cannot_see_changes_nothing(spread: float, constant: float) -> None:
    """A constant on all outputs, one constant for each stimulus, the order of stimuli, repeating them."""
    out, prior = draw(20, 4, scale=spread), {1: 0.2, 3: 0.4}
    shift = fit_prior_bias(out, prior)
    for same in (out + constant, out + draw(20, 1), out.flip(0), out.repeat(3, 1)):
        torch.testing.assert_close(fit_prior_bias(same, prior), shift, rtol=0, atol=1e-3)


@given(moved=st.lists(st.floats(-6, 6), min_size=5, max_size=5))
def test_a_shift_is_found_again_and_so_there_is_only_one(moved: list[float]) -> None:
    """Priors that some shift meets lead back to it: from zero to zero if already calibrated."""
    out, back = draw(50, 5, scale=2.0), torch.tensor(moved, dtype=F64)
    every = means(out, back)
    found = fit_prior_bias(out, dict(enumerate(every.tolist())))
    torch.testing.assert_close(found, back - back.mean(), rtol=0, atol=1e-3)
    calibrated = fit_prior_bias(out + back, dict(enumerate(every.tolist())))
    torch.testing.assert_close(calibrated, torch.zeros(5, dtype=F64), rtol=0, atol=1e-3)
    some = fit_prior_bias(out + back, {c: float(every[c]) for c in (0, 2)})
    torch.testing.assert_close(some, torch.zeros(5, dtype=F64), rtol=0, atol=1e-3)


def test_a_fleet_is_its_chips_and_a_commoner_class_is_raised_more() -> None:
    out = draw(3, 40, 4)
    for p in (0.05, 0.3, 0.8):
        fleet = fit_prior_bias(out, {2: p})
        assert all(torch.equal(fleet[i], fit_prior_bias(out[i], {2: p})) for i in range(3))
    raised = [float(fit_prior_bias(out[0], {2: p})[2]) for p in (0.01, 0.1, 0.5, 0.9)]
    assert raised == sorted(raised)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        ({}, "some of classes 0 to 3"),
        ({4: 0.1}, "some of classes 0 to 3"),
        ({-1: 0.1}, "some of classes 0 to 3"),
        ({0: 0.0}, "above 0"),
        ({0: -0.1}, "above 0"),
        ({0: math.nan}, "above 0"),
        ({0: 0.5, 1: 0.5}, "less than 1"),
        ({0: 0.5, 1: 0.7}, "less than 1"),
        ({0: 0.1, 1: 0.2, 2: 0.3, 3: 0.3}, "all classes being named"),
    ],
)
def test_priors_that_nothing_could_have_are_refused(prior: dict[int, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_prior_bias(draw(5, 4), prior)


def test_outputs_that_say_nothing_are_refused() -> None:
    for out in (
        torch.full((5, 4), math.nan),
        torch.full((5, 4), math.inf),
        torch.zeros(4),
        torch.zeros(0, 4),
    ):
        with pytest.raises(ValueError, match="wanted finite outputs"):
            fit_prior_bias(out, {0: 0.1})
    with pytest.raises(ValueError, match="spread over"):
        fit_prior_bias(draw(5, 4, scale=1e4), {0: 0.1})


LAYERS = (dense(8, 12), dense(12, 3, linear=True))
X = draw(6, 8).float()


def test_shifted_wires_add_to_the_read_out_and_to_nothing_else() -> None:
    shift = torch.tensor([[0.0, 1.0, -2.0], [0.5, 0.0, 0.0]])

    plain, moved = Chip(Mismatched(), LAYERS, range(2)).port(), Chip(Mismatched(), LAYERS, range(2)).port()
    moved = with_output_bias(moved, shift)
    probe = Probe(nodes=(0.1 * draw(4, 2, 6, 12).float(), None))
    for sent in (Probe(), probe):
        before, after = plain.measure(X, sent).taps, moved.measure(X, sent).taps
        assert torch.equal(before[0], after[0]) and torch.equal(before[1] + shift.unsqueeze(-2), after[1])
    assert torch.equal(plain.measure(X, last=0).out, moved.measure(X, last=0).out)
    hidden = plain.measure(X, last=0).out
    moved.measure(X, last=0)
    late = [p.measure(hidden, first=1, last=1).out for p in (plain, moved)]
    assert torch.equal(late[0] + shift.unsqueeze(-2), late[1])
    with pytest.raises(ValueError, match="the bias is"):
        with_output_bias(plain, torch.zeros(3, 3))
