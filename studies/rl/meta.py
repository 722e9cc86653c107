"""An agent that sees only its chip's wires can learn how to train chips that it has never met.

The agent is a learned update rule that all knobs share: of one slope along random signs it makes fast and
slow means at every knob, and its nine weights say what to pulse for them, early and late, far and near. It
plays `MortalChip-v0` (XOR on 17 knobs) with a new chip in every episode, and augmented random search (Mania,
Guy, Recht 2018, https://arxiv.org/abs/1803.07055, version 1) turns the weights from nothing, by the returns
alone. Then it meets chips, and technologies, that it never met. Perturbation, its rate and probe size chosen
on other chips of the first technology, gets as many readings of them. "All right" are chips whose four
answers, averaged over the last readings, have the right sign.

Nothing published trains analog chips in this way. The idea: learned optimisers (Andrychowicz et al. 2016,
https://arxiv.org/abs/1606.04474), trained by evolution strategies (Metz et al. 2020,
https://arxiv.org/abs/2009.11243, and 2022, https://arxiv.org/abs/2211.09760); from memory: they read exact
gradients, and beat tuned Adam on tasks like those they were trained on.

"Equal reads" are those of the chips that are met. Before that an agent goes to school, for some six times as
many reads as it takes to choose the settings of a perturbation: both are rows of their own (`schooling`, the
agent's and the search's), and the table says what a chip costs with and without its share in it. Plain node
perturbation and weight perturbation learn from the same one difference a step as the agent; with the delta
rule a learner is told each stimulus's loss apart and knows the loss's own gradient.

Open questions: an agent that chooses its probes too; more knobs; longer lives than those it was trained on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Budget, Chip, Ledger, Mismatched, metered, stream
from analog.devices import SoftBoundsRRAM
from analog.environment import MortalChips, xor
from learners import (
    Batch,
    Descent,
    Learner,
    NodePerturbation,
    SquaredError,
    Update,
    WeightPerturbation,
    adam,
    fit,
    linear_decay,
)

from ..kit.metrics.mean_interval import NORMAL_QUANTILE
from ..kit.recipes.learned_update import (
    CHIPS_PER_DIRECTION,
    PROBE_SCALE,
    PULSE_SCALE,
    SEARCH_LEARNING_RATE,
    WEIGHT_COUNT,
    LearnedUpdate,
    search_step,
    train_chips,
)
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import mean_of, mean_with_interval, percent, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

Method = Literal["agent", "weight perturbation", "node perturbation", "nodes, delta rule"]
SCORED_READS = 16  # readings whose mean is the score, after the budget
TRAINING_CHIPS = range(64)  # identities on which settings are chosen
FIRST_UNMET = 1_000_000  # with seed 0, the first of the identities that nobody has met


@dataclass(frozen=True)
class Args(SeededChips):
    # of the chips to meet; agents are trained on the first, and settings are chosen on it
    devices: tuple[AnyDevice, ...] = (Mismatched(), Mismatched(severity=2.0), SoftBoundsRRAM())
    methods: tuple[Method, ...] = get_args(Method)
    agents: Count = 5  # agents, each trained from nothing with a generator of its own
    generations: Count = 60  # of an agent's training
    directions: Count = 8  # tried both ways in each generation
    chips: Count = 64  # of each technology, that nobody has met
    steps: Count = 250  # of each chip's life, at 8 reads
    learning_rates: tuple[Positive, ...] = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)  # tried for perturbation
    probe_sizes: tuple[Positive, ...] = (0.05, 0.1, 0.2)  # of its probes, the same


TOY = Args(
    agents=1, generations=2, directions=1, chips=4, steps=10, learning_rates=(0.05,), probe_sizes=(0.1, 0.2)
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: Method = "agent"
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.method} {self.number}" if self.method == "agent" else self.method


def plan(args: Args) -> list[Trial]:
    return [Trial(args, m, n) for m in args.methods for n in range(args.agents if m == "agent" else 1)]


class _Score(NamedTuple):
    """The score of each chip, over its last readings."""

    loss: Tensor  # (chips,)
    right: Tensor  # (chips,), 1 where all answers have the right sign
    reads: int  # of each chip, those of the score included


class _Settings(NamedTuple):
    """Settings of perturbation, and what it took to choose them."""

    learning_rate: float
    probe_size: float
    reads: int  # of all chips together


def run(trial: Trial) -> Iterator[Row]:
    args, schooling = trial.args, 0
    weights = torch.zeros(WEIGHT_COUNT)
    if trial.method == "agent":
        for generation in range(args.generations):
            generator = stream(args.seed, "meta", trial.name, "generation", generation)
            count = 2 * args.directions * CHIPS_PER_DIRECTION
            chips = MortalChips(count, **_env_settings(args, args.devices[0]))
            learning_rate = SEARCH_LEARNING_RATE * (1 - generation / args.generations)
            weights, returns, reads = search_step(weights, chips, args.steps, learning_rate, generator)
            schooling += reads
            share = (generation + 1) / (args.generations + 1)
            yield {"what": "curve", "step": generation, "return": returns, "done": round(share, 4)}
        yield {"what": "weights", "weights": [round(w, 5) for w in weights.tolist()]}
    else:
        settings = _best_settings(args, trial.method)
        schooling = settings.reads
    for number, device in enumerate(args.devices):
        first = FIRST_UNMET + args.first_identity(2)
        who = range(first, first + args.chips)
        if trial.method == "agent":
            score = _score_agent(args, device, who, weights, stream(args.seed, "meta", trial.name, number))
        else:
            score = _score_perturbation(args, device, who, trial.method, *settings[:2])
        for chip, loss, right in zip(who, score.loss.tolist(), score.right.tolist(), strict=True):
            words = reference(device)
            yield {"what": "chip", "method": trial.method, "device": words, "chip": chip} | {
                "agent": trial.number,
                "loss": round(loss, 6),
                "right": right,
                "reads": score.reads,
            }
    yield {"what": "end", "method": trial.method, "agent": trial.number, "schooling": schooling, "done": 1.0}


def _env_settings(args: Args, device: Any) -> dict[str, Any]:
    """Settings of the environment: its budget truncates an episode at the end of the last readings."""
    budget = Budget(reads=8.0 * (1 + args.steps + SCORED_READS))
    return {
        "device": device,
        "act": "probe",
        "pulse_scale": PULSE_SCALE,
        "probe_scale": PROBE_SCALE,
        "budget": budget,
    }


def _score_agent(args: Args, device: Any, who: range, weights: Tensor, generator: Generator) -> _Score:
    """The agent meets chips; only readings, no pulses, after its last step."""
    chips = MortalChips(len(who), identity=list(who), **_env_settings(args, device))
    knobs = chips.knobs
    update = LearnedUpdate(weights.expand(len(who), -1), generator, len(who), knobs)
    train_chips(chips, update, [args.seed + row for row in range(len(who))], args.steps)
    still, outcomes = np.zeros((len(who), 2 * knobs), np.float32), []
    for _ in range(SCORED_READS):
        observation, _, terminated, truncated, info = chips.step(still)
        loss, out = observation["loss"][:, 0], observation["taps"][:, -4:]
        outcomes.append((torch.from_numpy(loss), torch.from_numpy(out)))
    assert truncated.all() and not terminated.any()
    return _score(outcomes, int(info["reads"].max()))


@lru_cache
def _best_settings(args: Args, method: Method) -> _Settings:
    """The rate and the size of probes with the least loss on the chips that everybody may learn from."""
    pairs = [(learning_rate, size) for learning_rate in args.learning_rates for size in args.probe_sizes]
    scores = {p: _score_perturbation(args, args.devices[0], TRAINING_CHIPS, method, *p) for p in pairs}
    best = min(pairs, key=lambda pair: float(scores[pair].loss.mean()))
    return _Settings(*best, reads=sum(score.reads for score in scores.values()) * len(TRAINING_CHIPS))


def _score_perturbation(
    args: Args, device: Any, who: range, method: Method, learning_rate: float, size: float
) -> _Score:
    """As many reads for perturbation: a baseline and a probe in each step, like the agent's."""
    task, steps = xor(), 1 + args.steps  # the agent begins with a reading
    chip = Chip(device, task.layers, who, noise_seed=args.seed)
    ledger = Ledger(chip.spec)
    port, batch = metered(chip.port(), ledger), Batch(task.x, task.target)
    learner = _learner(method, size, linear_decay(adam(learning_rate), steps))
    for _ in fit(learner, port, [batch] * steps, stream(args.seed, "meta", method)):
        pass
    outcomes = []
    for _ in range(2 * SCORED_READS):  # the agent's score spends half of its readings on probes of nothing
        out = port.measure(task.x).out
        outcomes.append((task.loss(out, task.target).mean(-1), out.flatten(-2)))
    return _score(outcomes, ledger.reads[0])


