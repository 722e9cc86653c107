"""Optimizers of torch as updates: as torch on a quadratic, lawful, saved, and refused where they are none."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from analog import Chip, Mismatched, mlp, stream, xray
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    Update,
    check_update,
    load_state,
    save_state,
    train,
)
from learners.data import Dataset
from learners.interop import from_torch


def warm_then_cosine(optimizer: Optimizer) -> LRScheduler:
    parts: list[LRScheduler] = [ExponentialLR(optimizer, 1.5), CosineAnnealingLR(optimizer, 10)]
    return SequentialLR(optimizer, parts, [4])


MAKERS: dict[str, Any] = {
    "nadam, cosine": (NAdam, partial(CosineAnnealingLR, T_max=12), {"lr": 0.1}),
    "adamw, one cycle": (
        AdamW,
        partial(OneCycleLR, max_lr=0.2, total_steps=40),
        {"lr": 0.1, "weight_decay": 0.0},
    ),
    "sgd, warm-up": (SGD, warm_then_cosine, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "rmsprop": (RMSprop, None, {"lr": 0.01, "centered": True, "momentum": 0.5}),
    "radam, amsgrad's kin": (RAdam, partial(ExponentialLR, gamma=0.9), {"lr": 0.05}),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_quadratic_is_descended_as_torch_does(name: str) -> None:
    """To rounding, for torch moves parameters from where they are, and a drive is a move from 0."""
    make, scheduler, settings = MAKERS[name]
    goal = torch.randn(2, 3, 4, generator=stream(0, "goal"), dtype=torch.float64)
    theirs = torch.nn.Parameter(torch.zeros_like(goal))
    optimizer = make([theirs], **settings)
    schedule = None if scheduler is None else scheduler(optimizer)
    update = from_torch(make, scheduler=scheduler, **settings)
    ours, state = torch.zeros_like(goal), update.init((torch.zeros_like(goal),))
    for _ in range(25):
        theirs.grad = theirs.detach() - goal
        optimizer.step()
        if schedule is not None:
            schedule.step()
        (drive,), state = update.step((ours - goal,), state)
        ours = ours + drive
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-13)
    assert float((ours - goal).abs().mean()) < float(goal.abs().mean())


@pytest.mark.parametrize("name", ["nadam, cosine", "sgd, warm-up"])
def test_it_is_an_update(name: str) -> None:
    make, scheduler, settings = MAKERS[name]
    check_update(from_torch(make, scheduler=scheduler, **settings))


def test_its_repr_is_the_call() -> None:
    update = from_torch(NAdam, lr=0.1, scheduler=partial(CosineAnnealingLR, T_max=12))
    assert repr(update) == "from_torch(NAdam, lr=0.1, scheduler=CosineAnnealingLR(T_max=12))"


def descent(update: Update) -> Any:
    return Descent(NodePerturbation(0.1), update, CrossEntropy())


def test_its_state_goes_through_a_file_bitwise(tmp_path: Path) -> None:
    x = torch.rand(40, 6, generator=stream(0, "x"))
    half = Batch(x, (x[:, 0] > 0.5).long())
    data, layers = Dataset.from_batches("halves", half, half), mlp(6, 5, 2)
    settings: dict[str, Any] = {"epochs": 4, "seed": 0, "batch_size": 8}

    def learner() -> Any:
        return descent(from_torch(NAdam, lr=0.05, scheduler=partial(CosineAnnealingLR, T_max=20)))

    whole, parted = (Chip(Mismatched(), layers, range(2)) for _ in range(2))
    train(whole.port(), learner(), data, **settings)
    first = train(parted.port(), learner(), data, max_steps=9, **settings)
    save_state(first.state, tmp_path / "state")
    state = load_state(tmp_path / "state", learner(), parted.port())
    train(parted.port(), learner(), data, state=state, **settings)
    assert all(torch.equal(a, b) for a, b in zip(xray.knobs(whole), xray.knobs(parted), strict=True))


class Coupled(Optimizer):
    """A step along the gradient over its norm, over all parameters together."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        norm = torch.stack([p.grad.norm() for p in self.param_groups[0]["params"]]).norm()
        for p in self.param_groups[0]["params"]:
            p -= self.param_groups[0]["lr"] * p.grad / norm


class Counting(Coupled):
    """A step that shrinks with the steps counted in the group, as some optimizers count."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        group = self.param_groups[0]
        group["steps"] = group.get("steps", 0) + 1
        for p in group["params"]:
            p -= group["lr"] / group["steps"] * p.grad


class Wordy(Counting):
    """One that remembers a list."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for p in self.param_groups[0]["params"]:
            self.state[p].setdefault("words", []).append(1)


def test_what_is_counted_in_the_group_is_remembered() -> None:
    update = from_torch(Counting, lr=1.0)
    state, g = update.init((torch.zeros(1, 1, 1),)), (torch.ones(1, 1, 1),)
    found = []
    for _ in range(4):
        (drive,), state = update.step(g, state)
        found.append(float(drive))
    assert found == [-1.0, -0.5, pytest.approx(-1 / 3), -0.25]


@pytest.mark.parametrize(
    ("make", "settings", "error", "says"),
    [
        (AdamW, {"lr": 0.1}, ValueError, r"from_torch\(AdamW, lr=0.1\): its steps depend on the parameters"),
        (torch.optim.LBFGS, {}, TypeError, "cannot be made and stepped: TypeError: .*closure"),
        (Adam, {"bet": 3}, TypeError, "unexpected keyword argument 'bet'"),
        (Adam, {"scheduler": ReduceLROnPlateau}, TypeError, "scheduler cannot be made and stepped"),
        (
            Adam,
            {"scheduler": 3},
            TypeError,
            "scheduler cannot be made .*partial.CosineAnnealingLR, T_max=500",
        ),
        (Coupled, {"lr": 0.1}, ValueError, "what it sends to one chip of a fleet depends on the others"),
        (Wordy, {"lr": 0.1}, ValueError, "remembers words, a list; wanted tensors and numbers"),
        (3, {}, TypeError, "from_torch: optimizer is 3, wanted a class such as torch.optim.Adam"),
        (
            SGD([torch.nn.Parameter(torch.zeros(1))], lr=1),
            {},
            TypeError,
            "optimizer is a SGD that is made already, wanted a class",
        ),
    ],
)
def test_what_is_no_update_is_refused(
    make: Any, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as refused:
        from_torch(make, **settings)
    assert "\n" not in str(refused.value)


def test_an_optimizer_itself_is_no_update_and_is_told_the_way() -> None:
    with pytest.raises(
        TypeError, match=r"an optimizer Adam, wanted .*learners.interop.from_torch\(Adam, lr="
    ):
        descent(Adam)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"from_torch\(SGD, lr=1e-2\)"):
        descent(SGD([torch.nn.Parameter(torch.zeros(1))], lr=1))  # type: ignore[arg-type]
