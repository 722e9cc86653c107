"""A chip that has learnt to act teaches fresh chips to act as it does; copies of its weights do less well.

The teacher learns from returns (as in `control`). Its true knobs are copied into 16 fresh chips by x-ray.
As many other fresh chips learn its answers by distillation, softened at a temperature where actions are
named and as they are where they are forces: first in the states that the teacher comes through, then, round
after round, in the states into which the apprentices themselves get (Ross, Gordon and Bagnell, AISTATS
2011: dataset aggregation), all kept and all answered by the teacher afresh. The normalisation of what is
seen is digital and is handed over with the copies as well as with the lessons.

No published figure: we know of no policy that was distilled into analog hardware.

Ours (seed 0, mean of 16; teacher, copies, apprentices): CartPole 500, 500, 499.9; MountainCarContinuous
95.3, 94.3, 95.6; Acrobot -87.8, -167.5, -87.6; Pendulum, with a hidden layer, -328, -1198, -340 (500
episodes each; with the usual 100 -333, -1183, -371: the teacher's score alone errs by some 25). CartPole
on hardware of severity 2 500, 290, 487. Linear policies of two actions survive copying at severity 1,
though copies then do what the teacher does in 60 to 75 % of states only, apprentices in 92 to 100 %.

Open questions: how few lessons suffice; whether the apprentices' own returns could finish what is left.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Mismatched
from analog import Port
from analog import stream
from analog import xray
from distill import Logits
from distill import SoftLabels
from distill import distillation_steps
from learners import Batch
from learners import adam
from learners import linear_decay
from learners.rl import ObservationNormalizer
from learners.rl import TanhSquashed
from learners.rl import rollout

from ..kit.recipes.standard import learned_feedback
from ..kit.recipes.standard import repeat_knobs
from ..kit.rl.classic_control import ClassicControl
from ..kit.rl.tasks import RL_TASKS
from ..kit.rl.tasks import RLTask
from ..kit.rl.tasks import by_episodes
from ..kit.rl.tasks import fresh_policies
from ..kit.rl.tasks import score
from ..kit.rl.tasks import train_on_task
from ..kit.run.arguments import AnyDevice
from ..kit.run.references import reference
from ..kit.run.study import Row

AGREE = 0.1  # share of the range of a force within which two forces are called the same


@dataclass(frozen=True)
class Args:
    tasks: tuple[str, ...] = tuple(RL_TASKS)  # of gymnasium
    device: AnyDevice = Mismatched()  # the hardware of teacher and apprentices
    apprentices: int = 16  # fresh chips to teach, and to copy to
    episodes: int = 100  # fresh ones, of each score
    steps: int | None = None  # environment steps of the teacher; by default as many as suits the task
    rounds: int = 5  # of lessons; in the first the teacher acts, then the apprentices do
    lessons: int = 400  # steps of learning in a round
    temperature: float = 1.0  # of the teacher's answers, where actions are named
    seed: int = 0  # of episodes, probes and the chips' noise


TOY = Args(tasks=("CartPole-v1", "Pendulum-v1"), apprentices=2, episodes=2, steps=300, rounds=2, lessons=5)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    task: str = "CartPole-v1"

    @property
    def name(self) -> str:
        return self.task

    @property
    def rl_task(self) -> RLTask:
        rl_task = RL_TASKS[self.task]
        return rl_task if self.args.steps is None else rl_task._replace(max_env_steps=self.args.steps)

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "apprentice", self.name, *path)


EXAMPLES = 64  # of a batch
EPISODES = 4  # that each apprentice plays in a round
RATE = 0.01  # of Adam in the first round, falling to zero over each


def plan(args: Args) -> list[Trial]:
    if any(t not in RL_TASKS for t in args.tasks):
        raise ValueError(f"apprentice: tasks are some of {', '.join(RL_TASKS)}; got {args.tasks}")
    return [Trial(args, t) for t in args.tasks]


def run(trial: Trial) -> Iterator[Row]:
    args, rl_task = trial.args, trial.rl_task
    teacher = fresh_policies(args.device, rl_task, TEACHER, args.seed)
    for state, _ in train_on_task(
        rl_task, by_episodes(rl_task), teacher, teacher.port(), trial.generator("teacher")
    ):
        share = int(state.progress.steps) / rl_task.max_env_steps
        yield {"what": "practice", "task": trial.task, "done": 0.3 * min(1.0, share)}
    normalizer: ObservationNormalizer = state.progress.normalizer
    ways = _states(teacher.port(), rl_task, normalizer, trial.generator("exam"))
    yield from _scored(trial, "teacher", teacher, teacher, normalizer, ways)
    fresh = range(TEACHER + 1, TEACHER + 1 + args.apprentices)
    everyone = ObservationNormalizer(*(s.expand(len(fresh), *s.shape) for s in normalizer))
    copies = Chip(args.device, rl_task.layers, fresh, noise_seed=args.seed + 1)
    copies.port().program(repeat_knobs(xray.knobs(teacher), len(fresh)))
    yield from _scored(trial, "copy", copies, teacher, everyone, ways)
    pupils = Chip(args.device, rl_task.layers, fresh, noise_seed=args.seed + 2)
    met = [ways.expand(len(fresh), *ways.shape)]
    for number in range(args.rounds):
        _lesson(trial, teacher.port(), pupils.port(), torch.cat(met, -2), number)
        met.append(_states(pupils.port(), rl_task, everyone, trial.generator("states", number)))
        done = {"done": 0.3 + 0.7 * (number + 1) / args.rounds}
        agreed = _agreement(pupils.port(), teacher.port(), rl_task, met[-1])
        yield {"what": "round", "task": trial.task, "round": number, "agreement": _mean(agreed), **done}
    yield from _scored(trial, "apprentice", pupils, teacher, everyone, ways)


TEACHER = 100  # identity of the teacher; its apprentices come after it


def _lesson(trial: Trial, teacher: Port, pupils: Port, met: Tensor, number: int) -> None:
    """Learn what the teacher answers in the states met so far."""
    args = trial.args
    named = trial.rl_task.task in NAMED
    learner = learned_feedback(4, linear_decay(adam(RATE), args.lessons))
    drawn, generator = trial.generator("lessons", number), trial.generator("probes", number)
    chosen = (torch.randint(met.shape[-2], (EXAMPLES,), generator=drawn) for _ in range(args.lessons))
    stimuli = (Batch(met[..., c, :]) for c in chosen)
    for _ in distillation_steps(
        teacher,
        pupils,
        learner,
        stimuli,
        answers=SoftLabels(args.temperature) if named else Logits(),
        generator=generator,
    ):
        pass


NAMED = ("CartPole-v1", "Acrobot-v1")  # tasks whose actions are named; in others they are forces


def _states(
    port: Port, rl_task: RLTask, normalizer: ObservationNormalizer, generator: Generator
) -> Tensor:  # (*fleet, states, features)
    """Normalised states that chips come through; those after an episode's end repeat earlier ones."""
    chips = port.spec.fleet[0] if port.spec.fleet else 1
    env = ClassicControl(rl_task.task, chips * EPISODES)
    seeds = torch.randint(2**31 - 1, (env.num_envs,), generator=generator).tolist()
    play = list(rollout(port, env, rl_task.actions, normalizer, generator, seeds=seeds))
    x, going = torch.stack([m.x for m in play], -2), torch.stack([m.going for m in play], -1)
    flat, kept = x.flatten(-3, -2), going.flatten(-2)  # (*fleet, states, features)
    rows = [
        one[mask][torch.randint(int(mask.sum()), (KEPT,), generator=generator)]
        for one, mask in zip(flat.reshape(chips, *flat.shape[-2:]), kept.reshape(chips, -1), strict=True)
    ]
    return torch.stack(rows).reshape(*port.spec.fleet, KEPT, -1)


