"""
Heirs
=====

What a chip knows dies with it, unless it teaches: fresh chips learn its answers,
without a label and without its knobs.
"""

# %%
# A teacher learns from labels, as in :doc:`the first tutorial <plot_1_first_chip>`.

import matplotlib.pyplot as plt
import torch
from analog import Chip, Dead, Mismatched, mlp, xray
from distill import HardLabels, QuantizedLogits, SoftLabels, distill
from learners import CrossEntropy, evaluate, recipes, train
from learners.data import load_data

data, layers = load_data("digits"), mlp(64, 64, 10)
teacher = Chip(Mismatched(), layers, identity=7)
run = train(
    teacher.port(), recipes.learned_feedback(CrossEntropy()), data, epochs=15, seed=0
)
knobs = xray.knobs(teacher)  # for the blind copies below; no learner gets this

# %%
# Sixteen heirs are taught side by side. They see the images without labels, and what
# the living teacher answers to each: probabilities softened by a temperature (Hinton,
# Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531).

heirs = Chip(Mismatched(), layers, identity=range(8, 24))
stimuli = data.train.unlabeled
handover = distill(
    teacher.port(),
    heirs.port(),
    recipes.learned_feedback,
    stimuli,
    temperature=4.0,
    epochs=15,
    seed=1,
)
print(f"{handover.traffic.lessons:,} lessons, {handover.traffic.bits:,} bits")

# %%
# What a teacher says is an object with a loss and a price in bits. Others say less:

words = {
    "soft": SoftLabels(4.0),
    "4 bits an output": QuantizedLogits(4, span=10.0, temperature=4.0),
    "class alone": HardLabels(),
}
for name, answers in words.items():
    print(f"{name:18} {answers.bits(10)} bits a lesson")

# %%
# The teacher dies. Its wires say so, and the heirs go on.

teacher.die()
try:
    teacher.port().measure(data.test.x)
except Dead as error:
    print(error)
taught = 100 * evaluate(heirs.port(), data.test)

# %%
# Beside them: the teacher's knobs programmed blindly into the same sixteen chips.

copies = Chip(Mismatched(), layers, identity=range(8, 24))
copies.port().program(tuple(k.expand(16, *k.shape) for k in knobs))
copied = 100 * evaluate(copies.port(), data.test)

figure, axes = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
for place, (name, right) in enumerate(
    {"blind copies": copied, "taught heirs": taught}.items()
):
    axes.plot(place + torch.linspace(-0.15, 0.15, 16), right, "o", label=name)
    print(f"{name}: {right.mean():.1f} %, from {right.min():.1f} to {right.max():.1f}")
axes.axhline(
    100 * float(run.accuracy), color="gray", linestyle="--", label="the teacher"
)
axes.set(
    xticks=[0, 1],
    xticklabels=["blind copies", "taught heirs"],
    xlim=(-0.5, 1.5),
    ylabel="test images right, %",
)
axes.set_title("16 Mismatched chips, digits")
axes.legend()
plt.show()

# %%
# Blind copies are the weakest opponent. What better copies are worth, and where they
# win, is the study :doc:`copies </studies/copies>`; dying teachers with few reads left,
# lineages, and communities are studies too.
