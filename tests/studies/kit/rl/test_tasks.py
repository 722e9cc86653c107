"""Tasks of reinforcement learning: practice ends within its steps, and fresh policies do nothing."""

from typing import get_args

import pytest
import torch

from analog import Ideal, stream, xray
from studies.kit.rl.tasks import (
    RL_TASKS,
    Method,
    RLTask,
    fresh_policies,
    make_env,
    policy_learner,
)


@pytest.mark.parametrize("rl_task", RL_TASKS.values(), ids=lambda rl_task: rl_task.task)
def test_a_round_begun_with_steps_left_ends_within_them(rl_task: RLTask) -> None:
    """However long its episodes are."""
    for method in get_args(Method):
        if method == "critic" and rl_task.critic is None:
            continue
        of_method = rl_task.by(method)
        env, limit = make_env(of_method, method, 1), policy_learner(of_method, method).max_env_steps
        assert limit - 1 + env.num_envs * env.limit <= of_method.max_env_steps


def test_a_critic_is_one_more_output_that_no_action_is_made_of() -> None:
    rl_task = RL_TASKS["Pendulum-v1"]
    policy, settings = rl_task.by("critic"), rl_task.critic_settings
    assert policy.sizes[-1] == rl_task.sizes[-1] + 1
    out = torch.tensor([[0.3, 9.0]])
    alone = settings.actions.select(out[:, :1], stream(0))
    assert torch.equal(policy.actions.select(out, stream(0)), alone)


def test_a_task_without_settings_for_a_critic_is_named() -> None:
    with pytest.raises(ValueError, match="CartPole-v1: there are no settings"):
        RL_TASKS["CartPole-v1"]._replace(critic=None).by("critic")


def test_fresh_policies_do_nothing_of_their_own_and_are_told_apart() -> None:
    chip = fresh_policies(Ideal(), RL_TASKS["Pendulum-v1"], range(3), 0)
    hidden, out = xray.knobs(chip)
    assert float(out.abs().max()) == 0 and float(hidden.abs().max()) > 0.1
