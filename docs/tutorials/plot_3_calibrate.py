"""
Calibrate it
============

A device's parameters come out of a table of measurements, each with a 95 % interval;
what the table cannot tell is said.
"""

# %%
# A *plan* says what is done to every cell before each reading; the device's own
# suggests which pulse trains tell most. Here the laboratory is simulated: its cells
# have other parameters than the datasheet says.

import matplotlib.pyplot as plt
from analog import MeasurementPlan
from analog.calibrate import calibrate, simulate_table
from analog.devices import SoftBoundsRRAM

datasheet = SoftBoundsRRAM()
truth = SoftBoundsRRAM(step=0.003, read_noise=0.02)
plan = datasheet.default_plan(cells=200)
table = simulate_table(truth, plan)  # yours: read_table("pulses.csv")
print(table.readings.shape, "readings of cells")

# %%
# The search compares means and covariances of the readings with those that the device
# itself would give: your own device needs no code for this.

found = calibrate(datasheet, table)
step = found["step"]
print(f"step {step.value:.5f}, 95 % interval {step.low:.5f} to {step.high:.5f}")

# %%
# What a parameter is worth stands beside it. Errors that are not to be trusted are
# doubted by name.

for p in found.parameters:
    true = getattr(truth, p.name)
    verdict = "in" if p.low <= true <= p.high else "OUT"
    print(
        f"{p.name:18} {p.value:8.3g} [{p.low:.3g}, {p.high:.3g}] {true:.3g} {verdict}"
    )
    for doubt in p.doubts:
        print(f"    doubt: {doubt}")

# %%
# The calibrated device, beside the datasheet's and the table: mean response of all
# cells.

trains = MeasurementPlan.trains(100, [5] * 40 + [-5] * 40)
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for device, label, style in (
    (truth, "laboratory", "-"),
    (found.device, "calibrated", "--"),
    (datasheet, "datasheet", ":"),
):
    axes.plot(simulate_table(device, trains).readings.mean(0), style, label=label)
axes.set(
    xlabel="trains of 5 pulses, 40 up and 40 down",
    ylabel="mean reading of 100 cells",
    title="SoftBoundsRRAM",
)
axes.legend()
plt.show()

# %%
# From the command line, with a file of your instrument (its format stands at the head
# of ``analog.calibrate``):
#
# .. code-block:: sh
#
#    python -m studies calibrate --data pulses.csv --device yourmodule:Memristor
#
# Whether intervals like these mean what they say, wherever the truth lies, is the study
# :doc:`coverage </studies/coverage>`.
