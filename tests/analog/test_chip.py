"""Chips: one identity and one noise seed are one life, and probes act where they enter."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import (
    BadInput,
    Chip,
    Costs,
    Dead,
    Ideal,
    Ledger,
    Mismatched,
    Noise,
    Probe,
    Spec,
    Tape,
    dense,
    metered,
    stream,
    taped,
    xray,
)
from analog.devices import SoftBoundsRRAM
from analog.devices.ideal import IdealCells
from analog.effects import Endurance

LAYERS = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))
DEVICES = [Ideal(), Mismatched(), SoftBoundsRRAM()]


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "chip", *shape))


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: type(d).__name__)
def test_same_identity_and_dice_same_life(device: Mismatched) -> None:
    taps = []
    for _ in range(2):
        port = Chip(device, LAYERS, 7).port()
        port.program(tuple(torch.full(s, 0.1) for s in port.spec.shapes))
        port.pulse(tuple(torch.full(s, 0.01) for s in port.spec.shapes))
        taps.append(port.measure(draw(3, 6)).out)
    assert torch.equal(*taps)


def test_other_dice_other_noise_same_chip() -> None:
    a, b = Chip(Mismatched(), LAYERS, 7), Chip(Mismatched(), LAYERS, 7, noise_seed=1)
    assert all(torch.equal(p, q) for p, q in zip(xray.knobs(a), xray.knobs(b), strict=True))
    assert not torch.equal(a.port().measure(draw(3, 6)).out, b.port().measure(draw(3, 6)).out)


@given(first=st.integers(0, 2), length=st.integers(1, 3), fleet=st.sampled_from([0, 3]))
def test_spans_make_up_the_whole(first: int, length: int, fleet: int) -> None:
    """Driving a span with the taps before it gives the taps that the whole chip shows."""
    last = min(2, first + length - 1)
    port = Chip(Mismatched(read_noise=0), LAYERS, range(fleet) if fleet else 0).port()
    whole = port.measure(draw(4, 6)).taps
    given_to = draw(4, 6) if first == 0 else whole[first - 1]
    part = port.measure(given_to, first=first, last=last).taps
    assert len(part) == last - first + 1
    for a, b in zip(part, whole[first : last + 1], strict=True):
        torch.testing.assert_close(a, b)


def test_node_probes_enter_before_the_neuron() -> None:
    """At a nominal neuron relu(u + probe), and exactly u + probe at the read-out."""
    chip = Chip(Ideal(), (dense(6, 5), dense(5, 3, linear=True)), dtype=torch.float64)
    x, push = draw(4, 6).double(), draw(2, 4, 5).double()
    w = xray.knobs(chip)
    u = x @ w[0][0, :, :6].T + w[0][0, :, 6]
    reading = chip.port().measure(x, Probe(nodes=(push, None)))
    torch.testing.assert_close(reading.taps[0], (u + push).relu())
    top = draw(2, 4, 3).double()
    clean = chip.port().measure(x).out
    torch.testing.assert_close(chip.port().measure(x, Probe(nodes=(None, top))).out, clean + top)


def test_knob_probes_are_written_nowhere_and_work_like_knobs() -> None:
    x, shift = draw(4, 6), 0.1 * draw(1, 5, 7)
    probed, written = (Chip(Mismatched(read_noise=0, write_noise=0), (dense(6, 5),)) for _ in range(2))
    before = xray.knobs(probed)
    with_probe = probed.port().measure(x, Probe(knobs=(shift,))).out
    assert torch.equal(before[0], xray.knobs(probed)[0])
    written.port().pulse((shift,))
    torch.testing.assert_close(with_probe, written.port().measure(x).out)


@pytest.mark.parametrize(
    "device", [Mismatched(read_noise=1.0), SoftBoundsRRAM(read_noise=1.0)], ids=lambda d: type(d).__name__
)
@pytest.mark.parametrize("fleet", [0, 2])
def test_every_probe_of_every_chip_has_its_own_noise(device: Mismatched, fleet: int) -> None:
    """Also in layers that the probe has not reached, which are simulated once for all probes."""
    chip = Chip(device, LAYERS, range(fleet) if fleet else 0)
    lead = (fleet,) if fleet else ()
    none = torch.zeros(2, *lead, 4, 3)
    taps = chip.port().measure(draw(4, 6), Probe(nodes=(None, None, none))).taps
    for tap, layer in zip(taps, LAYERS, strict=True):
        assert tap.shape == (2, *lead, 4, layer.features)
        rows = tap.reshape(-1, layer.features) if layer.linear else tap.reshape(2, -1)
        assert rows.unique(dim=0).shape == rows.shape
        assert not torch.equal(tap[0], tap[1])


@dataclass(frozen=True)
class Thermal(Ideal):
    """Noise in every cell, which has no probe axes of its own."""

    def collect(self, cells: IdealCells, x: torch.Tensor, noise: Noise) -> torch.Tensor:
        return x @ (cells.knobs + noise.normal(cells.knobs)).mT


@pytest.mark.parametrize("fleet", [0, 2])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("kind", ["knobs", "nodes", "x"])
def test_noise_in_cells_is_drawn_for_every_probe(kind: str, at: int, fleet: int) -> None:
    """Whatever carries the probe axes, in whichever layer, no two probes or chips share noise in any tap."""
    chip = Chip(Thermal(), LAYERS, [3] * fleet if fleet else 3)
    lead = (fleet,) if fleet else ()
    x = draw(4, 6).expand(3, *lead, 4, 6) if kind == "x" else draw(4, 6)
    entries: list[torch.Tensor | None] = [None, None, None]
    entries[at] = torch.zeros(
        3, *(chip.spec.shapes[at] if kind == "knobs" else (*lead, 4, LAYERS[at].features))
    )
    probe = Probe() if kind == "x" else Probe(**{kind: tuple(entries)})
    for tap in chip.port().measure(x, probe).taps:
        rows = tap.reshape(3 * max(1, fleet), -1)
        assert rows.unique(dim=0).shape == rows.shape


def test_x_and_a_probe_may_carry_the_probe_axes_apart() -> None:
    chip = Chip(Mismatched(read_noise=0), LAYERS, range(2))
    x, shift = draw(3, 2, 4, 6), 0.1 * draw(*chip.spec.shapes[1])
    apart = chip.port().measure(x, Probe(knobs=(None, shift, None))).out
    together = chip.port().measure(x, Probe(knobs=(None, shift.expand(3, *shift.shape), None))).out
    torch.testing.assert_close(apart, together)


def test_x_may_differ_by_chip_and_by_probe() -> None:
    chip = Chip(Mismatched(read_noise=0), LAYERS, range(2))
    x = draw(3, 2, 4, 6)
    taps = chip.port().measure(x).taps
    for p in range(3):
        torch.testing.assert_close(taps[-1][p], chip.port().measure(x[p]).out)
    lone = Chip(Mismatched(read_noise=0), LAYERS, 1).port()
    torch.testing.assert_close(taps[-1][2, 1], lone.measure(x[2, 1]).out)


def test_program_starts_from_blank() -> None:
    chip = Chip(Mismatched(write_noise=0), LAYERS, dtype=torch.float64)
    wanted = tuple(0.1 * draw(*s).double() for s in chip.spec.shapes)
    for _ in range(2):
        chip.port().program(wanted)
        torch.testing.assert_close(xray.knobs(chip), wanted)
    chip.port().pulse(wanted)
    torch.testing.assert_close(xray.knobs(chip), tuple(2 * w for w in wanted))


def test_one_clock_runs_through_measurements_pulses_and_waits() -> None:
    chip = Chip(Ideal(), LAYERS, range(2))
    port, costs = chip.port(), chip.spec.costs
    port.measure(draw(4, 6), Probe(nodes=(torch.zeros(5, 2, 4, 5), None, None)))
    assert chip.clock == pytest.approx(5 * 4 * 3 * costs.read_seconds)
    port.measure(draw(4, 5), first=1, last=1)
    assert chip.clock == pytest.approx((5 * 4 * 3 + 4) * costs.read_seconds)
    before = chip.clock
    port.pulse(chip.spec.zeros())
    assert chip.clock == pytest.approx(before + costs.pulse_seconds)
    before = chip.clock
    chip.wait(2.5)
    assert chip.clock == pytest.approx(before + 2.5)


@dataclass(frozen=True)
class Leaky(Ideal):
    """Knobs leak away with a time constant of 10 s."""

    def age(self, cells: IdealCells, seconds: float, noise: object) -> IdealCells:
        del noise
        return IdealCells(cells.knobs * torch.tensor(-seconds / 10).exp())


def test_ageing_runs_along_the_clock() -> None:
    chip = Chip(Leaky(), LAYERS)
    before = xray.knobs(chip)[0]
    chip.wait(5.0)
    chip.wait(5.0)
    torch.testing.assert_close(xray.knobs(chip)[0], before * torch.tensor(-1.0).exp())
    with pytest.raises(ValueError, match="finite time"):
        chip.wait(float("inf"))
    with pytest.raises(ValueError, match="at least 0"):
        chip.wait(-1.0)


def test_a_dead_chip_is_dead_at_every_wire_for_ever() -> None:
    chip = Chip(Ideal(), LAYERS)
    port = chip.port()
    chip.die()
    for wire in (port, chip.port()):
        for send in (
            lambda p: p.measure(draw(4, 6)),
            lambda p: p.measure("nonsense"),
            lambda p: p.pulse(p.spec.zeros()),
            lambda p: p.program(p.spec.zeros()),
        ):
            with pytest.raises(Dead, match="died"):
                send(wire)
    with pytest.raises(Dead):
        chip.wait(1.0)
    for look in (lambda: xray.knobs(chip), lambda: xray.respond(chip, draw(4, 6))):
        with pytest.raises(Dead):
            look()
    assert not chip.alive and chip._cells == ()


@pytest.mark.parametrize(
    ("identity", "dtype", "says"),
    [
        ((), torch.float32, "identity"),
        ("seven", torch.float32, "identity"),
        (1.5, torch.float32, "identity"),
        (0, torch.float16, "dtype"),
    ],
)
def test_bad_chips_are_refused(identity: object, dtype: torch.dtype, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Chip(Ideal(), LAYERS, identity, dtype=dtype)  # type: ignore[arg-type]


def test_common_slips_have_clear_errors() -> None:
    with pytest.raises(TypeError, match=r"got the class Ideal, wanted a device; write Ideal\(\)"):
        Chip(Ideal, LAYERS)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wanted a tuple of layers"):
        Chip(Ideal(), LAYERS[0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="noise_seed is an integer or a sequence of them, got 0.5"):
        Chip(Ideal(), LAYERS, noise_seed=0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="costs are finite"):
        Costs(step=0.0)


def test_a_chip_a_ledger_and_a_tape_say_who_they_are() -> None:
    chip = Chip(Mismatched(), (dense(64, 64), dense(64, 10, linear=True)), 7)
    chip.wait(1.2)
    assert repr(chip) == "Chip(Mismatched(), 64-64-10, identity=7, alive, 1.2 s)"
    chip.die()
    assert "dead" in repr(chip)
    fleet = Chip(Endurance(Mismatched(severity=0.5), pulses=9.0), LAYERS, range(20))
    assert "Endurance(device=Mismatched(severity=0.5), pulses=9.0)" in repr(fleet)
    assert "identity=(0, 1, 2, 3, 4, 5, 6, 7, ...)" in repr(fleet)
    ledger, tape = Ledger(fleet.spec), Tape(fleet.spec)
    taped(metered(fleet.port(), ledger), tape).measure(draw(5, 6))
    assert repr(ledger).startswith(f"Ledger({fleet.spec.sizes} x 20, 5 reads, 0 pulses a cell, ")
    assert repr(tape) == f"Tape({fleet.spec.sizes}, 1 events)"


@dataclass(frozen=True)
class Squares(Ideal):
    """Knobs grow by the square of a drive, behind a draw of write noise."""

    def pulse(self, cells: IdealCells, drive: torch.Tensor, noise: Noise) -> IdealCells:
        return IdealCells(cells.knobs + drive.square() * (1 + 0.1 * noise.normal(drive)))


@pytest.mark.parametrize("noise_seed", [0, (1, 2)], ids=["together", "apart"])
@pytest.mark.parametrize("wire", ["pulse", "program"])
def test_a_drive_that_would_leave_cells_that_are_not_finite_is_refused(wire: str, noise_seed: Any) -> None:
    """Cells, clock and generators stay as they were, though the first layer had drawn its noise."""
    used, spared = (Chip(Squares(), LAYERS, (1, 2), noise_seed=noise_seed) for _ in range(2))
    drive = [torch.full(s, 0.1) for s in used.spec.shapes]
    drive[2] = torch.full_like(drive[2], 3e38)
    with pytest.raises(BadInput, match=r"\Alayer 2: pulse: refused, and the chip is as it was;[^\n]+\Z"):
        getattr(used.port(), wire)(drive)
    assert used.clock == spared.clock == 0
    for one, other in zip(used._cells, spared._cells, strict=True):
        assert torch.equal(one.knobs, other.knobs)
    for mine, its in zip(used._generators, spared._generators, strict=True):
        assert torch.equal(mine.get_state(), its.get_state())


@dataclass(frozen=True)
class Exponential(Ideal):
    """Knobs grow by the exponential of a drive."""

    def pulse(self, cells: IdealCells, drive: torch.Tensor, noise: Noise) -> IdealCells:
        return IdealCells(cells.knobs + drive.exp())


@pytest.mark.parametrize("place", [0, -1], ids=["first layer", "last layer"])
def test_exponential_cells_stay_finite_or_the_drive_is_refused(place: int) -> None:
    """One large entry among small ones is found, in any layer, and an ordinary drive needs no looking."""
    for size in (0.1, 60.0, 64.0, 65.0, 88.0, 89.0, 500.0, 1e20):
        chip = Chip(Exponential(), LAYERS, 1)
        drive = [torch.full(s, 0.1) for s in chip.spec.shapes]
        drive[place].view(-1)[-1] = size
        if size > 88.0:
            with pytest.raises(BadInput, match="after this one a cell is not finite"):
                chip.port().pulse(drive)
        else:
            chip.port().pulse(drive)
        assert all(bool(torch.isfinite(cells.knobs).all()) for cells in chip._cells)


def test_a_device_that_fails_in_a_pulse_leaves_the_chip_as_it_was() -> None:
    class Fails(Squares):
        def age(self, cells: IdealCells, seconds: float, noise: Noise) -> IdealCells:
            noise.normal(cells.knobs)
            raise KeyError("of its own")

    used, spared = Chip(Fails(), LAYERS, 1), Chip(Squares(), LAYERS, 1)
    with pytest.raises(KeyError):
        used.port().pulse([torch.full(s, 0.1) for s in used.spec.shapes])
    assert all(torch.equal(a.knobs, b.knobs) for a, b in zip(used._cells, spared._cells, strict=True))
    assert torch.equal(used._generators[0].get_state(), spared._generators[0].get_state())


def test_a_pulse_train_without_end_is_refused() -> None:
    class Fine(Ideal):
        @property
        def costs(self) -> Costs:
            return Costs(step=1e-300)

    chip = Chip(Fine(), LAYERS, 1)
    with pytest.raises(BadInput, match="a train that would never end"):
        chip.port().pulse([torch.full(s, 1e10) for s in chip.spec.shapes])
    assert chip.clock == 0


def test_the_clock_does_not_run_to_infinity() -> None:
    chip = Chip(Ideal(), LAYERS, 1)
    chip.wait(1.7e308)
    with pytest.raises(ValueError, match="cannot wait"):
        chip.wait(1e308)
    assert chip.clock == 1.7e308


def test_a_chip_outlives_the_inference_mode_it_was_made_and_pulsed_in() -> None:
    with torch.inference_mode():
        chip = Chip(Mismatched(), LAYERS, 1)
        chip.port().pulse([torch.full(s, 0.1) for s in chip.spec.shapes])
        chip.wait(1.0)
        taps = chip.port().measure(torch.ones(2, 6)).taps
    target = torch.zeros(2, 3)
    gradient = xray.knob_gradient(chip, torch.ones(2, 6), target, lambda out, t: (out - t).square().sum(-1))
    assert all(torch.isfinite(g).all() for g in gradient)
    assert not any(tensor.is_inference() for tensor in (*taps, *gradient))


@pytest.mark.parametrize("on", ["meta", "nowhere", "cuda:4096", "xpu", ""])
def test_a_place_that_is_not_here_is_named(on: str) -> None:
    for make in (
        lambda: Chip(Ideal(), LAYERS, on=on),
        lambda: Spec(LAYERS, on=on),
        lambda: stream(0, "x", on=on),
    ):
        with pytest.raises(ValueError, match=rf"\Aon='{on}': tensors cannot live there[^\n]+\Z"):
            make()


def test_identities_in_an_array_are_told_the_way() -> None:
    for identity in (torch.arange(3), torch.arange(3).numpy()):
        with pytest.raises(
            ValueError, match=r"identity is an integer or a sequence of them, .*; give its .toli"
        ):
            Chip(Ideal(), (dense(2, 2),), identity)  # type: ignore[arg-type]
