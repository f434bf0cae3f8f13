"""Continua of stable points: where ``B`` has the eigenvalue 1, ``I − B`` is singular and some directions are free.

Members that only copy each other agree on something, and nothing says on what: every agreement is a stable point. Where
the eigenvalue is semi-simple, ``P`` projects on the free directions along everything else, and what dynamics do is

    Σ_t Bᵗ b = (I − B)^# b    if P b = 0, with the group inverse; without end, in proportion to P b, elsewhere

(Campbell and Meyer 1979). A lasting push that the free directions do not feel leads somewhere definite.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import linalg, sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from torch import Tensor

from ecosystem.influence.factors import Solver
from ecosystem.influence.jacobian import DENSE
from ecosystem.influence.layout import Layout
from ecosystem.influence.operators import Operator
from ecosystem.influence.spectra import arnoldi, radius_of, radius_of_sparse

_DOUBT = 1e-8  # how far from singular an operator must at least be seen to be
_NULL = 1e-11  # singular values, relative to the largest, that are none
_FEW = 50  # numbers of a part that is always written out
_SHIFT = 1e-7  # from which inverse iteration looks for the eigenvalue 1
_SEMISIMPLE = 1e-7  # the least sine of an angle between left and right null spaces
_LEFT = 1e-9  # of a vector, that is nothing


_HEAPING = (
    "some members keep all that they are, and take more besides: it heaps up (an eigenvalue 1 of B with fewer "
    "directions than its multiplicity), so there is no stable point to look about"
)


class Heaping(ValueError):
    """The dynamics grow without end, in proportion to time."""


@dataclass(frozen=True)
class Loose:
    """A strongly connected part that has the eigenvalue 1: its numbers, null vectors ``[numbers, k]`` on both sides."""

    numbers: np.ndarray
    right: np.ndarray
    left: np.ndarray


@dataclass(frozen=True)
class Free:
    """Members that can move together along a continuum, in ``dimension`` directions, and others that follow them."""

    members: tuple[str, ...]
    followers: tuple[str, ...]
    dimension: int

    def __str__(self) -> str:
        many = f"{self.dimension} direction{'s' if self.dimension > 1 else ''}"
        after = (
            f", and {_some(self.followers)} follow{'s' if len(self.followers) == 1 else ''}" if self.followers else ""
        )
        together = " together" if len(self.members) > 1 else ""
        return f"{_some(self.members)} can move{together} in {many}{after}"


def _some(names: tuple[str, ...]) -> str:
    if len(names) > 6:
        return f"{', '.join(names[:5])} and {len(names) - 5} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


class Continuum:
    """The free directions of a network: ``right [k, size]`` (how the point can move), ``left [k, size]`` (what of a
    change stays), ``left rightᵀ = I``.
    """

    def __init__(self, operator: Operator, loose: list[Loose], size: int) -> None:
        self.loose, self._matrix = loose, operator.diagonal()
        right, left = (_assembled(loose, size, side) for side in ("right", "left"))
        self._inner: Solver = operator.deflated(right, left)  # I − B + Σ right leftᵀ, block by block: not singular
        rows = (torch.from_numpy(np.ascontiguousarray(side.toarray().T)) for side in (right, left))
        ways = zip(rows, (False, True), strict=True)
        self.right, kept = (self._inner.solve(side, transposed)[0] for side, transposed in ways)
        away = [kept - operator.times(kept, True), self.right - operator.times(self.right, False)]
        gram = kept @ self.right.T
        sizes = kept.norm(dim=-1, keepdim=True) * self.right.norm(dim=-1)
        # with fewer eigenvectors than eigenvalues (what copies hand on grows without end) neither holds
        self.sound = bool(torch.isfinite(gram).all()) and all(
            bool((gap.norm(dim=-1) <= 1e-6 * side.norm(dim=-1)).all())
            for gap, side in zip(away, (kept, self.right), strict=True)
        )
        self.sound = self.sound and float(torch.linalg.matrix_norm(gram / sizes, -2)) > _SEMISIMPLE
        self.left = torch.linalg.solve(gram, kept) if self.sound else kept

    def along(self, b: Tensor, transposed: bool = False) -> Tensor:
        """``P b`` for rows ``[columns, size]``, or ``Pᵀ b``."""
        first, then = (self.right, self.left) if transposed else (self.left, self.right)
        return (b @ first.T) @ then

    def within(self, b: Tensor, transposed: bool = False) -> tuple[Tensor, float]:
        """``(I − B)^# b``, or its transpose: where pushes lead but for the free directions; the worst residual."""
        x, worst = self._inner.solve(b - self.along(b, transposed), transposed)
        return x - self.along(x, transposed), worst

    @cached_property
    def rest(self) -> float:
        """``ρ(B)`` apart from the free directions: how fast everything else settles; NaN where it was not found."""
        tied = np.ones(self._matrix.shape[0], dtype=bool)
        radii = []
        for part in self.loose:
            tied[part.numbers] = False
            block = self._matrix[part.numbers][:, part.numbers]
            if len(part.numbers) <= max(DENSE, _FEW):
                radii.append(radius_of(torch.from_numpy(block.toarray() - part.right @ part.left.T)))
            else:
                radii.append(arnoldi(lambda v, p=part, b=block: b @ v - p.right @ (p.left.T @ v), len(part.numbers)))
        others = np.flatnonzero(tied)
        return float(np.max([radius_of_sparse(sparse.csr_array(self._matrix[others][:, others])), *radii]))

    def free(self, layout: Layout, names: list[str]) -> tuple[Free, ...]:
        """Which members can move together, and who follows them."""
        owners, found = layout.owners(), []
        together: dict[frozenset[int], list[int]] = {}
        first = 0
        for part in self.loose:  # numbers of the same members are one class: its directions add up
            own = frozenset(owners[torch.from_numpy(part.numbers)].tolist())
            rows = list(range(first, first + part.right.shape[1]))
            first += len(rows)
            for other in [o for o in together if o & own]:
                own, rows = own | other, together.pop(other) + rows
            together[own] = rows
        for own, rows in together.items():
            size = self.right[rows].abs()
            moving = (size > _LEFT * size.amax(-1, keepdim=True)).any(0)
            followers = set(owners[moving].tolist()) - own
            members, after = (tuple(names[i] for i in sorted(some)) for some in (own, followers))
            found.append(Free(members, after, len(rows)))
        return tuple(found)


