"""``B = Σ W ⊗ C`` of networks whose members answer alike: shares ``W`` between members, one block ``C`` for all flows.

What a million members say to each other is then a sparse matrix of shares, and no block of any flow is written out.
Where every ``C`` is the identity (copies of one family, whatever moves them) a system ``x − Bx = b`` falls apart into
systems between members, one for each number of a member, or for each member that is pushed, whichever are fewer.
"""

from __future__ import annotations

from functools import cached_property, partial

import torch
from scipy import sparse
from torch import Tensor

from ecosystem.core.memory import budget
from ecosystem.influence import krylov, slow
from ecosystem.influence.certificate import Certificate
from ecosystem.influence.factors import Deflated, Factors, Solver, directly, is_thin, probed
from ecosystem.influence.spectra import arnoldi, radius_of, radius_of_sparse
from ecosystem.influence.terms import Terms

WIDEST = 64  # right-hand sides solved together
_HELD = 16  # vectors that each of them holds where they are solved by a series, at most
_FACTORED = 100_000  # numbers up to which what is no copy is factorised


class Alike:
    """``B`` as such terms; right-hand sides go through GMRES as many at a time as the memory's budget has room for."""

    way, certified, inner = "by GMRES on shares times blocks", True, torch.float64

    def __init__(self, terms: Terms, accuracy: float) -> None:
        self.terms, self.accuracy = terms, accuracy
        # of a vector that is solved for
        length = terms.terms[0].weights.shape[0] if terms.copies else terms.size
        self._room = max(4 * length, min(1 << 26, budget() // 16))  # numbers of a basis, 8 bytes and a copy at most
        self.columns = max(1, min(WIDEST, self._room // (krylov.RESTART * length)))
        self._shrinks: Certificate | None = None
        weights = 32 * sum(term.weights.nnz for term in terms.terms)
        self.scratch = weights + krylov.basis(self.columns, length, self._room)

    def times(self, v: Tensor, transposed: bool) -> Tensor:
        return self.terms.times(v, transposed)

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        if not self.terms.copies:
            return self._solved(partial(self.terms.times, transposed=transposed), rhs, transposed)
        members = self.terms.terms[0].weights.shape[0]
        wide = rhs.unflatten(-1, (members, -1)).transpose(0, 1).reshape(members, -1)  # [members, numbers]
        pushed = wide.any(1).nonzero().squeeze(-1)
        between, worst = partial(self.terms.between, transposed=transposed), 0.0
        out, many = torch.zeros_like(wide), len(pushed) < wide.shape[1]
        count = len(pushed) if many else wide.shape[1]
        apart = self._slow if count >= slow.MANY else None
        together = self.columns if apart is None else max(self.columns, min(WIDEST, self._room // (_HELD * members)))
        for part in torch.arange(count).split(together):
            if many:  # each member that is pushed alone
                rows = rhs.new_zeros(len(part), members)
                rows[torch.arange(len(part)), pushed[part]] = 1.0
            else:
                rows = wide[:, part].T.contiguous()
            x, left = self._solved(between, rows, transposed, apart)
            worst = max(worst, left)
            if many:
                out += x.T @ wide[pushed[part]]
            else:
                out[:, part] = x.T
        return out.unflatten(-1, (len(rhs), -1)).transpose(0, 1).reshape(len(rhs), -1), worst

    def slack(self) -> float:
        return 1.0 if self.certificate.bound < 1 - 1e-6 else probed(self, self.terms.size)

    @property
    def certificate(self) -> Certificate:
        """A weighted norm in which ``B`` is no larger than ``bound``, by ``K_ij = ‖B_ij‖₂``."""
        self._shrinks = self._shrinks or Certificate.of(self.terms.norms)
        return self._shrinks

    def radius(self) -> float:
        one = self.terms.square
        if one is not None:
            return _radius(one.weights) * (1.0 if one.block is None else radius_of(one.block))
        if 8 * self.terms.size * 64 > budget():
            return float("nan")
        return arnoldi(lambda v: self.times(torch.from_numpy(v).reshape(1, -1), False)[0].numpy(), self.terms.size)

    def batch(self) -> int | None:
        return self.columns

    @property
    def written(self) -> sparse.csr_array:
        """``B``, written out."""
        return self.terms.written

    def diagonal(self) -> sparse.csr_array:
        return self.written

    def deflated(self, right: sparse.csr_array, left: sparse.csr_array) -> Solver:
        return Deflated(self, right, left)

    @cached_property
    def _factors(self) -> Factors | None:
        """Of what is solved for: between members, or number by number."""
        if self.terms.copies:
            return Factors.of(self.terms.terms[0].weights)
        return Factors.of(self.written) if self.terms.size <= _FACTORED else None

    @cached_property
    def _slow(self) -> slow.Slow | None:
        """What all members agree on, and what else between them fades slowly."""
        between = partial(self.terms.between, transposed=False)
        return slow.Slow.of(between, self.terms.terms[0].weights.shape[0], slow.FEW)

    def _solved(
        self, product: krylov.Operator, rhs: Tensor, transposed: bool, apart: slow.Slow | None = None
    ) -> tuple[Tensor, float]:
        """``x − product(x) = rhs``, some rows at a time, and the worst residual."""
        if not len(rhs):
            return rhs, 0.0
        if apart is not None:
            series = slow.solve(apart, product, rhs, transposed, self.accuracy, torch.float32)
            if bool((series.residual <= self.accuracy).all()):
                return series.x, float(series.residual.max())
        cheap = self.terms.copies and is_thin(self.terms.terms[0].weights)
        direct = directly(lambda: self._factors, transposed)
        found = [
            krylov.solve_surely(product, part, self.accuracy, direct, torch.float32, cheap, self._room)
            for part in rhs.split(self.columns)
        ]
        return torch.cat([s.x for s in found]), max(float(s.residual.max()) for s in found)


def _radius(weights: sparse.csr_array) -> float:
    """The spectral radius between very many members."""
    sums = weights.sum(1)
    if weights.data.min(initial=0.0) >= 0 and sums.max() - sums.min() <= 1e-12 * sums.max():
        return float(sums.max())
    return radius_of_sparse(weights)
