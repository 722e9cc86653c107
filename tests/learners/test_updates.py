import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from learners import Update
from learners import accumulated
from learners import adam
from learners import decayed
from learners import momentum
from learners import sgd


def walk(update: Update, gradients: torch.Tensor) -> torch.Tensor:
    state, place = update.init((torch.zeros(4, dtype=torch.float64),)), torch.zeros(4, dtype=torch.float64)
    places = []
    for g in gradients:
        (drive,), state = update.step((g,), state)
        place = place + drive
        places.append(place)
    return torch.stack(places)


@given(rate=st.floats(1e-4, 1.0), seed=st.integers(0, 5))
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_updates_agree_with_torch_optim(name: str, rate: float, seed: int) -> None:
    gradients = torch.randn(20, 4, generator=stream(0, name, seed), dtype=torch.float64)
    weight = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    ours, theirs = {
        "sgd": (sgd(rate), torch.optim.SGD([weight], rate)),
        "momentum": (momentum(rate, 0.8), torch.optim.SGD([weight], rate, momentum=0.8)),
        "adam": (adam(rate), torch.optim.Adam([weight], rate)),
    }[name]
    places = []
    for g in gradients:
        weight.grad = g.clone()
        theirs.step()
        places.append(weight.detach().clone())
    torch.testing.assert_close(walk(ours, gradients), torch.stack(places), rtol=1e-9, atol=1e-12)


def test_a_decayed_drive_falls_linearly_to_its_floor() -> None:
    drives = walk(decayed(sgd(1.0), 4, floor=0.2), -torch.ones(7, 4, dtype=torch.float64)).diff(dim=0)[:, 0]
    torch.testing.assert_close(drives, torch.tensor([0.8, 0.6, 0.4, 0.2, 0.2, 0.2], dtype=torch.float64))


def test_updates_keep_no_state_of_their_own() -> None:
    """One update may serve two learners: what is remembered is in the state that is handed around."""
    update = decayed(accumulated(adam(0.1), 0.05), 10)
    gradients = torch.randn(5, 4, generator=stream(0, "pure"), dtype=torch.float64)
    first = walk(update, gradients)
    assert torch.equal(first, walk(update, gradients))


@pytest.mark.parametrize(
    "make",
    [
        lambda: sgd(0),
        lambda: sgd(float("nan")),
        lambda: adam(-1),
        lambda: adam(0.1, decay=1.0),
        lambda: momentum(0.1, -0.1),
        lambda: decayed(sgd(1), 0),
        lambda: decayed(sgd(1), 5, floor=2),
        lambda: accumulated(sgd(1), 0.0),
    ],
)
def test_bad_settings_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="wanted|wants"):
        make()  # type: ignore[operator]


def test_decaying_leaves_the_inner_update_alone() -> None:
    """An update that returns its own velocity as the drive keeps it whole."""

    def step(gradient: tuple[torch.Tensor, ...], state: tuple[torch.Tensor, ...]) -> object:
        moved = tuple(0.9 * v - g for g, v in zip(gradient, state, strict=True))
        return moved, moved

    shared = decayed(Update(lambda zeros: zeros, step), 4)  # type: ignore[arg-type]
    drives = walk(shared, -torch.ones(4, 4, dtype=torch.float64)).diff(dim=0)[:, 0]
    torch.testing.assert_close(
        drives, torch.tensor([1.9 * 0.75, 2.71 * 0.5, 3.439 * 0.25], dtype=torch.float64)
    )


@given(threshold=st.floats(0.01, 2.0), seed=st.integers(0, 5))
def test_what_is_owed_is_sent_late_and_whole(threshold: float, seed: int) -> None:
    """Sent and owed together are the inner update's drives; what is sent are multiples of the threshold."""
    gradients = torch.randn(30, 4, generator=stream(0, "owed", seed), dtype=torch.float64)
    late, early = walk(accumulated(adam(0.1), threshold), gradients), walk(adam(0.1), gradients)
    assert float((late - early).abs().max()) < threshold * (1 + 1e-9)
    sent = late.diff(dim=0, prepend=torch.zeros(1, 4, dtype=torch.float64)) / threshold
    torch.testing.assert_close(sent, sent.round(), rtol=0, atol=1e-9)


def test_a_small_threshold_sends_at_once() -> None:
    gradients = torch.randn(30, 4, generator=stream(0, "at once"), dtype=torch.float64)
    at_once = walk(accumulated(momentum(0.1), 1e-9), gradients)
    torch.testing.assert_close(at_once, walk(momentum(0.1), gradients), rtol=0, atol=1e-8)
