"""Withheld wires show what is left bitwise, refuse the rest unseen by the hardware, and give nothing back."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import (
    BadInput,
    Budget,
    Chip,
    Ledger,
    Mismatched,
    Port,
    Probe,
    Tape,
    budgeted,
    conv2d,
    dense,
    metered,
    stream,
    taped,
)
from analog.access import LEVELS
from analog.wires import Access, NoAccess, append_target, withheld
from learners import Batch, CrossEntropy, MeasuredLoss, SquaredError, check_learner, fit, recipes, sgd

LAYERS = (conv2d((1, 3, 3), 2, 2), dense(8, 3), dense(3, 2, linear=True))
X = torch.rand(5, 9, generator=stream(0, "withheld"))
LABELS = torch.tensor([0, 1, 1, 0, 1])


def chip_port(fleet: Any = 7) -> Port:
    return Chip(Mismatched(), LAYERS, fleet, noise_seed=1).port()


def knob_probe(port: Port, probes: int) -> Probe:
    generator = stream(0, "push")
    return Probe(knobs=tuple(0.1 * torch.randn(probes, *s, generator=generator) for s in port.spec.shapes))


def node_probe(size: float, layers: int = 3) -> Probe:
    return Probe(nodes=(*(torch.full((1, 5, n), size) for n in (8, 3, 2)[:layers]),))


@pytest.mark.parametrize("level", ["spans", "taps", "outputs"])
@pytest.mark.parametrize("fleet", [7, (7, 8)])
def test_what_is_left_is_shown_bitwise(level: Any, fleet: Any) -> None:
    whole, port = chip_port(fleet), withheld(chip_port(fleet), Access(level))
    for probe in (Probe(), knob_probe(whole, 2)):
        shown, all_taps = port.measure(X, probe).taps, whole.measure(X, probe).taps
        wanted = all_taps[-1:] if level == "outputs" else all_taps
        assert len(shown) == len(wanted) and all(map(torch.equal, shown, wanted))


REFUSED: list[tuple[Access, dict[str, Any]]] = [
    (Access("taps"), {"first": 1}),
    (Access("taps"), {"last": 1}),
    (Access("outputs"), {"first": 2}),
    (Access("outputs", node_probes=False), {"last": 0}),
    (Access("spans", node_probes=False), {"probe": node_probe(0.1)}),
    (Access("spans", node_probes=False), {"last": 1, "probe": node_probe(-0.1, 2)}),
]


@pytest.mark.parametrize(("access", "asked"), REFUSED)
def test_what_is_withheld_is_refused_before_the_hardware_sees_it(access: Access, asked: Any) -> None:
    bare = chip_port()
    ledger = Ledger(bare.spec)
    port = withheld(metered(bare, ledger), access)
    x = X if not asked.get("first") else torch.rand(5, (9, 8, 3)[asked["first"]], generator=stream(0, "x"))
    with pytest.raises(NoAccess, match=rf"access is to {access}$") as refused:
        port.measure(x, **asked)
    assert "\n" not in str(refused.value) and ledger.reads == [0, 0, 0]
    bare.measure(x, **asked)  # with all access it is an ordinary measurement


def test_a_zero_probe_of_nodes_is_none() -> None:
    shown = withheld(chip_port(), Access("taps", node_probes=False)).measure(X, node_probe(0.0))
    assert all(map(torch.equal, shown.taps, chip_port().measure(X, node_probe(0.0)).taps))


@pytest.mark.parametrize(
    ("one", "other"),
    [*product([Access(n, p) for n in LEVELS[1:] for p in (False, True)], repeat=2)],
    ids=str,
)
def test_what_was_withheld_is_never_given_back(one: Access, other: Access) -> None:
    assert withheld(withheld(chip_port(), one), other).spec.access == one & other


@pytest.mark.parametrize("fleet", [7, (7, 8)])
def test_the_loss_is_all_that_is_shown(fleet: Any) -> None:
    port = withheld(chip_port(fleet), Access("loss", node_probes=False), CrossEntropy())
    whole = chip_port(fleet)
    for probe in (Probe(), knob_probe(port, 2)):
        (losses,) = port.measure(append_target(X, LABELS), probe).taps
        assert torch.equal(losses, CrossEntropy()(whole.measure(X, probe).out, LABELS).unsqueeze(-1))
    with pytest.raises(NoAccess):
        port.measure(torch.rand(5, 8, generator=stream(0, "x")), first=1)


def test_targets_may_be_numbers() -> None:
    target = torch.rand(5, 2, generator=stream(0, "target"))
    port = withheld(chip_port(), Access("loss"), SquaredError(), target_features=2)
    wanted = SquaredError()(chip_port().measure(X).out, target).unsqueeze(-1)
    assert torch.equal(port.measure(append_target(X, target)).out, wanted)
    assert port.spec.layers[0].features_in == 11


def test_a_target_that_is_none_is_refused() -> None:
    port = withheld(chip_port(), Access("loss"), CrossEntropy())
    with pytest.raises(BadInput, match="no class number"):
        port.measure(append_target(X, (LABELS + 0.5).unsqueeze(-1)))
    with pytest.raises(BadInput, match=r"x is \(5, 9\), layer 0 wants \(\.\.\., batch, 10\)"):
        port.measure(X)
    with pytest.raises(BadInput, match="batches differ"):
        append_target(X, LABELS[:3])


@pytest.mark.parametrize(("level", "loss"), [("taps", CrossEntropy()), ("loss", None)])
def test_a_loss_goes_with_its_level_alone(level: Any, loss: Any) -> None:
    with pytest.raises(ValueError, match="'loss' and no other takes one"):
        withheld(chip_port(), Access(level), loss)
    judged = withheld(chip_port(), Access("loss"), CrossEntropy())
    with pytest.raises(ValueError, match="show losses"):
        withheld(judged, Access("taps"), CrossEntropy())


def test_wires_that_show_losses_are_metered_taped_and_learned_through() -> None:
    """Weight perturbation through the loss alone sends bitwise what it sends where it sees outputs."""
    batches = [Batch(X, LABELS)] * 4
    sent: list[list[Tensor]] = []
    for judged in (False, True):
        bare = chip_port()
        port = withheld(bare, Access("loss", node_probes=False), CrossEntropy()) if judged else bare
        ledger, tape = Ledger(port.spec), Tape(port.spec)
        wires = taped(budgeted(port, ledger, Budget(reads=1000)), tape)
        loss = MeasuredLoss() if judged else CrossEntropy()
        learner = recipes.weight_perturbation(loss, update=sgd(0.1))
        shown = [Batch(append_target(X, LABELS)) if judged else b for b in batches]
        list(fit(learner, wires, shown, stream(0, "probes")))
        sent.append([d for wire, drive, _ in tape.events if wire == "pulse" for d in drive])
        assert ledger.reads == [4 * 5 * 5] * 3 and float(ledger.joules) > 0
        check_learner(learner, port, shown, lambda: stream(0, "probes"))
    for seen, unseen in zip(*sent, strict=True):
        torch.testing.assert_close(unseen, seen)
