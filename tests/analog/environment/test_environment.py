"""MortalChip-v0 is conventional to the letter, and keeps its secrets."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from analog import BadInput, Budget, Chip, Ledger, Mismatched, Probe, dense, metered
from analog.devices import SoftBoundsRRAM
from analog.effects import Endurance
from analog.environment import EnvSettings, Task, register, xor
from analog.environment.chips import MortalChip, MortalChips
from tests.sampled import by_turns

MODES = list(getattr(gymnasium.vector, "AutoresetMode", ["NextStep"]))  # the oldest admitted has but one
SILENT = Mismatched(read_noise=0.0, write_noise=0.0)
MORTAL = {
    "device": Endurance(Mismatched(), pulses=12, pulses_dtod=0.4),
    "budget": Budget(reads=2000, pulses_per_cell=9.0),
}

COUNTED = ("reads", "pulses_per_cell", "joules", "seconds")


def same(a: Any, b: Any) -> bool:
    """Bitwise, types included."""
    if isinstance(a, dict):
        return type(a) is type(b) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(p, q) for p, q in zip(a, b, strict=True))
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and all(same(p, q) for p, q in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and a == b


def actions(space: gymnasium.Space[Any], count: int) -> list[Any]:
    space.seed(3)
    return [space.sample() for _ in range(count)]


def episode(env: Any, seed: int | None, sent: list[Any]) -> list[Any]:
    told = [env.reset(seed=seed)]
    for action in sent:
        told.append(env.step(action))
        if told[-1][2] or told[-1][3]:
            break
    return told


@pytest.mark.parametrize("act", ["pulse", "probe"])
def test_gymnasium_finds_nothing_to_say(act: str) -> None:
    """Warnings are errors here."""
    check_env(gymnasium.make("MortalChip-v0", act=act).unwrapped)
    made = gymnasium.make("analog.environment:MortalChip-v0", act=act, max_episode_steps=5)
    assert len(episode(made, 0, actions(made.action_space, 9))) == 6
    vector = gymnasium.make_vec("MortalChip-v0", num_envs=3, act=act)
    assert isinstance(vector, MortalChips) and vector.reset(seed=1)[0] in vector.observation_space
    told = vector.step(actions(vector.action_space, 1)[0])
    assert told[0] in vector.observation_space and told[1].shape == (3,)
    vector.close()


TERMS: dict[str, dict[str, Any]] = {
    "pulses": {},
    "probes, to death": {**MORTAL, "act": "probe"},
    "pulses, to death": MORTAL,
    "probes": {"act": "probe"},
}


@pytest.mark.parametrize(("mode", "terms"), by_turns(MODES, [*TERMS]), ids=str)
def test_the_vector_is_single_environments_side_by_side(mode: Any, terms: str) -> None:
    """Bitwise what gymnasium's own loop over single environments tells, through deaths and budgets."""
    settings = {"budget": Budget(reads=2000, pulses_per_cell=11.5), **TERMS[terms]}
    named = {} if isinstance(mode, str) else {"autoreset_mode": mode}
    ours = gymnasium.make_vec("MortalChip-v0", 3, **named, **settings)
    theirs = gymnasium.make_vec("MortalChip-v0", 3, "sync", vector_kwargs=named, **settings)
    assert named.get("autoreset_mode", "NextStep") in (ours.metadata["autoreset_mode"], "NextStep")
    assert same(ours.reset(seed=5), theirs.reset(seed=5))
    deaths = budgets = apart = 0
    for number, action in enumerate(actions(ours.action_space, 40)):
        action[: number % 3] = 0.0  # so that they do not all end together
        told = ours.step(action)
        assert same(told, theirs.step(action)), number
        over = told[2] | told[3]
        deaths, budgets, apart = deaths + told[2].sum(), budgets + told[3].sum(), apart + (0 < over.sum() < 3)
        if str(getattr(mode, "value", mode)) == "Disabled" and over.any():
            with pytest.raises(ValueError, match="are over; reset them first"):
                ours.step(action)
            again = [e.reset(seed=10 + number, options={"reset_mask": over.copy()}) for e in (ours, theirs)]
            assert same(*again)
    assert apart > 0 and (deaths if "device" in settings else budgets) > 0


