"""Probe distributions: how directions are drawn. Mean 0, E v v' = I over all coordinates of a step together.

A distribution says by its properties what it can be combined with, and by its closed forms what the estimate
(1/K) sum_k (g.v_k) v_k of a loss's gradient g varies by. The closed forms were derived for this project and
are tested by enumeration; a distribution that has none raises, and whatever needs none works.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from analog.spec import Spec

from .draws import draw_normal, draw_signs, draw_sparse, draw_uniform
from .quadratic_moments import QuadraticMoments, independent_moments, require_symmetric


@runtime_checkable
class ProbeDistribution(Protocol):
    """How the directions of one step are drawn. Subclass it and write `draw`; the rest has defaults."""

    @property
    def kurtosis(self) -> float | None:
        """E v^4 of a coordinate, where coordinates are independent of one another, else None."""
        return None

    @property
    def multiple(self) -> int:
        """The number of probes of a step is a multiple of this."""
        return 1

    @property
    def needs_columns(self) -> bool:
        """Whether directions are made of the rows and columns of knobs, which nodes do not have."""
        return False

    @property
    def directions_independent(self) -> bool:
        """Whether the directions of one step are independent of one another."""
        return False

    @abstractmethod
    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        """Draw directions over all bodies together.

        Args:
            count: directions per index of `lead`.
            lead: leading axes, (*fleet,) or (*fleet, batch); what is drawn for each is independent.
            bodies: shapes of the coordinates: (tiles, rows, cols) of knobs, (features,) of nodes.
            spec: says where tensors live and their dtype.
            generator: the learner's own.

        Returns:
            For each body a tensor (count, *lead, *body).

        Raises:
            ValueError: there are no so many directions over these bodies.
        """
        ...

    def max_directions(self, coordinates: int) -> int | None:
        """The most directions that a step may have over so many coordinates; None is no limit."""
        del coordinates
        return None

    def require_directions(self, count: int, coordinates: int) -> None:
        """Pass on a number of directions that a step over so many coordinates may have.

        Args:
            count: directions of a step.
            coordinates: D, of all bodies together.

        Raises:
            ValueError: it is no integer of at least 1, no multiple of `multiple`, or there are not so many.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1 or coordinates < 1:
            raise ValueError(
                f"{self!r}: {count!r} directions in {coordinates} coordinates; wanted at least 1"
            )
        if count % self.multiple:
            raise ValueError(f"{self!r}: {count} directions; wanted a multiple of {self.multiple}")
        limit = self.max_directions(coordinates)
        if limit is not None and count > limit:
            raise ValueError(
                f"{self!r}: {count} orthogonal directions asked for in {coordinates} coordinates, which hold "
                f"at most {limit}; use fewer probes or an independent distribution"
            )

    def covariance(self, g: Tensor, count: int) -> Tensor:
        """The covariance (D, D) of the mean of (g.v) v over a step's `count` directions.

        Args:
            g: (D,), gradient; of the shape of a body for distributions that ask for it.
            count: directions of a step.

        Raises:
            ValueError: no closed form is known, or a step has no so many directions.
        """
        no_closed_form(self, "covariance")

    def leave_one_out_covariance(self, g: Tensor, count: int) -> Tensor:
        """The covariance (D, D) of the leave-one-out estimate of a linear loss with gradient g.

        Args:
            g: as for `covariance`.
            count: directions of a step, at least 2.

        Raises:
            ValueError: the directions are not independent, and no closed form is known.
        """
        if not self.directions_independent:
            no_closed_form(self, "covariance under leave-one-out")
        require_two(self, count)
        return self.covariance(g, count) + exchange(g) / (count * (count - 1))

    def curvature(self, hessian: Tensor, count: int) -> Tensor:
        """The mean (D, D) of (v'Hv)^2 v v' over a step's directions: four times what curvature adds / size^2.

        Args:
            hessian: (D, D), of a quadratic loss.
            count: directions of a step.

        Raises:
            ValueError: the directions are not independent or no closed form is known, or the Hessian is none.
        """
        return self._moments_of(hessian, count).second / count

    def leave_one_out_curvature(self, hessian: Tensor, count: int) -> Tensor:
        """The `curvature` (D, D) of directions that are compared with one another: the trace cancels.

        Args:
            hessian: (D, D), of a quadratic loss.
            count: directions of a step, at least 2.

        Raises:
            ValueError: as `curvature`, or there are fewer than two directions.
        """
        require_two(self, count)
        variance, first, second = self._moments_of(hessian, count)
        trace, eye = hessian.trace(), torch.eye(len(hessian)).to(hessian)
        around = second - 2 * trace * first + trace**2 * eye
        return around / count + variance * eye / (count * (count - 1))

    def quadratic_moments(self, hessian: Tensor) -> QuadraticMoments:
        """The moments of v'Hv beside a direction v whose distribution is symmetric about 0.

        Args:
            hessian: (D, D), symmetric.

        Raises:
            ValueError: no closed form is known.
        """
        no_closed_form(self, "curvature")

    def _moments_of(self, hessian: Tensor, count: int) -> QuadraticMoments:
        require_symmetric(f"{self!r}: the Hessian", hessian)
        self.require_directions(count, len(hessian))
        if not self.directions_independent:
            no_closed_form(self, "curvature")
        return self.quadratic_moments(hessian)

    def bias(self, third: Tensor) -> Tensor:
        """The bias (D,) of an estimate, in units of size^2, where third derivatives are (D, D, D).

        Raises:
            ValueError: no closed form is known.
        """
        no_closed_form(self, "bias")

    def pair_error(self, g: Tensor, third: Tensor, count: int) -> tuple[float, float]:
        """(a, b) of the squared error a size^2 + b size^4 that third derivatives add to antithetic pairs.

        Args:
            g: (D,), gradient.
            third: (D, D, D), third derivatives.
            count: directions of a step.

        Raises:
            ValueError: no closed form is known.
        """
        no_closed_form(self, "error of pairs")


