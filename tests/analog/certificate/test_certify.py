"""A certificate names what is broken and nothing else, within its budget, whatever a port allows."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from analog import Budget, Chip, Ideal, Mismatched, Noise, Port, Probe, Reading, certify, dense, mlp, xray
from analog.certificate.certify import LATER_LAWS, READING_LAWS
from analog.devices import CapacitorCell, Hopfield, Resistive
from analog.devices.ideal import IdealCells
from analog.layers import Paired, prepared
from analog.port import make_port
from tests.analog.certificate.defects import DEEP, DEFECTS, LAYERS, RELAXING, healthy, noisy, shared
from tests.sampled import sampled

BUDGET = Budget(reads=5_000, pulses_per_cell=50)
DIODES = (prepared(dense(26, 24, bias=False), Paired(3.0)), dense(24, 12, bias=False, linear=True))
SMALL = (dense(8, 8), dense(8, 6, linear=True))


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_named_and_nothing_else_is(defect: str) -> None:
    make, law = DEFECTS[defect]
    certificate = certify(make(), budget=BUDGET)
    assert certificate.broken == (law,), certificate


def test_every_law_has_a_defect_that_breaks_it() -> None:
    names = {law.__name__.replace("_", " ") for law in READING_LAWS + LATER_LAWS}
    assert names - {law for _, law in DEFECTS.values()} == {"knob response", "retention"}  # tried below


@pytest.mark.parametrize("device", [Ideal(), Mismatched()])
def test_healthy_chips_pass(device: Ideal) -> None:
    certificate = certify(Chip(device, mlp(24, 24), 3).port(), budget=BUDGET)
    assert not certificate.broken, certificate
    assert len(certificate.held) > 12 and "pulse direction" in certificate.held


def test_a_healthy_chip_that_relaxes_passes_and_may_be_taught_by_equilibrium_propagation() -> None:
    certificate = certify(Chip(Hopfield(), RELAXING, 5).port(), budget=BUDGET)
    assert not certificate.broken and "reciprocal response" in certificate.held, certificate
    why = {f.law: f.why for f in certificate.findings if f.status == "not tried"}
    assert why["taps passed on"] == "the layers of a chip that relaxes settle together"
    one_way = {f.law: f.why for f in certify(healthy(), budget=BUDGET).findings}
    assert one_way["reciprocal response"] == "signals go one way through this chip"


@dataclass(frozen=True)
class NoisyCells(Ideal):
    """Every cell's noise is drawn once a reading, so that all examples of a batch hear the same."""

    def collect(self, cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
        return x @ (cells.knobs + 0.1 * noise.normal(cells.knobs)).mT


@dataclass(frozen=True)
class Comparators(Ideal):
    """Neurons of two values that flip by chance where their input is about 0."""

    def fire(self, cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
        return (u + 0.1 * noise.normal(u)).sign()


def weakly_correlated(u: Tensor, noise: Noise) -> Tensor:
    """A tenth of each example's noise is heard by the next one."""
    drawn = 0.02 * noise.normal(u)
    return u + drawn + (0.1 * drawn.roll(1, -2) if drawn.ndim > 1 else 0.0)


UNCOMMON: dict[str, Callable[[], Port]] = {
    "noise of cells": lambda: Chip(NoisyCells(), SMALL, (3, 4, 5)).port(),
    "comparators": lambda: Chip(Comparators(), SMALL, (3, 4, 5)).port(),
    "a wire's noise, common to the nodes": lambda: shared(-1),
    "examples that hear a tenth of each other's noise": lambda: noisy(weakly_correlated),
    "one reading in a hundred with a spike": lambda: noisy(lambda u, n: u + (n.uniform(u) > 0.99).to(u)),
    "noise of one size": lambda: noisy(lambda u, n: u + 0.02 * (n.uniform(u) - 0.5).sign()),
}


@pytest.mark.parametrize("name", sampled(UNCOMMON, 2))
def test_what_the_contract_of_devices_allows_is_not_called_broken(name: str) -> None:
    certificate = certify(UNCOMMON[name](), budget=BUDGET)
    assert not certificate.broken, certificate


def test_a_budget_is_kept_and_without_pulses_the_cells_stay_bitwise_as_they_were() -> None:
    chip = Chip(Mismatched(), LAYERS, 5)
    before = xray.knobs(chip)
    certificate = certify(chip.port(), budget=Budget(reads=700, pulses_per_cell=0))
    assert certificate.reads <= 700 and certificate.pulses_per_cell == 0
    assert all(torch.equal(a, b) for a, b in zip(before, xray.knobs(chip), strict=True))
    assert {"zero pulse", "pulse direction", "taps passed on"} <= set(certificate.not_tried)
    assert all(f.why for f in certificate.findings)
    why = {f.law: f.why for f in certify(chip.port(), budget=Budget(reads=6_000, pulses_per_cell=0)).findings}
    assert why["zero pulse"] == why["pulse direction"] == "the budget allows no pulses"


def test_a_port_that_refuses_probes_and_spans_is_certified_for_the_rest() -> None:
    inner = healthy(DEEP)

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        if probe != Probe() or (first, last) != (0, 1):
            raise NotImplementedError("this bench only reads")
        return Reading(inner.measure(x).taps[-1:])

    port = make_port(inner.spec, inner.program, inner.pulse, read)
    certificate = certify(port, budget=BUDGET)
    assert not certificate.broken
    assert {"noise of examples", "examples apart", "batch size", "drift", "zero pulse"} <= set(
        certificate.held
    )
    refused = {f.law: f.why for f in certificate.findings if f.status == "not tried"}
    assert {"trace", "node response", "knob response", "pulse direction"} <= set(refused)
    assert "this bench only reads" in refused["node response"]


def test_what_fades_while_it_waits_is_seen_by_whoever_can_wait() -> None:
    chip = Chip(CapacitorCell(read_noise=0.01), LAYERS, 5)
    short, long = (
        certify(chip.port(), budget=Budget(reads=6_000), wait=chip.wait, seconds=s) for s in (1e-4, 0.5)
    )
    assert "retention" in short.held and long.broken == ("retention",)


@pytest.mark.parametrize("make", [healthy, lambda: Chip(Resistive(), DIODES, 24).port()])
def test_knob_probes_that_are_clamped_break_the_law_of_their_response(make: Callable[[], Port]) -> None:
    inner = make()

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        knobs = probe.knobs and tuple(e if e is None else e.clamp(max=0) for e in probe.knobs)
        return inner.measure(x, Probe(knobs, probe.nodes), first=first, last=last)

    certificate = certify(make_port(inner.spec, inner.program, inner.pulse, read), budget=Budget(reads=6_000))
    assert "knob response" in certificate.broken


def test_a_diode_that_is_at_its_knee_at_one_input_breaks_nothing() -> None:
    """At the first of the inputs one node of this chip shows two thirds of the response, one way alone."""
    certificate = certify(Chip(Resistive(), DIODES, 24).port(), budget=Budget(reads=6_000))
    assert not certificate.broken and {"node response", "knob response"} <= set(certificate.held), certificate


def test_who_cannot_be_read_or_asks_for_nonsense_is_told_so() -> None:
    chip = Chip(Mismatched(), LAYERS, 5)
    with pytest.raises(ValueError, match="false_alarm is 0; wanted"):
        certify(chip.port(), false_alarm=0)
    with pytest.raises(ValueError, match="not one reading could be taken: the budget of reads"):
        certify(chip.port(), budget=Budget(reads=3))
    chip.die()
    with pytest.raises(ValueError, match="not one reading could be taken: the chip has died"):
        certify(chip.port())
