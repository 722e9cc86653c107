"""
A lab instrument
================

Three functions that drive your hardware make a port. Then every learner here trains it,
within a budget and on tape.
"""

# %%
# ``Bench`` stands for your drivers: write all knobs, send pulses, read. What it cannot
# do it refuses. In your laboratory these are calls of PyVISA or of a vendor's library.

import matplotlib.pyplot as plt
import torch
from analog import (
    Budget,
    Costs,
    Ledger,
    OverBudget,
    Port,
    Probe,
    Reading,
    Spec,
    Tape,
    budgeted,
    certify,
    checked,
    dense,
    replayed,
    stream,
    taped,
)
from learners import Batch, Descent, NodePerturbation, SquaredError, fit, sgd


class Bench:
    """Two arrays with gain errors and noise that nobody outside knows."""

    def __init__(self, spec):
        self.spec, self.noise = spec, stream(0, "bench")
        self.arrays = [
            0.3 * torch.randn(shape, generator=stream(1)) for shape in spec.shapes
        ]
        self.gains = [
            1 + 0.2 * torch.randn(shape, generator=stream(2)) for shape in spec.shapes
        ]

    def write(self, knobs):  # a tensor (tiles, rows, cols) for each layer, full scale
        self.arrays = [k.clone() for k in knobs]

    def pulse(self, drive):  # the same shapes
        self.arrays = [
            (a + d).clamp(-1, 1) for a, d in zip(self.arrays, drive, strict=True)
        ]

    def read(
        self, x, probe=Probe(), *, first=0, last=None
    ):  # x (*probes, batch, features_in)
        if probe.knobs is not None:
            raise NotImplementedError("this bench adds currents at summing nodes only")
        taps = []
        for number, layer in enumerate(self.spec.span(first, last).layers):
            array = self.arrays[first + number] * self.gains[first + number]
            u = layer.scatter(layer.gather(x) @ array.mT)
            if probe.nodes is not None and probe.nodes[number] is not None:
                u = u + probe.nodes[number]
            u = u + 0.01 * torch.randn(u.shape, generator=self.noise)
            x = u if layer.linear else u.relu()
            taps.append(x)
        return Reading(tuple(taps))


spec = Spec((dense(4, 16), dense(16, 2, linear=True)), Costs(read_seconds=1e-3))
bench = Bench(spec)
port = checked(
    Port(spec, bench.write, bench.pulse, bench.read)
)  # refuses bad input before the bench sees it

# %%
# First ask whether it keeps the laws that learners take for granted. By default nothing
# is pulsed.

certificate = certify(port, budget=Budget(reads=12_000))
print(certificate)

# %%
# Then teach it something, within its means. ``taped`` writes down everything that went
# over the wires.

x = torch.rand(64, 4, generator=stream(0, "x"))
target = torch.stack((x[:, 0] * x[:, 1], x[:, 2] - x[:, 3]), -1)
ledger, tape = Ledger(spec), Tape(spec)
wires = taped(budgeted(port, ledger, Budget(reads=150_000)), tape)
learner = Descent(NodePerturbation(0.1, probes=4), sgd(0.1), SquaredError())
losses = []
try:
    for _, step in fit(
        learner, wires, [Batch(x, target)] * 10_000, stream(0, "probes")
    ):
        losses.append(float(step.loss))
except OverBudget as error:
    print(error)
print(
    f"{len(losses)} steps, {max(ledger.reads):,} reads, {float(ledger.seconds):.0f} s"
)

# %%
# A tape is evidence: the same learner, played against it with no bench at all, does the
# same.

again = [
    float(step.loss)
    for _, step in fit(
        learner, replayed(tape), [Batch(x, target)] * 20, stream(0, "probes")
    )
]
print(again == losses[:20])

# %%
figure, axes = plt.subplots(figsize=(5.5, 3), layout="constrained")
axes.semilogy(losses)
axes.set(xlabel="step", ylabel="loss, V²", title="A bench that nobody modelled")
plt.show()

# %%
# The bench may live in another process or on another machine (``pip install
# '.[bench]'``): ``analog.io.remote.serve`` there, ``connect`` here, and the port
# behaves alike. What certificates say is told in :doc:`Certificates </certificates>`.
