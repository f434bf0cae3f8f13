"""Shares times blocks: ``B`` as few terms ``W ⊗ C`` as there are kinds of flows, where members answer alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ecosystem.core.memory import affordable
from ecosystem.engine.bundles import Bundle
from ecosystem.influence.fits import Fit, narrowed
from ecosystem.influence.layout import Layout
from ecosystem.influence.linear_flows import LinearFlows

_SAME = 1e-13  # relative difference of answers that are one
_SENT = 1 << 22  # numbers that origins send at a time while they are compared


@dataclass(frozen=True, eq=False)
class Term:
    """``W ⊗ C`` between two cohorts: ``weights [readers, producers]``, ``block [height, width]`` (None: identity)."""

    reader: slice
    producer: slice
    weights: sparse.csr_array
    block: Tensor | None

    @property
    def width(self) -> int:
        return (self.producer.stop - self.producer.start) // self.weights.shape[1]

    @property
    def entries(self) -> int:
        """How many numbers of a block are not 0."""
        return self.width if self.block is None else int((self.block != 0).sum())

    @property
    def norm(self) -> float:
        return 1.0 if self.block is None else float(torch.linalg.matrix_norm(self.block, 2))


class Terms:
    """``B = Σ W ⊗ C`` on rows ``[columns, size]`` of a layout, which says whose each number is."""

    def __init__(self, terms: Sequence[Term], layout: Layout) -> None:
        self.terms, self.size, self.layout = list(terms), layout.size, layout
        self._kept: dict[tuple[int, bool, torch.dtype], sparse.csr_array] = {}

    @property
    def copies(self) -> bool:
        """Whether all are members of one family who move as those do whom they read: ``B = W ⊗ I``."""
        one = self.terms[0]
        return len(self.terms) == 1 and one.block is None and one.reader == one.producer == slice(0, self.size)

    @property
    def square(self) -> Term | None:
        """The one term, where there is one and it is within a cohort: then eigenvalues are products."""
        one = self.terms[0]
        return one if len(self.terms) == 1 and one.reader == one.producer else None

    def times(self, v: Tensor, transposed: bool) -> Tensor:
        """``B v``, or ``Bᵀ v``."""
        out = torch.zeros_like(v)
        for number, term in enumerate(self.terms):
            given, put = (term.reader, term.producer) if transposed else (term.producer, term.reader)
            weights = self.weights(number, transposed, v.dtype)
            x = v[:, given].unflatten(-1, (weights.shape[1], -1))
            if term.block is not None:
                x = x @ (term.block if transposed else term.block.T).to(v.dtype)
            wide = x.transpose(0, 1).reshape(x.shape[1], len(x) * x.shape[2]).numpy()
            y = torch.from_numpy(weights @ wide).reshape(weights.shape[0], len(v), x.shape[2]).transpose(0, 1)
            out[:, put] += y.flatten(1)
        return out

    def between(self, v: Tensor, transposed: bool) -> Tensor:
        """``W v`` of the first term, or ``Wᵀ v``, for rows ``[columns, members]``."""
        wide = np.ascontiguousarray(v.numpy().T)
        return torch.from_numpy(np.ascontiguousarray((self.weights(0, transposed, v.dtype) @ wide).T))

    def weights(self, number: int, transposed: bool, dtype: torch.dtype) -> sparse.csr_array:
        """Those of a term, as a product wants them."""
        key = (number, transposed, dtype)
        if key not in self._kept:
            weights = self.terms[number].weights
            weights = weights.T.tocsr() if transposed else weights
            self._kept[key] = weights.astype(np.float32) if dtype == torch.float32 else weights
        return self._kept[key]

    @property
    def norms(self) -> sparse.csr_array:
        """A bound of ``‖B_ij‖₂`` for each pair of members in their order in the vector (theirs, of one term)."""
        if self.copies:
            return abs(self.terms[0].weights)
        starts = np.flatnonzero(np.diff(self.layout.owners().numpy(), prepend=-1))
        total = sparse.csr_array((len(starts), len(starts)))
        for term in self.terms:
            entries = abs(term.weights).tocoo()
            first, then = (np.searchsorted(starts, part.start) for part in (term.reader, term.producer))
            total = total + _placed(term.norm * entries.data, entries.coords, (first, then), total.shape)
        return sparse.csr_array(total)

    @property
    def written(self) -> sparse.csr_array:
        """``B``, written out."""
        affordable(
            3 * sum(term.weights.nnz * term.entries for term in self.terms),
            "a network that is nearly without an answer, looked at number by number,",
        )
        total = sparse.csr_array((self.size, self.size))
        for term in self.terms:
            block = sparse.eye_array(term.width) if term.block is None else sparse.csr_array(term.block.numpy())
            entries = sparse.kron(term.weights, block).tocoo()
            where = (term.reader.start, term.producer.start)
            total = total + _placed(entries.data, entries.coords, where, total.shape)
        return sparse.csr_array(total)


def _placed(data: np.ndarray, at: Any, first: Sequence[Any], shape: tuple[int, ...]) -> sparse.csr_array:
    """Entries further down and to the right."""
    return sparse.csr_array((data, (at[0] + first[0], at[1] + first[1])), shape=shape)


def terms_of(flows: LinearFlows) -> Terms | None:
    """``B`` as shares times blocks; None where members of one cohort answer in ways of their own, or users move.

    Whether they do is asked of all at once, along directions drawn at random: answers that differ agree on none.
    """
    if flows.dynamics.layout.minds:
        return None
    found: dict[tuple[int, int], list[tuple[sparse.csr_array, Tensor]]] = {}
    layout = flows.dynamics.layout
    for fit in flows.fits:
        if fit.stack.stores:  # where a number goes depends on whose it is
            return None
        answers, own = _fits_alike(fit), int(layout.place[fit.task.members[0]])
        if answers is None:
            return None
        refit, inertia = answers
        rows = layout.rows_of(fit.task.members)
        if inertia is not None:
            kept = _matrix(layout, own, own, np.ones(len(rows)), rows, rows)
            found.setdefault((own, own), []).append((kept, inertia))
        for bundle in fit.task.bundles:
            producers = flows.dynamics.wiring.producer[bundle.component.numpy()]
            moving = (producers >= 0) & flows.dynamics.moves[producers]  # real data do not answer
            if not moving.any():
                continue
            some = bundle if moving.all() else narrowed(bundle, torch.from_numpy(np.flatnonzero(moving)))
            sent = _sent_alike(flows, fit, some)
            if sent is None:
                return None
            theirs, share = producers[moving], flows.shares[some.component].numpy()
            place = int(layout.place[theirs[0]])
            weights = _matrix(layout, own, place, share, rows[some.owner.numpy()], layout.rows_of(theirs))
            found.setdefault((own, place), []).append((weights, refit @ sent))
    flows.forget()
    terms = [term for (own, place), many in found.items() for term in _joined(flows, own, place, many)]
    return Terms(terms, layout) if terms else None


def _fits_alike(fit: Fit) -> tuple[Tensor, Tensor | None] | None:
    """``F`` and what is kept of old parameters (None: nothing), where all members of a task have the same."""
    one, numbers, width = fit.of(torch.tensor([0])), fit.statistic.shape[-1], fit.stack.vector().shape[-1]
    inert = fit.incomplete
    for rows in torch.arange(len(fit.statistic)).split(max(1, _SENT // max(numbers, width))):
        some = fit.of(rows)
        still, nothing = (fit.statistic.new_zeros(len(rows), size) for size in (numbers, width))
        same = [_one(some.answer(p.expand_as(still), nothing), one.matrix[0] @ p) for p in _probes(numbers)]
        if inert:
            same += [_one(some.answer(still, p.expand_as(nothing)), one.inertia[0] @ p) for p in _probes(width)]
        if not all(same):
            return None
    return one.matrix[0], one.inertia[0] if inert else None


def _sent_alike(flows: LinearFlows, fit: Fit, bundle: Bundle) -> Tensor | None:
    """``D``, where all origins of a bundle send the same changes of what they are."""
    first = _of_origins(bundle, torch.zeros(1, dtype=torch.int64))
    block = flows.answers(fit, first)[0]
    step = max(1, _SENT // max(block.shape))
    for some in torch.arange(len(bundle.source)).split(step):
        part = _of_origins(bundle, some)
        for probe in _probes(block.shape[1]):
            if not _one(flows.moved(fit, part, probe.expand(len(some), -1)), block @ probe):
                return None
    return block


def _of_origins(bundle: Bundle, some: Tensor) -> Bundle:
    """A bundle with some of its origins, and no components."""
    none = bundle.owner[:0]
    return replace(
        bundle,
        slot=bundle.slot[:0],
        owner=none,
        component=none,
        origin=none,
        source=bundle.source[some],
        users=None if bundle.users is None else bundle.users.take(some),
        transform=None if bundle.transform is None else bundle.transform.take(some),
        memo={},
    )


def _probes(size: int) -> Tensor:
    """Two directions, drawn at random, always the same, ``[2, size]``."""
    return torch.from_numpy(np.random.default_rng(size).normal(size=(2, size)))


def _one(many: Tensor, expected: Tensor) -> bool:
    """Whether all rows are what is expected."""
    gap = (many - expected).abs().amax()
    return bool(gap <= _SAME * expected.abs().max().clamp(min=1e-300)) and bool(many.isfinite().all())


def _matrix(
    layout: Layout, own: int, place: int, values: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> sparse.csr_array:
    shape = tuple(len(layout.blocks[i].rows) for i in (own, place))
    return sparse.csr_array((values, (rows, columns)), shape=shape)


def _joined(flows: LinearFlows, own: int, place: int, many: list[tuple[sparse.csr_array, Tensor]]) -> list[Term]:
    """The terms between two cohorts, one for each block that differs."""
    distinct: list[tuple[sparse.csr_array, Tensor]] = []
    for weights, block in many:
        for i, (known, other) in enumerate(distinct):
            if torch.equal(block, other):
                distinct[i] = (sparse.csr_array(known + weights), other)
                break
        else:
            distinct.append((weights, block))
    blocks = flows.dynamics.layout.blocks
    terms = []
    for weights, block in distinct:
        height, width = block.shape
        plain = height == width and torch.equal(block, torch.eye(width, dtype=block.dtype))
        terms.append(Term(blocks[own].span, blocks[place].span, weights, None if plain else block))
    return terms
