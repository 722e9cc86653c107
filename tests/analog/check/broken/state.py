"""Devices that keep a state beside their cells, or draw randomness that nobody handed them."""

import itertools
import os
import random
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analog import Device, Fabrication, Ideal, stream
from analog.devices.ideal import IdealCells

from .bent import STATE, Breach, bent, knobs_to, product

MODULE = {"readings": 0}
GAIN = 1e-3


class Counting(Ideal):
    """An ideal device whose class counts."""

    readings = 0


def on_the_device() -> Device:
    device = bent(Ideal())
    object.__setattr__(device, "readings", 0)

    def sense(c: Any, u: Tensor, n: Any) -> Tensor:
        object.__setattr__(device, "readings", device.readings + 1)  # type: ignore[attr-defined]
        return u * (1 + GAIN * device.readings)  # type: ignore[attr-defined]

    return bent(device, sense=sense)


def on_the_device_of_pulses() -> Device:
    device = bent(Ideal())
    object.__setattr__(device, "pulses", 0)

    def pulse(c: Any, d: Tensor, n: Any) -> Any:
        object.__setattr__(device, "pulses", device.pulses + 1)  # type: ignore[attr-defined]
        return knobs_to(c, c.knobs + d * (1 + GAIN * device.pulses))  # type: ignore[attr-defined]

    return bent(device, pulse=pulse)


def in_the_module() -> Device:
    def sense(c: Any, u: Tensor, n: Any) -> Tensor:
        MODULE["readings"] += 1
        return u * (1 + GAIN * MODULE["readings"])

    return bent(Ideal(), sense=sense)


def in_the_class() -> Device:
    def sense(c: Any, u: Tensor, n: Any) -> Tensor:
        Counting.readings += 1
        return u * (1 + GAIN * Counting.readings)

    return bent(Counting(), sense=sense)


def in_a_closure() -> Device:
    count = itertools.count()
    return bent(Ideal(), age=lambda c, s, n: knobs_to(c, c.knobs * (1 - 1e-6 * next(count))))


def in_a_default() -> Device:
    def fire(c: Any, u: Tensor, n: Any, seen: list[int] = []) -> Tensor:  # noqa: B006
        seen.append(1)
        return u.relu() * (1 + GAIN * len(seen))

    return bent(Ideal(), fire=fire)


def in_the_environment() -> Device:
    def sense(c: Any, u: Tensor, n: Any) -> Tensor:
        os.environ["READINGS_OF_A_DEVICE"] = str(int(os.environ.get("READINGS_OF_A_DEVICE", "0")) + 1)
        return u * (1 + GAIN * int(os.environ["READINGS_OF_A_DEVICE"]))

    return bent(Ideal(), sense=sense)


def in_a_file() -> Device:
    path = Path("readings of a device")

    def sense(c: Any, u: Tensor, n: Any) -> Tensor:
        count = int(path.read_text()) + 1 if path.exists() else 1
        path.write_text(str(count))
        return u * (1 + GAIN * count)

    return bent(Ideal(), sense=sense)


def on_the_tensor(name: str = "wear") -> Device:
    def pulse(c: Any, d: Tensor, n: Any) -> Any:
        knobs = c.knobs + d
        setattr(knobs, name, getattr(c.knobs, name, 0) + 1)
        return knobs_to(c, knobs)

    def age(c: Any, s: float, n: Any) -> Any:
        return c

    def collect(c: Any, x: Tensor, n: Any) -> Tensor:
        return product(c, x) * (1 - 0.01 * getattr(c.knobs, name, 0))

    return bent(Ideal(), pulse=pulse, age=age, collect=collect)


def by_reference() -> Device:
    wear: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
    counts: dict[int, int] = {}

    def pulse(c: Any, d: Tensor, n: Any) -> Any:
        knobs = c.knobs + d
        known = wear.get(id(c.knobs)) is c.knobs
        counts[id(knobs)] = (counts.get(id(c.knobs), 0) if known else 0) + 1
        wear[id(knobs)] = knobs
        return knobs_to(c, knobs)

    def collect(c: Any, x: Tensor, n: Any) -> Tensor:
        known = wear.get(id(c.knobs)) is c.knobs
        return product(c, x) * (1 - 0.01 * (counts.get(id(c.knobs), 0) if known else 0))

    return bent(Ideal(), pulse=pulse, collect=collect)


def by_address() -> Device:
    counts: dict[int, int] = {}

    def collect(c: Any, x: Tensor, n: Any) -> Tensor:
        address = c.knobs.data_ptr()
        counts[address] = counts.get(address, 0) + 1
        return product(c, x) * (1 + GAIN * counts[address])

    return bent(Ideal(), collect=collect)


def sensing(gain: Callable[[Tensor], Tensor | float]) -> Callable[[], Device]:
    return lambda: bent(Ideal(), sense=lambda c, u, n: u * (1 + GAIN * gain(u)))


