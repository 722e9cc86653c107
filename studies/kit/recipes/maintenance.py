"""What can be done for a chip that forgets: rescale it, let it relearn, or let it teach an heir and die.

Global rescaling after Joshi et al., Nature Communications 11 (2020): one digital factor for each layer, from
the outputs for a few reference inputs. Where we differ and why: theirs compares summed currents, ours is the
best in least squares, so that reading noise does not bias it upwards.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Final
from typing import Literal
from typing import NamedTuple

from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Port
from distill import distill
from learners import Batch
from learners import CrossEntropy
from learners import Learner
from learners import Loss
from learners import adam
from learners import fit
from learners import linear_decay
from learners.data import Dataset
from learners.data import batches
from learners.wiring import layer_by_layer

from .standard import Scale
from .standard import by_nodes
from .standard import right
from .standard import sparing

Remedy = Literal["nothing", "rescaling", "relearning", "heir"]


class Life(NamedTuple):
    """Who is in use now, and how it is asked."""

    chip: Chip[Any]
    began: float  # s, what its clock showed at time zero
    fresh: tuple[Tensor, ...]  # what every layer said to the few when this chip had just learnt
    factors: tuple[float, ...] | None = None  # one for each layer, applied digitally

    @property
    def now(self) -> float:
        return self.chip.clock - self.began

    @property
    def port(self) -> Port:
        port = self.chip.port()
        return port if self.factors is None else rescaled(port, self.factors)


class Scene(NamedTuple):
    """What all moments share."""

    data: Dataset
    size: Scale
    few: Batch  # examples; only relearning needs their labels
    generator: Callable[..., Generator]  # by a path of words and numbers
    heirs: int = 1_000_000  # identity of the first heir
    noise_seed: int = 0  # of nature, for the heirs


def rescaled(port: Port, factors: Sequence[float]) -> Port:
    """The same wires, every layer's output multiplied by its factor before it goes on."""
    return layer_by_layer(port, after=lambda layer, out: factors[layer] * out)


def _left(scene: Scene, life: Life, k: int) -> Life:
    del scene, k  # nobody comes
    return life


def _rescale(scene: Scene, life: Life, k: int) -> Life:
    """One factor after another, each the best in least squares given those before it."""
    del k
    x, port, factors = scene.few.x, life.chip.port(), []
    for i, fresh in enumerate(life.fresh):
        now = port.measure(x, first=i, last=i).out
        factors.append(float((now * fresh).sum() / now.square().sum().clamp(min=1e-30)))
        x = factors[-1] * now
    return life._replace(factors=tuple(factors))


CHANGED = 0.03  # Guess: share of answers to the few that may have changed before anything is done about it


def _well(scene: Scene, life: Life) -> bool:
    """Whether it still answers nearly all of the few as it did; labels are not needed to see it."""
    said = life.chip.port().measure(scene.few.x).out.argmax(-1)
    return float(right(said, life.fresh[-1].argmax(-1))) >= 1 - CHANGED


STEPS = 50  # of a round of relearning
RATE = 1e-3  # of the first round; both chosen on held-out training data, after a year
ROUNDS = 5  # at most, each at twice the rate of the one before


def _relearn(scene: Scene, life: Life, k: int) -> Life:
    """In place, from a few labelled examples, gently first, until they are answered as when it was fresh."""
    if _well(scene, life):
        return life
    port, wanted = life.chip.port(), scene.few.target
    known = right(life.fresh[-1].argmax(-1), wanted)
    for r in range(ROUNDS):
        if r and right(port.measure(scene.few.x).out.argmax(-1), wanted) >= known:
            break
        update = linear_decay(adam(RATE * 2**r), STEPS)
        learner = by_nodes(scene.size.probes, update)(CrossEntropy())
        for _ in fit(learner, port, [scene.few] * STEPS, scene.generator("relearning", k, r)):
            pass
    return life


def _hand_over(scene: Scene, life: Life, k: int) -> Life:
    """A fresh chip learns what this one answers, at the size it once answered; then this one dies.

    Without rescaling, every generation of drifted teachers answers more faintly, and heirs sink in the noise.
    """
    if _well(scene, life):
        return life
    size, teacher = scene.size, _rescale(scene, life, k).port
    heir = Chip(life.chip.device, life.chip.spec.layers, scene.heirs + k, noise_seed=scene.noise_seed)

    def learner(loss: Loss) -> Learner[Any]:
        return by_nodes(size.probes, sparing(scene.data, size))(loss)

    stimuli = (
        Batch(b.x) for b in batches(scene.data.train, size.batch, size.epochs, scene.generator("stimuli", k))
    )
    generator, began = scene.generator("heir", k), -life.now
    for _ in distill(teacher, heir.port(), learner, stimuli, temperature=4.0, generator=generator):
        pass
    life.chip.die()
    return Life(heir, began, heir.port().measure(scene.few.x).taps)


CARE: Final[dict[Remedy, Callable[[Scene, Life, int], Life]]] = {
    "nothing": _left,
    "rescaling": _rescale,
    "relearning": _relearn,
    "heir": _hand_over,
}
