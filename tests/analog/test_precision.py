import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import (
    Budget,
    Chip,
    Device,
    Ideal,
    Mismatched,
    Noise,
    Probe,
    certify,
    dense,
    mlp,
    precision,
    stream,
    xray,
)
from analog.devices import ZOO, Hopfield, Resistive
from analog.io.store import load, save
from analog.layers.regular import conv2d
from learners import Batch, CrossEntropy, Descent, NodePerturbation, fit, sgd
from learners.estimators.gradient import knob_gradient
from learners.learner import Learner
from learners.local import Hebbian

BF16 = torch.bfloat16
LAYERS = mlp(200, 40, 10)
X = torch.rand(16, 200, generator=stream(0, "precision"))


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact.double()).norm() / exact.double().norm())


@pytest.mark.parametrize("device", [Ideal(), Mismatched(), Hopfield(), *ZOO], ids=lambda d: type(d).__name__)
def test_rounded_factors_cost_a_reading_less_than_a_percent_whatever_the_device(device: Device[Any]) -> None:
    exact, rounded = (Chip(device, LAYERS, (3, 4), precision=p).port().measure(X) for p in (None, BF16))
    for there, here in zip(rounded.taps, exact.taps, strict=True):
        assert here.dtype == there.dtype == torch.float32
        assert 5e-4 < error(there, here) < 1e-2  # it is rounded, and by no more than relaxing repeats


def test_a_product_of_many_terms_is_off_by_a_few_thousandths() -> None:
    a, b = (torch.randn(64, 785, generator=stream(0, "precision", side)) for side in "ab")
    found = precision.matmul(a, b.mT, BF16)
    assert found.dtype == torch.float32
    assert 1e-3 < error(found, a.double() @ b.double().mT) < 4e-3
    assert torch.equal(precision.matmul(a, b.mT), a @ b.mT)


@dataclass(frozen=True)
class Spelled(Mismatched):
    """A device that writes its products in another way."""

    way: str = "matmul"

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        weights = cells.weights.mT.expand(*x.shape[:-2], *cells.weights.mT.shape[-2:])
        if self.way == "bmm":
            return torch.bmm(x.flatten(0, -3), weights.flatten(0, -3)).unflatten(0, x.shape[:-2])
        return torch.matmul(x, weights) if self.way == "matmul" else x.matmul(weights)


@pytest.mark.parametrize("way", ["matmul", "method", "bmm"])
def test_a_device_may_write_its_products_as_it_likes(way: str) -> None:
    plain, spelled = (
        Chip(device, LAYERS, 3, precision=BF16).port().measure(X).out
        for device in (Mismatched(), Spelled(way=way))
    )
    torch.testing.assert_close(spelled, plain, rtol=0, atol=0)


def test_kept_weights_are_those_of_the_present_cells() -> None:
    """Bitwise what a chip shows that keeps nothing: after pulses, within spans and beside knob probes."""

    def shown(forgetful: bool) -> list[Tensor]:
        chip = Chip(Ideal(), (dense(20, 20), dense(20, 20), dense(20, 5, linear=True)), 1, precision=BF16)
        port, found = chip.port(), []
        generator = stream(0, "precision", "kept")
        for k in range(3):
            x, taps = torch.rand(4, 20, generator=generator), list[Tensor]()
            offsets = tuple(0.1 * torch.randn(2, *s, generator=generator) for s in port.spec.shapes)
            for probe, first in ((Probe(), 0), (Probe(knobs=offsets), 0), (Probe(), 1), (Probe(), 0)):
                if forgetful:
                    chip._forget()
                taps += port.measure(x, probe.part(first), first=first).taps
            found += taps
            port.pulse(tuple((k + 1) * 0.1 * torch.ones(s) for s in port.spec.shapes))
        return found

    torch.testing.assert_close(shown(False), shown(True), rtol=0, atol=0)


@pytest.mark.parametrize("device", [Mismatched(), Resistive()], ids=lambda d: type(d).__name__)
def test_a_chip_alone_is_bitwise_its_row_of_a_fleet_in_low_precision_too(device: Device[Any]) -> None:
    fleet = Chip(device, LAYERS, (3, 4, 5), noise_seed=(3, 4, 5), precision=BF16).port().measure(X).out
    single = Chip(device, LAYERS, (4,), noise_seed=(4,), precision=BF16).port().measure(X).out
    torch.testing.assert_close(fleet[1], single[0], rtol=0, atol=0)