def continuum_of(operator: Operator, size: int, slack: float) -> Continuum | None:
    """The free directions of a network, None where there are none; ``slack`` is that of the operator.

    :class:`Heaping` where the eigenvalue 1 is not semi-simple.
    """
    if slack >= _DOUBT:
        return None
    loose = loose_parts(operator.diagonal())
    if not loose:
        return None
    found = Continuum(operator, loose, size)
    if not found.sound:
        raise Heaping(_HEAPING)
    return found


def loose_parts(matrix: sparse.csr_array) -> list[Loose]:
    """The strongly connected parts of a matrix that have the eigenvalue 1, semi-simple."""
    count, part = csgraph.connected_components(matrix, connection="strong")
    order, ends = np.argsort(part, kind="stable"), np.cumsum(np.bincount(part, minlength=count))
    found = []
    for numbers in np.split(order, ends[:-1]):
        block = sparse.csr_array(matrix[numbers][:, numbers])
        sums = [float(abs(block).sum(axis).max()) for axis in (0, 1)]
        if min(sums) < 1 - _NULL:
            continue
        right, left = _null(block.toarray()) if len(numbers) <= max(DENSE, _FEW) else _null_of_many(block)
        if right.shape[1]:
            if np.linalg.svd(_unit(left).T @ _unit(right))[1].min() <= _SEMISIMPLE:
                raise Heaping(_HEAPING)
            found.append(Loose(numbers, right, left @ np.linalg.inv(right.T @ left)))
    return found


def _null(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Right and left null vectors of ``I − B``, ``[numbers, k]`` each."""
    balanced, (scale, _) = linalg.matrix_balance(block, permute=False, separate=True)
    u, values, v = np.linalg.svd(np.eye(len(block)) - balanced)
    none = values <= _NULL * max(1.0, values[0])
    return scale[:, None] * v[none].T, u[:, none] / scale[:, None]


def _null_of_many(block: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """The same of a large sparse part, by inverse iteration on more and more vectors."""
    factors = splu(sparse.csc_array((1 + _SHIFT) * sparse.eye_array(block.shape[0]) - block))
    sides, count = [], 2
    for side, matrix in (("N", block), ("T", sparse.csr_array(block.T))):
        while True:
            x = np.random.default_rng(0).normal(size=(block.shape[0], count))
            for _ in range(6):
                x = np.linalg.qr(factors.solve(x, side))[0]
            none = np.abs(np.linalg.eigvals(x.T @ (matrix @ x)) - 1) <= _NULL
            if not none.all() or 2 * count > block.shape[0]:
                break
            count *= 2
        # the invariant subspace, real: what solves (R − I) y = 0 on the span
        y = np.linalg.svd(x.T @ (matrix @ x) - np.eye(count))[2][count - int(none.sum()) :]
        sides.append(x @ y.T)
    few = min(side.shape[1] for side in sides)
    return sides[0][:, :few], sides[1][:, :few]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.qr(vectors)[0]


def _assembled(loose: list[Loose], size: int, side: str) -> sparse.csr_array:
    """The null vectors of all loose parts, ``[size, k]``."""
    parts = [getattr(part, side) for part in loose]
    first = np.cumsum([0, *(part.shape[1] for part in parts)])
    rows = [np.repeat(part.numbers, vectors.shape[1]) for part, vectors in zip(loose, parts, strict=True)]
    columns = [np.tile(np.arange(a, b), len(part.numbers)) for part, a, b in zip(loose, first, first[1:], strict=False)]
    values = np.concatenate([part.ravel() for part in parts])
    return sparse.csr_array((values, (np.concatenate(rows), np.concatenate(columns))), shape=(size, int(first[-1])))
