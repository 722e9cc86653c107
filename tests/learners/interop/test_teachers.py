"""Networks as teachers: they answer as they are, in evaluation mode, and do nothing else."""

from typing import Any

import pytest
import torch
from torch import nn

from analog import Chip, Ideal, Mismatched, mlp, stream
from analog.access import NoAccess
from distill import distill, ensemble
from learners import Batch, CrossEntropy, evaluate, recipes, train
from learners.data import Dataset
from learners.interop import port_of

X = torch.rand(60, 12, generator=stream(0, "x"))


def filled(network: nn.Module) -> nn.Module:
    for i, p in enumerate(network.parameters()):
        p.data = torch.randn(p.shape, generator=stream(0, "network", i)) / p[0].numel() ** 0.5
    return network


def skipped(kind: Any, *sizes: int, **settings: Any) -> Any:
    return nn.utils.skip_init(kind, *sizes, **settings)


NETWORK = filled(
    nn.Sequential(skipped(nn.Linear, 12, 8), nn.ReLU(), nn.Dropout(0.5), skipped(nn.Linear, 8, 3))
)


def test_a_network_answers_rows_on_any_leading_axes_in_evaluation_mode() -> None:
    NETWORK.train()
    NETWORK[3].eval()  # a part that was in another mode stays in it
    port = port_of(NETWORK, features_in=12)
    out = port.measure(X).out
    assert [part.training for part in NETWORK] == [True, True, True, False]
    with torch.no_grad():
        assert torch.equal(out, NETWORK[3](NETWORK[0](X).relu())) and not out.requires_grad
    stacked = port.measure(X.view(5, 12, 12)).out
    torch.testing.assert_close(stacked.reshape(60, 3), out)


def test_rows_are_folded_for_a_network_of_images() -> None:
    network = filled(nn.Sequential(skipped(nn.Conv2d, 3, 4, 2), nn.Flatten()))
    port = port_of(network, features_in=(3, 2, 2))
    with torch.no_grad():
        assert torch.equal(port.measure(X).out, network(X.view(60, 3, 2, 2)))
    assert port.spec.sizes == "12-4"
    double = port_of(lambda x: x * 2, features_in=12)
    assert torch.equal(double.measure(X).out, X * 2)


def test_a_network_teaches_and_joins_an_ensemble() -> None:
    teacher = port_of(NETWORK, features_in=12)
    named = teacher.measure(X).out.argmax(-1)
    heir = Chip(Mismatched(), mlp(12, 10, 3), 5).port()
    images = Batch(X.view(60, 3, 2, 2))
    distill(
        teacher, heir, recipes.learned_feedback, images, temperature=0.5, epochs=60, batch_size=20, seed=0
    )
    assert float(evaluate(heir, Batch(X, named))) > 0.8
    alone, both = teacher.measure(X).out, ensemble(teacher, teacher).measure(X).out
    torch.testing.assert_close(alone, both)


def test_it_only_answers() -> None:
    port = port_of(NETWORK, features_in=12)
    data = Dataset.from_batches("few", *[Batch(X, torch.arange(60) % 3)] * 2)
    for recipe in (recipes.learned_feedback, recipes.weight_perturbation):
        with pytest.raises(NoAccess):
            train(port, recipe(CrossEntropy()), data, epochs=1, seed=0)
    with pytest.raises(NoAccess, match="cannot be programmed or pulsed; train it by torch"):
        port.program(port.spec.zeros())
    assert repr(port) == "Port(12-3, shows outputs without node probes, float32 on cpu)"


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (nn.Linear, "port_of: got <class .*Linear'>, wanted a torch.nn.Module"),
        (7, "port_of: got 7, wanted a torch.nn.Module"),
        (lambda x: (x, x), r"the network answers \(1, 12\) with tuple, wanted a tensor \(1, outputs\)"),
        (
            nn.Linear(11, 3),
            r"^port_of: the network does not take \(1, 12\), of features_in: mat1 and mat2 .*$",
        ),
        (lambda x: x.view(3, 4), r"answers \(1, 12\) with \(3, 4\), wanted"),
    ],
)
def test_what_does_not_answer_is_refused(network: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        port_of(network, features_in=12)


def test_a_bare_network_is_told_the_way() -> None:
    heir = Chip(Ideal(), mlp(12, 10, 3)).port()
    with pytest.raises(
        TypeError, match=r"distill: port is a Sequential, .*port_of\(network, features_in=...\)"
    ):
        distill(NETWORK, heir, recipes.learned_feedback, Batch(X), temperature=1.0, seed=0)  # type: ignore[arg-type]
