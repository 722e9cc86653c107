"""The walls: who may import whom. Behind the wall and across it, no circle, ever."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.source import imports, modules

# of analog, all that a learner may import
ACROSS = {
    "analog.access",
    "analog.contract",
    "analog.costs",
    "analog.port",
    "analog.precision",
    "analog.spec",
    "analog.layers",
    "analog.wires",
    "analog.streams",
    "analog.tree",
    "analog.verdicts",
}
_SPEC = {
    "analog.spec",
    "analog.costs",
    "analog.layers",
    "analog.access",
    "analog.rejection",
    "analog.verdicts",
}
_PORT = {"analog.port", "analog.inputs", *_SPEC}
_BELOW_DEVICE = {
    "analog.precision",
    "analog.randomness",
    "analog.settings",
    "analog.measurement",
    "analog.tables",
}
_DEVICE = {"analog.device", "analog.tree", *_BELOW_DEVICE, *_PORT}
_CHIP = {
    "analog.chip",
    "analog.pieces",
    "analog.propagation",
    "analog.relaxation",
    "analog.streams",
    *_DEVICE,
}
MAY: dict[str, set[str]] = {  # module or package -> what it may import beside itself
    "analog.access": {"analog.rejection"},
    "analog.layers": set(),
    "analog.streams": set(),
    "analog.tree": set(),
    "analog.verdicts": set(),
    "analog.identity": {"analog.streams"},
    "analog.contract": set(),
    "analog.pieces": {"analog.port", "analog.tree"},
    "analog.precision": {"analog.tree"},
    "analog.rejection": set(),
    "analog.costs": {"analog.layers", "analog.verdicts"},
    "analog.spec": {"analog.access", "analog.costs", "analog.layers", "analog.rejection", "analog.streams"},
    "analog.inputs": _SPEC,
    "analog.port": {"analog.inputs", *_SPEC},
    "analog.wires": _PORT | {"analog.contract", "analog.tables", "analog.tree"},
    "analog.randomness": {"analog.streams"},
    "analog.settings": set(),
    "analog.tables": set(),
    "analog.measurement": set(),
    "analog.device": _PORT | _BELOW_DEVICE,
    "analog.devices": _DEVICE,
    "analog.effects": _DEVICE,
    "analog.propagation": _DEVICE | {"analog.relaxation"},
    "analog.relaxation": _DEVICE,
    "analog.chip": _DEVICE | {"analog.propagation", "analog.identity", "analog.pieces"},
    "analog.io.serialization": {"analog.layers"},
    "analog.io.store": {"analog.io.files", "analog.io.serialization", *_CHIP},
    "analog.io.files": set(),
    "analog.io.remote": {"analog.io.serialization", *_PORT},
    "analog.io": {"analog.io"},
    "analog.xray": _CHIP,
    "analog.check": {"analog", "analog.contract", "analog.xray", "analog.io.store", "analog.wires", *_CHIP},
    "analog.certificate": {
        "analog.streams",
        "analog.tree",
        "analog.wires",
        *_PORT,
    },  # of any hardware: wires alone
    "analog.environment": {"analog.devices", *_CHIP},
    "analog.testing": {"analog.check", "analog.contract", *_CHIP},
    "analog.plots": {"analog.identity", *_CHIP},
    "analog.calibrate": {"analog.streams", *_DEVICE},
    "analog.__init__": {"analog"},
    "learners": ACROSS,
    "learners.interop": {
        "learners",
        "analog.device",
        "analog.randomness",
        *ACROSS,
    },  # no learner comes by here
    "distill": {"analog.contract", "analog.port", "analog.spec", "analog.streams", "analog.tree", "learners"},
    "studies.kit": {"analog", "learners", "distill"},
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
        ("distill.cheat", "from studies.handing_on import heirs"),
        ("analog.port", "from .chip import Chip"),
        ("analog.devices.cheat", "from ..chip import Chip"),
        ("analog.effects.cheat", "from ..chip import Chip"),
        ("analog.effects.cheat", "from ..devices import Ideal"),  # an effect composes with any device
        ("analog.calibrate.cheat", "from ..xray import knobs"),  # a lab bench has no x-ray
        ("analog.devices.cheat", "from ..calibrate import calibrate"),
        ("analog.certificate.cheat", "from ..chip import Chip"),  # a certificate is of wires
        ("analog.certificate.cheat", "from ..device import Device"),
        ("analog.environment.cheat", "from learners.losses import CrossEntropy"),  # the loss is handed in
        ("analog.environment.cheat", "from ..xray import knobs"),
        ("analog.layers.mixer", "from .. import randomness"),
        ("analog.wires", "from learners.learner import fit"),
    ],
)
def test_every_climb_is_seen(name: str, code: str) -> None:
    assert breaches(name, ast.parse(code))


def test_no_learner_reaches_devices_by_a_bridge() -> None:
    """What makes layers of networks knows devices; nothing that learns imports it."""
    outside = {n: t for n, t in modules().items() if not within(n, "learners.interop")}
    assert {n for n, t in outside.items() for i in imports(n, t) if within(i, "learners.interop")} == set()


def test_there_is_no_circle() -> None:
    known = modules()
    graph = {n: imports(n, t) - {n} for n, t in known.items() if not n.endswith("__init__")}
    list(TopologicalSorter(graph).static_order())
    with pytest.raises(CycleError):
        list(TopologicalSorter({**graph, "analog.layers.crossbar": {"analog.port"}}).static_order())


def test_importing_learners_does_not_import_studies_nor_what_draws() -> None:
    unwanted = "[m for m in sys.modules if m.startswith(('studies', 'matplotlib'))]"
    code = f"import sys, learners, distill; assert not {unwanted}"
    subprocess.run([sys.executable, "-c", code], check=True)
