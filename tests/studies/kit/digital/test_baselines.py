"""The digital side of the autoencoder benchmark: same network, same equations, what is kept."""

import sys
from math import log10

import pytest
import torch
from torch import Tensor, nn

from analog import Chip, dense, stream, xray
from learners import BinaryCrossEntropy, sgd, with_schedule
from studies.kit.digital import autoencoder_search, autoencoders
from studies.kit.digital.autoencoders import Recipe, matmul_precision, train_epochs
from studies.kit.digital.baselines import (
    BASELINES,
    Backprop,
    autoencoder_sizes,
    count_numbers,
    missing_package,
)
from studies.kit.digital.kfac import KFAC, Factors, fisher_factors, library_factors, natural_gradient
from studies.kit.digital.tanh_networks import Digital, heavy_rmsprop, warmup_then_decay
from studies.local_learning import autoencoder

LAYERS = (dense(6, 5), dense(5, 2, linear=True), dense(2, 5), dense(5, 6, linear=True))
LINEAR = [layer.linear for layer in LAYERS]


def numbered(*shape: int, name: str = "x") -> Tensor:
    return torch.randn(*shape, generator=stream(0, "baselines", name), dtype=torch.float64)


def student(name: str) -> tuple[Chip[object], Backprop]:
    chip = Chip(Digital(), LAYERS)
    return chip, Backprop(xray.knobs(chip), LINEAR, name)


def test_a_digital_chip_is_a_tanh_network() -> None:
    chip, net = student("SGD")
    x = numbered(7, 6).float()
    torch.testing.assert_close(net.outputs(x), chip.port().measure(x).out)


def test_fresh_weights_are_spread_as_glorot_and_bengio_say() -> None:
    chip = Chip(Digital(), (dense(300, 200),))
    (knobs,) = xray.knobs(chip)
    for part, bound in ((knobs[0, :, :-1], (6 / 500) ** 0.5), (knobs[0, :, -1], (3 / 200) ** 0.5)):
        assert 0.95 * bound < float(part.abs().max()) <= bound
        assert float(part.std()) == pytest.approx(bound / 3**0.5, rel=0.1)


def test_plain_descent_is_the_chips_exact_gradient() -> None:
    chip, net = student("SGD")
    x = numbered(7, 6).sigmoid().float()
    gradient = xray.knob_gradient(chip, x, x, BinaryCrossEntropy())
    net.step(0.3, x, BinaryCrossEntropy())
    layers = [part for part in net.net if isinstance(part, nn.Linear)]
    for layer, before, g in zip(layers, xray.knobs(chip), gradient, strict=True):
        now = torch.cat((layer.weight, layer.bias.unsqueeze(-1)), -1)
        torch.testing.assert_close(now, (before - 0.3 * g)[0])


@pytest.mark.parametrize("name", [n for n in BASELINES if missing_package(n) is None])
def test_every_baseline_learns(name: str) -> None:
    _, net = student(name)
    x = (3 * numbered(64, 2) @ numbered(2, 6, name="mix")).sigmoid().float()
    loss = BinaryCrossEntropy()
    before = float(loss(net.outputs(x), x).mean())
    for _ in range(60):
        net.step(BASELINES[name].guess * 10, x, loss)
    assert float(loss(net.outputs(x), x).mean()) < 0.97 * before


@pytest.mark.parametrize(("name", "each"), [("SGD", 0), ("Momentum", 1), ("Adam", 2)])
def test_what_optimizers_keep_is_counted(name: str, each: int) -> None:
    _, net = student(name)
    net.step(0.1, torch.full((3, 6), 0.5), BinaryCrossEntropy())
    weights = sum(p.numel() for p in net.net.parameters())
    assert (
        each * weights <= net.memory_size <= each * weights + 8
    )  # Adam also counts the steps of each parameter


def test_numbers_count_each_tensor_once() -> None:
    held = torch.zeros(3, 4)
    assert count_numbers({"a": (held, [held, torch.zeros(2)]), "b": 5}) == 14


def test_a_sandglass_mirrors_its_encoder() -> None:
    assert autoencoder_sizes(784, (1000, 30)) == [(784, 1000), (1000, 30), (30, 1000), (1000, 784)]


