"""
Agents
======

A chip is an environment of gymnasium: any agent may be tried as a learner of chips that
it never met.
"""

# %%
# One episode is one chip, reborn with another identity. An action pulses all its knobs;
# the agent sees taps, the loss and what is left of its budget, and its reward is by how
# much the loss fell.

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
from analog import Budget

env = gymnasium.make("MortalChip-v0", budget=Budget(reads=400))
seen, info = env.reset(seed=0)
print({name: np.shape(value) for name, value in seen.items()}, env.action_space.shape)

# %%
# A vector environment works many chips in one batched product. Here sixty-four of them
# meet two agents that know nothing of chips: one keeps a random change if the loss fell
# and takes it back otherwise, one only stumbles.

chips = gymnasium.make_vec("MortalChip-v0", 64, budget=Budget(reads=1200))


def play(keeps):
    generator = np.random.default_rng(0)
    seen, _ = chips.reset(seed=0)
    curve, loss, last = (
        [],
        seen["loss"].reshape(64),
        np.zeros(chips.action_space.shape, np.float32),
    )
    undo = np.zeros(64, bool)
    for _ in range(250):
        fresh = generator.normal(0, 0.5, last.shape).clip(-1, 1).astype(np.float32)
        action = np.where(undo[:, None], -last, fresh)
        seen, _, _, over, _ = chips.step(action)
        if over.any():
            break
        now = seen["loss"].reshape(64)
        undo = keeps & ~undo & (now > loss)
        loss = np.where(undo, loss, now)
        last = action
        curve.append(now)
    return np.array(curve)


figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, keeps in (("keeps what helps", True), ("stumbles", False)):
    losses = play(keeps)
    low, middle, high = np.quantile(losses, (0.25, 0.5, 0.75), axis=1)
    (line,) = axes.plot(middle, label=name)
    axes.fill_between(
        np.arange(len(low)), low, high, color=line.get_color(), alpha=0.2, linewidth=0
    )
    print(f"{name}: loss {middle[0]:.3f} to {middle[-1]:.3f} in {len(middle)} steps")
axes.set(
    xlabel="step",
    ylabel="loss of the task, V²",
    title="64 chips that learn XOR; median and quartiles",
)
axes.legend()
plt.show()

# %%
# A chip can be looked at, as any environment: what was sent to its knobs, what its taps
# show, and the loss so far. Nothing is drawn that did not go through the wires.

env = gymnasium.make("MortalChip-v0", render_mode="rgb_array", budget=Budget(reads=400))
env.reset(seed=0)
generator = np.random.default_rng(0)
for _ in range(60):
    env.step(generator.normal(0, 0.2, 17).clip(-1, 1).astype(np.float32))
figure, axes = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
axes.imshow(env.render())
axes.axis("off")
plt.show()

# %%
# Agents of other libraries need no adapter, for instance with stable-baselines3 (which
# is not among our dependencies, and was not run when these pages were built):
#
# .. code-block:: python
#
#    from stable_baselines3 import PPO
#
#    import analog.environment
#
#    PPO("MultiInputPolicy", "MortalChip-v0").learn(20_000)
#
# The other way round, chips that act in environments, is `learners.rl`; the study
# :doc:`control </studies/control>` sets them beside published agents.
