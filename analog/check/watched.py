"""A device that is watched: what goes wrong in one of its functions is said of that function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..contract import ContractError
from ..device import Device, stated_weights
from ..effects import StatelessEffect
from ..randomness import Fabrication, Noise
from ..tree import tree_leaves
from .assertions import require


@dataclass(frozen=True)
class Watched(StatelessEffect[Any]):
    """Any device; a function of it that raises, or gives no tensor of the wanted shape, is named."""

    device: Device

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Any:
        return _call("fabricate", self.device.fabricate, rows, cols, birth)

    def pulse(self, cells: Any, drive: Tensor, noise: Noise) -> Any:
        return _cells("pulse", _call("pulse", self.device.pulse, cells, drive, noise))

    def perturb(self, cells: Any, offset: Tensor) -> Any:
        return _cells("perturb", _call("perturb", self.device.perturb, cells, offset))

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        wanted = (*x.shape[:-1], cells.knobs.shape[-2])
        return _form("collect", _call("collect", self.device.collect, cells, x, noise), wanted, x, noise)

    def weights(self, cells: Any) -> Tensor | None:
        weights = _call("weights", stated_weights, self.device, cells)
        return None if weights is None else _form("weights", weights, tuple(cells.knobs.shape), cells.knobs)

    def reflect(self, cells: Any, y: Tensor, noise: Noise) -> Tensor | None:
        back = _call("reflect", self.device.reflect, cells, y, noise)
        wanted = (*y.shape[:-1], cells.knobs.shape[-1])
        return None if back is None else _form("reflect", back, wanted, y, noise)

    def shunt(self, cells: Any) -> tuple[Tensor, Tensor] | None:
        loads: tuple[Tensor, Tensor] | None = _call("shunt", self.device.shunt, cells)
        return loads

    def chord_above(self, cells: Any, y: Tensor) -> Tensor | None:
        load = _call("chord_above", self.device.chord_above, cells, y)
        return None if load is None else _form("chord_above", load, tuple(y.shape), y)

    def chord_below(self, cells: Any, x: Tensor) -> Tensor | None:
        load = _call("chord_below", self.device.chord_below, cells, x)
        return None if load is None else _form("chord_below", load, tuple(x.shape), x)

    def sense(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        return _form("sense", _call("sense", self.device.sense, cells, u, noise), tuple(u.shape), u, noise)

    def fire(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        return _form("fire", _call("fire", self.device.fire, cells, u, noise), tuple(u.shape), u, noise)

    def age(self, cells: Any, seconds: float, noise: Noise) -> Any:
        return _cells("age", _call("age", self.device.age, cells, seconds, noise))

    def worn_out(self, cells: Any) -> Tensor | None:
        """Say which chips have come to their end, (*fleet,), as the device does.

        Raises:
            ContractError: its answer has not one entry for each chip.
        """
        end: Tensor | None = _call("worn_out", self.device.worn_out, cells)
        fleet = tuple(cells.knobs.shape[:-3])
        if end is not None and (not isinstance(end, Tensor) or tuple(end.shape) != fleet):
            found = tuple(end.shape) if isinstance(end, Tensor) else type(end).__name__
            raise ContractError(f"worn_out gave {found}, wanted {fleet}, one entry for each chip")
        if end is not None:
            require(end.dtype == torch.bool, f"worn_out gave {end.dtype}, wanted a dtype of torch.bool")
        return end

    def bounds(self, cells: Any) -> tuple[Tensor, Tensor] | None:
        bounds: tuple[Tensor, Tensor] | None = _call("bounds", self.device.bounds, cells)
        if bounds is None:
            return None
        for bound in bounds:
            _form("bounds", bound, tuple(cells.knobs.shape), cells.knobs)
        return bounds


def _call(name: str, function: Callable[..., Any], *given: Any) -> Any:
    tensors = _tensors(given)
    before = [tensor._version for tensor in tensors.values()]  # torch counts writes
    try:
        out = function(*given)
    except ContractError:
        raise
    except Exception as error:
        raise ContractError(f"{name} raised {type(error).__name__}: {error}{_hint(error, given)}") from error
    for (field, tensor), version in zip(tensors.items(), before, strict=True):
        if tensor._version != version:
            raise ContractError(f"{name} altered {field}; device functions are pure")
    return out


def _tensors(given: tuple[Any, ...]) -> dict[str, Tensor]:
    """The tensors among the arguments, of any shapes, by what they are called."""
    cells = tree_leaves(given[0]) if hasattr(given[0], "_replace") else {}
    sent = dict.fromkeys(("what was sent",), next((t for t in given[1:] if isinstance(t, Tensor)), None))
    leaves = {**cells, **sent}
    return {k: t for k, t in leaves.items() if isinstance(t, Tensor) and not t.is_inference()}


def _hint(error: Exception, given: tuple[Any, ...]) -> str:
    told = str(error)
    if "dtype" in told or "scalar type" in told:
        return "; a field of another dtype, or state that is kept outside the cells?"
    if any(isinstance(each, Noise) and each._generator is None for each in given):
        return "; without noise a draw is a scalar: write noise.normal(u), never index it"
    return ""


def _form(
    name: str, out: object, wanted: tuple[int, ...], like: Tensor, noise: Noise | None = None
) -> Tensor:
    """Pass on a tensor of the wanted shape; noise may bring the probe axes that it lacks."""
    if not isinstance(out, Tensor):
        raise ContractError(f"{name} gave {type(out).__name__}, wanted a tensor")
    shape = tuple(out.shape)
    if noise is not None and shape != wanted and len(wanted) < noise._rank:
        shape = shape if shape[: len(noise._lead)] != noise._lead else shape[len(noise._lead) :]
    require(shape == wanted, f"{name} gave {shape}, wanted {wanted}")
    require(out.dtype == like.dtype, f"{name} gave {out.dtype}, wanted {like.dtype}")
    return out


def _cells(name: str, cells: Any) -> Any:
    if not hasattr(cells, "_replace") or not isinstance(getattr(cells, "knobs", None), Tensor):
        raise ContractError(f"{name} gave {type(cells).__name__}, wanted cells: a NamedTuple with `knobs`")
    return cells
