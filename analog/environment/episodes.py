"""What an agent may do with chips and what it is shown: the rules of `MortalChip-v0`, for many chips at once.

A step pulses the knobs, then reads a fixed set of stimuli (in the "probe" act twice at once: the baseline,
and with a probe added to the knobs). Everything comes through the wires; identity, cells and generators do
not.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from torch import Tensor

from ..chip import Chip
from ..port import Probe
from ..spec import BadInput, Budget, Knobs, Spec
from ..streams import stream
from .pictures import View
from .settings import EnvSettings, xor

_COUNTED: Final = tuple(field.name for field in fields(Budget))


class StepResult(NamedTuple):
    """The result of one environment step, for each chip."""

    observation: dict[str, Any]  # float32 arrays (chips, ...)
    reward: Any  # (chips,) float64
    terminated: Any  # (chips,) bool
    truncated: Any  # (chips,) bool
    usage: dict[str, Any]  # of each limit of a Budget, (chips,)


class Episodes:
    """As many chips as there are places, each in an episode of its own.

    The chips are a fleet that live apart. Pulse trains of all chips take the same time slot, that of the
    longest train an action may ask for, so that the clock of a chip does not depend on who stands beside it.

    Raises:
        ValueError: the budget does not allow a single step.
    """

    def __init__(self, settings: EnvSettings, places: int) -> None:
        self.settings, self.places = settings, places
        task = settings.task or xor()
        self._x, self._target = task.x.to(settings.on), task.target
        if isinstance(self._target, Tensor):
            self._target = self._target.to(settings.on)
        self._task_loss = task.loss
        self._chip: Chip | None = None
        self._spec = spec = Spec(tuple(task.layers), settings.device.costs, (places,), on=settings.on)
        self._sizes = [math.prod(s[1:]) for s in spec.shapes]
        self.knobs = sum(self._sizes)
        self._action_size = self.knobs * (2 if settings.act == "probe" else 1)
        self._read_price, self._slot_price = _prices(spec, len(task.x), settings)
        self._limits = _row(tuple(asdict(settings.budget).values()))
        self._limits[self._limits.isnan()] = math.inf
        least = 2 * self._read_price + self._slot_price
        if bool((least > self._limits).any()):
            raise ValueError(
                f"MortalChip: a first reading and one step cost {least.tolist()}, the budgets are "
                f"{self._limits.tolist()} ({', '.join(_COUNTED)}); allow more"
            )
        self._used = torch.zeros(places, len(_COUNTED), dtype=torch.float64)
        self._shown = {
            name: np.zeros((places, *(space.shape or ())), np.float32)
            for name, space in self.observation_space.spaces.items()
            if name != "left"
        }
        self._loss = torch.zeros(places, dtype=torch.float64)
        self._sent = torch.zeros(places, self.knobs, device=settings.on)  # the sum of all drives

    @property
    def action_space(self) -> spaces.Box:
        """A drive for every knob of every layer, flat; in the act "probe" a probe for every knob after it."""
        return spaces.Box(-1.0, 1.0, (self._action_size,), np.float32)

    @property
    def observation_space(self) -> spaces.Dict:
        """What an agent is shown.

        taps: outputs of all layers for all stimuli, V; loss: their mean; left: share of the scarcest budget
        that is left; probed: the loss under the probe.
        """
        most, width = self.settings.observation_range, sum(layer.features for layer in self._spec.layers)
        parts: dict[str, spaces.Space[Any]] = {
            "taps": spaces.Box(-most, most, (len(self._x) * width,), np.float32),
            "loss": spaces.Box(-most, most, (1,), np.float32),
            "left": spaces.Box(0.0, 1.0, (1,), np.float32),
        }
        if self.settings.act == "probe":
            parts["probed"] = spaces.Box(-most, most, (1,), np.float32)
        return spaces.Dict(parts)

    def begin(self, places: Sequence[int], keys: Sequence[int], identities: Sequence[int | None]) -> None:
        """Put fresh chips into these places; a key stands for the whole chance of an episode.

        Args:
            identities: who each chip is; None: somebody nobody has met, by the key.

        Raises:
            ValueError: the first chips of all do not fill all places.
        """
        who = [_number(k, "identity") if i is None else i for k, i in zip(keys, identities, strict=True)]
        seeds = [_number(k, "dice") for k in keys]
        if self._chip is None and list(places) != list(range(self.places)):
            raise ValueError(f"MortalChip: got chips for places {list(places)}; first fill all {self.places}")
        chips = Chip(self.settings.device, self._spec.layers, who, noise_seed=seeds, on=self.settings.on)
        self._used[list(places)], self._sent[list(places)] = self._read_price, 0.0
        self._show(chips, chips.spec.zeros(), places, torch.ones(len(places), dtype=torch.bool))
        if self._chip is None:
            self._chip = chips
        else:
            self._chip.replace_rows(places, chips)

    def step(self, actions: Any) -> StepResult:
        """Carry out one action for each chip, unless it would go over a budget.

        Args:
            actions: (places, knobs), or (places, 2 * knobs) in the act "probe".

        Raises:
            ResetNeeded: there are no chips yet.
            BadInput: the actions have another shape, or are not finite.
        """
        if self._chip is None:
            raise ResetNeeded("MortalChip: there is no chip yet; call reset() first")
        drive, probe = self._parsed(actions)
        price = self._slot_price + self._pulse_price(drive)
        refused = self._over(price)
        if self._chip.alive:
            allowed = tuple(d * ~refused.to(d.device)[:, None, None, None] for d in drive)
            self._chip.pulse_within(allowed, float(self._slot_price[-1]))
            self._sent += torch.cat([d.flatten(1) for d in allowed], -1)
        dead, before = self._chip.dead.cpu(), self._loss.clone()
        self._used += (price + self._read_price * ~dead[:, None]) * ~refused[:, None]
        if self._chip.alive:
            self._show(self._chip, probe, range(self.places), ~dead & ~refused)
        truncated = refused | self._over(self._slot_price)
        reward = before - self._loss
        return StepResult(
            self.observation(), reward.numpy(), dead.numpy().copy(), truncated.numpy(), self.usage()
        )

    def observation(self) -> dict[str, Any]:
        """The latest observation, as arrays of the caller's own."""
        left = (1 - self._used / self._limits).min(-1, keepdim=True).values.clamp(0, 1)
        return {**{name: shown.copy() for name, shown in self._shown.items()}, "left": left.float().numpy()}

    def usage(self) -> dict[str, Any]:
        """The reads, pulses and seconds of each chip in its episode, as arrays of the caller's own."""
        used = {name: self._used[:, column].numpy().copy() for column, name in enumerate(_COUNTED)}
        return {**used, "reads": used["reads"].astype(np.int64)}

    @property
    def losses(self) -> list[float]:
        """The latest loss in each place, as the agent is shown it."""
        return [float(loss) for loss in self._shown["loss"][:, 0]]

    def view(self, place: int, losses: Sequence[float]) -> View:
        """The wires of the chip in one place.

        Args:
            place: where the chip is.
            losses: of each reading of its episode.

        Raises:
            ResetNeeded: there are no chips yet.
        """
        if self._chip is None:
            raise ResetNeeded("MortalChip: there is no chip yet; call reset() first")
        layers, stimuli = self._spec.layers, len(self._x)
        sent = [k[0].flatten(0, 1).cpu().numpy() for k in self._knobs(self._sent[place, None])]
        ends = np.cumsum([stimuli * layer.features for layer in layers])[:-1]
        taps = [t.reshape(stimuli, -1) for t in np.split(self._shown["taps"][place], ends)]
        left = float((1 - self._used[place] / self._limits).min().clamp(0, 1))
        reads, alive = int(self._used[place, 0]), not bool(self._chip.dead[place])
        return View(sent, taps, tuple(losses), reads, left, alive)

    def _over(self, price: Tensor) -> Tensor:  # (places,) bool
        """Whether pulses of that price and a reading would go over a budget."""
        return (self._used + price + self._read_price > self._limits * (1 + 1e-9)).any(-1)

    def _parsed(self, actions: Any) -> tuple[Knobs, Knobs]:
        """The drive and the probe that actions ask for."""
        array = np.asarray(actions, np.float32)
        wanted = (self.places, self._action_size)
        if array.shape != wanted or not np.isfinite(array).all():
            raise BadInput(
                f"MortalChip: action is {array.shape} or not finite, wanted {wanted} finite numbers"
            )
        flat = torch.from_numpy(array.clip(-1, 1)).to(self.settings.on)
        parts = flat.split(self.knobs, -1)
        drive, probe = parts if len(parts) == 2 else (flat, torch.zeros_like(flat))
        return self._knobs(drive * self.settings.pulse_scale), self._knobs(probe * self.settings.probe_scale)

    def _knobs(self, flat: Tensor) -> Knobs:  # (chips, knobs) -> one (chips, tiles, rows, cols) per layer
        parts = zip(flat.split(self._sizes, -1), self._spec.shapes, strict=True)
        return tuple(part.reshape(-1, *shape[1:]) for part, shape in parts)

    def _pulse_price(self, drive: Knobs) -> Tensor:  # (places, budgets)
        costs = self._spec.costs
        sent = torch.stack([costs.pulses(d).double().sum((-3, -2, -1)).cpu() for d in drive]).sum(0)
        nothing = torch.zeros_like(sent)
        return torch.stack([nothing, sent / self.knobs, sent * costs.pulse_joules, nothing], -1)

    def _show(self, chips: Chip, probe: Knobs, places: Sequence[int], shown: Tensor) -> None:
        """Read the chips of these places; what is `shown` (chips,) replaces what was shown before."""
        sent = Probe()
        if self.settings.act == "probe":
            sent = Probe(knobs=tuple(torch.stack([torch.zeros_like(p), p]) for p in probe))
        reading = chips.port().measure(self._x, sent)
        if self.settings.wait:
            chips.wait(self.settings.wait)
        each = self._task_loss(reading.out, self._target)
        if each.shape != reading.out.shape[:-1]:
            raise ValueError(
                f"MortalChip: the loss gave {tuple(each.shape)} for outputs {tuple(reading.out.shape)}; "
                "wanted one number per stimulus, not averaged"
            )
        losses = each.mean(-1).double().cpu()
        taps = torch.cat([t.flatten(-2) for t in reading.taps], -1).cpu()
        values = {}
        if self.settings.act == "probe":
            (losses, values["probed"]), taps = losses, taps[0]
        at, most = torch.tensor(places)[shown], self.settings.observation_range
        self._loss[at] = losses[shown]
        for name, value in (values | {"loss": losses, "taps": taps}).items():
            board = self._shown[name]
            board[at.numpy()] = (
                value[shown].clamp(-most, most).float().reshape(len(at), *board.shape[1:]).numpy()
            )


def _prices(spec: Spec, stimuli: int, settings: EnvSettings) -> tuple[Tensor, Tensor]:  # (budgets,) each
    """What one reading costs, waiting for it included, and what the time slot of one pulse does."""
    costs, vectors = spec.costs, stimuli * (2 if settings.act == "probe" else 1)
    joules = vectors * costs.read_joules(spec.layers)
    seconds = settings.wait + costs.reading_seconds(vectors, spec.passes)
    slot = costs.longest_seconds(spec.layers, settings.pulse_scale)
    return _row((vectors, 0.0, joules, seconds)), _row((0.0, 0.0, 0.0, slot))


def _row(values: Sequence[float | None]) -> Tensor:
    return torch.tensor([math.nan if v is None else v for v in values], dtype=torch.float64)


def _number(key: int, what: str) -> int:
    """A whole number of 63 bits that a key stands for."""
    return int(torch.randint(2**63 - 1, (), generator=stream(key, "episode", what), dtype=torch.int64))