def test_a_seed_reproduces_an_episode_and_another_does_not() -> None:
    made, again = MortalChip(), MortalChip()
    sent = actions(made.action_space, 20)
    first = episode(made, 7, sent)
    assert same(tuple(first), tuple(episode(again, 7, sent))) and same(
        tuple(first), tuple(episode(made, 7, sent))
    )
    assert not same(first[0], made.reset()) and not same(first[0], made.reset(seed=8))
    chips = MortalChips(2)
    both = chips.reset(seed=[7, 7])[0]
    assert np.array_equal(both["taps"][0], both["taps"][1])
    assert np.array_equal(both["taps"][0], first[0][0]["taps"])


def test_identity_is_apart_from_the_seed() -> None:
    """The same chip whatever the seed; without identity another one each time."""
    known, unknown = MortalChip(device=SILENT, identity=4), MortalChip(device=SILENT)
    births = [known.reset(seed=s)[0]["taps"] for s in (0, 1, None)]
    assert all(np.array_equal(births[0], b) for b in births)
    others = [unknown.reset(seed=s)[0]["taps"] for s in (0, 1, None)]
    assert len({b.tobytes() for b in [*births[:1], *others]}) == 4
    rows = MortalChips(3, device=SILENT, identity=[4, 5, 4]).reset(seed=0)[0]["taps"]
    assert np.array_equal(rows[0], births[0]) and np.array_equal(rows[2], births[0])
    assert not np.array_equal(rows[1], births[0])
    noisy = MortalChip(identity=4)
    assert not same(noisy.reset(seed=0), noisy.reset(seed=1))  # its dice are the episode's


@pytest.mark.parametrize("act", ["pulse", "probe"])
def test_an_agent_sees_what_the_wires_show_and_pays_what_a_ledger_books(act: Any) -> None:
    """Beside a `Chip` of the same identity, driven alike through its port."""
    task = xor()
    env = MortalChip(device=SILENT, identity=11, act=act, pulse_scale=0.2, probe_scale=0.3)
    chip = Chip(SILENT, task.layers, 11)
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)

    def knobs(flat: np.ndarray[Any, Any], size: float) -> tuple[torch.Tensor, ...]:
        parts = torch.from_numpy(flat * np.float32(size)).split([12, 5])
        return tuple(p.reshape(s) for p, s in zip(parts, chip.spec.shapes, strict=True))

    told: Any = env.reset(seed=0)
    blank = np.zeros(17, np.float32)
    for action in [None, *actions(env.action_space, 4)]:
        probe = blank
        if action is not None:
            told = env.step(action)
            port.pulse(knobs(action[:17], 0.2))
            probe = action[17:] if act == "probe" else blank
        baseline = port.measure(task.x)
        assert np.array_equal(told[0]["taps"], torch.cat([t.flatten() for t in baseline.taps]).numpy())
        assert told[0]["loss"][0] == task.loss(baseline.out, task.target).mean()
        if act == "probe":
            probed = port.measure(task.x, Probe(knobs=knobs(probe, 0.3)))
            assert told[0]["probed"][0] == task.loss(probed.out, task.target).mean()
        spent = ledger.after_read(0, 0, 0)
        assert told[-1] == pytest.approx(spent, rel=1e-12) and list(told[-1]) == list(COUNTED)


def test_pulse_trains_are_priced_as_a_ledger_prices_them() -> None:
    device = SoftBoundsRRAM()
    env, ledger = MortalChip(device=device, pulse_scale=0.1), Ledger(Chip(device, xor().layers).spec)
    env.reset(seed=0)
    (action,) = actions(env.action_space, 1)
    action[0] = 1.0  # the longest train that may be asked for: every step takes its time
    info = env.step(action)[-1]
    drive = torch.from_numpy(action * np.float32(0.1)).split([12, 5])
    ledger.book_pulse(tuple(d.reshape(s) for d, s in zip(drive, ledger.spec.shapes, strict=True)))
    ledger.book_read(8, 0, 1)
    assert info == pytest.approx(ledger.after_read(0, 0, 0), rel=1e-6)