def _learner(method: Method, size: float, update: Update) -> Learner:
    if method == "weight perturbation":
        return Descent(WeightPerturbation(size), update, SquaredError(), delta_rule=False)
    # inactive neurons are not masked: of four, one that is inactive would never be woken
    return Descent(
        NodePerturbation(size, mask=False),
        update,
        SquaredError(),
        delta_rule=method == "nodes, delta rule",
    )


def _score(outcomes: list[tuple[Tensor, Tensor]], reads: int) -> _Score:
    losses, outs = (torch.stack(each).mean(0) for each in zip(*outcomes, strict=True))
    right = (outs * xor().target.flatten() > 0).all(-1)
    return _Score(losses, right.double(), reads)


def table(rows: Sequence[Row]) -> list[Row]:
    """By technology; chips are the sample, each the mean of all agents on it."""
    lines = []
    scores = [r for r in rows if r["what"] == "chip"]
    by_chip = {(r["device"], r["method"]): _mean_losses(scores, r["device"], r["method"]) for r in scores}
    for (device, method), losses in by_chip.items():
        of_line = [r for r in scores if (r["device"], r["method"]) == (device, method)]
        agent = by_chip.get((device, "agent"), losses)
        behind = [loss - by_agent for loss, by_agent in zip(losses, agent, strict=True)]
        schooling = [r["schooling"] for r in rows if r["what"] == "end" and r["method"] == method]
        met = len({(r["device"], r["chip"]) for r in scores if r["method"] == method})
        reads = fmean(r["reads"] for r in of_line)
        lines.append(
            {
                "device": short_reference(device),
                "method": method,
                "chips": len(losses),
                "agents": len(schooling) if method == "agent" else "",
                "loss": _interval(losses),
                "less the agent's": "" if method == "agent" else _interval(behind),
                "all right %": percent(mean_of(of_line, "right"), 1),
                "reads": short_number(reads, 3),
                "schooling reads": short_number(fmean(schooling), 3),
                f"reads with a share of schooling over {met} chips": short_number(
                    reads + fmean(schooling) / met, 3
                ),
            }
        )
    return lines


