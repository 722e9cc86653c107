"""What an agent may do with chips and what it is told: the rules of `MortalChip-v0`, for many chips at once.

A step pulses the knobs, then reads a fixed set of stimuli (in the "probe" act twice at once: quietly, and
with a probe added to the knobs). Everything comes through the wires; identity, cells and generators do not.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import fields
from typing import Any
from typing import Final
from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from torch import Tensor

from ..port import Probe
from ..spec import BadInput
from ..spec import Budget
from ..spec import Knobs
from ..spec import Spec
from ..streams import stream
from .course import Course
from .course import xor
from .rack import Rack

_BUDGETS: Final = tuple(field.name for field in fields(Budget))


class Told(NamedTuple):
    """What came of a step, for each chip."""

    observation: dict[str, Any]  # float32 arrays (chips, ...)
    reward: Any  # (chips,) float64
    terminated: Any  # (chips,) bool
    truncated: Any  # (chips,) bool
    spent: dict[str, Any]  # of each of _BUDGETS, (chips,)


class Episodes:
    """As many chips as there are places, each in an episode of its own.

    Pulse trains of all chips take the same time slot, that of the longest train an action may ask for, so
    that the clock of a chip does not depend on who stands beside it.
    """

    def __init__(self, course: Course, places: int) -> None:
        self.course, self.places = course, places
        task = course.task or xor()
        self._x, self._target = task.x.to(course.on), task.target
        if isinstance(self._target, Tensor):
            self._target = self._target.to(course.on)
        self._task_loss = task.loss
        self._rack: Rack[Any] = Rack(course.device, task.layers, places, on=course.on)
        spec = self._rack.spec
        self._sizes = [math.prod(s[1:]) for s in spec.shapes]
        self.knobs = sum(self._sizes)
        self._asks = self.knobs * (2 if course.act == "probe" else 1)  # numbers in an action
        self._read, self._slot = _prices(spec, len(task.x), course)
        self._seconds = float(self._slot[-1])
        self._limits = _row(tuple(asdict(course.budget).values()))
        self._limits[self._limits.isnan()] = math.inf
        least = 2 * self._read + self._slot
        if bool((least > self._limits).any()):
            raise ValueError(
                f"MortalChip: a first reading and one step cost {least.tolist()}, the budgets are "
                f"{self._limits.tolist()} ({', '.join(_BUDGETS)}); allow more"
            )
        self._spent = torch.zeros(places, len(_BUDGETS), dtype=torch.float64)
        self._shown = {
            name: np.zeros((places, *(space.shape or ())), np.float32)
            for name, space in self.seen.spaces.items()
            if name != "left"
        }
        self._loss = torch.zeros(places, dtype=torch.float64)
        self._begun = False

    @property
    def actions(self) -> spaces.Box:
        """A drive for every knob of every layer, flat; in the act "probe" a probe for every knob after it."""
        return spaces.Box(-1.0, 1.0, (self._asks,), np.float32)

    @property
    def seen(self) -> spaces.Dict:
        """taps: outputs of all layers for all stimuli, V; loss: their mean; left: share of the scarcest
        budget that is left; probed: the loss under the probe.
        """
        span, width = self.course.span, sum(layer.features for layer in self._rack.spec.layers)
        held: dict[str, spaces.Space[Any]] = {
            "taps": spaces.Box(-span, span, (len(self._x) * width,), np.float32),
            "loss": spaces.Box(-span, span, (1,), np.float32),
            "left": spaces.Box(0.0, 1.0, (1,), np.float32),
        }
        if self.course.act == "probe":
            held["probed"] = spaces.Box(-span, span, (1,), np.float32)
        return spaces.Dict(held)

    def begin(self, places: Sequence[int], keys: Sequence[int], identities: Sequence[int | None]) -> None:
        """Fresh chips at these places; a key stands for the whole chance of an episode.

        Args:
            identities: who each chip is; None: somebody nobody has met, by the key.
        """
        who = [_number(k, "identity") if i is None else i for k, i in zip(keys, identities, strict=True)]
        self._rack.insert(places, who, [_number(k, "dice") for k in keys])
        self._spent[list(places)] = self._read
        still = tuple(z[: len(places)] for z in self._rack.spec.zeros())
        self._look(still, places, torch.ones(len(places), dtype=torch.bool))
        self._begun = True

    def step(self, actions: Any) -> Told:
        """One action for each chip. An action that would go over a budget is not carried out."""
        if not self._begun:
            raise ResetNeeded("MortalChip: there is no chip yet; call reset() first")
        drive, probe = self._asked(actions)
        priced = self._slot + self._pulsing(drive)
        refused = self._over(priced)
        self._rack.pulse(tuple(d * ~refused.to(d.device)[:, None, None, None] for d in drive), self._seconds)
        dead, before = self._rack.dead.cpu(), self._loss.clone()
        self._spent += (priced + self._read * ~dead[:, None]) * ~refused[:, None]
        self._look(probe, None, ~dead & ~refused)
        truncated = refused | self._over(self._slot)
        reward = before - self._loss
        return Told(
            self.observation(),
            reward.numpy(),
            dead.numpy().copy(),
            truncated.numpy(),
            self.spent(),
        )

    def observation(self) -> dict[str, Any]:
        """What was shown last, as arrays of the caller's own."""
        left = (1 - self._spent / self._limits).min(-1, keepdim=True).values.clamp(0, 1)
        return {**{name: shown.copy() for name, shown in self._shown.items()}, "left": left.float().numpy()}

    def spent(self) -> dict[str, Any]:
        """What each chip was put through in its episode, as arrays of the caller's own."""
        told = {word: self._spent[:, number].numpy().copy() for number, word in enumerate(_BUDGETS)}
        return {**told, "reads": told["reads"].astype(np.int64)}

    def _over(self, priced: Tensor) -> Tensor:  # (places,) bool
        """Whether pulses of that price and a look would go over a budget."""
        return (self._spent + priced + self._read > self._limits * (1 + 1e-9)).any(-1)

    def _asked(self, actions: Any) -> tuple[Knobs, Knobs]:
        given = np.asarray(actions, np.float32)
        wanted = (self.places, self._asks)
        if given.shape != wanted or not np.isfinite(given).all():
            raise BadInput(
                f"MortalChip: action is {given.shape} or not finite, wanted {wanted} finite numbers"
            )
        flat = torch.from_numpy(given.clip(-1, 1)).to(self.course.on)
        parts = flat.split(self.knobs, -1)
        drive, probe = parts if len(parts) == 2 else (flat, torch.zeros_like(flat))
        return self._knobs(drive * self.course.reach), self._knobs(probe * self.course.tremor)

    def _knobs(self, flat: Tensor) -> Knobs:  # (chips, knobs) -> one (chips, tiles, rows, cols) per layer
        parts = zip(flat.split(self._sizes, -1), self._rack.spec.shapes, strict=True)
        return tuple(part.reshape(-1, *shape[1:]) for part, shape in parts)

    def _pulsing(self, drive: Knobs) -> Tensor:  # (places, budgets)
        costs = self._rack.spec.costs
        sent = torch.stack([costs.pulses(d).double().sum((-3, -2, -1)).cpu() for d in drive]).sum(0)
        nothing = torch.zeros_like(sent)
        return torch.stack([nothing, sent / self.knobs, sent * costs.pulse_joules, nothing], -1)

    def _look(self, probe: Knobs, places: Sequence[int] | None, heard: Tensor) -> None:
        """Read the chips at these places, or at all; what is heard is shown, the rest as it was before."""
        sent = Probe()
        if self.course.act == "probe":
            sent = Probe(knobs=tuple(torch.stack([torch.zeros_like(p), p]) for p in probe))
        reading = self._rack.measure(self._x, sent, float(self._read[-1]), places)
        each = self._task_loss(reading.out, self._target)
        if each.shape != reading.out.shape[:-1]:
            raise ValueError(
                f"MortalChip: the loss gave {tuple(each.shape)} for outputs {tuple(reading.out.shape)}; "
                "wanted one number per stimulus, not averaged"
            )
        losses = each.mean(-1).double().cpu()
        taps = torch.cat([t.flatten(-2) for t in reading.taps], -1).cpu()
        shown = {}
        if self.course.act == "probe":
            (losses, shown["probed"]), taps = losses, taps[0]
        at = torch.arange(self.places)[heard] if places is None else torch.tensor(places)[heard]
        self._loss[at] = losses[heard]
        for name, value in (shown | {"loss": losses, "taps": taps}).items():
            clipped = value[heard].clamp(-self.course.span, self.course.span).float()
            board = self._shown[name]
            board[at.numpy()] = clipped.reshape(len(at), *board.shape[1:]).numpy()


def _prices(spec: Spec, stimuli: int, course: Course) -> tuple[Tensor, Tensor]:  # (budgets,) each
    """What one look costs, waiting for it included, and what the time slot of one pulse does."""
    costs, vectors = spec.costs, stimuli * (2 if course.act == "probe" else 1)
    driven = sum(la.features * la.cols for la in spec.layers)  # cells that one vector drives
    joules = vectors * driven * costs.read_joules
    seconds = course.wait + vectors * len(spec.layers) * costs.read_seconds
    trains = 1.0 if costs.step is None else max(1.0, course.reach / costs.step)
    return _row((vectors, 0.0, joules, seconds)), _row((0.0, 0.0, 0.0, costs.pulse_seconds * trains))


def _row(values: Sequence[float | None]) -> Tensor:
    return torch.tensor([math.nan if v is None else v for v in values], dtype=torch.float64)


def _number(key: int, what: str) -> int:
    """A whole number of 63 bits that a key stands for."""
    return int(torch.randint(2**63 - 1, (), generator=stream(key, "episode", what), dtype=torch.int64))
