"""Tasks of reinforcement learning: practice ends within its steps, and fresh policies do nothing."""

import pytest

from analog import Ideal, xray
from studies.kit.rl.tasks import (
    RL_TASKS,
    RLTask,
    fresh_policies,
    make_env,
    random_search_learner,
    reinforce_learner,
)


@pytest.mark.parametrize("rl_task", RL_TASKS.values(), ids=lambda rl_task: rl_task.task)
def test_a_round_begun_with_steps_left_ends_within_them(rl_task: RLTask) -> None:
    """However long its episodes are."""
    for learner in (random_search_learner(rl_task), reinforce_learner(rl_task)):
        env = make_env(rl_task, learner, 1)
        assert (
            learner.max_env_steps is not None
            and learner.max_env_steps - 1 + env.num_envs * env.limit <= rl_task.max_env_steps
        )


def test_fresh_policies_do_nothing_of_their_own_and_are_told_apart() -> None:
    chip = fresh_policies(Ideal(), RL_TASKS["Pendulum-v1"], range(3), 0)
    hidden, out = xray.knobs(chip)
    assert float(out.abs().max()) == 0 and float(hidden.abs().max()) > 0.1