def _mean_losses(scores: Sequence[Row], device: str, method: str) -> list[float]:
    """The loss of each chip, the mean over all agents."""
    losses = [(r["chip"], r["loss"]) for r in scores if (r["device"], r["method"]) == (device, method)]
    who = dict.fromkeys(chip for chip, _ in losses)
    return [fmean(loss for chip, loss in losses if chip == each) for each in who]


def _interval(losses: Sequence[float]) -> str:
    """The mean and its 95 % interval over chips, which are many."""
    return mean_with_interval(losses, 3, NORMAL_QUANTILE)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (left, right) = panels(2, width=3.8, height=3.2)
    curves = [r for r in rows if r["what"] == "curve"]
    for name, look in looks(r["trial"] for r in curves).items():
        curve = [r for r in curves if r["trial"] == name]
        left.plot([r["step"] for r in curve], [r["return"] for r in curve], label=name, **look)
    left.set(xlabel="generation", ylabel="return: fall of the loss in a life, nats")
    left.set(title="an agent learns to train chips")
    scores = [r for r in rows if r["what"] == "chip"]
    first = scores[0]["device"] if scores else ""
    for method, look in looks(r["method"] for r in scores).items():
        losses = sorted(r["loss"] for r in scores if r["method"] == method and r["device"] == first)
        shares = 100 * np.linspace(0, 1, len(losses))
        right.plot(losses, shares, label=method, **{**look, "marker": None})
    right.set(xscale="log", xlabel="loss, nats", ylabel="unmet chips below it, %")
    right.set(title=short_reference(first))
    legend(figure)
    note(figure, f"right: every one of {len({r['chip'] for r in scores})} chips counts")
    return {"meta": figure}
