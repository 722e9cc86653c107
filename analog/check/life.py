"""Laws of a whole life, as a state machine: program, pulse, probe, measure, span, wait, save, load, kill."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from hypothesis import HealthCheck, Phase, currently_in_test_context, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from torch import Tensor

from ..chip import Chip
from ..contract import ContractError
from ..device import Device
from ..io.store import load, save
from ..layers.crossbar import Layer
from ..port import Port, Probe
from .replicas import Replicas

_YOUNGER: Final = 10  # by how much the identity of who takes a place is higher
_LENGTH: Final = 25  # steps of one life, at most
_DTYPES: Final = {"float32": torch.float32, "float64": torch.float64}


def check_lives(
    device: Device, wirings: tuple[tuple[Layer, ...], ...], steps: int, *, fresh: bool = False
) -> int:
    """Check at any point of any life: sound cells, the right clock, replicas that agree, Dead when dead.

    Args:
        wirings: layers of the chips.
        steps: about how many the chips of the device live together.
        fresh: True for other lives at every call.

    Returns:
        How many steps it came to.

    Raises:
        ContractError: a law is broken; the message tells the life.
    """
    taken: list[str] = []
    machine = type("Life", (_Life,), {"device": device, "wirings": wirings, "taken": taken})
    lives = settings(
        max_examples=max(1, steps // _LENGTH),
        stateful_step_count=min(steps, _LENGTH),
        derandomize=not fresh,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        _in_its_own_thread(lambda: run_state_machine_as_test(machine, settings=lives))
    except Flaky as error:
        raise ContractError(
            "the same life, lived twice, kept a law and broke it; a device keeps no state but its cells, "
            "and draws from `birth` and `noise` alone"
        ) from error
    return len(taken)


def _in_its_own_thread(run: Callable[[], None]) -> None:
    """Run in a thread of its own within somebody's property test, for hypothesis nests none in a thread."""
    if not currently_in_test_context():
        return run()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


class _Life(RuleBasedStateMachine):
    device: Device
    wirings: tuple[tuple[Layer, ...], ...]
    taken: list[str]  # one entry for every step of every life
    replicas: Replicas | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "chip"
        self.graves: list[Port] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(
        wiring=st.integers(0, 1),
        who=st.sampled_from([(3,), (3, 5), 3]),
        dtype=st.sampled_from(sorted(_DTYPES)),
    )
    def fabricate(self, wiring: int, who: int | tuple[int, ...], dtype: str) -> None:
        self.replicas = Replicas(self.device, self.wirings[wiring], who, _DTYPES[dtype])

    @property
    def here(self) -> Replicas:
        assert self.replicas is not None
        self.taken.append("step")
        return self.replicas

    @rule(size=st.sampled_from([0.1, 0.5]))
    def program(self, size: float) -> None:
        def act(chip: Chip, port: Port) -> tuple[Tensor, ...]:
            port.program(knobs)
            return ()

        knobs = self._drive(here := self.here, size)
        here.step(f"program {size}", act)

    @rule(size=st.sampled_from([0.0, 1e-3, 0.05, 0.5]))
    def pulse(self, size: float) -> None:
        def act(chip: Chip, port: Port) -> tuple[Tensor, ...]:
            port.pulse(drive)
            return ()

        drive = self._drive(here := self.here, size)
        here.still("pulse 0")
        here.step(f"pulse {size}", act)

    @rule()
    def measure(self) -> None:
        x = self._x(here := self.here, 0)
        here.step("measure", lambda chip, port: port.measure(x).taps)

    @rule(first=st.integers(0, 2), last=st.integers(0, 2))
    def span(self, first: int, last: int) -> None:
        here = self.here
        first, last = sorted((self._nearest(first), self._nearest(last)))
        x = self._x(here, first)
        here.step(f"measure {first}..{last}", lambda chip, port: port.measure(x, first=first, last=last).taps)

    @rule(at=st.integers(0, 2), kind=st.sampled_from(["knobs", "nodes"]), size=st.sampled_from([0.01, 0.5]))
    def probe(self, at: int, kind: str, size: float) -> None:
        here = self.here
        spec, at = here.spec, self._nearest(at)
        shape = spec.shapes[at] if kind == "knobs" else (*spec.fleet, 4, here.layers[at].features)
        body = size * here.draw("probe", 2, *shape)
        probe = Probe(**{kind: tuple(body if i == at else None for i in range(len(here.layers)))})
        here.probed(f"probe the {kind} of layer {at} by {size}", self._x(here, 0), probe)

    @rule(seconds=st.sampled_from([0.0, 1e-6, 1.0, 3600.0, 1e7]))
    def wait(self, seconds: float) -> None:
        def act(chip: Chip, port: Port) -> tuple[Tensor, ...]:
            chip.wait(seconds)
            return ()

        here = self.here
        here.waited += seconds
        here.step(f"wait {seconds:g} s", act)

    @rule()
    def save_and_load(self) -> None:
        self.here.through_a_file(self.path)
        self.measure()

    @rule()
    def kill(self) -> None:
        here = self.here
        here.history.append("kill")
        for chip in (here.chip, here.twin):
            chip.die()

    @invariant()
    def laws_hold(self) -> None:
        if self.replicas is not None:
            if not self.replicas.chip.alive:
                self._bury(self.replicas)
            self.replicas.sound()
            self.replicas.bounded()
            self.replicas.clocked()
            for port in self.graves:
                self.replicas.dead(port)

    def _bury(self, here: Replicas) -> None:
        """Dead means Dead, also after a file; chips of another identity take the place."""
        self.graves.append(here.chip.port())
        here.dead(self.graves[-1])
        save(here.chip, self.path)
        here.dead(load(self.path, here.device, here.layers).port(), "a dead chip that was saved and loaded")
        self.replicas = Replicas(here.device, here.layers, _heirs(here.who), here.dtype)

    def _nearest(self, layer: int) -> int:
        """The layer of that number, or the last."""
        assert self.replicas is not None
        return min(layer, len(self.replicas.layers) - 1)

    @staticmethod
    def _x(here: Replicas, first: int) -> Tensor:
        return here.draw("x", 4, here.layers[first].features_in)

    @staticmethod
    def _drive(here: Replicas, size: float) -> tuple[Tensor, ...]:
        return tuple(size * here.draw("drive", *s).tanh() for s in here.spec.shapes)


def _heirs(who: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """As many chips, of other identities."""
    return who + _YOUNGER if isinstance(who, int) else tuple(i + _YOUNGER for i in who)
