"""Layers with a state are driven step by step; everything else sees them as it sees any other layer."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from analog import (
    Budget,
    Chip,
    Device,
    Ideal,
    Ledger,
    Mismatched,
    Probe,
    certify,
    conv2d,
    dense,
    grouped,
    load,
    metered,
    save,
    stream,
    xray,
)
from analog.devices import ZOO, Hopfield
from analog.io.remote import connect
from analog.io.serialization import layer_checksum
from analog.layers import (
    LastStep,
    Normalized,
    OneHot,
    Recurrent,
    channel_mixing,
    prepared,
    recurrent,
)
from analog.layers.recurrence import count_steps, feed_back, gather_with_state, join_steps, split_steps
from analog.randomness import Noise
from tests.analog.io.remote.serving import TOKEN, served
from tests.zoo import name

F64 = torch.float64
STEPS = 3
STEP_LAYERS = {
    "dense": dense(7, 4),
    "groups": grouped(8, 4, 2, bias=False),
    "images": conv2d((3, 2, 2), 2, 1),
}
LAYERS = {name: Recurrent(step, STEPS) for name, step in STEP_LAYERS.items()}


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "recurrence", *shape), dtype=F64)


def by_hand(chip: Chip, x: Tensor, push: Tensor) -> Tensor:
    """What a fleet's first layer gives without noise: its tiles driven with [x_t, h_(t-1)], step by step."""
    layer, cells, device = chip.spec.layers[0], chip._cells[0], chip.device
    assert layer.step is not None
    last, given = torch.zeros(*chip.spec.fleet, len(x), layer.step.features, dtype=F64), []
    for come, pushed in zip(x.chunk(STEPS, -1), push.chunk(STEPS, -1), strict=True):
        z = layer.step.gather(torch.cat((come.expand(*last.shape[:-1], -1), last), -1))
        u = device.collect(cells, z, Noise.none()) + layer.step.unscatter(pushed)
        u = device.fire(cells, device.sense(cells, u, Noise.none()), Noise.none())
        last = layer.step.scatter(u)
        given.append(last)
    return torch.cat(given, -1)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_each_step_is_driven_by_its_inputs_and_by_what_the_one_before_gave(layer: Recurrent) -> None:
    chip = Chip(Mismatched(), (layer,), (3, 4), dtype=F64)
    x, push = draw(5, layer.features_in), 0.3 * draw(2, 5, layer.features)
    shown = xray.respond(chip, x, Probe(nodes=(push,))).out
    torch.testing.assert_close(shown, by_hand(chip, x, push), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_wiring_round_trips_and_comes_back_as_its_adjoint(layer: Recurrent) -> None:
    x, y = draw(2, 5, layer.features_in), draw(2, 5, layer.features)
    sites = layer.features // (layer.tiles * layer.rows)
    z = draw(2, layer.tiles, 5 * sites, layer.cols)
    assert layer.gather(x).shape == z.shape
    assert torch.equal(layer.scatter(layer.unscatter(y)), y)
    assert torch.equal(join_steps(layer, split_steps(layer, z)), z)
    sent = ((layer.gather(x) - layer.gather(0 * x)) * z).sum()
    torch.testing.assert_close((x * layer.ungather(z)).sum(), sent)
    assert count_steps(layer) == STEPS and count_steps(layer.step) == 1


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_a_step_takes_over_the_activity_before_it_and_the_first_takes_none(layer: Recurrent) -> None:
    x, tap = draw(5, layer.features_in), draw(5, layer.features)
    steps = split_steps(layer, gather_with_state(layer, x, tap))
    before = (torch.zeros_like(tap.chunk(STEPS, -1)[0]), *tap.chunk(STEPS, -1))
    for come, last, z in zip(x.chunk(STEPS, -1), before, steps, strict=False):
        torch.testing.assert_close(z, layer.step.gather(torch.cat((come, last), -1)), rtol=0, atol=0)


def test_readouts_see_all_steps_or_the_last() -> None:
    layer, w = recurrent(2, 4, STEPS), draw(1, 3, 5)
    tap = draw(6, layer.features)
    every = channel_mixing(STEPS, 4, 3, linear=True)
    last = prepared(dense(4, 3, linear=True), LastStep(STEPS))
    outs = [prepared_tap @ w[0, :, :4].T + w[0, :, 4] for prepared_tap in tap.chunk(STEPS, -1)]
    torch.testing.assert_close(every.scatter(every.gather(tap) @ w.mT), torch.cat(outs, -1))
    torch.testing.assert_close(last.scatter(last.gather(tap) @ w.mT), outs[-1])
    gradient = draw(6, 4)
    assert torch.equal(
        LastStep(STEPS).pull_back(tap, gradient), torch.nn.functional.pad(gradient, (STEPS * 4 - 4, 0))
    )


def test_symbols_are_decoded_for_each_step() -> None:
    layers = (prepared(recurrent(5, 4, STEPS), OneHot(5)),)
    chip, bare = (Chip(Ideal(), each, 2, dtype=F64) for each in (layers, (layers[0].layer,)))
    numbers = torch.tensor([[0.0, 4.0, -1.0], [2.0, 2.0, 1.0]], dtype=F64)
    assert layers[0].features_in == STEPS
    assert torch.equal(xray.respond(chip, numbers).out, xray.respond(bare, OneHot(5)(numbers)).out)


@pytest.mark.parametrize("device", [each for each in ZOO if not each.settling], ids=name)
def test_later_steps_follow_earlier_ones_on_every_device(device: Device) -> None:
    """A push at a step changes that step and perhaps those after it, for the pushed example alone."""
    layer = recurrent(2, 4, STEPS)
    chip = Chip(device, (layer,), (3, 4), dtype=F64)
    x, push = draw(3, layer.features_in), torch.zeros(2, 3, layer.features, dtype=F64)
    push[:, 1, 4:8] = 1.0
    chip.port().pulse((torch.full(chip.spec.shapes[0], 0.1, dtype=F64),))
    rest, moved = (xray.respond(chip, x, Probe(nodes=(p,))).out for p in (0 * push, push))
    changed = (moved - rest).abs().unflatten(-1, (STEPS, 4)).sum(-1)  # (chips, examples, steps)
    assert not changed[:, [0, 2]].any() and not changed[:, 1, 0].any()
    assert bool((changed[:, 1, 1] > 0).all())


def test_every_step_has_noise_of_its_own_and_so_has_every_probe() -> None:
    layer = Recurrent(dense(5, 4), 8)
    chip = Chip(Mismatched(severity=0.0, read_noise=0.1), (layer,), (0, 1), noise_seed=(5, 6))
    chip.port().program(chip.spec.zeros())
    nothing = Probe(nodes=(torch.ones(50, 2, 20, 32),))  # far from the neurons' threshold
    noise = chip.port().measure(torch.zeros(20, 8), nothing).out.flatten(0, -2) - 1
    unit = noise / noise.std(0)
    correlation = unit.T @ unit / len(unit)
    assert float((correlation - torch.eye(32)).abs().max()) < 0.14  # 6 sd of 2,000 readings
    torch.testing.assert_close(noise.std(0), torch.full((32,), 0.1), rtol=0.1, atol=0)


def test_a_fleet_is_its_chips_and_knobs_are_probed_in_all_steps() -> None:
    layers = (recurrent(2, 4, STEPS), channel_mixing(STEPS, 4, 2, linear=True))
    x, offset = draw(5, 6), 0.1 * draw(3, 2, 1, 4, 7)
    fleet = Chip(Mismatched(), layers, (0, 1), noise_seed=(5, 6), dtype=F64)
    both = fleet.port().measure(x, Probe(knobs=(offset, None)))
    for i in range(2):
        alone = Chip(Mismatched(), layers, (i,), noise_seed=(5 + i,), dtype=F64)
        shown = alone.port().measure(x, Probe(knobs=(offset[:, i : i + 1], None)))
        for tap, whole in zip(shown.taps, both.taps, strict=True):
            torch.testing.assert_close(tap[:, 0], whole[:, i])
    noiseless = xray.respond(fleet, x, Probe(knobs=(offset, None))).taps[0]
    for probe in range(3):
        at_once = xray.respond(fleet, x, Probe(knobs=(offset[probe], None))).taps[0]
        torch.testing.assert_close(noiseless[probe], at_once)


def test_the_ledger_books_a_vector_for_each_step() -> None:
    layers = (recurrent(2, 4, STEPS), prepared(dense(4, 3, linear=True), LastStep(STEPS)))
    chip = Chip(Ideal(), layers)
    ledger, costs = Ledger(chip.spec), chip.spec.costs
    port = metered(chip.port(), ledger)
    port.measure(torch.zeros(5, 6), Probe(nodes=(torch.zeros(2, 5, 12), None)))
    assert ledger.reads == [2 * 5 * STEPS, 2 * 5]
    assert ledger.seconds == chip.clock == pytest.approx(2 * 5 * (STEPS + 1) * costs.read_seconds)
    single = [costs.vector_energy(layer).total for layer in (dense(6, 4), dense(4, 3))]
    assert float(ledger.joules) == pytest.approx(10 * (STEPS * single[0] + single[1]))
    assert costs.read_joules(layers) == pytest.approx(float(ledger.joules) / 10)
    assert Budget(reads=2 * STEPS + 1).max_reads(chip.spec) == 2
    assert Budget(seconds=2.5 * (STEPS + 1) * costs.read_seconds).max_reads(chip.spec) == 2


def test_chips_with_a_state_are_saved_and_served_as_they_are(tmp_path: Path) -> None:
    layers = (recurrent(2, 4, STEPS), channel_mixing(STEPS, 4, 2, linear=True))
    chip, x = Chip(Mismatched(), layers, (0, 1), dtype=F64), draw(5, 6)
    chip.port().pulse(tuple(0.1 * draw(*shape) for shape in chip.spec.shapes))
    save(chip, tmp_path / "chip")
    twin = load(tmp_path / "chip", Mismatched(), layers)
    with served(twin.port()) as address, connect(address, TOKEN, layers) as far:
        far_taps = far.measure(x).taps
    for tap, other in zip(chip.port().measure(x).taps, far_taps, strict=True):
        assert torch.equal(tap, other)
    with pytest.raises(ValueError, match="layers"):
        load(tmp_path / "chip", Mismatched(), (dense(6, 12, bias=False), layers[1]))


def test_wiring_without_the_state_is_told_apart() -> None:
    """Steps that nothing is carried between are other layers, even where they gather the same."""
    layer = recurrent(2, 4, STEPS)
    marks = {
        layer_checksum([each]) for each in (layer, recurrent(2, 4, 2 * STEPS), Recurrent(grouped(6, 4, 2), 3))
    }
    assert len(marks) == 3
    assert bool(feed_back(layer.step, torch.ones(1, 4)).any())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: recurrent(2, 4, 0), "steps is 0"),
        (lambda: Recurrent(dense(6, 4, linear=True), 3), "is linear"),
        (lambda: Recurrent(recurrent(12, 4, 3), 3), "has a state itself"),
        (lambda: Recurrent(dense(4, 4), 3), "leave no room"),
        (lambda: Recurrent(prepared(dense(6, 4), Normalized()), 3), "mixes inputs and activity"),
        (lambda: LastStep(0), "steps is 0"),
        (lambda: gather_with_state(recurrent(2, 4, 3), draw(5, 6), None), "give its tap"),
        (lambda: recurrent(2, 4, 3).multiply(draw(5, 6), draw(1, 4, 7)), "step by step"),
        (lambda: recurrent(2, 4, 3).weight_gradient(draw(5, 6), draw(5, 12)), "give its tap"),
        (lambda: recurrent(2, 4, 3).input_gradient(draw(5, 6), draw(5, 12), draw(1, 4, 7)), "no gradient"),
        (lambda: Chip(Hopfield(), (recurrent(2, 4, 3),)), "device relaxes: layer 0 has a state"),
        (lambda: certify(Chip(Ideal(), (recurrent(2, 4, 3),)).port()), "certify: layer 0 has a state"),
    ],
)
def test_what_a_state_does_not_go_with_is_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
