"""What can be done for a chip that forgets: rescale it, let it relearn, or let it teach an heir and die.

Global rescaling after Joshi et al., Nature Communications 11 (2020),
https://doi.org/10.1038/s41467-020-16108-9: one digital factor for each layer, from the outputs for a few
reference inputs. Where we differ and why: theirs compares summed currents, ours is the best in least squares,
so that reading noise does not bias it upwards.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from torch import Generator, Tensor

from analog import Chip, Port
from distill import distillation_steps
from learners import Batch, CrossEntropy, Learner, Loss, adam, fit, linear_decay
from learners.data import Dataset, batches
from learners.wiring import layer_by_layer

from ..metrics.accuracy import share_right
from .published_learner import accumulating_adam, learned_feedback
from .training_size import TrainingSize

Method = Literal["nothing", "rescaling", "relearning", "heir"]


class ChipInUse(NamedTuple):
    """The chip that is in use now, and how it is asked."""

    chip: Chip
    clock_at_start: float  # s, what its clock showed at time zero
    fresh_taps: tuple[Tensor, ...]  # every layer's for the examples, when this chip had just learnt
    factors: tuple[float, ...] | None = None  # one for each layer, applied digitally

    @property
    def now(self) -> float:
        """The time since time zero, s."""
        return self.chip.clock - self.clock_at_start

    @property
    def port(self) -> Port:
        """The wires through which it is asked, rescaled where it has factors."""
        port = self.chip.port()
        return port if self.factors is None else rescaled(port, self.factors)


class Context(NamedTuple):
    """The things that are the same at all moments of maintenance."""

    data: Dataset
    size: TrainingSize
    examples: Batch  # a few; only relearning needs their labels
    generator: Callable[..., Generator]  # by a path of words and numbers
    heirs: int = 1_000_000  # identity of the first heir
    noise_seed: int = 0  # of nature, for the heirs


def rescaled(port: Port, factors: Sequence[float]) -> Port:
    """The same wires, every layer's output multiplied by its factor before it goes on."""
    return layer_by_layer(port, after=lambda layer, out: factors[layer] * out)


def _do_nothing(context: Context, chip: ChipInUse, moment: int) -> ChipInUse:
    del context, moment  # nobody comes
    return chip


def _rescale(context: Context, chip: ChipInUse, moment: int) -> ChipInUse:
    """Choose one factor after another, each the best in least squares given those before it."""
    del moment
    x, port, factors = context.examples.x, chip.chip.port(), []
    for layer, fresh in enumerate(chip.fresh_taps):
        now = port.measure(x, first=layer, last=layer).out
        factors.append(float((now * fresh).sum() / now.square().sum().clamp(min=1e-30)))
        x = factors[-1] * now
    return chip._replace(factors=tuple(factors))


CHANGED = 0.03  # Guess: share of answers to the examples that may change before anything is done


def _still_answers(context: Context, chip: ChipInUse) -> bool:
    """Whether it answers nearly all of the examples as it did; labels are not needed to see it."""
    answers = chip.chip.port().measure(context.examples.x).out.argmax(-1)
    return float(share_right(answers, chip.fresh_taps[-1].argmax(-1))) >= 1 - CHANGED


STEPS = 50  # of a round of relearning
LEARNING_RATE = 1e-3  # of the first round; both chosen on held-out training data, after a year
ROUNDS = 5  # at most, each at twice the rate of the one before


def _relearn(context: Context, chip: ChipInUse, moment: int) -> ChipInUse:
    """Learn in place from the labeled examples, gently first, until the answers are as when it was fresh."""
    if _still_answers(context, chip):
        return chip
    port, labels = chip.chip.port(), context.examples.target
    when_fresh = share_right(chip.fresh_taps[-1].argmax(-1), labels)
    for number in range(ROUNDS):
        if number and share_right(port.measure(context.examples.x).out.argmax(-1), labels) >= when_fresh:
            break
        update = linear_decay(adam(LEARNING_RATE * 2**number), STEPS)
        learner = learned_feedback(context.size.probes, update)(CrossEntropy())
        generator = context.generator("relearning", moment, number)
        for _ in fit(learner, port, [context.examples] * STEPS, generator):
            pass
    return chip


def _hand_over(context: Context, chip: ChipInUse, moment: int) -> ChipInUse:
    """Let a fresh chip learn what this one answers, at the size it once answered; then this one dies.

    Without rescaling, every generation of drifted teachers answers more faintly, and heirs sink in the noise.
    """
    if _still_answers(context, chip):
        return chip
    size, teacher = context.size, _rescale(context, chip, moment).port
    heir = Chip(
        chip.chip.device, chip.chip.spec.layers, context.heirs + moment, noise_seed=context.noise_seed
    )

    def learner(loss: Loss) -> Learner:
        return learned_feedback(size.probes, accumulating_adam(context.data, size))(loss)

    order = context.generator("stimuli", moment)
    stimuli = (Batch(b.x) for b in batches(context.data.train, size.batch, size.epochs, order))
    generator, clock_at_start = context.generator("heir", moment), -chip.now
    for _ in distillation_steps(teacher, heir.port(), learner, stimuli, temperature=4.0, generator=generator):
        pass
    chip.chip.die()
    return ChipInUse(heir, clock_at_start, heir.port().measure(context.examples.x).taps)


METHODS: Final[dict[Method, Callable[[Context, ChipInUse, int], ChipInUse]]] = {
    "nothing": _do_nothing,
    "rescaling": _rescale,
    "relearning": _relearn,
    "heir": _hand_over,
}
