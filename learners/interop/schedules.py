"""What a torch scheduler sets at every step, as a function of the number of steps."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer


class Schedule:
    """The settings of a parameter group by step, which a scheduler changes; remembered once found.

    A scheduler is stateful, and some go by what they set last. So it is stepped on an optimizer of its own,
    as far as anybody asks, and what it set is kept: a function of the step, as a pure update needs.

    Args:
        name: of the update, for messages.
        make: makes the optimizer for parameters.
        scheduler: makes the scheduler for an optimizer; None: nothing changes.

    Raises:
        TypeError: the scheduler cannot be made and stepped so.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., Optimizer],
        scheduler: Callable[[Optimizer], Any] | None,
    ) -> None:
        self._found: list[Mapping[str, Any]] = []
        if scheduler is None:
            return
        try:
            self._optimizer = make([Parameter(torch.zeros(1, 1, 1))])
            self._plain = dict(self._optimizer.param_groups[0])
            self._scheduler = scheduler(self._optimizer)
            self._found.append(self._settings())
            self.settings_at(2)
        except Exception as error:
            words = " ".join(str(error).split())
            raise TypeError(
                f"{name}: scheduler cannot be made and stepped: {type(error).__name__}: {words}; wanted a "
                "function of an optimizer, such as partial(CosineAnnealingLR, T_max=500)"
            ) from error

    def settings_at(self, step: int) -> Mapping[str, Any]:
        """The settings that differ from the optimizer's own when so many steps have been made."""
        if not self._found:
            return {}
        while len(self._found) <= step:
            self._optimizer.step()  # of no gradient: moves nothing, and the scheduler wants it first
            self._scheduler.step()
            self._found.append(self._settings())
        return self._found[step]

    def _settings(self) -> dict[str, Any]:
        now = self._optimizer.param_groups[0]
        return {
            k: v for k, v in now.items() if k != "params" and (k not in self._plain or v != self._plain[k])
        }
