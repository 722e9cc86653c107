"""A chip that has learnt to act teaches fresh chips to act so; blind copies of its weights do less well.

The teacher learns from returns (as in `control`). Its true knobs are copied into 16 fresh chips by x-ray,
blindly: nobody reads those again (what better copies are worth is the study `copies`). As many other fresh
chips learn its answers by distillation, softened at a temperature where actions are named and as they are
where they are forces: first in the states that the teacher comes through, then, round after round, in the
states into which the apprentices themselves get (Ross, Gordon and Bagnell 2011,
https://arxiv.org/abs/1011.0686: dataset aggregation), all kept and all answered by the teacher afresh. The
normalization of observations is digital and is handed over with the copies as well as with the lessons.

No published figure: we know of no policy that was distilled into analog hardware.

Chips of one teacher are alike in what it knows, so that the interval is that of the mean over teachers, each
with the mean of its apprentices; and what both lose is paired by teacher. The score of a lone chip errs by
its episodes too: on Pendulum by some 25 where it plays 100, so that more `--episodes` tell more. Linear
policies of two actions survive copying, though copies then often do something else than their teacher.

Open questions: how few lessons suffice; whether the apprentices' own returns could finish what is left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Mismatched, Port, stream, xray
from distill import Logits, SoftLabels, distillation_steps
from learners import Batch, adam, linear_decay
from learners.rl import ObservationNormalizer, TanhSquashed, rollout

from ..kit.recipes.published_learner import learned_feedback
from ..kit.recipes.weight_copies import repeat_knobs
from ..kit.report.figures import INTERVAL, chip_dots, looks, note, panels
from ..kit.report.tables import fixed, mean_with_interval, percent_with_interval
from ..kit.rl.classic_control import ClassicControl
from ..kit.rl.tasks import (
    RL_TASKS,
    RLTask,
    fresh_policies,
    mean_returns,
    train_on_task,
)
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

DISCRETE = ("CartPole-v1", "Acrobot-v1")  # tasks whose actions are named; in others they are forces
TOLERANCE = 0.1  # share of the range of a force within which two forces are called the same
TEACHER = 100  # place of the teacher among the chips; its apprentices come after it
EXAMPLES = 64  # of a batch
EPISODES = 4  # that each apprentice plays in a round
KEPT = 1000  # states of a round that each apprentice keeps, drawn from those it came through
LEARNING_RATE = 0.01  # of Adam at the beginning of each round, falling to zero over it


@dataclass(frozen=True)
class Args(SeededChips):
    tasks: tuple[str, ...] = tuple(RL_TASKS)  # of gymnasium
    device: AnyDevice = Mismatched()  # the hardware of teacher and apprentices
    teachers: Count = 5  # each a trial
    apprentices: Count = 16  # fresh chips to teach, and to copy to
    episodes: Count = 100  # fresh ones, of each score
    steps: Count | None = None  # environment steps of the teacher; by default as many as suits the task
    rounds: Count = 5  # of lessons; in the first the teacher acts, then the apprentices do
    lessons: Count = 400  # steps of learning in a round
    temperature: Positive = 1.0  # of the teacher's answers, where actions are named


TOY = Args(
    tasks=("CartPole-v1", "Pendulum-v1"),
    teachers=1,
    apprentices=2,
    episodes=2,
    steps=300,
    rounds=2,
    lessons=5,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    task: str = "CartPole-v1"
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"{self.task}, teacher {self.teacher}" if self.teacher else self.task

    @property
    def rl_task(self) -> RLTask:
        rl_task = RL_TASKS[self.task]
        return rl_task if self.args.steps is None else rl_task._replace(max_env_steps=self.args.steps)

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "apprentice", self.name, *path)


def plan(args: Args) -> list[Trial]:
    if any(t not in RL_TASKS for t in args.tasks):
        raise ValueError(f"apprentice: tasks are some of {', '.join(RL_TASKS)}; got {args.tasks}")
    return [Trial(args, task, number) for task in args.tasks for number in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, rl_task = trial.args, trial.rl_task
    first = args.first_identity(args.teachers) + 1_000_000 * trial.teacher + TEACHER
    teacher = fresh_policies(args.device, rl_task, first, args.seed)
    training = train_on_task(rl_task, "episodes", teacher, teacher.port(), trial.generator("teacher"))
    for state, _ in training:
        share = int(state.progress.steps) / rl_task.max_env_steps
        yield {"what": "practice", "task": trial.task, "done": 0.3 * min(1.0, share)}
    normalizer: ObservationNormalizer = state.progress.normalizer
    states = _states(teacher.port(), rl_task, normalizer, trial.generator("exam"))
    yield from _scores(trial, "teacher", teacher, teacher, normalizer, states)
    who = range(first + 1, first + 1 + args.apprentices)
    of_fleet = ObservationNormalizer(*(s.expand(len(who), *s.shape) for s in normalizer))
    copies = Chip(args.device, rl_task.layers, who, noise_seed=args.seed + 1)
    copies.port().program(repeat_knobs(xray.knobs(teacher), len(who)))
    yield from _scores(trial, "copy", copies, teacher, of_fleet, states)
    apprentices = Chip(args.device, rl_task.layers, who, noise_seed=args.seed + 2)
    yield from _aggregate(trial, teacher.port(), apprentices.port(), of_fleet, states)
    yield from _scores(trial, "apprentice", apprentices, teacher, of_fleet, states)


def _aggregate(
    trial: Trial, teacher: Port, apprentices: Port, normalizer: ObservationNormalizer, states: Tensor
) -> Iterator[Row]:
    """Teach round after round, in all states that the teacher and then the apprentices came through."""
    chips, rounds = trial.args.apprentices, trial.args.rounds
    kept = [states.expand(chips, *states.shape)]
    for number in range(rounds):
        _teach(trial, teacher, apprentices, torch.cat(kept, -2), number)
        kept.append(_states(apprentices, trial.rl_task, normalizer, trial.generator("states", number)))
        agreement = _agreement(apprentices, teacher, trial.rl_task, kept[-1])
        yield {
            "what": "round",
            "task": trial.task,
            "round": number,
            "agreement": round(float(agreement.mean()), 4),
            "done": 0.3 + 0.7 * (number + 1) / rounds,
        }


def _teach(trial: Trial, teacher: Port, apprentices: Port, states: Tensor, number: int) -> None:
    """Teach what the teacher answers in states (chips, states, features) kept so far."""
    args, order = trial.args, trial.generator("lessons", number)
    indices = (torch.randint(states.shape[-2], (EXAMPLES,), generator=order) for _ in range(args.lessons))
    for _ in distillation_steps(
        teacher,
        apprentices,
        learned_feedback(4, linear_decay(adam(LEARNING_RATE), args.lessons)),
        (Batch(states[..., i, :]) for i in indices),
        answers=SoftLabels(args.temperature) if trial.task in DISCRETE else Logits(),
        generator=trial.generator("probes", number),
    ):
        pass


def _states(
    port: Port, rl_task: RLTask, normalizer: ObservationNormalizer, generator: Generator
) -> Tensor:  # (*fleet, states, features)
    """Normalized states that chips come through; those after an episode's end repeat earlier ones."""
    chips = port.spec.fleet[0] if port.spec.fleet else 1
    env = ClassicControl(rl_task.task, chips * EPISODES)
    seeds = torch.randint(2**31 - 1, (env.num_envs,), generator=generator).tolist()
    transitions = list(rollout(port, env, rl_task.actions, normalizer, generator, seeds=seeds))
    x = torch.stack([t.x for t in transitions], -2).flatten(-3, -2)  # (*fleet, states, features)
    going = torch.stack([t.going for t in transitions], -1).flatten(-2)  # (*fleet, states)
    rows = [
        states[alive][torch.randint(int(alive.sum()), (KEPT,), generator=generator)]
        for states, alive in zip(x.reshape(chips, *x.shape[-2:]), going.reshape(chips, -1), strict=True)
    ]
    return torch.stack(rows).reshape(*port.spec.fleet, KEPT, -1)