def test_what_is_told_is_numbers_and_does_not_know_who_the_chip_is() -> None:
    """Two identities under the same actions cost the same; only what their wires show differs."""
    told = {who: [] for who in (1, 2)}
    for who, lines in told.items():
        env = MortalChip(identity=who)
        lines += episode(env, 0, actions(env.action_space, 5))
    for a, b in zip(*told.values(), strict=True):
        assert a[-1] == b[-1] and all(type(v) in (int, float) for v in a[-1].values())
        assert set(a[0]) == {"taps", "loss", "left"} and not same(a[0], b[0])
        assert all(v.dtype == np.float32 and v.base is None for v in a[0].values())
    chips = MortalChips(2)
    observation, infos = chips.reset(seed=0)
    assert set(infos) == {*COUNTED, *(f"_{b}" for b in COUNTED)} and set(observation) == {
        "taps",
        "loss",
        "left",
    }


def test_rewards_add_up_to_the_fall_of_the_loss() -> None:
    env = MortalChip()
    told = episode(env, 0, actions(env.action_space, 30))
    fall = float(told[0][0]["loss"][0] - told[-1][0]["loss"][0])
    assert sum(t[1] for t in told[1:]) == pytest.approx(fall, abs=1e-6) and fall != 0


def test_death_terminates_and_the_dead_tell_nothing_new() -> None:
    env = MortalChip(device=MORTAL["device"])
    told = episode(env, 0, actions(env.action_space, 100))
    *_, before, last = told
    assert last[2] is True and last[3] is False and last[1] == 0.0
    assert all(t[2] is False and t[3] is False for t in told[1:-1])
    assert same({**before[0], "left": 0}, {**last[0], "left": 0})
    assert last[-1]["reads"] == before[-1]["reads"]  # it was pulsed, and not read any more
    assert last[-1]["pulses_per_cell"] == before[-1]["pulses_per_cell"] + 1
    assert env.reset(seed=1)[0]["left"][0] == np.float32(
        1 - 4 / 2000
    )  # a fresh chip, its first reading booked


@pytest.mark.parametrize(
    "limit",
    [{"reads": 42}, {"pulses_per_cell": 9.5}, {"joules": 6e-9}, {"seconds": 9e-6}],
    ids=lambda limit: next(iter(limit)),
)
def test_a_budget_truncates_and_is_kept(limit: dict[str, float]) -> None:
    env = MortalChip(budget=Budget(**limit))
    told = episode(env, 0, actions(env.action_space, 1000))
    ((word, most),) = limit.items()
    last = told[-1]
    assert last[3] is True and last[2] is False and all(t[3] is False for t in told[1:-1])
    used = [t[-1][word] for t in told]
    each = used[2] - used[1]
    assert used[-1] <= most * (1 + 1e-9) and most - used[-1] < 1.5 * each  # used up, never overdrawn
    left = [t[0]["left"][0] for t in told]
    assert left == sorted(left, reverse=True) and left[-1] == pytest.approx(1 - used[-1] / most, abs=1e-6)


def test_an_action_beyond_the_budget_is_not_carried_out() -> None:
    env = MortalChip(budget=Budget(reads=2000, pulses_per_cell=1.5))
    env.reset(seed=0)
    before = env.step(np.ones(17, np.float32))
    after = env.step(np.ones(17, np.float32))
    assert before[3] is False and after[3] is True and after[1] == 0.0
    assert same(before[0], after[0]) and before[-1] == after[-1]


def test_what_is_shown_stays_within_its_range() -> None:
    env = MortalChip(observation_range=0.1)
    observation = env.reset(seed=0)[0]
    assert observation in env.observation_space and observation["loss"][0] == np.float32(0.1)
    assert env.step(np.zeros(17, np.float32))[1] != 0.0  # the reward is not cut


