"""The agent of `meta` is a update that all knobs share, and everybody gets as many readings."""

from dataclasses import replace
from typing import Any

import torch

from analog import Mismatched, stream
from analog.environment import MortalChips
from studies.kit.recipes.learned_update import (
    CHIPS_PER_DIRECTION,
    Episodes,
    LearnedUpdate,
    search_step,
    train_chips,
)
from studies.rl import meta

ARGS = meta.Args(
    devices=(Mismatched(),),
    agents=1,
    generations=1,
    directions=1,
    chips=6,
    steps=40,
    learning_rates=(0.1,),
    probe_sizes=(0.1,),
)


def rollout(weights: torch.Tensor, device: Any = Mismatched(), chips: int = 16) -> Episodes:
    env = MortalChips(chips, identity=list(range(chips)), **meta._env_settings(ARGS, device))
    agent = LearnedUpdate(weights.expand(chips, -1), stream(0, "test"), chips, 17)
    return train_chips(env, agent, list(range(chips)), ARGS.steps)


def weighed(value: float) -> torch.Tensor:
    weights = torch.zeros(9)
    weights[3] = value  # of the mean that forgets in five steps, at all times
    return weights


def test_an_agent_that_knows_nothing_leaves_the_chip_alone() -> None:
    """Bitwise the same outputs after all its steps, on hardware without noise."""
    env = MortalChips(3, identity=[1, 2, 3], **meta._env_settings(ARGS, Mismatched(read_noise=0.0)))
    before = env.reset(seed=0)[0]["taps"]
    after = rollout(torch.zeros(9), Mismatched(read_noise=0.0), 4).observation
    assert (before[0] == after["taps"][1]).all() and (before[2] == after["taps"][3]).all()


def test_against_the_slope_is_down_and_along_it_is_up() -> None:
    down, up = (rollout(weighed(sign)).returns.mean() for sign in (-0.3, 0.3))
    assert down > 0.2 and up < -0.2


def test_knobs_are_alike_to_the_agent() -> None:
    """Slopes and signs in another order give drives in that order."""
    order = torch.randperm(17, generator=stream(0, "order"))
    agents = [LearnedUpdate(torch.full((1, 9), 0.1), stream(0), 1, 17) for _ in range(2)]
    signs = torch.randint(0, 2, (5, 17), generator=stream(0, "signs")) * 2.0 - 1
    for number, each in enumerate(signs):
        agents[0].probe, agents[1].probe = each[None], each[None, order]
        loss, probed = torch.tensor([[1.0]]), torch.tensor([[1.0 + 0.1 * number]])
        observation = {"loss": loss.numpy(), "probed": probed.numpy(), "left": loss.numpy() / 2}
        a, b = (torch.from_numpy(agent.act(observation))[:, :17] for agent in agents)
        assert torch.equal(a[:, order], b) and (a.abs().max() > 0) == (number > 0)


def test_everybody_gets_as_many_readings() -> None:
    rows = [r for t in meta.plan(ARGS) for r in meta.run(t) if r["what"] == "chip"]
    assert {r["reads"] for r in rows} == {8 * (1 + 40 + meta.SCORED_READS)}
    assert {r["method"] for r in rows} == set(ARGS.methods)
    assert {r["chip"] for r in rows} == set(range(1_000_000, 1_000_006))


def test_what_school_and_search_read_is_told_beside_what_a_chip_reads() -> None:
    """Both ways of one direction on eight chips, a reading and 40 steps; 64 chips for one setting."""
    rows = [r for t in meta.plan(ARGS) for r in meta.run(t)]
    schooling = {r["method"]: r["schooling"] for r in rows if r["what"] == "end"}
    assert schooling.pop("agent") == 2 * CHIPS_PER_DIRECTION * 8 * (1 + 40)
    assert set(schooling.values()) == {64 * 8 * (1 + 40 + meta.SCORED_READS)}
    agent, *_ = meta.table(rows)
    assert agent["reads"] == "456" and agent["schooling reads"] == "5.25e+03"
    assert agent["reads with a share of schooling over 6 chips"] == "1.33e+03"


def test_a_short_search_already_learns_to_learn() -> None:
    """Eight generations from nothing: unmet chips end far better than they were born."""
    weights, terms = torch.zeros(9), meta._env_settings(ARGS, Mismatched())
    for generation in range(8):
        chips = MortalChips(2 * 4 * CHIPS_PER_DIRECTION, **terms)
        weights, *_ = search_step(weights, chips, ARGS.steps, 0.1, stream(0, "search", generation))
    unmet = range(meta.FIRST_UNMET, meta.FIRST_UNMET + 32)
    trained, untrained = (
        float(meta._score_agent(ARGS, Mismatched(), unmet, w, stream(0, "probes")).loss.mean())
        for w in (weights, torch.zeros(9))
    )
    assert trained < 0.7 * untrained


def test_only_the_weights_make_a_difference() -> None:
    """A direction of no length gains the same both ways on every pupil, bitwise."""
    chips = MortalChips(2 * 2 * CHIPS_PER_DIRECTION, **meta._env_settings(ARGS, Mismatched()))
    update = LearnedUpdate(torch.full((chips.num_envs, 9), -0.1), stream(0, "one"), CHIPS_PER_DIRECTION, 17)
    returns, *_ = train_chips(chips, update, list(range(CHIPS_PER_DIRECTION)) * 4, 10)
    assert (returns.reshape(4, CHIPS_PER_DIRECTION) == returns[:CHIPS_PER_DIRECTION]).all() and len(
        set(returns)
    ) == CHIPS_PER_DIRECTION


def test_settings_are_those_that_serve_training_chips_best() -> None:
    args = replace(ARGS, learning_rates=(1e-4, 0.1), probe_sizes=(0.1, 20.0))
    for method in ("weight perturbation", "node perturbation", "nodes, delta rule"):
        assert meta._best_settings(args, method)[:2] == (0.1, 0.1)