def test_natural_gradients_solve_the_kronecker_system() -> None:
    """(A' (x) B') vec(dW) = vec(G), column by column, with A' and B' damped alike on either side."""
    z, d = numbered(9, 3, name="z"), numbered(9, 2, name="d")
    a, b, g, damping = z.mT @ z / 9, d.mT @ d / 9, numbered(2, 3, name="g"), 0.3
    pi = ((a.trace() / 3) / (b.trace() / 2)).sqrt()
    whole_a, whole_b = a + pi * damping**0.5 * torch.eye(3), b + damping**0.5 / pi * torch.eye(2)
    wanted = torch.linalg.solve(torch.kron(whole_a.contiguous(), whole_b.contiguous()), g.mT.flatten())
    torch.testing.assert_close(natural_gradient(g, Factors(a, b), damping), wanted.view(3, 2).mT)


def test_factors_are_the_fishers() -> None:
    """For one layer of sigmoid outputs B is E p (1 - p) on the diagonal: targets are the network's own."""
    net = Backprop(xray.knobs(Chip(Digital(), (dense(2, 3, linear=True),))), [True], "SGD").net.double()
    x = numbered(20_000, 2)
    ((a, b),) = fisher_factors(net, x, stream(0, "drawn"))
    with torch.no_grad():
        p = net(x).sigmoid()
    z = torch.cat((x, torch.ones(len(x), 1).double()), -1)
    torch.testing.assert_close(a, z.mT @ z / len(x))
    error = 5 / len(x) ** 0.5  # of means within -1..1, at 5 sigma; nine of them
    assert float((b - torch.diag((p * (1 - p)).mean(0))).abs().max()) < error


@pytest.mark.skipif(missing_package("K-FAC, curvlinops") is not None, reason="no curvlinops")
def test_factors_of_the_library_are_ours() -> None:
    net = Backprop(xray.knobs(Chip(Digital(), LAYERS)), LINEAR, "SGD").net.double()
    x = numbered(5_000, 6)
    ours, theirs = (f(net, x, stream(0, "drawn", n)) for n, f in enumerate((fisher_factors, library_factors)))
    for mine, found in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.inputs, found.inputs)
        apart = (mine.gradients - found.gradients).norm() / mine.gradients.norm()
        assert 0 < float(apart) < 0.15  # other draws: 1 / sqrt(5,000) an entry, times a few


def test_steps_of_kfac_stay_within_reach() -> None:
    """The first step's square by the damped Fisher matrix, dW F dW, is what may be, whatever the rate."""
    _, made = student("SGD")
    optimizer = KFAC(made.net, 100.0, stream(0), trust_region=1e-3)
    x = numbered(16, 6).sigmoid().float()
    optimizer.update_factors(x)
    BinaryCrossEntropy()(made.net(x), x).mean().backward()
    layers = [p for p in made.net if isinstance(p, nn.Linear)]

    def whole(bias: Tensor | None, weight: Tensor | None) -> Tensor:
        assert weight is not None and bias is not None
        return torch.cat((weight, bias.unsqueeze(-1)), -1).detach().clone()

    before = [whole(p.bias, p.weight) for p in layers]
    slopes = [whole(p.bias.grad, p.weight.grad) for p in layers]
    optimizer.step()
    moved = sum(
        float(((was - whole(p.bias, p.weight)) * g).sum())
        for p, was, g in zip(layers, before, slopes, strict=True)
    )
    steepest = sum(
        float((natural_gradient(g, f, optimizer.damping) * g).sum())
        for g, f in zip(slopes, optimizer.factors, strict=True)
    )
    assert moved**2 / steepest == pytest.approx(1e-3, rel=1e-3)


def test_heavy_rmsprop_starts_from_ones_with_epsilon_under_the_root() -> None:
    update = heavy_rmsprop(lambda step: 0.1 * (step + 1), 0.5, 0.9, 1e-3)
    (first,), state = update.step((torch.tensor(2.0),), update.init((torch.tensor(0.0),)))
    assert float(first) == pytest.approx(-0.1 * 2 / (0.9 + 0.1 * 4 + 1e-3) ** 0.5)
    (second,), _ = update.step((torch.tensor(1.0),), state)
    assert float(second) == pytest.approx(0.5 * float(first) - 0.2 / (0.9 * 1.3 + 0.1 + 1e-3) ** 0.5)


