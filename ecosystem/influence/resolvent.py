"""``(I − B)⁻¹``: where a lasting small push at one place leaves the whole network."""

from __future__ import annotations

import warnings
from functools import cached_property

import torch
from scipy import sparse
from torch import Tensor

from ecosystem.core.memory import budget, give_back
from ecosystem.influence import krylov
from ecosystem.influence.alike import Alike
from ecosystem.influence.blocks import Blocks
from ecosystem.influence.continuum import Continuum, continuum_of
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.jacobian import DENSE, Jacobian, columns_that_fit, dense
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.operators import WIDEST, Dense, Operator, Products, Sparse
from ecosystem.influence.parts import COLUMNS, parts_of_members
from ecosystem.influence.spectra import radius_by_products, radius_of_dense
from ecosystem.influence.terms import terms_of

_SPARSE = 1 << 26  # numbers in the blocks of all flows up to which they are kept (12 bytes each)
_SCRATCH = 1 << 25  # numbers in flight in one product with the map
_ACCURACY = 1e-10


class Resolvent:
    """``B`` and ``(I − B)⁻¹`` of a network at ``point [size]``, in the cheapest way that fits the memory."""

    def __init__(self, dynamics: Dynamics, point: Tensor, accuracy: float = _ACCURACY) -> None:
        self.dynamics = dynamics
        self.point = point
        self.accuracy = accuracy
        self.flows = LinearFlows(dynamics, point)
        self.blocks = Blocks(self.flows)
        self.worst = 0.0  # relative residual of all that was solved for

    @cached_property
    def operator(self) -> Operator:
        """``B``: written out where Θ is small, sparse where the flows' blocks fit, else as products with the map."""
        size, function = len(self.point), self.dynamics.retrained
        columns = _SCRATCH // (krylov.RESTART * size + 4 * self.flows.total(lambda own, other: own))
        if size <= DENSE:
            matrix = dense(function, self.point, max(1, columns))
            self._check(torch.isfinite(matrix).all(-1))
            return Dense(matrix)
        terms = terms_of(self.flows)
        if terms is not None:
            return Alike(terms, self.accuracy)
        # raw and curated flows share a block; a number of one takes 16 bytes or so by the time it is in a matrix
        small = self.flows.total(lambda own, other: own * other) <= min(2 * _SPARSE, budget() // 16)
        if small and not self.dynamics.layout.minds:  # blocks are those of flows
            matrix = self.blocks.sparse()
            self._check(torch.isfinite(torch.from_numpy(matrix.sum(1))))
            return Sparse(matrix, self.accuracy, self.norms_of_members)
        parts = parts_of_members(self.dynamics).of(self.dynamics.layout.owners())
        columns = columns_that_fit(function, self.point, max(1, min(WIDEST, columns)))
        return Products(function, self.point, columns, self.accuracy, parts, self.dynamics.roughly)

    def norms_of_members(self) -> sparse.csr_array:
        """``‖B_ij‖₂`` between members that move, in their order in the vector."""
        moving = self.dynamics.layout.owners().unique_consecutive().numpy()
        return sparse.csr_array(self.blocks.norms()[moving][:, moving])

    @cached_property
    def slack(self) -> float:
        """How far ``I − B`` is from singular, about."""
        return self.operator.slack()

    @cached_property
    def continuum(self) -> Continuum | None:
        """The free directions, where the point is one of a continuum of stable points; None elsewhere."""
        return continuum_of(self.operator, len(self.point), self.slack)

    @cached_property
    def radius(self) -> float:
        """``ρ(B)``: small changes settle in synchronous rounds if it is below 1, not if it is above.

        Where users move it is that of rounds as they are played, in which they look when models have retrained: ``B``
        has the same stable points, but another spectrum.
        """
        if not self.dynamics.layout.minds:
            return self.operator.radius()
        function = self.dynamics.played
        if len(self.point) <= DENSE:
            return radius_of_dense(dense(function, self.point, 256))
        jacobian = Jacobian(function, self.point, columns_that_fit(function, self.point, COLUMNS))
        return radius_by_products(jacobian.push, parts_of_members(self.dynamics).of(self.dynamics.layout.owners()))

    def push(self, v: Tensor) -> Tensor:
        """``B v`` for rows of ``v [columns, size]``."""
        return self.operator.times(v, transposed=False)

    def pull(self, w: Tensor) -> Tensor:
        """``Bᵀ w`` for rows of ``w [columns, size]``."""
        return self.operator.times(w, transposed=True)

    def forward(self, b: Tensor) -> Tensor:
        """``(I − B)⁻¹ b``: lasting pushes ``[columns, size]`` to where they lead, but for directions that are free."""
        return self._solved(b, transposed=False)

    def adjoint(self, g: Tensor) -> Tensor:
        """``(I − B)⁻ᵀ g``: how much each number counts for a goal, ``[columns, size]``, what is free left out."""
        return self._solved(g, transposed=True)

    def batches(self, count: int) -> list[slice]:
        """Slices of right-hand sides that fit the memory together."""
        step = self.operator.batch() or max(1, count)
        return [slice(at, min(at + step, count)) for at in range(0, count, step)]

    def _solved(self, rhs: Tensor, transposed: bool) -> Tensor:
        free = self.continuum
        if rhs.shape[-1] > DENSE:  # what came and went before has left holes, and so does every batch
            give_back()
        x, worst = self.operator.solve(rhs, transposed) if free is None else free.within(rhs, transposed)
        self.worst = max(self.worst, worst)
        if not worst <= 1e-3:
            raise ValueError(
                f"I − B is singular, or too nearly so (relative residual {worst:.1e}): small pushes move the network "
                "without end; give members that only copy each other real data"
            )
        if not worst <= 1e3 * self.accuracy:
            warnings.warn(
                f"the network's answer was solved for to a relative residual of {worst:.1e} only: I − B is nearly "
                "singular, so small changes have huge effects",
                RuntimeWarning,
                stacklevel=3,
            )
        return x

    def _check(self, finite: Tensor) -> None:
        if bool(finite.all()):
            return
        owner = self.dynamics.names[int(self.dynamics.layout.owners()[~finite][0])]
        raise ValueError(
            f"the retraining of {owner!r} has no derivative at the stable point (a Gaussian that rests on its floor, "
            f"or a choice with a kink there); change the scenario a little, or {INSTEAD}"
        )
