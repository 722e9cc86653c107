"""Chips that predict text: what the studies of this theme have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import Annotated, Any, NamedTuple

import torch
from torch import Generator

from analog import Chip, Layer, Ledger, Mismatched, Port, Spec, dense, mlp
from analog.access import Access
from analog.layers import LastStep, OneHot, channel_mixing, prepared, recurrent
from learners import Batch, CrossEntropy, Loss, adam, linear_decay
from learners.access import needed_access, stated_access
from learners.data import Dataset, Text, draw_batches, load_text
from learners.evaluation import mean_loss
from learners.learner import Learner, Step
from learners.local import Block, Greedy

from ..kit.recipes.methods import Setup, make_learner
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive, Range, Share
from ..kit.run.study import Row
from .writing import Choose, write

NO_SYMBOL = -1.0  # lights no line behind a decoder
CURVE = 10_000  # test examples of a point on a curve, evenly spaced; at the end all are judged


@dataclass(frozen=True, kw_only=True)
class TextChips(SeededChips):
    """The text, the network and its training, of every study of language."""

    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    vocabulary: Annotated[int, Range(2)] | None = None  # symbols, byte pairs; by default the characters
    context: Count = 12  # symbols that the next one is predicted from
    embedding: Count | None = None  # outputs of a tile that all places of the context share; by default none
    hidden: tuple[Count, ...] = (512,)  # hidden neurons, layer by layer
    recurrent: bool = False  # the first hidden layer has a state, into which a context comes symbol by symbol
    steps: Count = 5000  # of every training
    batch: Count = 512  # examples of a step
    greedy: bool = False  # every layer but the last two learns by a read-out of its own, in digital memory
    dropout: Share = 0.0  # of the symbols of each context, hidden by lot from who learns by a text
    learning_rate: Positive = 4e-3  # of Adam at the beginning; it falls linearly to zero
    probes: Count = 4  # of a step, for learners that send probes
    held_out: bool = False  # judge by the tenth of the text before the last, and learn from what is before it

    def load_data(self, where: str) -> Dataset:
        """The contexts of a text, as `learners.data.load_text` finds it, and the symbols that follow."""
        return text_task(where, self).data


@dataclass(frozen=True)
class SymbolDropout:
    """A learner from whom a share of each context's symbols is hidden, by lot; its targets are of all.

    What is hidden lights no line, in all readings of a step alike.
    """

    learner: Learner
    share: float

    def needs(self, spec: Spec) -> Access:
        return needed_access(self.learner, spec)

    def init(self, spec: Spec) -> Any:
        return self.learner.init(spec)

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        lots = torch.rand(batch.x.shape, generator=generator, device=generator.device).to(batch.x)
        seen = batch._replace(x=torch.where(lots < self.share, NO_SYMBOL, batch.x))
        return self.learner.step(port, seen, state, generator)


class TextTask(NamedTuple):
    """A text as a task of chips: its examples, and the layers of the network that predicts it."""

    args: TextChips
    text: Text
    data: Dataset
    layers: tuple[Layer, ...]

    @property
    def symbols(self) -> int:
        """How many there are."""
        return len(self.text.vocabulary)

    def learner(self, method: Any, chip: Chip, answers: Loss | None = None) -> Learner:
        """A learner, by its name or its reference, for a training of all steps.

        Args:
            method: the name, or the reference.
            chip: which learns.
            answers: the loss of who is taught by answers, which do not fit one text so closely that symbols
                of the contexts had to be hidden; without it, of who learns by a text.
        """
        learner = self._made(method, chip, answers or CrossEntropy())
        hides = self.args.dropout and answers is None
        return SymbolDropout(learner, self.args.dropout) if hides else learner

    def access(self, method: Any, chip: Chip) -> str:
        """What such a learner says it needs to see of a chip."""
        if method == "exact gradient":
            return "x-ray"
        return stated_access(self._made(method, chip, CrossEntropy()), chip.spec)

    def _made(self, method: Any, chip: Chip, loss: Loss) -> Learner:
        update = linear_decay(adam(self.args.learning_rate), self.args.steps)
        setup = Setup(chip, update, self.args.probes, loss=loss, steps=self.args.steps)
        learner = make_learner(method, setup)
        if not self.args.greedy:
            return learner
        if method == "exact gradient":
            raise ValueError(
                "language: --greedy has layers learn by themselves, and the exact gradient is of all"
            )
        heads = (dense(layer.features, self.symbols, linear=True) for layer in self.layers[:-2])
        return Greedy((*(Block(1, learner, head) for head in heads), Block(2, learner)))

    def batches(self, order: Generator, examples: Batch | None = None) -> Iterator[Batch]:
        """The batches of a training, of all examples to learn from or of others."""
        pool = self.data.train if examples is None else examples
        return draw_batches(pool, min(self.args.batch, len(pool.x)), self.args.steps, order)

    def judge(self, port: Port, *, roughly: bool = False) -> list[float]:
        """The mean loss of each chip on the test examples, nats a character.

        Args:
            port: one chip, or a fleet.
            roughly: by some of the examples, evenly spaced, as on the way.
        """
        every = -(-len(self.data.test.x) // CURVE) if roughly else 1
        examples = Batch(self.data.test.x[::every], self.data.test.target[::every])
        nats = mean_loss(port, examples, CrossEntropy()) / self.characters_each
        return [round(loss, 6) for loss in nats.reshape(-1).tolist()]

    def sample(self, port: Port, choose: Choose, length: int) -> list[str]:
        """What each chip writes behind the first test context, one text of each."""
        written = write(port, self.data.test.x[:1], length, choose)
        return [self.text.vocabulary.decode(numbers) for numbers in written.reshape(-1, length)]

    @property
    def characters_each(self) -> float:
        """The characters of a test symbol, in the mean."""
        return self.text.characters_each(self.args.context)


def text_task(data: str, args: TextChips) -> TextTask:
    """The task that the arguments of a study set.

    Args:
        data: the text, as `learners.data.load_text` takes it.
        args: of the study.
    """
    text = load_text(data, vocabulary=args.vocabulary, held_out=args.held_out)
    return TextTask(args, text, text.contexts(args.context), _layers(args, len(text.vocabulary)))


def _layers(args: TextChips, symbols: int) -> tuple[Layer, ...]:
    """The layers of a network that predicts one of so many symbols."""
    shared: list[Layer] = []
    if args.embedding is not None:
        shared.append(channel_mixing(args.context, symbols, args.embedding))
    each = symbols if args.embedding is None else args.embedding  # inputs for a symbol
    _, *rest = mlp(1, *args.hidden, symbols)
    hidden: tuple[Layer, ...] = (dense(args.context * each, args.hidden[0]), *rest)
    if args.recurrent:
        state = recurrent(each, args.hidden[0], args.context)
        hidden = (state, prepared(rest[0], LastStep(args.context)), *rest[1:])
    first, *others = (*shared, *hidden)
    return prepared(first, OneHot(symbols)), *others


def in_a_line(text: str) -> str:
    """The beginning of a text, for a cell of a table."""
    return " / ".join(text[:120].split("\n"))


def bits_a_character(nats: float) -> float:
    """Nats in bits."""
    return nats / log(2)


def costs(ledger: Ledger) -> Row:
    """What each chip of a fleet was put through, in the mean."""
    return {
        "reads": max(ledger.reads),
        "pulses_per_cell": float(ledger.pulses_per_cell.mean()),
        "joules": float(ledger.joules.mean()),
        "seconds": ledger.seconds,
    }