def test_paces_rise_and_fall() -> None:
    shares = [warmup_then_decay(step, 10, 20) for step in range(200)]
    assert shares[0] == pytest.approx(0.1) and max(shares) == 1.0 == shares[9] and 0 < shares[-1] < 0.01
    update = with_schedule(sgd(1.0), lambda made: 1.0 + made)
    one = (torch.ones(2),)
    drive, state = update.step(one, update.init(one))
    again, _ = update.step(one, state)
    assert torch.equal(again[0], 2 * drive[0])


@pytest.mark.parametrize("method", ["Adam", "LocoProp-M"])
def test_students_start_from_the_same_weights(method: autoencoders.Method) -> None:
    """At a rate of nothing every student still answers as the fresh chip."""
    train = numbered(40, 6).sigmoid().float()
    recipe = Recipe(method, 1e-20, (5, 2), 20, 1, 3)
    ((outputs, _),) = train_epochs(recipe, train)
    fresh = Chip(Digital(), autoencoders.layers((5, 2), 6), 3).port().measure(train).out
    torch.testing.assert_close(outputs(train), fresh)


def test_faster_products_are_asked_for_and_given_back() -> None:
    before = torch.get_float32_matmul_precision()
    with matmul_precision("bfloat16"):
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == before


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    monkeypatch.setattr("studies.kit.digital.baselines.find_spec", lambda name: None)
    trial = autoencoder.Trial(method="Shampoo")
    (row,) = autoencoder.run(trial)
    assert "mortal[baselines]" in row["says"] and autoencoder.table([row])[0]["learning rate"] == row["says"]


def test_the_search_goes_on_as_long_as_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of a valley four steps from the guess is found; beyond it one step is tried."""
    tried = []

    def valley(recipe: Recipe, train: Tensor) -> object:
        tried.append(recipe)
        miss = abs(log10(recipe.learning_rate) + 5) + abs(log10(recipe.second or 1.0) + 4)
        yield lambda x: torch.full_like(x, miss), 0.0

    monkeypatch.setattr(autoencoder_search, "train_epochs", valley)
    monkeypatch.setattr(autoencoder_search, "mean_loss", lambda outputs, x: float(outputs(x[:1])[0, 0]))
    start, x = Recipe("Adam", 1.0, (4,), 5, 8, 0), torch.zeros(9, 3)
    found = autoencoder_search.searched(start, x)
    assert found.learning_rate == pytest.approx(1e-5) and found.second is None
    assert min(r.learning_rate for r in tried) == pytest.approx(1e-5 / 10**0.5)
    assert {r.epochs for r in tried} == {2} and found.epochs == 8
    second = autoencoder_search.searched(start._replace(method="K-FAC"), x)
    assert second.second == pytest.approx(1e-4)


def test_the_published_run_is_not_searched() -> None:
    start = Recipe("LocoProp-M as published", 1.0, (4,), 5, 8, 0)
    found = autoencoder_search.searched(start, torch.zeros(9, 3))
    assert found == start._replace(learning_rate=1e-5)


def test_each_layer_of_locoprop_may_have_its_own_loss() -> None:
    """Of sums and of outputs: where all layers are squared it is S, but for what gamma is by default."""
    x = numbered(16, 6).sigmoid().float()
    m = Recipe("LocoProp-M", 3e-3, (5, 2), 16, 4, 0, second=0.5)
    losses = {}
    for name, recipe in {
        "M": m,
        "all squared": m._replace(squared=(0, 1, 2, 3)),
        "one squared": m._replace(squared=(0,)),
        "S": m._replace(method="LocoProp-S"),
        "held": m._replace(proximal=3.0),
    }.items():
        *_, (outputs, _) = train_epochs(recipe, x)
        losses[name] = autoencoder_search.mean_loss(outputs, x)
    assert losses["all squared"] == losses["S"]
    assert len({losses[name] for name in ("M", "one squared", "S", "held")}) == 4
