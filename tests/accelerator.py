"""A pretended accelerator: tensors that say they live elsewhere, with their numbers on the CPU.

What is to run on a GPU is run here without one: where tensors of both places meet, it fails as it would
there; each time that somebody looks at a number, that is counted, since there it would be a wait; and the
numbers are those of the CPU. Its place is called "meta", which torch knows without a GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from analog.verdicts import settle

PLACE = "meta"
_WAITS = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "unique")


class _Placed(Tensor):
    """A tensor that says it lives elsewhere."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "_Placed":
        made: _Placed = Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(PLACE),
        )
        made.here = here
        return made

    def __init__(self, here: Tensor) -> None:
        pass

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        raise AssertionError(f"{func} outside the pretended accelerator")


class _PlacedGenerator(Generator):
    """A generator that says where it lives, and draws the same numbers at every place of one seed."""

    place: torch.device
    elsewhere: ClassVar[set[int]] = set()  # seeds of those that live there; a mode is not shown their class

    def __new__(cls, device: str | torch.device = "cpu") -> "_PlacedGenerator":
        made: _PlacedGenerator = Generator.__new__(cls)
        made.place = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.place

    def manual_seed(self, seed: int) -> "_PlacedGenerator":
        if self.place.type == PLACE:
            self.elsewhere.add(seed)
        super().manual_seed(seed)
        return self

    def set_state(self, state: Tensor) -> "_PlacedGenerator":
        """Keep to the seed where a stream fills the rest of a CPU generator's state."""
        if int(state.view(torch.int64)[0]) != self.initial_seed():
            super().set_state(state)
        return self


class Accelerator(TorchDispatchMode):
    """A place that is not the CPU; `waits` counts how often somebody looked at a number of it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        placed = [t for t in tensors if isinstance(t, _Placed)]
        asked = kwargs.get("device")
        name = func._schema.name.removeprefix("aten::")
        if placed and name not in ("_to_copy", "copy_"):
            strangers = [t for t in tensors if t.ndim and not isinstance(t, _Placed)]
            if strangers:
                raise RuntimeError(
                    f"{name}: a tensor {tuple(strangers[0].shape)} on the CPU meets one elsewhere"
                )
        to_cpu = asked is not None and torch.device(asked).type == "cpu"
        self.waits += bool(placed) and (name in _WAITS or (name == "_to_copy" and to_cpu))
        elsewhere = bool(placed) if asked is None else torch.device(asked).type == PLACE
        if generator := kwargs.get("generator"):
            lives = generator.initial_seed() in _PlacedGenerator.elsewhere
            if lives != elsewhere:
                raise RuntimeError(f"{name}: a generator and the numbers that it draws live apart")
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        known = {id(t.here): t for t in placed}
        out = func(*tree_map(_numbers, args), **tree_map(_numbers, kwargs))

        def place(found: Any) -> Any:
            return known.get(id(found), _Placed(found)) if isinstance(found, Tensor) else found

        return tree_map(place, out) if elsewhere else out


def _numbers(leaf: Any) -> Any:
    return leaf.here if isinstance(leaf, _Placed) else leaf


def numbers(tree: Any) -> Any:
    """The same tree with every tensor on the CPU."""
    return tree_map(_numbers, tree)


def _sent(make: Any) -> Any:
    """A way to make tensors of Python numbers, which torch does not show to a mode: here, and then sent."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        found: Tensor = make(*args, **kwargs)
        return found if device is None else found.to(device)

    return made


def _new_tensor(like: Tensor, data: Any, dtype: torch.dtype | None = None) -> Tensor:
    return torch.tensor(data, dtype=dtype or like.dtype, device=like.device)


@contextmanager
def same_streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streams that give the same numbers wherever they live."""
    with monkeypatch.context() as patch:
        patch.setattr(torch, "Generator", _PlacedGenerator)
        for module in ("randomness", "course", "checkpoints"):
            patch.setattr(f"learners.{module}.Generator", _PlacedGenerator)
        yield


@contextmanager
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Accelerator]:
    """An accelerator that chips, learners and generators can live on, with the same streams."""
    _PlacedGenerator.elsewhere.clear()
    with same_streams(monkeypatch), monkeypatch.context() as patch, Accelerator() as mode:
        patch.setattr(torch, "tensor", _sent(torch.tensor))
        patch.setattr(torch, "as_tensor", _sent(torch.as_tensor))
        patch.setattr(Tensor, "new_tensor", _new_tensor)
        patch.setattr("analog.inputs._tensor", lambda spec, name, value: value)
        yield mode
        settle()
