"""The walls: who may import whom. Behind the wall and across it, no circle, ever."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.source import imports, modules

ACROSS = {"analog.port", "analog.layers", "analog.wires"}  # of analog, all that a learner may import
MAY: dict[str, set[str]] = {  # module or package -> what it may import beside itself
    "analog.port": {"analog.layers"},
    "analog.layers": set(),
    "analog.mixer": {"analog.layers"},
    "analog.draw": set(),
    "analog.device": {"analog.port", "analog.layers", "analog.draw"},
    "analog.devices": {"analog.device", "analog.port", "analog.layers", "analog.draw"},
    "analog.effects": {"analog.device", "analog.port", "analog.layers", "analog.draw"},
    "analog.chip": {"analog.device", "analog.port", "analog.layers", "analog.draw"},
    "analog.wires": {"analog.port", "analog.layers"},
    "analog.frames": {"analog.layers"},
    "analog.store": {
        "analog.frames",
        "analog.chip",
        "analog.device",
        "analog.port",
        "analog.layers",
        "analog.draw",
    },
    "analog.remote": {"analog.frames", "analog.port", "analog.layers"},
    "analog.budget": {"analog.port", "analog.layers", "analog.wires"},
    "analog.xray": {"analog.chip", "analog.device", "analog.port", "analog.layers", "analog.draw"},
    "analog.check": {
        "analog",
        "analog.xray",
        "analog.store",
        "analog.wires",
        "analog.chip",
        "analog.device",
        "analog.port",
        "analog.layers",
        "analog.draw",
    },
    "analog.environment": {
        "analog.chip",
        "analog.devices",
        "analog.device",
        "analog.port",
        "analog.layers",
        "analog.draw",
    },
    "analog.calibrate": {"analog.devices", "analog.device", "analog.port", "analog.layers", "analog.draw"},
    "analog.__init__": {"analog"},
    "learners": ACROSS,
    "distill": {"analog.port", "learners"},
    "studies.bench": {"analog", "learners", "distill"},
    "studies": {"analog", "learners", "distill"},
}


def within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def breaches(name: str, tree: ast.Module) -> list[str]:
    home = max((p for p in MAY if within(name, p)), key=len)
    allowed = MAY[home]
    found = []
    for target in imports(name, tree):
        inside = within(target, home)
        # "analog" alone, as a package, stands for everything in it; only studies and checks may say so
        whole = target == "analog" or target == "analog.__init__"
        fine = any(target == a if whole else within(target, a) for a in allowed)
        if home == "analog.check" and whole:
            fine = True
        if not (inside or fine):
            found.append(f"{name} imports {target}")
    return found


@pytest.mark.parametrize("name", sorted(modules()))
def test_nobody_climbs_the_wall(name: str) -> None:
    assert breaches(name, modules()[name]) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("learners.cheat", "from analog import xray"),
        ("learners.cheat", "import analog.chip"),
        ("learners.local.cheat", "from analog.device import Device"),
        ("learners.cheat", "from analog import Port"),  # the package would bring the chip along
        ("learners.cheat", "def f():\n    from analog.xray import knobs"),
        ("distill.cheat", "from analog.wires import metered"),
        ("distill.cheat", "from studies import heirs"),
        ("analog.port", "from .chip import Chip"),
        ("analog.devices.cheat", "from ..chip import Chip"),
        ("analog.effects.cheat", "from ..chip import Chip"),
        ("analog.effects.cheat", "from ..devices import Ideal"),  # an effect composes with any device
        ("analog.calibrate.cheat", "from ..xray import knobs"),  # a lab bench has no x-ray
        ("analog.devices.cheat", "from ..calibrate import fit"),
        ("analog.environment.cheat", "from learners.losses import CrossEntropy"),  # the loss is handed in
        ("analog.environment.cheat", "from ..xray import knobs"),
        ("analog.layers", "from . import draw"),
        ("analog.wires", "from learners.learner import fit"),
    ],
)
def test_every_climb_is_seen(name: str, code: str) -> None:
    assert breaches(name, ast.parse(code))


def test_there_is_no_circle() -> None:
    known = modules()
    graph = {n: imports(n, t) - {n} for n, t in known.items() if not n.endswith("__init__")}
    list(TopologicalSorter(graph).static_order())
    with pytest.raises(CycleError):
        list(TopologicalSorter({**graph, "analog.layers": {"analog.port"}}).static_order())


def test_importing_learners_does_not_import_studies() -> None:
    code = "import sys, learners, distill; assert not [m for m in sys.modules if m.startswith('studies')]"
    subprocess.run([sys.executable, "-c", code], check=True)
