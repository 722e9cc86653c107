"""Matrix products whose factors are rounded to a lower precision, for which processors have units.

Sums are kept in single precision and, as torch gives them on a CPU, rounded once more at the end. A product
of many terms is then off by .2 to .4 % of its size in bfloat16, far below the noise of any reading. That is a
property of the simulation and not of the chip: what `analog.xray` says of a chip stays exact.
"""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .tree import tree_map

_UNITS: Final = ("avx512_bf16", "amx_bf16", "amx_tile", "bf16", "sve_bf16")  # as torch calls them


def matmul(a: Tensor, b: Tensor, precision: torch.dtype | None = None) -> Tensor:
    """The matrix product of two tensors whose numbers are rounded to a lower precision first.

    Args:
        a: (..., n, k).
        b: (..., k, m).
        precision: of the factors; None: that which they have.

    Returns:
        (..., n, m), of the dtype of `a`.
    """
    return a @ b if precision is None else _multiply(a.to(precision), b.to(precision)).to(a.dtype)


def rough_matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of which three digits are enough, such as the variance of a noise.

    Single precision gives way to bfloat16 on a machine whose processor has units for it.

    Args:
        a: (..., n, k).
        b: (..., k, m).

    Returns:
        (..., n, m), of the dtype of `a`.
    """
    rough = a.dtype == torch.float32 and has_units()  # whatever the place: numbers are the same at each
    return matmul(a, b, torch.bfloat16 if rough else None)


def has_units() -> bool:
    """Whether the processor has units that multiply bfloat16; it is believed to where torch cannot tell."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # torch 2.13; earlier ones do not say
    return capabilities is None or any(capabilities().get(unit) for unit in _UNITS)


def require_precision(precision: object, dtype: torch.dtype, on: str) -> None:
    """Pass on a precision that a chip's products can have; warn where the processor has no units for it.

    Args:
        precision: torch.bfloat16, or None.
        dtype: of the chip.
        on: where the chip lives.

    Raises:
        ValueError: it is something else, or the chip's numbers are not of single precision.
    """
    if precision is None:
        return
    if precision is not torch.bfloat16 or dtype is not torch.float32:
        raise ValueError(
            f"chip: precision is {precision!r} with dtype {dtype}; it is torch.bfloat16 with torch.float32, "
            "or None"
        )
    if torch.device(on).type == "cpu" and not has_units():
        warnings.warn(
            "chip: this processor has no units for bfloat16; products are slower so than in float32",
            stacklevel=3,
        )


class Products:
    """How a chip's synapses multiply: as they are told, or with factors that are rounded.

    Of each product of a layer the second factor, by custom the cells' weights, is kept as it was rounded: as
    long as the cells do not change, it is the same one again.
    """

    def __init__(self, precision: torch.dtype | None = None) -> None:
        self._precision = precision
        self._kept: dict[tuple[int, int], tuple[Tensor, int, Tensor]] = {}

    def at(self, layer: int, *, keep: bool = True) -> AbstractContextManager[Any]:
        """The context manager that rounds the factors of products within its block.

        Args:
            layer: its number on the chip.
            keep: whether its cells will be seen again.
        """
        if self._precision is None:
            return nullcontext()
        return _Rounding(self._precision, self._kept if keep else {}, layer)

    def forget(self) -> None:
        """Give back the memory; the cells have changed."""
        self._kept = {}


EXACT: Final = Products()  # of factors as they are


class _Rounding(TorchFunctionMode):
    """Rounds the factors of the products that a layer's device makes, however it writes them."""

    def __init__(
        self, precision: torch.dtype, kept: dict[tuple[int, int], tuple[Tensor, int, Tensor]], layer: int
    ) -> None:
        super().__init__()
        self._precision, self._kept, self._layer, self._number = precision, kept, layer, 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        multiply = _PRODUCTS.get(func)
        if multiply is None or len(args) < 2 or not all(map(_is_single, args[:2])):
            return func(*args, **(kwargs or {}))
        a, b = (args[1], args[0]) if func is Tensor.__rmatmul__ else args[:2]
        others = (part.to(self._precision) if _is_single(part) else part for part in args[2:])
        found = multiply(a.to(self._precision), self._rounded(b), *others, **(kwargs or {}))
        return tree_map(lambda part: part.to(a.dtype), found)

    def _rounded(self, factor: Tensor) -> Tensor:
        """The second factor of a product, rounded, or as it was rounded when it was the same tensor."""
        place = (self._layer, self._number)
        self._number += 1
        if factor.requires_grad or factor.is_inference():
            return factor.to(self._precision)
        if place in self._kept:
            before, version, rounded = self._kept[place]
            if _is_same(before, factor) and version == factor._version:
                return rounded
        rounded = factor.to(self._precision)
        self._kept[place] = (factor, factor._version, rounded)
        return rounded


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product, as one of two matrices where b is one: a product of batches is slower."""
    if b.ndim <= 2 or b.ndim > a.ndim or b.shape[:-2].numel() > 1:
        return a @ b
    flat = a.reshape(-1, a.shape[-1]) @ b.reshape(b.shape[-2:])
    return flat.view(*a.shape[:-1], b.shape[-1])


_PRODUCTS: Final[dict[Any, Callable[..., Any]]] = {
    **dict.fromkeys(
        (torch.matmul, Tensor.matmul, Tensor.__matmul__, Tensor.__rmatmul__, torch.mm, Tensor.mm),
        _multiply,
    ),
    **dict.fromkeys((torch.bmm, Tensor.bmm), torch.bmm),
    **dict.fromkeys((torch.mv, Tensor.mv), torch.mv),
    **{convolution: convolution for convolution in (torch.conv2d, torch.ops.aten.convolution_backward)},
}


def _is_single(part: Any) -> bool:
    return isinstance(part, Tensor) and part.dtype == torch.float32


def _is_same(before: Tensor, now: Tensor) -> bool:
    """Whether two tensors are the same numbers in memory; who keeps one keeps its memory in use."""
    return (
        before.data_ptr() == now.data_ptr()
        and before.shape == now.shape
        and before.stride() == now.stride()
        and before.device == now.device
    )