KEPT = 1000  # states of a round that each apprentice keeps, drawn from those it came through


def _agreement(port: Port, teacher: Port, rl_task: RLTask, x: Tensor) -> Tensor:  # (*fleet,)
    """Share of states in which a chip does what the teacher does."""
    generator = stream(0)  # neither way of acting draws
    mine, wanted = (rl_task.actions.select(p.measure(x).out, generator) for p in (port, teacher))
    if rl_task.task in NAMED:
        return (mine == wanted).double().mean(-1)
    acts = rl_task.actions
    assert isinstance(acts, TanhSquashed)
    within = AGREE * (acts.high - acts.low)
    return ((mine - wanted).abs() <= within).all(-1).double().mean(-1)


def _scored(
    trial: Trial,
    what: str,
    chip: Chip[Any],
    teacher: Chip[Any],
    normalizer: ObservationNormalizer,
    ways: Tensor,
) -> Iterator[Row]:
    """Returns over fresh episodes, and agreement in the states that the teacher comes through."""
    port = chip.port()
    scores = score(
        port, trial.rl_task, normalizer, trial.args.episodes, trial.generator("score", what)
    ).reshape(-1)
    agreed = _agreement(port, teacher.port(), trial.rl_task, ways).reshape(-1)
    for who, value, same in zip(chip.identities, scores.tolist(), agreed.tolist(), strict=True):
        about = {"what": what, "task": trial.task, "device": reference(trial.args.device), "chip": who}
        yield {**about, "score": round(value, 3), "agreement": round(same, 4)}


def _mean(values: Tensor) -> float:
    return round(float(values.mean()), 4)


def table(rows: Sequence[Row]) -> list[Row]:
    made = []
    for task in dict.fromkeys(r["task"] for r in rows):
        line: Row = {"task": task}
        for what in ("teacher", "copy", "apprentice"):
            chosen = [r for r in rows if r["task"] == task and r["what"] == what]
            scores = [r["score"] for r in chosen]
            line[what] = f"{fmean(scores):.1f}"
            if what != "teacher":
                line[f"worst {what}"] = f"{min(scores):.1f}"
            line[f"{what} agrees %"] = f"{100 * fmean(r['agreement'] for r in chosen):.1f}"
        made.append(line)
    return made


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    figure = Figure(figsize=(3 * len(tasks), 3.4), layout="constrained")
    colours = {"teacher": "tab:blue", "copy": "tab:red", "apprentice": "tab:green"}
    for axis, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        for place, (what, colour) in enumerate(colours.items()):
            scores = [r["score"] for r in rows if r["task"] == task and r["what"] == what]
            spread = [place + 0.3 * (i / max(1, len(scores) - 1) - 0.5) for i in range(len(scores))]
            axis.plot(spread, scores, "o", alpha=0.6, color=colour)
        axis.set_xticks(range(len(colours)), ["teacher", "weight copies", "apprentices"])
        axis.set(title=task, ylabel="return of 100 fresh episodes")
    path = folder / "apprentice.png"
    figure.savefig(path, dpi=120)
    return [path]
