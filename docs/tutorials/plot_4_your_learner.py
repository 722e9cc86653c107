"""
Your learner
============

Direct feedback alignment in twenty lines, against node perturbation at equal reads, on
five chips.
"""

# %%
# A learner has two methods: ``init(spec)`` makes its first state, ``step`` turns one
# batch into one pulse and hands the state on. It gets a port, a batch and a generator,
# and nothing else. Direct feedback alignment (Nøkland 2016,
# https://arxiv.org/abs/1609.01596) sends the error at the outputs to every hidden layer
# through fixed random matrices; it reads taps, so it costs one read of each example and
# no probe.

from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from analog import Budget, Chip, Ledger, Mismatched, OverBudget, budgeted, mlp, stream
from learners import (
    CrossEntropy,
    Loss,
    Step,
    Update,
    adam,
    check_learner,
    evaluate,
    fit,
    recipes,
)
from learners.data import batches, draw_batches, load_data
from learners.estimators import knob_gradient


@dataclass(frozen=True)
class DirectFeedback:
    loss: Loss
    update: Update = adam(1e-2)

    def init(self, spec):
        outputs = spec.layers[-1].features
        alignment = [
            torch.randn(outputs, layer.features, generator=stream(0, layer.features))
            for layer in spec.layers[:-1]
        ]
        return alignment, self.update.init(spec.zeros())

    def step(self, port, batch, state, generator):
        alignment, memory = state
        reading = port.measure(batch.x)
        error = self.loss.gradient(
            reading.out, batch.target
        )  # (*fleet, batch, outputs)
        at_nodes = [
            error @ matrix * (tap > 0)
            for matrix, tap in zip(alignment, reading.taps, strict=False)
        ] + [error]
        inputs = (batch.x, *reading.taps[:-1])
        gradient = tuple(map(knob_gradient, port.spec.layers, at_nodes, inputs))
        drive, memory = self.update.step(gradient, memory)
        port.pulse(drive)
        return (alignment, memory), Step(
            self.loss(reading.out, batch.target).mean(-1), reading
        )


# %%
# ``check_learner`` records a training and plays the tape back with no chip behind the
# wires: a learner that looked anywhere else sends something else then, and is told so.

data = load_data("digits")
few = list(draw_batches(data.train, 16, 5, stream(0, "few")))
port = Chip(Mismatched(), mlp(64, 32, 10)).port()
check_learner(DirectFeedback(CrossEntropy()), port, few, lambda: stream(0, "probes"))


# %%
# Equal reads are what makes a comparison fair: ``budgeted`` refuses the step that would
# go over, before the chips see it.


def learn(learner, reads):
    chips = Chip(Mismatched(), mlp(64, 32, 10), identity=range(5))
    ledger, curve = Ledger(chips.spec), []
    wires = budgeted(chips.port(), ledger, Budget(reads=reads))
    try:
        for number, _ in enumerate(
            fit(
                learner,
                wires,
                batches(data.train, 64, 1000, stream(0, "order")),
                stream(0, "probes"),
            )
        ):
            if number % 20 == 0:
                curve.append((max(ledger.reads), evaluate(chips.port(), data.test)))
    except OverBudget:
        curve.append((max(ledger.reads), evaluate(chips.port(), data.test)))
    return [reads for reads, _ in curve], 100 * torch.stack(
        [right for _, right in curve]
    )


READS = 30_000
methods = {
    "direct feedback": DirectFeedback(CrossEntropy()),
    "node perturbation": recipes.node_perturbation(CrossEntropy(), update=adam(1e-2)),
    "learned feedback": recipes.learned_feedback(CrossEntropy(), update=adam(1e-2)),
}
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name, learner in methods.items():
    reads, right = learn(learner, READS)
    print(
        f"{name:18} {right[-1].mean():.1f} %,",
        f"chips from {right[-1].min():.1f} to {right[-1].max():.1f}",
    )
    (line,) = axes.plot(reads, right.mean(1), label=name)
    axes.fill_between(
        reads,
        right.min(1).values,
        right.max(1).values,
        color=line.get_color(),
        alpha=0.2,
        linewidth=0,
    )
axes.set(
    xlabel="reads of each chip",
    ylabel="test images right, %",
    ylim=(40, 100),
    title="5 Mismatched chips, digits; mean and range",
)
axes.legend(loc="lower right")
plt.show()

# %%
# An estimator of a gradient, a loss, an update rule or a local objective of your own
# fits into the same wires: see :doc:`Your own </your_own>`.
