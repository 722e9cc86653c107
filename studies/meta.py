"""An agent that sees only its chip's wires can learn how to train chips that it has never met.

The agent is a learned update rule that all knobs share: of one slope along random signs it makes fast and
slow means at every knob, and its nine weights say what to pulse for them, early and late, far and near. It
plays `MortalChip-v0` (XOR on 17 knobs) with a new chip in every episode, and augmented random search (Mania,
Guy, Recht 2018, version 1) turns the weights from nothing, by the returns alone. Then it meets chips, and
technologies, that it never met. Perturbation, its rate and probe size chosen on other chips of the first
technology, gets as many readings of them. "All right" are chips whose four answers, averaged over the last
readings, have the right sign.

Nothing published trains analog chips in this way. The idea: learned optimisers (Andrychowicz et al. 2016),
trained by evolution strategies (Metz et al. 2020, 2022); from memory: they read exact gradients, and beat
tuned Adam on tasks like those they were trained on.

Open questions: an agent that chooses its probes too; more knobs; longer lives than those it was trained on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Ledger, Mismatched, SoftBoundsRRAM, metered, stream
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
    decayed,
    fit,
)

from .practice import AnyDevice, device_words, short_words
from .study import Row

Method = Literal["agent", "weight perturbation", "node perturbation", "nodes, delta rule"]
REACH, TREMOR = 0.1, 0.1  # full scale, the largest pulse and the size of probes; on training chips
MEANS = (0.0, 0.8, 0.95)  # how slowly the agent's three means of each knob forget
SPREAD, RATE = 0.1, 0.1  # of the search over weights, the rate falling to zero; on training chips
PUPILS = 8  # new chips on which each direction is tried
LAST = 16  # readings whose mean is the score, after the budget
MET, UNMET = range(64), 1_000_000  # identities that settings are chosen on; first of those nobody has met


@dataclass(frozen=True)
class Args:
    devices: tuple[AnyDevice, ...] = (
        Mismatched(),
        Mismatched(severity=2.0),
        SoftBoundsRRAM(),
    )  # of the chips
    # to meet; agents are trained on the first, and settings are chosen on it
    methods: tuple[Method, ...] = get_args(Method)
    agents: int = 3  # agents, each trained from nothing with dice of its own
    generations: int = 60  # of an agent's training
    directions: int = 8  # tried both ways in each generation
    chips: int = 64  # of each technology, that nobody has met
    steps: int = 250  # of each chip's life, at 8 readings
    rates: tuple[float, ...] = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)  # tried for perturbation
    sizes: tuple[float, ...] = (0.05, 0.1, 0.2)  # of its probes, the same
    seed: int = 0


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
    """Of each chip, over its last readings."""

    loss: Tensor  # (chips,)
    right: Tensor  # (chips,), 1 where all answers have the right sign
    readings: int  # of each chip, those of the score included


def run(trial: Trial) -> Iterator[Row]:
    args = trial.args
    weights = mean = torch.zeros(len(MEANS) * 3)
    if trial.method == "agent":
        for generation in range(args.generations):
            weights, gained = _searched(trial, weights, generation)
            if generation >= args.generations // 2:  # what is handed out: the mean of the second half
                mean = mean + weights / (args.generations - args.generations // 2)
            share = (generation + 1) / (args.generations + 1)
            yield {"what": "curve", "step": generation, "return": gained, "done": round(share, 4)}
        yield {"what": "weights", "weights": [round(w, 5) for w in mean.tolist()]}
    for number, device in enumerate(args.devices):
        who = range(UNMET, UNMET + args.chips)
        if trial.method == "agent":
            score = _met(args, device, who, mean, stream(args.seed, "meta", trial.name, number))
        else:
            score = _perturbed(args, device, who, trial.method, *_chosen(args, trial.method))
        for chip, loss, right in zip(who, score.loss.tolist(), score.right.tolist(), strict=True):
            words = device_words(device)
            yield {"what": "chip", "method": trial.method, "device": words, "chip": chip} | {
                "agent": trial.number,
                "loss": round(loss, 6),
                "right": right,
                "readings": score.readings,
            }
    yield {"what": "end", "done": 1.0}


def _terms(args: Args, device: Any) -> dict[str, Any]:
    """Budgeted so that an episode is truncated at the end of the last readings."""
    readings = 8.0 * (1 + args.steps + LAST)
    return {"device": device, "act": "probe", "reach": REACH, "tremor": TREMOR, "readings": readings}


class _Agent:
    """A learned update rule, one for each row of weights; it remembers a chip's life and no more."""

    def __init__(self, weights: Tensor, rng: Generator, pupils: int, knobs: int) -> None:
        self.weights = weights.view(-1, len(MEANS), 3)  # (rows, means, contexts)
        self.rng, self.pupils = rng, pupils
        self.probe = torch.zeros(len(weights), knobs)  # what was sent last: nothing
        self.means = torch.zeros(len(weights), len(MEANS), knobs)
        self.square = torch.zeros(len(weights), 1)
        self.decays, self.age = torch.tensor(MEANS)[:, None], 0

    def act(self, seen: dict[str, Any]) -> Any:
        """The next drive and the next probe."""
        loss, probed, left = (torch.from_numpy(seen[word]) for word in ("loss", "probed", "left"))
        slope = (probed - loss) / TREMOR
        self.means.mul_(self.decays).add_((1 - self.decays) * (slope * self.probe).unsqueeze(1))
        if self.age:
            self.square = 0.95 * self.square + 0.05 * slope**2
        usual = (self.square / (1 - 0.95**self.age + 1e-9)).sqrt() + 1e-6
        context = torch.cat([torch.ones_like(left), left, loss], -1)
        wanted = (self.weights @ context.unsqueeze(-1)).mT @ self.means / usual.unsqueeze(-1)
        self.age += 1
        signs = torch.randint(0, 2, (self.pupils, self.probe.shape[-1]), generator=self.rng) * 2.0 - 1
        self.probe = signs.repeat(len(self.weights) // self.pupils, 1)
        return torch.cat([wanted.squeeze(1).tanh(), self.probe], -1).numpy()


def _taught(chips: MortalChips, agent: _Agent, seeds: list[int], steps: int) -> tuple[Any, dict[str, Any]]:
    """Let an agent play: the return of each episode, and what it saw last."""
    seen, _ = chips.reset(seed=seeds)
    gained = np.zeros(chips.num_envs)
    for _ in range(steps):
        seen, reward, *_ = chips.step(agent.act(seen))
        gained += reward
    return gained, seen


def _searched(trial: Trial, weights: Tensor, generation: int) -> tuple[Tensor, float]:
    """One generation of augmented random search: every direction both ways, on the same new chips."""
    args = trial.args
    rate = RATE * (1 - generation / args.generations)
    rng = stream(args.seed, "meta", trial.name, "generation", generation)
    tried = torch.randn((args.directions, len(weights)), generator=rng)
    both = torch.cat([weights + SPREAD * tried, weights - SPREAD * tried]).repeat_interleave(PUPILS, 0)
    seeds = torch.randint(2**40, (PUPILS,), generator=rng).tolist() * (2 * args.directions)
    chips = MortalChips(len(both), **_terms(args, args.devices[0]))
    agent = _Agent(both, rng, PUPILS, chips.single_action_space.shape[0] // 2)
    gained = torch.from_numpy(_taught(chips, agent, seeds, args.steps)[0]).float()
    up, down = gained.view(2, args.directions, PUPILS).mean(-1)
    scale = float(torch.cat([up, down]).std()) + 1e-6
    return weights + rate / (args.directions * scale) * ((up - down) @ tried), float(gained.mean())


def _met(args: Args, device: Any, who: range, weights: Tensor, rng: Generator) -> _Score:
    """The agent meets chips; only readings, no pulses, after its last step."""
    chips = MortalChips(len(who), identity=list(who), **_terms(args, device))
    knobs = chips.single_action_space.shape[0] // 2
    agent = _Agent(weights.expand(len(who), -1), rng, len(who), knobs)
    _taught(chips, agent, [args.seed + row for row in range(len(who))], args.steps)
    still, looks = np.zeros((len(who), 2 * knobs), np.float32), []
    for _ in range(LAST):
        seen, _, terminated, truncated, spent = chips.step(still)
        looks.append((torch.from_numpy(seen["loss"][:, 0]), torch.from_numpy(seen["taps"][:, -4:])))
    assert truncated.all() and not terminated.any()
    return _score(looks, int(spent["readings"].max()))


@lru_cache
def _chosen(args: Args, method: Method) -> tuple[float, float]:
    """The rate and the size of probes with the least loss on the chips that everybody may learn from."""
    pairs = [(rate, size) for rate in args.rates for size in args.sizes]
    return min(
        pairs, key=lambda pair: float(_perturbed(args, args.devices[0], MET, method, *pair).loss.mean())
    )


def _perturbed(args: Args, device: Any, who: range, method: Method, rate: float, size: float) -> _Score:
    """As many readings for perturbation: a quiet one and a probe in each step, like the agent's."""
    task, steps = xor(), 1 + args.steps  # the agent begins with a reading
    chip = Chip(device, task.layers, who, dice=args.seed)
    ledger = Ledger(chip.spec)
    port, batch = metered(chip.port(), ledger), Batch(task.x, task.target)
    learner = _learner(method, size, decayed(adam(rate), steps))
    for _ in fit(learner, port, [batch] * steps, stream(args.seed, "meta", method)):
        pass
    looks = []
    for _ in range(2 * LAST):  # the agent's score spends half of its readings on probes of nothing
        out = port.measure(task.x).out
        looks.append((task.loss(out, task.target).mean(-1), out.flatten(-2)))
    return _score(looks, ledger.readings[0])


def _learner(method: Method, size: float, update: Update) -> Learner[Any]:
    if method == "weight perturbation":
        return Descent(WeightPerturbation(size), update, SquaredError())
    delta = method == "nodes, delta rule"
    return Descent(NodePerturbation(size, mask=True), update, SquaredError(), delta=delta)


def _score(looks: list[tuple[Tensor, Tensor]], readings: int) -> _Score:
    losses, outs = (torch.stack(each).mean(0) for each in zip(*looks, strict=True))
    right = (outs * xor().target.flatten() > 0).all(-1)
    return _Score(losses, right.double(), readings)


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    scores = [r for r in rows if r["what"] == "chip"]
    for device, method in dict.fromkeys((r["device"], r["method"]) for r in scores):
        chosen = [r for r in scores if (r["device"], r["method"]) == (device, method)]
        losses = [r["loss"] for r in chosen]
        half = 1.96 * stdev(losses) / len(losses) ** 0.5 if len(losses) > 1 else inf
        lines.append(
            {
                "chips": short_words(device),
                "method": method,
                "loss": f"{fmean(losses):.4f}",
                "95 % interval": f"+-{half:.4f}",
                "all right %": f"{100 * fmean(r['right'] for r in chosen):.1f}",
            }
        )
    return sorted(lines, key=lambda line: (line["chips"], float(line["loss"])))


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in dict.fromkeys(r["trial"] for r in rows if r["what"] == "curve"):
        curve = [r for r in rows if r["what"] == "curve" and r["trial"] == name]
        left.plot([r["step"] for r in curve], [r["return"] for r in curve], label=name)
    left.set(xlabel="generation", ylabel="return: fall of the loss", title="an agent learns to train chips")
    scores = [r for r in rows if r["what"] == "chip"]
    first = scores[0]["device"]
    for method in dict.fromkeys(r["method"] for r in scores):
        losses = sorted(r["loss"] for r in scores if r["method"] == method and r["device"] == first)
        right.plot(losses, np.linspace(0, 1, len(losses)), label=method)
    right.set(xscale="log", xlabel="loss", ylabel="share of unmet chips below", title=short_words(first))
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.legend()
    path = folder / "meta.png"
    figure.savefig(path, dpi=130)
    return [path]
