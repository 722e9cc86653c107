"""A teacher's softened answers tell twos that look like threes from twos that look like sevens.

Hinton's example of what a label does not say: a network that names a two rightly still gives other classes
shares that differ by orders of magnitude from one two to the next, and in them lies how it generalizes
(https://arxiv.org/abs/1503.02531). Here chips that learned from labels in place, on which nobody ever named a
two a three, are read on test images of one class that they name rightly, and softened.

The control: shares could be noise of the chip. So two chips that never met, with other cells, are asked about
the same images, and `runner-ups agree` says for how many of them both put the same class second; `by chance`
is what it would be if each drew its runner-up from its own shares of runner-ups, whatever the image. What is
above chance is about the image. `log shares agree` is the correlation between the two chips, over images, of
the logarithm of a wrong class's share with its mean over images taken out, averaged over the nine classes.

Published beside ours: none; the talk and the paper show such answers without a number.

Open questions: how much of the agreement is that of any two networks on these data, digital ones too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from matplotlib.figure import Figure
from torch import Tensor

from analog import Mismatched, stream
from learners.data import load_data
from learners.evaluation import predict

from ..kit.recipes.training_size import training_size
from ..kit.report.figures import PALETTE, legend, note, panels
from ..kit.report.tables import percent_with_interval
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive, Range
from ..kit.run.study import Row
from .teacher import train_teacher


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    label: Annotated[int, Range(0, 9)] = 2  # whose images are looked at
    pairs: Count = 5  # of chips, each pair a trial
    shown: Count = 3  # images for each of the two commonest runner-ups, in the picture
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # by default 45, or 15 on large data
    temperature: Positive = 4.0  # V, of the answers


TOY = Args(pairs=1, epochs=1.0, hidden=12, shown=1)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    pair: int = 0

    @property
    def name(self) -> str:
        return f"pair {self.pair}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, pair) for pair in range(args.pairs)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, epochs=args.epochs)
    of_label = data.test.target == args.label
    if not bool(of_label.any()):
        raise ValueError(f"soft_answers: no test image of {data.name} has the label {args.label}")
    first, answers = args.first_identity(2 * args.pairs) + 2 * trial.pair, []
    for number in range(2):
        order, probes = (
            stream(args.seed, "soft answers", trial.pair, number, what) for what in ("data", "probes")
        )
        chip = train_teacher(
            args.device, data, size, first + number, noise_seed=args.seed, order=order, probes=probes
        ).chip
        answers.append(predict(chip.port(), data.test.x[of_label]).div(args.temperature).softmax(-1))
        if number == 0:
            yield {"what": "taught", "pair": trial.pair, "chip": first, "done": 0.5}
    one, other = answers
    right = (one.argmax(-1) == args.label) & (other.argmax(-1) == args.label)
    yield {
        "what": "end",
        "pair": trial.pair,
        "label": args.label,
        "temperature": args.temperature,
        "named rightly by both": int(right.sum()),
        "of": len(right),
        **agreement(one[right], other[right], args.label),
        "examples": _examples(data.test.x[of_label][right], one[right], other[right], args)
        if trial.pair == 0
        else [],
        "done": 1.0,
    }


def agreement(one: Tensor, other: Tensor, label: int) -> Row:
    """How far two chips say the same of the same images besides the label.

    Args:
        one, other: answers (images, classes).
        label: of all these images.

    Returns:
        The mean shares of the first, and agreements, 0 where there are too few images to tell.
    """
    if len(one) < 3:
        return {"shares": [0.0] * one.shape[-1], "agree": 0.0, "by chance": 0.0, "correlation": 0.0}
    seconds = [runner_ups(answers, label) for answers in (one, other)]
    marginals = [torch.bincount(s, minlength=one.shape[-1]).double() / len(s) for s in seconds]
    wrong = [k for k in range(one.shape[-1]) if k != label]
    logs = [a[:, wrong].double().clamp(min=1e-12).log() for a in (one, other)]
    centered = [log - log.mean(0) for log in logs]
    correlation = torch.cosine_similarity(centered[0], centered[1], dim=0).mean()
    return {
        "shares": [round(share, 6) for share in one.mean(0).tolist()],
        "agree": round(float((seconds[0] == seconds[1]).double().mean()), 6),
        "by chance": round(float((marginals[0] * marginals[1]).sum()), 6),
        "correlation": round(float(correlation), 6),
    }


def runner_ups(answers: Tensor, label: int) -> Tensor:
    """The class, besides the label, with the greatest share for each image (images, classes)."""
    others = answers.clone()
    others[:, label] = -1.0
    return others.argmax(-1)


def _examples(x: Tensor, one: Tensor, other: Tensor, args: Args) -> list[Row]:
    """Images whose answer gives most to each of the two commonest runner-ups."""
    if len(one) == 0:
        return []
    counts = torch.bincount(runner_ups(one, args.label), minlength=one.shape[-1])
    found = []
    for neighbor in counts.argsort(descending=True, stable=True)[:2].tolist():
        for k in one[:, neighbor].argsort(descending=True, stable=True)[: args.shown].tolist():
            pixels = (255 * x[k].clamp(0, 1)).round().int().tolist()
            answers = {"one": one[k], "other": other[k]}
            shares = {name: [round(s, 6) for s in share.tolist()] for name, share in answers.items()}
            found.append({"neighbor": neighbor, "pixels": pixels, **shares})
    return found


def table(rows: Sequence[Row]) -> list[Row]:
    ends = [r for r in rows if r["what"] == "end"]
    if not ends:
        return []
    label, count = ends[0]["label"], len(ends)
    mean = [sum(r["shares"][k] for r in ends) / count for k in range(len(ends[0]["shares"]))]
    likest = sorted((k for k in range(len(mean)) if k != label), key=lambda k: -mean[k])[:3]
    return [
        {
            "label": label,
            "pairs of chips": count,
            "temperature": ends[0]["temperature"],
            "likest, mean share %": ", ".join(f"{k}: {100 * mean[k]:.2f}" for k in likest),
            "runner-ups agree %": percent_with_interval([r["agree"] for r in ends]),
            "by chance %": percent_with_interval([r["by chance"] for r in ends]),
            "log shares agree, correlation": f"{sum(r['correlation'] for r in ends) / count:.2f}",
        }
    ]


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """The images, and below each what two chips that never met say of it."""
    ends = [r for r in rows if r["what"] == "end" and r["examples"]]
    examples = ends[0]["examples"] if ends else []
    figure, axes = panels(max(1, len(examples)), 2, width=1.5, height=1.6)
    above, below = axes[: len(axes) // 2], axes[len(axes) // 2 :]
    for image, bars, example in zip(above, below, examples, strict=False):
        side = round(len(example["pixels"]) ** 0.5)
        image.imshow(torch.tensor(example["pixels"]).view(side, -1).numpy(), cmap="gray_r")
        image.set(title=f"like {example['neighbor']}")
        classes = range(len(example["one"]))
        for shift, name, color in ((-0.2, "one", PALETTE[0]), (0.2, "other", PALETTE[1])):
            shares = [100 * share for share in example[name]]
            bars.bar([k + shift for k in classes], shares, 0.4, color=color, label=f"{name} chip")
        bars.set(yscale="log", xticks=[*classes])
    for axis in above:
        axis.set_axis_off()
    for axis in below:
        axis.set(xlabel="class", ylabel="share, %")
    legend(figure)
    label = ends[0]["label"] if ends else "no"
    note(figure, f"test images of label {label} that both chips name rightly; softened answers")
    return {"soft_answers": figure}