def _agreement(port: Port, teacher: Port, rl_task: RLTask, x: Tensor) -> Tensor:  # (*fleet,)
    """Share of states in which a chip does what the teacher does."""
    generator = stream(0)  # neither way of acting draws
    actions, targets = (rl_task.actions.select(p.measure(x).out, generator) for p in (port, teacher))
    if rl_task.task in DISCRETE:
        return (actions == targets).double().mean(-1)
    forces = rl_task.actions
    assert isinstance(forces, TanhSquashed)
    tolerance = TOLERANCE * (forces.high - forces.low)
    return ((actions - targets).abs() <= tolerance).all(-1).double().mean(-1)


def _scores(
    trial: Trial,
    what: str,
    chip: Chip,
    teacher: Chip,
    normalizer: ObservationNormalizer,
    states: Tensor,
) -> Iterator[Row]:
    """Returns over fresh episodes, and agreement in the states that the teacher comes through."""
    port = chip.port()
    scores = mean_returns(
        port, trial.rl_task, normalizer, trial.args.episodes, trial.generator("score", what)
    ).reshape(-1)
    agreement = _agreement(port, teacher.port(), trial.rl_task, states).reshape(-1)
    for who, value, agrees in zip(chip.identities, scores.tolist(), agreement.tolist(), strict=True):
        about = {"what": what, "task": trial.task, "device": reference(trial.args.device), "chip": who}
        yield {**about, "score": round(value, 3), "agreement": round(agrees, 4)}


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for task in dict.fromkeys(r["task"] for r in rows):
        of_task = [r for r in rows if r["task"] == task and r["what"] in ("teacher", "copy", "apprentice")]
        trials = list(dict.fromkeys(r["trial"] for r in of_task))
        line: Row = {"task": task, "teachers": len(trials)}
        scores: dict[str, list[float]] = {}
        for what in ("teacher", "copy", "apprentice"):
            of_kind = [r for r in of_task if r["what"] == what]
            scores[what] = [fmean(r["score"] for r in of_kind if r["trial"] == trial) for trial in trials]
            line[_NAMES[what]] = mean_with_interval(scores[what], 1)
            if what != "teacher":
                behind = [a - b for a, b in zip(scores[what], scores["teacher"], strict=True)]
                line[f"{_NAMES[what]} less teacher"] = mean_with_interval(behind, 1)
                line[f"worst of {_NAMES[what]}"] = fixed(min(r["score"] for r in of_kind), 1)
            agreements = [fmean(r["agreement"] for r in of_kind if r["trial"] == t) for t in trials]
            line[f"{_NAMES[what]} agree %"] = percent_with_interval(agreements, 1)
        lines.append(line)
    return lines


_NAMES = {"teacher": "teacher", "copy": "blind copies", "apprentice": "apprentices"}


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    figure, axes = panels(len(tasks), width=2.8)
    kinds = {"teacher": "teachers", "copy": "blind\ncopies", "apprentice": "appren-\ntices"}
    for axis, task in zip(axes, tasks, strict=False):
        for place, (what, look) in enumerate(looks(kinds).items()):
            scores = [r["score"] for r in rows if r["task"] == task and r["what"] == what]
            chip_dots(axis, place, scores, **look)
        axis.set_xticks(range(len(kinds)), [*kinds.values()])
        axis.set(title=task)
    for axis in axes:
        axis.set(ylabel="mean return of fresh episodes")
    note(figure, f"each chip a dot; bars: {INTERVAL} over chips")
    return {"apprentice": figure}