def with_noise(draw: Callable[[Tensor], Tensor]) -> Callable[[], Device]:
    """Noise from elsewhere, when there is noise."""
    return lambda: bent(Ideal(), sense=lambda c, u, n: u + 0.1 * draw(u) if n.normal(u).ndim else u)


def born(draw: Callable[[int, int], Tensor]) -> Callable[[], Device]:
    def fabricate(rows: int, cols: int, birth: Fabrication) -> IdealCells:
        return IdealCells(birth.normal("knobs", rows, cols) + draw(rows, cols).to(birth.normal("k", 1, 1)))

    return lambda: bent(Ideal(), fabricate=fabricate)


def restored(u: Tensor) -> Tensor:
    """torch's global generator, used and put back as it was."""
    before = torch.get_rng_state()
    z = torch.randn(u.shape, dtype=torch.float64).to(u)
    torch.set_rng_state(before)
    return z


def seeded_and_restored(u: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.randn(u.shape, dtype=torch.float64).to(u)


def seeded_by_time(u: Tensor) -> Tensor:
    return torch.randn(u.shape, generator=stream(time.perf_counter_ns(), "own"), dtype=torch.float64).to(u)


def own_generator() -> Device:
    generator = stream(0, "own")
    return bent(
        Ideal(),
        sense=lambda c, u, n: (
            u + 0.1 * torch.randn(u.shape, generator=generator, dtype=torch.float64).to(u)
            if n.normal(u).ndim
            else u
        ),
    )


def pulsing(draw: Callable[[Tensor], Tensor]) -> Callable[[], Device]:
    return lambda: bent(Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * draw(d))))


def pythons(u: Tensor) -> Tensor:
    return torch.tensor([random.gauss(0, 1) for _ in range(u.numel())]).reshape(u.shape).to(u)


def numpys(u: Tensor) -> Tensor:
    return torch.as_tensor(np.random.standard_normal(u.shape)).to(u)


def systems(u: Tensor) -> Tensor:
    return torch.tensor(list(os.urandom(u.numel()))).reshape(u.shape).to(u) / 128 - 1


def rare_python(u: Tensor) -> Tensor:
    return torch.full_like(u, float(random.random() < 0.05))


STATES: dict[str, Breach] = {
    name: Breach(make, rf"{STATE}|noise is" if name.startswith("noise") else STATE, steps)
    for name, (make, steps) in {
        "a count of readings on the device": (on_the_device, 0),
        "a count of pulses on the device": (on_the_device_of_pulses, 0),
        "a count of readings in the module": (in_the_module, 0),
        "a count of readings on the class": (in_the_class, 0),
        "a count of waits in a closure": (in_a_closure, 0),
        "a count of readings in a default argument": (in_a_default, 0),
        "a count of readings in the environment": (in_the_environment, 0),
        "a count of readings in a file": (in_a_file, 0),
        "wear as an attribute of the tensor": (on_the_tensor, 200),
        "wear in a weak dictionary": (by_reference, 200),
        "a count of readings by the cells' address": (by_address, 0),
        "a gain by the wall clock": (sensing(lambda u: time.time() % 1), 0),
        "a gain by the processor's time": (sensing(lambda u: time.process_time() % 1), 0),
        "a gain by the address of what is sensed": (sensing(lambda u: id(u) % 977 / 977), 0),
        "a gain by python's dice": (sensing(lambda u: random.random()), 0),
        "a gain by numpy's dice": (sensing(numpys), 0),
        "a gain by the system's dice": (sensing(systems), 0),
        "a gain by torch's dice": (sensing(lambda u: torch.rand(())), 0),
        "a gain by torch's dice, put back": (sensing(restored), 0),
        "a gain by python's dice, once in twenty": (sensing(rare_python), 200),
        "noise by python's dice": (with_noise(pythons), 0),
        "noise by numpy's dice": (with_noise(numpys), 0),
        "noise by the system's dice": (with_noise(systems), 0),
        "noise by torch's dice": (with_noise(lambda u: torch.randn_like(u)), 0),
        "noise by torch's dice, put back": (with_noise(restored), 0),
        "noise by torch's dice, seeded and put back": (with_noise(seeded_and_restored), 0),
        "noise by a generator seeded with the time": (with_noise(seeded_by_time), 0),
        "noise by a generator of the device's own": (own_generator, 0),
        "write noise by python's dice": (pulsing(pythons), 0),
        "write noise by numpy's dice": (pulsing(numpys), 0),
        "write noise by torch's dice, put back": (pulsing(restored), 0),
        "a birth by python's dice": (born(lambda r, c: pythons(torch.zeros(r, c))), 0),
        "a birth by numpy's dice": (born(lambda r, c: numpys(torch.zeros(r, c))), 0),
        "a birth by torch's dice": (born(lambda r, c: torch.randn(r, c)), 0),
        "a birth by torch's dice, put back": (born(lambda r, c: restored(torch.zeros(r, c))), 0),
    }.items()
}