def test_gradients_made_of_rounded_factors_are_those_of_exact_ones_within_a_percent() -> None:
    layer, draw = LAYERS[0], stream(0, "precision", "gradient")
    nodes, x = torch.randn(2, 64, 40, generator=draw), torch.rand(64, 200, generator=draw)
    exact = knob_gradient(layer, nodes.double(), x.double())
    assert 1e-3 < error(knob_gradient(layer, nodes, x, precision=BF16), exact) < 5e-3


def test_convolutions_are_rounded_on_the_way_up_and_back() -> None:
    layer, draw = conv2d((3, 8, 8), 4, 3, padding=1), stream(0, "precision", "convolution")
    x, nodes = torch.rand(8, 192, generator=draw), torch.randn(8, 256, generator=draw)
    exact, rounded = (Chip(Ideal(), (layer,), precision=p).port().measure(x).out for p in (None, BF16))
    assert 5e-4 < error(rounded, exact) < 1e-2
    assert 1e-4 < error(knob_gradient(layer, nodes, x, precision=BF16), knob_gradient(layer, nodes, x)) < 1e-2


@pytest.mark.parametrize(
    ("learner", "layers"),
    [
        (Descent(NodePerturbation(0.1), sgd(0.1), CrossEntropy()), LAYERS),
        (Hebbian(sgd(0.1)), (dense(200, 40),)),
    ],
    ids=["node perturbation", "Hebbian"],
)
def test_a_learner_multiplies_as_the_datasheet_says(learner: Learner, layers: Any) -> None:
    """The same step in both precisions moves the knobs alike, but not bitwise."""

    def moved(dtype: torch.dtype | None) -> Tensor:
        chip = Chip(Ideal(), layers, 1, precision=dtype)
        before, target = xray.knobs(chip), 1.0 - 2.0 * (torch.arange(16) % 2)
        batch = Batch(X, target if len(layers) == 1 else torch.arange(16) % 10)
        list(fit(learner, chip.port(), [batch], stream(0, "precision", "probes")))
        return torch.cat([(b - a).flatten() for a, b in zip(before, xray.knobs(chip), strict=True)])

    assert 1e-4 < error(moved(BF16), moved(None)) < 3e-2


def test_the_truth_about_a_chip_is_exact() -> None:
    exact, rounded = (Chip(Mismatched(), LAYERS, 3, precision=p) for p in (None, BF16))
    torch.testing.assert_close(xray.respond(rounded, X).out, xray.respond(exact, X).out, rtol=0, atol=0)


def test_a_chip_in_low_precision_breaks_no_law_of_its_wires() -> None:
    port = Chip(Mismatched(), mlp(12, 8, 4), 3, precision=BF16).port()
    found = certify(port, budget=Budget(reads=6000, pulses_per_cell=0))
    assert not found.broken and {"node response", "trace"} <= set(found.held)


def test_other_precisions_are_refused() -> None:
    for wrong, dtype in ((torch.float16, torch.float32), (BF16, torch.float64), ("bfloat16", torch.float32)):
        with pytest.raises(
            ValueError, match=r"precision is .*; it is torch.bfloat16 with torch.float32, or None"
        ):
            Chip(Ideal(), LAYERS, precision=wrong, dtype=dtype)  # type: ignore[arg-type]


def test_a_processor_without_units_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, "avx2": True}, raising=False
    )
    with pytest.warns(UserWarning, match="no units for bfloat16"):
        Chip(Ideal(), LAYERS, precision=BF16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Chip(Ideal(), LAYERS, precision=BF16)


def test_a_saved_chip_keeps_its_precision(tmp_path: Path) -> None:
    chip = Chip(Ideal(), LAYERS, 3, precision=BF16)
    save(chip, tmp_path / "chip")
    again = load(tmp_path / "chip", Ideal(), LAYERS)
    assert again.spec.precision is BF16
    torch.testing.assert_close(again.port().measure(X).out, chip.port().measure(X).out, rtol=0, atol=0)
