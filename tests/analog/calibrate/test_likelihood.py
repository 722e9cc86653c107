"""The ascent from afar arrives where equations of moments alone have false solutions."""

import torch

from analog.calibrate.likelihood import ascend, loss
from analog.calibrate.prior import gaussian_prior
from analog.calibrate.scales import float_parameters, search_coordinates, search_scale
from analog.calibrate.search import MomentMatching

from .test_estimate import Line, line_model, line_table


def problem(truth: Line) -> MomentMatching:
    table = line_table(truth, 500, "ascent")
    scales = tuple(search_scale(Line(), name) for name in float_parameters(Line()))
    return MomentMatching(
        Line(), table, scales, line_model, line_model, line_model, gaussian_prior(Line(), scales)
    )


def test_an_ascent_arrives_from_a_factor_of_four() -> None:
    """Every parameter is off by 3 to 4; at the end the likelihood is above that of the truth."""
    truth = Line(3.0, 0.8, 0.08, 0.38)
    from_afar = problem(truth)
    found = ascend(from_afar, search_coordinates(Line(), from_afar.scales))
    true = search_coordinates(truth, from_afar.scales)
    there, beside = (loss(from_afar, from_afar.moments(at), at) for at in (found.at, true))
    assert there < beside
    errors = found.covariance.diagonal().sqrt()
    assert float(((found.at - true) / errors).abs().max()) < 5


def test_the_loss_of_moments_that_are_none_is_infinite() -> None:
    from_afar = problem(Line())
    at = search_coordinates(Line(), from_afar.scales)
    moments = from_afar.moments(at)
    broken = moments._replace(mean=torch.full_like(moments.mean, torch.nan))
    assert loss(from_afar, broken, at) == float("inf") > loss(from_afar, moments, at)