def test_a_task_of_ones_own() -> None:
    """Class numbers as targets, a loss of the caller's, a leaking device and time between the steps."""
    labels = torch.tensor([0, 2, 1])

    def surprise(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return -out.log_softmax(-1).gather(-1, target.expand(out.shape[:-1])[..., None])[..., 0]

    task = Task((dense(2, 3, linear=True),), torch.eye(3, 2), labels, surprise)
    env = MortalChip(task=task, device=SoftBoundsRRAM(), wait=1.0, budget=Budget(seconds=3.5))
    told = episode(env, 0, actions(env.action_space, 9))
    assert env.action_space.shape == (9,) and env.observation_space["taps"].shape == (9,)
    assert len(told) == 3 and told[-1][3] and told[-1][-1]["seconds"] == pytest.approx(3.0, abs=1e-4)


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        ({"act": "jump"}, "act is 'jump'"),
        ({"pulse_scale": 0.0}, "pulse_scale is 0.0"),
        ({"wait": -1.0}, "wait is -1.0"),
        ({"budget": Budget(reads=7)}, "a first reading and one step cost"),
        ({"task": xor()._replace(x=torch.ones(4, 3))}, "task.x is \\(4, 3\\)"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_terms_are_checked(terms: dict[str, Any], complaint: str) -> None:
    for made in (MortalChip, MortalChips):
        with pytest.raises(ValueError, match=complaint):
            made(**terms)


def test_calls_are_checked() -> None:
    env, chips = MortalChip(), MortalChips(2)
    for action in (np.full(17, np.nan), np.zeros(16), np.zeros((1, 17))):
        env.reset(seed=0)
        with pytest.raises(BadInput, match="wanted \\(1, 17\\) finite numbers"):
            env.step(action)
    with pytest.raises(ResetNeeded):
        chips.step(np.zeros((2, 17)))
    with pytest.raises(ValueError, match="first fill all 2"):
        chips.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ValueError, match="one number per stimulus"):
        MortalChip(task=xor()._replace(loss=lambda out, target: (out - target).square().mean())).reset()
    with pytest.raises(TypeError, match="write Mismatched\\(\\)"):
        MortalChip(device=Mismatched)
    with pytest.raises(ValueError, match="num_envs is 0"):
        MortalChips(0)
    with pytest.raises(ValueError, match="3 identities for 2 chips"):
        MortalChips(2, identity=[1, 2, 3])
    with pytest.raises(ValueError, match="1 seeds for 2 chips"):
        chips.reset(seed=[1])
    with pytest.raises(ValueError, match="reset_mask"):
        chips.reset(options={"reset_mask": [True, False]})
    with pytest.raises(ValueError, match="Sometimes"):
        MortalChips(2, autoreset_mode="Sometimes")


@pytest.mark.filterwarnings("ignore:.*render_mode")  # gymnasium's own word on modes that there are not
def test_a_picture_of_another_kind_is_refused_as_libraries_expect() -> None:
    """By a TypeError, after which `make_vec_env` of stable-baselines3 tries again without pictures."""
    for make in (MortalChip, MortalChips):
        with pytest.raises(TypeError, match="render_mode is 'ansi', wanted 'rgb_array' or None"):
            make(render_mode="ansi")
    for name in ("MortalChip-v0", "analog.environment:MortalChip-v0"):
        with pytest.raises(TypeError, match="render_mode is 'ansi'"):
            gymnasium.make(name, render_mode="ansi")
        assert gymnasium.make(name).reset(seed=1)[0] in gymnasium.make(name).observation_space


def test_it_is_registered_once_however_often() -> None:
    """By import, and by whoever asks again; what registers twice is warned of, an error here."""
    register()
    register()
    assert gymnasium.spec("MortalChip-v0").vector_entry_point is not None
    assert EnvSettings().task is None and MortalChip.metadata["render_modes"] == ["rgb_array"]