def no_closed_form(distribution: ProbeDistribution, what: str) -> NoReturn:
    """Refuse a question to which a distribution has no closed form.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{distribution!r}: no closed form is known for the {what}")


def require_two(distribution: ProbeDistribution, count: int) -> None:
    """Pass on a number of directions that can be compared with one another.

    Raises:
        ValueError: it is below 2.
    """
    if count < 2:
        raise ValueError(f"{distribution!r}: {count} directions; leave-one-out wants at least 2")


def exchange(g: Tensor) -> Tensor:  # (D,) or a body -> (D, D)
    """|g|^2 I + g g', what two independent directions of one step say of each other's share."""
    flat = g.flatten()
    return flat.square().sum() * torch.eye(len(flat)).to(flat) + torch.outer(flat, flat)


def independent_covariance(g: Tensor, kurtosis: float) -> Tensor:  # (D,) -> (D, D)
    """|g|^2 I + g g' + (kurtosis - 3) diag(g^2), the covariance of (g.v) v for one direction."""
    eye = torch.eye(len(g), dtype=g.dtype, device=g.device)
    return g.square().sum() * eye + torch.outer(g, g) + (kurtosis - 3) * torch.diag(g.square())


@dataclass(frozen=True)
class Independent(ProbeDistribution):
    """Coordinates are drawn one by one, symmetric, with mean 0 and variance 1.

    Var = (D - 2 + kurtosis) |g|^2 / K.
    """

    name: str
    coordinate: Callable[[tuple[int, ...], Spec, Generator], Tensor] = field(repr=False)
    moments: tuple[
        float, ...
    ]  # E v^4, and E v^6 and E v^8 as far as closed forms are asked for that need them

    @property
    def kurtosis(self) -> float:
        return self.moments[0]

    @property
    def directions_independent(self) -> bool:
        return True

    def draw(
        self,
        count: int,
        lead: tuple[int, ...],
        bodies: Sequence[tuple[int, ...]],
        spec: Spec,
        generator: Generator,
    ) -> tuple[Tensor, ...]:
        return tuple(self.coordinate((count, *lead, *body), spec, generator) for body in bodies)

    def covariance(self, g: Tensor, count: int) -> Tensor:
        self.require_directions(count, g.numel())
        return independent_covariance(g.flatten(), self.kurtosis) / count

    def quadratic_moments(self, hessian: Tensor) -> QuadraticMoments:
        signs = self.kurtosis == 1.0  # whose every moment is 1
        if not signs and len(self.moments) < 2:
            no_closed_form(self, "curvature, which follows from its sixth moment")
        return independent_moments(hessian, self.kurtosis, 1.0 if signs else self.moments[1])

    def bias(self, third: Tensor) -> Tensor:
        require_symmetric(f"{self!r}: the third derivative", third)
        gradient = torch.einsum("ijj->i", third)  # of the Laplacian
        return gradient / 2 + (self.kurtosis - 3) / 6 * torch.einsum("iii->i", third)

    def pair_error(self, g: Tensor, third: Tensor, count: int) -> tuple[float, float]:
        if self.moments != _GAUSSIAN:
            no_closed_form(self, "error of pairs, which is known for Gaussian directions")
        require_symmetric(f"{self!r}: the third derivative", third)
        self.require_directions(count, len(g))
        gradient = torch.einsum("ijj->i", third)
        square = float(gradient.square().sum())
        cubic = 6 * float(third.square().sum()) + 9 * square
        a = (len(g) + 3) * float(g @ gradient) / count
        return a, (1 - 1 / count) * square / 4 + (len(g) + 6) * cubic / (36 * count)


_GAUSSIAN = (3.0, 15.0, 105.0)  # E v^4, E v^6, E v^8

gaussian = Independent("gaussian", draw_normal, _GAUSSIAN)
rademacher = Independent("rademacher", draw_signs, (1.0,))  # fair signs: the least kurtosis there is
uniform = Independent("uniform", draw_uniform, (9 / 5, 27 / 7))


def sparse(rarity: float) -> Independent:
    """Each coordinate is probed with probability 1/rarity, by sqrt(rarity); kurtosis = rarity.

    Raises:
        ValueError: a rarity below 1 or not finite.
    """
    if not 1 <= rarity < float("inf"):
        raise ValueError(f"sparse: rarity is {rarity}, wanted a finite number of at least 1")
    return Independent(f"sparse({rarity:g})", partial(draw_sparse, rarity=rarity), (rarity, rarity**2))
