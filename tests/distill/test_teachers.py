"""Teachers of more than one reading: each is charged, noise falls as its root, the dead drop out."""

import pytest
import torch

from analog import Chip, Dead, Ideal, Ledger, Mismatched, Probe, dense, metered, stream
from distill import SoftLabels, averaged, ensemble

LAYERS = (dense(8, 12), dense(12, 3, linear=True))
X = torch.randn(400, 8, generator=stream(0, "teachers"))


def test_a_steadied_teacher_is_charged_for_each_reading_and_is_less_noisy() -> None:
    chip = Chip(Mismatched(read_noise=0.3), LAYERS, 1)
    ledger = Ledger(chip.spec)
    port = averaged(metered(chip.port(), ledger), 16)
    gap = (port.measure(X).out - port.measure(X).out).std()
    assert ledger.reads == [32 * 400] * 2
    outside = Ledger(port.spec)
    run = metered(averaged(chip.port(), 16), outside)
    run.measure(X)
    assert outside.reads == [16 * 400] * 2 and outside.seconds == pytest.approx(ledger.seconds / 2)
    loud = (chip.port().measure(X).out - chip.port().measure(X).out).std()
    assert 3 < float(loud / gap) < 5  # 4, for 1,200 differences each
    with pytest.raises(ValueError, match="at least 1"):
        averaged(port, 0)
    with pytest.raises(TypeError, match=r"give its wires, chip.port\(\)"):
        averaged(chip, 2)  # type: ignore[arg-type]


def test_an_ensemble_is_the_geometric_mean_of_its_members() -> None:
    fleet, lone = Chip(Ideal(), LAYERS, range(3)), Chip(Ideal(), LAYERS, 7)
    out = ensemble(fleet.port(), lone.port()).measure(X).out
    parts = torch.cat((fleet.port().measure(X).out, lone.port().measure(X).out[None]))
    soft = (parts / 3.0).log_softmax(-1).mean(0).softmax(-1)
    torch.testing.assert_close(SoftLabels(3.0).encode(out, None, stream(0)).soft, soft)


def test_an_ensemble_keeps_probe_axes_apart() -> None:
    fleet, lone = Chip(Ideal(), LAYERS, range(3)), Chip(Ideal(), LAYERS, 7)
    teacher, x = ensemble(fleet.port(), lone.port()), torch.rand(3, 5, 8, generator=stream(0, "x"))
    one_by_one = torch.stack([teacher.measure(each).out for each in x])
    torch.testing.assert_close(teacher.measure(x).out, one_by_one)
    nodes = torch.rand(2, 5, 12, generator=stream(0, "nodes"))
    with_probes = ensemble(lone.port()).measure(x[0], Probe(nodes=(nodes, None))).out
    torch.testing.assert_close(with_probes, lone.port().measure(x[0], Probe(nodes=(nodes, None))).out)


def test_the_dead_drop_out_until_none_is_left() -> None:
    chips = [Chip(Ideal(), LAYERS, i) for i in range(2)]
    port = ensemble(*(c.port() for c in chips))
    chips[0].die()
    assert torch.equal(port.measure(X).out, chips[1].port().measure(X).out)
    chips[1].die()
    with pytest.raises(Dead, match="all teachers are dead"):
        port.measure(X)


def test_an_ensemble_is_read_and_not_written() -> None:
    port = ensemble(Chip(Ideal(), LAYERS).port())
    with pytest.raises(ValueError, match="read, not written"):
        port.pulse(port.spec.zeros())
    with pytest.raises(ValueError, match="same classes"):
        ensemble(port, Chip(Ideal(), (dense(8, 4, linear=True),)).port())
    with pytest.raises(ValueError, match="same classes"):
        ensemble()
