"""Feedback that sites share is plain feedback over sites as examples, and is learnt in less time."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Probe, Reading, conv2d, dense, stream, xray
from analog.layers import AveragePooled, prepared
from learners import Batch, CrossEntropy, Descent, Feedback, NodePerturbation, ProbeResult, fit, sgd
from learners.estimators import SharedFeedback, SiteCells

F64 = torch.float64
LAYERS = (
    conv2d((2, 4, 4), 3, 3, padding=1, planes_first=False),
    prepared(dense(3, 4, linear=True), AveragePooled((3, 4, 4), 4, planes_first=False)),
)


def lessons(count: int) -> list[Batch]:
    generator = stream(0, "shared lessons")
    x = torch.randn(count, 16, 32, generator=generator, dtype=F64)
    return [Batch(each, torch.randint(4, (16,), generator=generator)) for each in x]


def predicted(variate: Any, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient at the nodes that a variate predicts, on a chip that hardly moves, and the true one."""
    chip = Chip(Ideal(), LAYERS, 1, dtype=F64)
    learner = Descent(NodePerturbation(1e-5, probes=4), sgd(1e-9), CrossEntropy(), control_variate=variate)
    *_, (state, _) = fit(learner, chip.port(), lessons(steps), stream(0, "probes"))
    batch, loss = lessons(steps + 1)[-1], CrossEntropy()
    true = xray.node_gradient(chip, batch.x, batch.target, loss)[0]
    taps = chip.port().measure(batch.x).taps
    nothing = torch.zeros(16, 1, dtype=F64)
    result = ProbeResult(
        batch.x, Reading(taps[:1]), nothing, Probe(nodes=(None,)), Reading(taps[:1]), nothing
    )
    error, spec = loss.gradient(taps[-1], batch.target), chip.spec.span(0, 0)
    found = variate.predict(state.control_variates[0], spec, result, error).nodes
    assert found is not None and found[0] is not None
    return found[0], true


@pytest.mark.parametrize("planes_first", [True, False])
@pytest.mark.parametrize("cells", [1, 2])
def test_folding_groups_sites_of_a_cell_and_is_undone(planes_first: bool, cells: int) -> None:
    layer = SiteCells((3, 4, 6), cells, planes_first)
    x = torch.arange(2.0 * 5 * 72).view(2, 5, 72)
    folded = layer.fold(x)
    assert folded.shape == (2, 5 * layer.sites, layer.groups)
    assert torch.equal(layer.unfold(folded), x)
    maps = x.view(2, 5, 3, 4, 6) if planes_first else x.view(2, 5, 4, 6, 3).movedim(-1, -3)
    corner = maps[0, 0, 1, : 4 // cells, : 6 // cells]  # of the second channel, in the first cell
    assert torch.equal(folded[0, : layer.sites, 1], corner.flatten())


def test_cells_of_one_site_are_plain_feedback() -> None:
    """Up to the order of its nodes, which the regression does not know."""
    shared, _ = predicted(SharedFeedback((SiteCells((3, 4, 4), 4),), 0.9, 0.5), 3)
    plain, _ = predicted(Feedback(0.9, 0.5), 3)
    torch.testing.assert_close(shared, plain)


def test_what_sites_share_is_learnt_in_less_time() -> None:
    errors = []
    for variate in (SharedFeedback((SiteCells((3, 4, 4)),), 0.99), Feedback(0.99)):
        found, true = predicted(variate, 40)
        errors.append(float((found - true).norm() / true.norm()))
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SiteCells((3, 4, 4), 3), "3 cells a side do not divide"),
        (lambda: SiteCells((3, 0, 4)), "at least 1"),
        (lambda: SharedFeedback((SiteCells((3, 4, 4)),), decay=1.0), "decay"),
        (
            lambda: SharedFeedback((SiteCells((3, 2, 2)),)).init(
                Chip(Ideal(), LAYERS[:1]).spec, Chip(Ideal(), LAYERS).spec
            ),
            r"cells of \[12\] nodes, the probed layers have \[48\]",
        ),
    ],
)
def test_cells_that_do_not_fit_are_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
