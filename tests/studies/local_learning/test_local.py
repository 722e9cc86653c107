"""The grid's references are exact, and its rows are laid beside the published column of their network."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Mismatched, dense, grouped, stream, xray
from learners import Batch, CrossEntropy, sgd
from learners.local import PerGroupLoss
from learners.wiring import DigitalReadout, stack_ports, sub_port
from studies.kit.recipes import ren2023
from studies.local_learning import local

F64 = torch.float64


@pytest.mark.parametrize("own", [False, True], ids=["one head", "own heads"])
@pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])
def test_the_exact_block_is_the_gradient_through_its_head(own: bool, identity: Any) -> None:
    chip = Chip(Ideal(), (dense(4, 6), grouped(6, 6, 2), dense(6, 3, linear=True)), identity, dtype=F64)
    head = grouped(6, 6, 2, linear=True) if own else dense(6, 3, linear=True)
    loss = PerGroupLoss(CrossEntropy(), 2) if own else CrossEntropy()
    block = sub_port(chip.port(), 0, 1)
    start = torch.randn(*chip.spec.fleet, head.tiles, head.rows, head.cols, dtype=F64, generator=stream(0))
    top = DigitalReadout(block.spec, head, start)
    batch = Batch(torch.randn(5, 4, dtype=F64, generator=stream(1)), torch.arange(5) % 3)

    def through(out: torch.Tensor, target: Any) -> torch.Tensor:
        return loss(head.scatter(head.gather(out) @ start.mT), target)

    wanted = xray.knob_gradient(chip, batch.x, batch.target, through, last=1)
    before, learner = xray.knobs(chip), ren2023.ExactBlock(chip, sgd(1.0), loss)
    wires = stack_ports(block, top.port())
    _, step = learner.step(wires, batch, learner.init(wires.spec), stream(2))
    for was, now, slope in zip(before, xray.knobs(chip), wanted, strict=False):
        torch.testing.assert_close(was - now, slope)
    assert step.loss.shape == chip.spec.fleet and not torch.equal(top.knobs, start)


def test_replicated_rows_leave_out_the_exact_row_that_is_another_twice() -> None:
    shared = [t.method for t in local.plan(local.Args(devices=(Mismatched(),)))]
    alone = [t.method for t in local.plan(local.Args(devices=(Mismatched(),), own_heads=True))]
    assert "LG-BP" not in shared and "LG-BP" in alone and len(alone) == len(shared) + 1


def test_errors_may_come_back_by_chance() -> None:
    args = replace(
        local.TOY, learners=("feedback alignment", "direct feedback alignment"), epochs=4, channels=32
    )
    for trial in local.plan(args):
        *_, end = local.run(trial)
        assert end["access"] == "taps without node probes" and min(end["accuracy"]) > 0.5


def test_the_published_column_goes_with_its_network_alone() -> None:
    row = {"what": "end", "device": "analog:Ideal", "method": "LG-FG-A", "own_heads": False}
    row |= {"data": "mnist", "channels": 512, "groups": 16, "accuracy": [0.97, 0.98], "reads": 10}
    row |= {"access": "taps with node probes"}
    papers = [
        local.table([row | other])[0]["paper %"]
        for other in ({}, {"channels": 256, "groups": 1}, {"channels": 64}, {"data": "digits"})
    ]
    assert papers == [2.55, 3.24, "", ""]
    assert local.table([row | {"method": "direct feedback alignment"}])[0]["paper %"] == 3.17
    assert local.table([row])[0]["error %"] == "2.50 +- 6.35"  # Student's for two


def test_their_optimizer_is_momentum_whose_rate_falls_by_a_cosine() -> None:
    """Beside torch's, with its cosine schedule; the rate may be given, and is multiplied."""
    args = local.Args(optimizer="momentum", learning_rate=0.05)
    update, weights = local.optimizer(args, 123.0, 8, factor=2.0), torch.ones(1, 1, 1, dtype=F64)
    leaf = torch.nn.Parameter(weights.clone())
    theirs = torch.optim.SGD([leaf], lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, 8)
    state, velocity = update.init((torch.zeros_like(weights),)), torch.zeros_like(weights)
    for _ in range(8):
        (drive,), state = update.step((weights,), state)  # the gradient of |w|^2 / 2
        velocity = velocity * 0.9 + weights
        torch.testing.assert_close(drive, -schedule.get_last_lr()[0] * velocity)
        weights = weights + drive
        leaf.grad = leaf.detach().clone()
        theirs.step()
        schedule.step()
        torch.testing.assert_close(weights, leaf.detach())
