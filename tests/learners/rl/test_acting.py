"""Chips that act: senses, episodes, shaping, credit; exactly wherever it can be."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch

from analog import Chip
from analog import Ideal
from analog import Mismatched
from analog import Probe
from analog import Reading
from analog import Tape
from analog import dense
from analog import replayed
from analog import stream
from analog import taped
from learners import NodePerturbation
from learners import ProbeResult
from learners import WeightPerturbation
from learners import adam
from learners import antithetic
from learners import one_sided
from learners import sgd
from learners.estimators.gradient import knob_gradient
from learners.rl import Argmax
from learners.rl import AugmentedRandomSearch
from learners.rl import NodePerturbationReinforce
from learners.rl import ObservationNormalizer
from learners.rl import SoftmaxSampling
from learners.rl import TanhSquashed
from learners.rl import Transition
from learners.rl import centered_ranks
from learners.rl import episode_stats
from learners.rl import rollout
from learners.rl import standardized
from learners.rl import train_policy
from learners.rl.normalizer import CLIP
from learners.rl.reinforce import credit
from learners.rl.reinforce import return_to_go
from tests.estimates import estimated
from tests.learners.rl.toy_envs import MODES
from tests.learners.rl.toy_envs import signs
from tests.learners.rl.toy_envs import unequal
from tests.twostage import kept

EPISODES = AugmentedRandomSearch(WeightPerturbation(0.3, 2, scheme=antithetic), sgd(0.3), Argmax())
STEPS = NodePerturbationReinforce(NodePerturbation(0.3), adam(0.1), Argmax())
LEARNERS: dict[str, Any] = {"episodes": EPISODES, "steps": STEPS}
LAYERS = (dense(1, 3), dense(3, 2, linear=True))


def test_greedy_takes_the_strongest_and_squashed_keeps_its_limits() -> None:
    out = torch.tensor([[0.1, 3.0, -1.0], [2.0, 1.0, 0.0]])
    assert Argmax().select(out, stream(0)).tolist() == [1, 0]
    force = TanhSquashed(-1.0, 3.0, gain=2.0).select(torch.tensor([[-1e9], [0.0], [0.5], [1e9]]), stream(0))
    half = 1 + 2 * torch.tensor(1.0).tanh().item()
    assert force.flatten().tolist() == pytest.approx([-1.0, 1.0, half, 3.0])
    for bad in (
        lambda: TanhSquashed(1, 1),
        lambda: TanhSquashed(0, 1, float("inf")),
        lambda: SoftmaxSampling(0),
    ):
        with pytest.raises(ValueError, match="wanted|wants"):
            bad()


def test_actions_are_drawn_with_the_probabilities_of_a_softmax() -> None:
    """3 means at 1e-9 each."""
    out = torch.tensor([0.0, 1.0, 2.5])

    def sample(n: int, generator: torch.Generator) -> torch.Tensor:
        select = SoftmaxSampling(temperature=2.0).select(out.expand(n, 3), generator)
        return torch.nn.functional.one_hot(select, 3).double()

    assert kept(sample, (out / 2.0).softmax(-1).double(), 2000, "sampled actions")


@pytest.mark.parametrize("fleet", [(), (3,)])
def test_merged_moments_are_those_of_all_together(fleet: tuple[int, ...]) -> None:
    seen = torch.randn(5, 2, *fleet, 4, 3, generator=stream(0, "senses"), dtype=torch.float64) + 1e3
    mask = torch.rand(5, 2, *fleet, 4, generator=stream(1, "senses")) < 0.6
    spec = Chip(Ideal(), (dense(3, 1, linear=True),), range(3) if fleet else 0).spec
    parts = (
        ObservationNormalizer.empty(spec)
        .merge(ObservationNormalizer.of(seen[:2], mask[:2], len(fleet)))
        .merge(ObservationNormalizer.empty(spec))
    )
    parts = parts.merge(ObservationNormalizer.of(seen[2:], mask[2:], len(fleet)))
    for chip in range(3) if fleet else [...]:
        own = seen[:, :, chip][mask[:, :, chip]] if fleet else seen[mask]
        assert float(parts.samples[chip].squeeze()) == len(own)
        assert torch.allclose(parts.mean[chip], own.mean(0), atol=1e-9)
        assert torch.allclose(parts.square[chip], own.var(0, correction=0) * len(own), rtol=1e-9)


def test_what_was_seen_comes_out_with_unit_variance_and_the_unseen_untouched() -> None:
    spec = Chip(Ideal(), (dense(2, 1, linear=True),)).spec
    seen = torch.randn(500, 2, generator=stream(0, "unit")) * torch.tensor([1e-3, 10.0]) + 5
    assert torch.equal(ObservationNormalizer.empty(spec).normalize(seen / 9), seen / 9)
    known = ObservationNormalizer.of(seen, torch.ones(500, dtype=torch.bool), 0)
    x = known.normalize(seen)
    assert x.mean(0).abs().max() < 1e-4 and (x.var(0) - 1).abs().max() < 0.02
    assert float(known.normalize(seen + 1e6).max()) == CLIP
    still = ObservationNormalizer.of(torch.ones(9, 2), torch.ones(9, dtype=torch.bool), 0)
    assert still.normalize(torch.full((1, 2), 1.5)).tolist() == [[0.5, 0.5]]  # a constant is only centred


def test_ranks_are_centred_and_shared_by_equals() -> None:
    returns = torch.tensor([[3.0, 1.0], [1.0, 1.0], [2.0, 1.0], [2.0, 5.0]], dtype=torch.float64)
    assert centered_ranks(returns)[:, 0].tolist() == pytest.approx([-0.5, 0.5, 0.0, 0.0])
    assert centered_ranks(returns).sum(0).tolist() == pytest.approx([0.0, 0.0])
    assert torch.equal(centered_ranks(returns), centered_ranks(returns.exp()))  # any rising scale of returns


def test_standardised_losses_are_the_paper_s_update() -> None:
    """Algorithm 2, line 7 of Mania et al.: alpha / (b sigma) sum over the b best of (r+ - r-) delta."""
    spec = Chip(Ideal(), (dense(3, 2, linear=True),), range(2), dtype=torch.float64).spec
    estimator, alpha = WeightPerturbation(0.2, 5, scheme=antithetic), 0.07
    blank, none = torch.zeros(1, 3, dtype=torch.float64), Reading(())
    probe, _ = estimator.ask(spec, blank, none, stream(0, "paper"))
    returns = torch.randn(10, 2, generator=stream(1, "paper"), dtype=torch.float64)
    losses = standardized(top=3)(returns)[..., None, None]
    result = ProbeResult(blank, none, torch.zeros(2, 1, 1), probe, none, losses)
    told = estimated(estimator, spec, result)
    (drive,), _ = sgd(2 * 0.2 * alpha).step(told, ())
    assert probe.knobs is not None and probe.knobs[0] is not None
    directions = probe.knobs[0][::2] / 0.2
    for chip in range(2):
        plus, minus = returns[::2, chip], returns[1::2, chip]
        best = torch.maximum(plus, minus).argsort(descending=True)[:3]
        sigma = torch.cat((plus[best], minus[best])).std(correction=0)
        wanted = sum((plus[k] - minus[k]) * directions[k, chip] for k in best) * alpha / (3 * sigma)
        assert torch.allclose(drive[chip], wanted, atol=1e-12)


def test_equal_returns_say_nothing() -> None:
    assert standardized()(torch.full((6, 2), 500.0)).abs().max() == 0


def tally(who: Any = 5, **mode: Any) -> Any:
    chip = Chip(Mismatched(), LAYERS, who)
    env = unequal([2, 5, 1, 3] * (1 if isinstance(who, int) else len(who)), **mode)
    fleet = len(chip.spec.fleet)
    seeds = list(range(env.num_envs))
    return episode_stats(
        rollout(chip.port(), env, Argmax(), ObservationNormalizer.empty(chip.spec), stream(0), seeds=seeds),
        fleet,
    )


@pytest.mark.skipif(MODES is None, reason="this gymnasium knows but one way")
def test_it_makes_no_difference_when_finished_episodes_are_reset() -> None:
    """Next step or same step: the first episodes are the same, bit for bit, and only they are counted."""
    next_step, same_step = (tally(autoreset_mode=m) for m in (MODES.NEXT_STEP, MODES.SAME_STEP))
    assert torch.equal(next_step.returns, same_step.returns)
    assert next_step.lengths.tolist() == same_step.lengths.tolist() == [2, 5, 1, 3]
    assert all(torch.equal(a, b) for a, b in zip(next_step.normalizer, same_step.normalizer, strict=True))
    assert float(next_step.normalizer.samples) == 11
    with pytest.raises(ValueError, match="disabled"):
        tally(autoreset_mode=MODES.DISABLED)


def test_an_end_by_the_rules_and_one_by_the_clock_are_kept_apart() -> None:
    chip = Chip(Ideal(), LAYERS)
    for rules, what in (({"rounds": 3}, "terminated"), ({"rounds": 9, "clock": 3}, "truncated")):
        play = list(
            rollout(
                chip.port(),
                signs(2, **rules),
                Argmax(),
                ObservationNormalizer.empty(chip.spec),
                stream(0),
                seeds=[1, 2],
            )
        )
        assert len(play) == 3
        ended = {w: [bool(getattr(m, w).all()) for m in play] for w in ("terminated", "truncated")}
        assert ended.pop(what) == [False, False, True]
        assert not any(next(iter(ended.values())))


def test_a_fleet_plays_as_its_chips_do_alone() -> None:
    """Noiseless, so that dice do not matter."""
    baseline = Mismatched(read_noise=0.0)
    together = Chip(baseline, LAYERS, range(3))
    env = signs(6)
    fleet = episode_stats(
        rollout(
            together.port(),
            env,
            Argmax(),
            ObservationNormalizer.empty(together.spec),
            stream(0),
            seeds=list(range(6)),
        ),
        1,
    )
    for i in range(3):
        one = Chip(baseline, LAYERS, i)
        seeds = [2 * i, 2 * i + 1]
        own = episode_stats(
            rollout(
                one.port(), signs(2), Argmax(), ObservationNormalizer.empty(one.spec), stream(0), seeds=seeds
            ),
            0,
        )
        assert torch.equal(own.returns, fleet.returns[i])


def test_an_environment_that_does_not_fit_is_named() -> None:
    chip = Chip(Ideal(), LAYERS, range(2))
    with pytest.raises(ValueError, match="3 sub-environments for 2"):
        next(
            rollout(
                chip.port(), signs(3), Argmax(), ObservationNormalizer.empty(chip.spec), stream(0), seeds=0
            )
        )
    wide = Chip(Ideal(), (dense(4, 2, linear=True),))
    with pytest.raises(ValueError, match="shows 1 numbers, the chip takes 4"):
        next(
            rollout(
                wide.port(), signs(2), Argmax(), ObservationNormalizer.empty(wide.spec), stream(0), seeds=0
            )
        )


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
    assert [e[0] for e in recording.events].count("pulse") == 3


@pytest.mark.parametrize("name", LEARNERS)
def test_chips_learn_which_side_of_zero(name: str) -> None:
    """From 2 of 4 right to at least 3.5, the mean of 4 chips; blank at first, so that probes decide."""
    chip = Chip(Mismatched(), (dense(1, 2, linear=True),), range(4))
    chip.port().program(chip.spec.zeros())
    run = train_policy(LEARNERS[name], chip.port(), signs(64), stream(0, "learns", name))
    for _ in range(50):
        state, _ = next(run)
    play = rollout(
        chip.port(), signs(80), Argmax(), state.progress.normalizer, stream(1), seeds=list(range(900, 980))
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


def test_return_to_go_by_hand() -> None:
    reward = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    assert return_to_go(reward, 1.0).tolist() == [7.0, 6.0, 4.0]
    assert return_to_go(reward, 0.5).tolist() == [3.0, 4.0, 4.0]
    assert return_to_go(reward, 0.0).tolist() == [1.0, 2.0, 4.0]


def made_up(steps: int, batch: int) -> list[Transition]:
    """A play of one chip of 2 inputs and 2 outputs that nobody played, the second episode shorter."""

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    generator, play = stream(0, "made up"), []
    for t in range(steps):
        going = torch.tensor([True, t < steps - 2, *([True] * (batch - 2))])
        x, out, nodes = drawn(batch, 2), drawn(batch, 2), drawn(batch, 2) * 0.3
        no = torch.zeros(batch, dtype=torch.bool)
        reward = drawn(batch) * going
        play.append(Transition(x, x, Probe(nodes=(nodes,)), Reading((out,)), reward, going, no, no))
    return play


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_credit_is_that_of_fading_traces(decay: float) -> None:
    """Summed over an episode, return-to-go times probe x input is reward times the trace of probe x input."""
    spec = Chip(Ideal(), (dense(2, 2, bias=False, linear=True),), dtype=torch.float64).spec
    play, size = made_up(6, 3), 0.3
    told = estimated(NodePerturbation(size, mask=False), spec, credit(spec, play, decay))[0][0]
    trace, change = torch.zeros(3, 2, 2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    for m in play:
        assert m.probe.nodes is not None and m.probe.nodes[0] is not None
        sent = m.probe.nodes[0] * m.going.unsqueeze(-1)
        trace = decay * trace + sent.unsqueeze(-1) * m.x.unsqueeze(-2)
        baseline = (m.reward.sum() - m.reward) / 2
        change += ((m.reward - baseline)[:, None, None] * trace).sum(0)
    assert torch.allclose(told, -change / size**2 / 18, atol=1e-12)


def test_step_perturbation_is_unbiased_by_enumeration() -> None:
    """One step, all signs of the probes of 2 nodes in 2 episodes: the mean is a linear reward's slope."""
    spec = Chip(Ideal(), (dense(2, 2, bias=False, linear=True),), dtype=torch.float64).spec
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=torch.float64)
    worth = torch.tensor([0.7, -0.4], dtype=torch.float64)  # reward per volt at each output
    size, total = 0.1, torch.zeros(2, 2, dtype=torch.float64)
    no, yes = torch.zeros(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
    for signs_ in product((-1.0, 1.0), repeat=4):
        nodes = torch.tensor(signs_, dtype=torch.float64).view(2, 2) * size
        reward = 3.0 + nodes @ worth
        moment = Transition(x, x, Probe(nodes=(nodes,)), Reading((nodes,)), reward, yes, no, no)
        total += estimated(NodePerturbation(size, mask=False), spec, credit(spec, [moment], 1.0))[0][0]
    wanted = -knob_gradient(spec.layers[0], worth.expand(2, 2), x)[0]
    assert torch.allclose(total / 16, wanted, atol=1e-12)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="antithetic"):
        AugmentedRandomSearch(WeightPerturbation(0.1, scheme=one_sided), sgd(0.1), Argmax())
    with pytest.raises(ValueError, match="one one-sided probe"):
        NodePerturbationReinforce(NodePerturbation(0.1, probes=2), sgd(0.1), Argmax())
    with pytest.raises(ValueError, match="decay"):
        NodePerturbationReinforce(NodePerturbation(0.1), sgd(0.1), Argmax(), decay=1.5)
    with pytest.raises(ValueError, match="top"):
        standardized(0)
    chip = Chip(Ideal(), LAYERS)
    with pytest.raises(ValueError, match="at least 2 episodes"):
        next(train_policy(STEPS, chip.port(), signs(1), stream(0)))
