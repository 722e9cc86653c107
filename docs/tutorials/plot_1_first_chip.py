"""
First chip
==========

A chip is fabricated, learns to read digits through its wires, and turns out to be like
no other.
"""

# %%
# A *device* is the physics of one technology. A *chip* is a device fabricated with an
# *identity*, in layers: the identity decides every gain, offset and bend that differs
# from copy to copy, so chip 7 is the same chip wherever you make it, and chip 8 is
# another one.

import matplotlib.pyplot as plt
import torch
from analog import Chip, Ledger, Mismatched, metered, mlp, xray
from learners import CrossEntropy, evaluate, recipes, train
from learners.data import load_data

data = load_data("digits")  # 8 x 8 pixels, embedded; "mnist" downloads
layers = mlp(64, 64, 10)
chip = Chip(Mismatched(severity=1.0), layers, identity=7)
print(chip)

# %%
# All that leaves the chip is a *port*: ``program``, ``pulse`` and ``measure``. Nothing
# else reaches its inside. What a measurement shows are *taps*, the outputs of every
# layer, and no two readings are the same.

port = chip.port()
reading, again = port.measure(data.test.x[:5]), port.measure(data.test.x[:5])
print([tuple(tap.shape) for tap in reading.taps])
print(
    "two readings of one input differ by",
    float((reading.out - again.out).abs().mean()),
    "V",
)

# %%
# A *learner* turns batches into pulses. This one adds small probes to the summing nodes
# of the hidden layer, sees by how much the loss of each example changes (node
# perturbation), and learns from that which way errors travel backwards (learned
# feedback). It is given no model of the chip. ``metered`` counts what goes over the
# wires.

ledger = Ledger(chip.spec)
learner = recipes.learned_feedback(CrossEntropy())
run = train(metered(port, ledger), learner, data, epochs=8, seed=0, evaluate_every=1)
print(run)
print(
    f"{max(ledger.reads):,} vectors driven through the chip, evaluations among them:",
    f"{float(ledger.joules):.2e} J",
)

# %%
# The same knobs in other chips are worth little: that is what makes a chip *mortal*.
# ``xray`` is ground truth, for tests and studies; no learner may look at it.

others = Chip(
    Mismatched(severity=1.0), layers, identity=range(100, 116)
)  # a fleet of 16
copied = tuple(knobs.expand(16, *knobs.shape) for knobs in xray.knobs(chip))
others.port().program(copied)
copies = evaluate(others.port(), data.test)  # (16,)
print(f"the chip {float(run.accuracy):.3f}, blind copies {float(copies.mean()):.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.plot(
    [steps for steps, _ in run.curve], [100 * float(a) for _, a in run.curve], "o-"
)
left.set(
    xlabel="steps of 64 images",
    ylabel="test images right, %",
    title="Mismatched chip 7, digits",
)
right.plot(
    torch.zeros(1), [100 * float(run.accuracy)], "s", label="the chip that learned"
)
right.plot(
    torch.linspace(0.8, 1.2, 16), 100 * copies, "o", label="16 chips with copied knobs"
)
right.set(
    xticks=[],
    xlim=(-0.6, 1.6),
    ylabel="test images right, %",
    title="what a blind copy is worth",
)
right.legend(loc="lower left")
plt.show()

# %%
# Next: :doc:`a device of your own <plot_2_your_device>`, or how what the chip knows is
# :doc:`handed on <plot_5_heirs>`.
