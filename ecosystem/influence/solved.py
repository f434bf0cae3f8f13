"""How the systems behind an influence matrix were solved: by what, in how much memory, how well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.influence.resolvent import Resolvent


@dataclass(frozen=True)
class Solved:
    """The way, the ``scratch`` it holds in bytes, and what is left.

    ``residual`` is the worst ``‖b − x + Bx‖ / ‖b‖`` of a system that was solved, ``error`` the most by which that lets
    an effect be off, but for rounding: infinite where no norm is known in which ``B`` shrinks.

    >>> print(Solved("by GMRES", 2 * 10**9, 3e-11, 4e-10))
    solved by GMRES in about 2 GB; worst relative residual 3.0e-11, no effect is off by more than 4.0e-10
    """

    way: str
    scratch: int
    residual: float
    error: float

    def __str__(self) -> str:
        sure = f", no effect is off by more than {self.error:.1e}" if math.isfinite(self.error) else ""
        size = f"{self.scratch / 1e9:.3g} GB" if self.scratch >= 1e8 else f"{self.scratch / 1e6:.3g} MB"
        return f"solved {self.way} in about {size}; worst relative residual {self.residual:.1e}{sure}"


class Account:
    """Solves with a resolvent and keeps the worst that is left."""

    def __init__(self, resolvent: Resolvent) -> None:
        self.resolvent = resolvent
        self._gaps: dict[bool, Tensor] = {}  # the worst 2-norm of what is left at each member, by direction

    def forward(self, b: Tensor) -> Tensor:
        """``(I − B)⁻¹ b``, ``[columns, size]``."""
        return self._noted(b, self.resolvent.forward(b), False)

    def adjoint(self, g: Tensor) -> Tensor:
        """``(I − B)⁻ᵀ g``, ``[columns, size]``."""
        return self._noted(g, self.resolvent.adjoint(g), True)

    def told(self, steepest: float) -> Solved:
        """What is known; ``steepest`` is the longest of what solutions were multiplied by: gradients, or pushes."""
        operator, off = self.resolvent.operator, 0.0
        for transposed, gap in self._gaps.items():
            certificate = operator.certificate if self.resolvent.continuum is None else None
            if certificate is None:
                off = math.inf
            else:
                off = max(off, certificate.against(gap) if transposed else certificate.error(gap))
        return Solved(operator.way, operator.scratch, self.resolvent.worst, off * steepest)

    def _noted(self, rhs: Tensor, x: Tensor, transposed: bool) -> Tensor:
        if not self.resolvent.operator.certified:
            self._gaps[transposed] = rhs.new_full((1,), math.inf)
            return x
        left = self.resolvent.operator.times(x, transposed).add_(rhs).sub_(x)  # in place: it may be gigabytes
        worst = self._by_member(left).amax(0)
        known = self._gaps.get(transposed)
        self._gaps[transposed] = worst if known is None else torch.maximum(known, worst)
        return x

    def _by_member(self, rows: Tensor) -> Tensor:
        """The 2-norm of each member that moves, as they stand in the vector, ``[columns, members]``."""
        layout = self.resolvent.dynamics.layout
        if not layout.minds:
            return layout.totals(rows, rows).sqrt_().index_select(1, layout.movers())
        places = layout.owners().unique_consecutive(return_inverse=True)[1]
        squares = rows.new_zeros(len(rows), 1 + int(places.max())).index_add_(1, places, rows**2)
        return squares.sqrt()
