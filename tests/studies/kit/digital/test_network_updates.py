"""Networks that learn by our updates, beside torch's own optimizers."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from analog import stream
from learners import adagrad, adam, momentum
from studies.kit.digital.network_updates import UpdatedNetwork, train_network

X = torch.randn(16, 3, generator=stream(0, "network updates", "x"))
Y = torch.randn(16, 2, generator=stream(0, "network updates", "y"))


def network() -> nn.Sequential:
    meta = nn.Sequential(nn.Linear(3, 4, device="meta"), nn.Tanh(), nn.Linear(4, 2, device="meta"))
    made = meta.to_empty(device="cpu")
    generator = stream(0, "network updates", "weights")
    with torch.no_grad():
        for weights in made.parameters():
            weights.normal_(generator=generator)
    return made


def loss(of: nn.Sequential) -> Tensor:
    found: Tensor = (of(X) - Y).square().mean()
    return found


def test_a_network_learns_as_by_torchs_optimizer() -> None:
    theirs, ours = network(), network()
    optimizer = torch.optim.SGD(theirs.parameters(), 0.05, momentum=0.9)
    updated = UpdatedNetwork(ours, momentum(0.05))
    for _ in range(20):
        optimizer.zero_grad()
        loss(theirs).backward()
        optimizer.step()
        updated.descend(loss(ours))
    for their, our in zip(theirs.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(our, their)


def test_hyperparameters_stand_as_given_until_something_tunes_them() -> None:
    ours = network()
    alone = UpdatedNetwork(ours, momentum(0.05))
    alone.descend(loss(ours))
    assert alone.hyperparameters() == {"learning_rate": 0.05, "beta": 0.9}
    tuned = UpdatedNetwork(ours, adam(1e-4, tuned_by=adagrad(0.3)))
    for _ in range(5):
        tuned.descend(loss(ours))
    assert tuned.hyperparameters()["learning_rate"] > 2e-4  # far too low at first


def test_a_loss_is_computed_of_the_parameters_as_they_stand_and_reported_by_its_mean() -> None:
    ours = network()

    def descents() -> Iterator[Tensor]:
        for _ in range(7):
            yield loss(ours)

    reports = list(train_network(UpdatedNetwork(ours, momentum(0.05)), descents(), 3))
    assert [r.step for r in reports] == [3, 6]
    again = network()
    updated, seen = UpdatedNetwork(again, momentum(0.05)), []
    for _ in range(6):
        seen.append(loss(again).item())
        updated.descend(loss(again))
    assert [r.loss for r in reports] == [sum(seen[:3]) / 3, sum(seen[3:]) / 3]
    assert seen[5] < seen[0]
