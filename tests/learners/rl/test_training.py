"""Training of policies: chips learn from what they measured, and a used budget is kept."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Mismatched, Tape, dense, replayed, stream, taped
from learners import NodePerturbation, WeightPerturbation, adam, antithetic, one_sided, sgd
from learners.recipes import node_perturbation
from learners.rl import (
    Argmax,
    AugmentedRandomSearch,
    BesideCritic,
    NodePerturbationReinforce,
    ProximalPolicyOptimization,
    episode_stats,
    rollout,
    standardized,
    train_policy,
)
from tests.learners.rl.toy_envs import signs

ACTIONS = BesideCritic(Argmax())  # of two outputs; a third is the critic of who wants one


EPISODES = AugmentedRandomSearch(WeightPerturbation(0.3, 2, scheme=antithetic), sgd(0.3), ACTIONS)


STEPS = NodePerturbationReinforce(NodePerturbation(0.3), adam(0.1), ACTIONS)


CRITIC = ProximalPolicyOptimization(
    partial(node_perturbation, update=adam(0.03)), ACTIONS, discount=0.5, epochs=2, batch=16
)


LEARNERS: dict[str, Any] = {"episodes": EPISODES, "steps": STEPS, "critic": CRITIC}


LAYERS = (dense(1, 3), dense(3, 3, linear=True))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_of_policies_is_a_function_of_what_it_measured(name: str) -> None:
    chip = Chip(Mismatched(), LAYERS, range(2))

    def live(port: Any) -> Any:
        run = train_policy(LEARNERS[name], port, signs(16), stream(0, "probes"))
        return [next(run)[1].returns for _ in range(3)]

    recording, again = Tape(chip.spec), Tape(chip.spec)
    first = live(taped(chip.port(), recording))
    second = live(taped(replayed(recording), again))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len(recording.events) == len(again.events)
    pulses = 3 * 2 * 2 if name == "critic" else 3  # its rounds are two epochs of two batches
    assert [e[0] for e in recording.events].count("pulse") == pulses


@pytest.mark.parametrize("name", LEARNERS)
def test_chips_learn_which_side_of_zero(name: str) -> None:
    """From 2 of 4 right to at least 3.5, the mean of 4 chips; blank at first, so that probes decide."""
    chip = Chip(Mismatched(), (dense(1, 3, linear=True),), range(4))
    chip.port().program(chip.spec.zeros())
    run = train_policy(LEARNERS[name], chip.port(), signs(64), stream(0, "learns", name))
    for _ in range(50):
        state, _ = next(run)
    play = rollout(
        chip.port(), signs(80), ACTIONS, state.progress.normalizer, stream(1), seeds=list(range(900, 980))
    )
    assert float(episode_stats(play, 1).returns.mean()) > 3.5


@pytest.mark.parametrize("name", LEARNERS)
def test_a_chip_whose_steps_are_used_is_left_alone(name: str) -> None:
    learner = replace(LEARNERS[name], max_env_steps=20)
    chip = Chip(Ideal(), LAYERS, range(2))
    tape = Tape(chip.spec)
    run = list(train_policy(learner, taped(chip.port(), tape), signs(16), stream(0)))
    per_round = run[0][1].steps
    assert per_round.tolist() == [32, 32] and len(run) == 1  # it began with steps left, and ends its round
    state = run[-1][0]._replace(progress=run[-1][0].progress._replace(steps=torch.tensor([32, 0])))
    after, shown = learner.step(taped(chip.port(), tape), signs(16), state, stream(1))
    assert shown.steps.tolist() == [0, 32] and after.progress.steps.tolist() == [32, 32]
    wire, drive, _ = tape.events[-1]
    assert wire == "pulse" and all(float(d[0].abs().max()) == 0 for d in drive)
    assert any(float(d[1].abs().max()) > 0 for d in drive)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="antithetic"):
        AugmentedRandomSearch(WeightPerturbation(0.1, scheme=one_sided), sgd(0.1), Argmax())
    with pytest.raises(ValueError, match="one one-sided probe"):
        NodePerturbationReinforce(NodePerturbation(0.1, probes=2), sgd(0.1), Argmax())
    with pytest.raises(ValueError, match="decay"):
        NodePerturbationReinforce(NodePerturbation(0.1), sgd(0.1), Argmax(), decay=1.5)
    with pytest.raises(ValueError, match="discount"):
        replace(CRITIC, discount=1.5)
    with pytest.raises(ValueError, match="finite sizes above 0"):
        replace(CRITIC, final_size=0.0)
    with pytest.raises(ValueError, match="wanted at least 2, got 1"):
        CRITIC.init(Chip(Ideal(), (dense(1, 1, linear=True),)).spec)
    with pytest.raises(ValueError, match="top"):
        standardized(0)
    chip = Chip(Ideal(), LAYERS)
    with pytest.raises(ValueError, match="at least 2 episodes"):
        next(train_policy(STEPS, chip.port(), signs(1), stream(0)))
