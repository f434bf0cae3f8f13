"""The blocks ``B_ij = ∂T_i/∂θ_j``, edge by edge, without ever forming the whole matrix.

A member is refitted to a statistic that is linear in what each flow sends: ``B_ij = F_i · Σ share · D``, with ``D`` the
derivative of a flow's statistic by its producer's parameters and ``F_i`` that of the fit. Both concern one member at a
time, so a few columns (one for each parameter of a single member) give them for all members at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ecosystem.engine.bundles import Bundle
from ecosystem.engine.population import gather_population, sent
from ecosystem.generators import ClosedForm
from ecosystem.influence import krylov
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.fits import Fit, jacobians, narrowed, widened
from ecosystem.influence.jacobian import derivative
from ecosystem.influence.layout import with_vector

_NUMBERS = 1 << 23  # in the blocks that are worked out at a time


@dataclass(frozen=True)
class Part:
    """Blocks ``[n, height, width]`` of as many pairs of members."""

    targets: Tensor
    producers: Tensor
    blocks: Tensor


class Blocks:
    """The blocks of ``B`` at a point ``Θ [size]``, for all flows or some of the components."""

    def __init__(self, dynamics: Dynamics, point: Tensor) -> None:
        self.dynamics = dynamics
        self.point = point
        self.world = dynamics.world(point.unsqueeze(0))
        self.shares = dynamics.shares[:, 0, 0]

    @cached_property
    def fits(self) -> list[Fit]:
        """One for each task, in the order of ``dynamics.tasks``."""
        fits = []
        for task in self.dynamics.tasks(self.world):
            stack = cast(ClosedForm, self.world.generators[task.cohort]).take(torch.from_numpy(task.rows))
            fits.append(Fit(task, stack, gather_population(self.world, task)))
        return fits

    def parts(self) -> Iterator[Part]:
        """The blocks of all flows, many at a time; blocks of one pair of members add up."""
        for fit in self.fits:
            if fit.incomplete:
                members = torch.from_numpy(fit.task.members)
                yield Part(members, members, fit.inertia)
            for bundle in fit.task.bundles:
                yield from self._of_bundle(fit, bundle)

    def _of_bundle(self, fit: Fit, bundle: Bundle) -> Iterator[Part]:
        producers = torch.from_numpy(self.dynamics.wiring.producer)[bundle.component]
        moves = (producers >= 0) & torch.from_numpy(self.dynamics.moves)[producers]  # real data do not answer
        width = fit.matrix.shape[1] * self.producers(bundle).vector().shape[-1]
        if not bool(moves.any()):
            return
        for some in moves.nonzero().squeeze(-1).split(max(1, _NUMBERS // width)):
            part = narrowed(bundle, some)
            answers = self.answers(fit, part)  # [origins, Q, width]
            blocks = answers[part.origin]
            blocks = blocks if fit.plain else torch.bmm(fit.matrix[part.owner], blocks)
            blocks *= self.shares[part.component].reshape(-1, 1, 1)
            yield Part(torch.from_numpy(fit.task.members)[part.owner], producers[some], blocks)

    def answers(self, fit: Fit, bundle: Bundle) -> Tensor:
        """``D``: the statistic that each origin of a bundle sends by its producer's parameters, ``[origins, Q,
        width]``.
        """
        stack = self.producers(bundle)
        return jacobians(lambda vector: self.statistics(fit, bundle, vector), stack.vector())

    def producers(self, bundle: Bundle) -> ClosedForm:
        """The producers of a bundle, one for each origin, batch ``[origins, 1, 1]``."""
        return cast(ClosedForm, self.world.read(bundle).take(bundle.source))

    def statistics(self, fit: Fit, bundle: Bundle, vector: Tensor) -> Tensor:
        """What producers with parameters ``vector [origins, 1, columns, width]`` would send, ``[origins, 1, columns,
        Q]``.
        """
        origins = with_vector(widened(self.producers(bundle), vector.shape[2]), vector)
        return fit.stack.statistic_of(sent(origins, bundle))

    def pushed(self, shares: Tensor) -> Tensor:
        """How the new parameters move when all shares do, by ``shares [components, 1, 1]``: ``[size]``.

        What members train on is linear in their shares.
        """
        out = torch.zeros_like(self.point)
        world = self.dynamics.world(self.point.unsqueeze(0), shares)
        for fit in self.fits:
            moved = gather_population(world, fit.task)[:, 0, 0]
            answers = fit.answer(moved, torch.zeros_like(fit.stack.vector()[:, 0, 0]))
            for member, answer in zip(fit.task.members.tolist(), answers, strict=True):
                out[self.dynamics.layout.span(member)] = answer
        return out

    # -- each member alone ----------------------------------------------------------------------------------------

    def alone(self, b: Tensor) -> Tensor:
        """``(I − B_ii)⁻¹ b_i`` of every member, everybody else frozen: ``[size]`` from ``b [size]``."""
        out = torch.empty_like(b)
        spans = {block.cohort: block for block in self.dynamics.layout.blocks}
        for fit in self.fits:
            block = spans[fit.task.cohort]
            here = torch.isin(block.members, torch.from_numpy(fit.task.members))
            part = b[block.span].unflatten(0, (len(block.rows), block.width))
            solved = krylov.solve(partial(self._own_answer, fit, self._own_flows(fit)), part[here], 1e-13)
            sound = solved.residual <= 1e-8  # else I − B_ii is singular, and there is no answer
            known = torch.where(sound.unsqueeze(-1), solved.x, torch.nan)
            out[block.span].unflatten(0, (len(block.rows), block.width))[here] = known
        return out

    def _own_flows(self, fit: Fit) -> list[Bundle]:
        """The self-loops of a task's members."""
        members = torch.from_numpy(fit.task.members)
        producer = torch.from_numpy(self.dynamics.wiring.producer)
        found = []
        for bundle in fit.task.bundles:
            own = (producer[bundle.component] == members[bundle.owner]).nonzero().squeeze(-1)
            if len(own):
                found.append(narrowed(bundle, own))
        return found

    def _own_answer(self, fit: Fit, bundles: list[Bundle], v: Tensor) -> Tensor:
        """``B_ii v_i`` for each member of a task, ``[rows, width]``."""
        statistic = v.new_zeros(len(v), fit.statistic.shape[-1])
        for bundle in bundles:
            reader = torch.empty(len(bundle.source), dtype=torch.int64)
            reader[bundle.origin] = bundle.owner  # in a self-loop, the row that an origin belongs to
            moved = self.moved(fit, bundle, v[reader])
            parts = moved[bundle.origin] * self.shares[bundle.component].unsqueeze(-1)
            statistic = statistic.index_add(0, bundle.owner, parts)
        return fit.answer(statistic, v)

    def moved(self, fit: Fit, bundle: Bundle, v: Tensor) -> Tensor:
        """How what each origin of a bundle sends moves, ``[origins, Q]``, when its producer moves by ``v [origins,
        width]``.
        """
        vector = self.producers(bundle).vector()
        return derivative(lambda x: self.statistics(fit, bundle, x), vector, v[:, None, None])[1][:, 0, 0]

    # -- put together ---------------------------------------------------------------------------------------------

    @cached_property
    def by_pair(self) -> dict[tuple[int, int], Tensor]:
        """The block of each pair (target, producer) that is not zero by construction."""
        found: dict[tuple[int, int], Tensor] = {}
        for part in self.merged().values():
            pairs = zip(part.targets.tolist(), part.producers.tolist(), strict=True)
            found.update(zip(pairs, part.blocks, strict=True))
        return found

    def merged(self) -> dict[tuple[int, int], Part]:
        """One block for each pair of members, by the numbers of the two cohorts' places in the layout."""
        layout, found = self.dynamics.layout, {}
        wanted = self._pairs()
        for part in self.parts():
            place = (layout.place(int(part.targets[0])), layout.place(int(part.producers[0])))
            known = found.get(place)
            if known is None:
                pairs = wanted[place]
                targets, producers = torch.from_numpy(pairs.T.copy())
                blank = part.blocks.new_zeros(len(pairs), *part.blocks.shape[1:])
                known = found[place] = Part(targets, producers, blank)
            size = len(self.dynamics.names)
            where = torch.searchsorted(known.targets * size + known.producers, part.targets * size + part.producers)
            known.blocks.index_add_(0, where, part.blocks)
        return found

    def _pairs(self) -> dict[tuple[int, int], np.ndarray]:
        """The pairs (target, producer) between which something flows, ``[n, 2]`` in order, by places in the layout."""
        wiring, layout = self.dynamics.wiring, self.dynamics.layout
        moves, u, v = self.dynamics.moves, wiring.producer, wiring.target
        flows = np.stack([v, u], 1)[self.dynamics.live & (u >= 0) & moves[u] & moves[v]]
        kept = [fit.task.members for fit in self.fits if fit.incomplete]
        own = np.repeat(np.concatenate([np.zeros(0, dtype=np.int64), *kept])[:, None], 2, axis=1)
        pairs = np.unique(np.concatenate([flows, own]), axis=0)
        places = np.array([layout.place(i) if moves[i] else -1 for i in range(len(moves))])
        keys = places[pairs]
        return {tuple(key): pairs[(keys == key).all(1)] for key in np.unique(keys, axis=0).tolist()}

    def dense(self) -> Tensor:
        """The whole matrix ``[size, size]``."""
        return torch.from_numpy(self.sparse().toarray())

    def sparse(self) -> sparse.csr_array:
        """The whole matrix ``[size, size]``, with what is zero by construction left out."""
        layout = self.dynamics.layout
        merged = self.merged()
        if len(layout.blocks) == 1 and merged:
            return self._tile(0, 0, merged[0, 0])
        side = range(len(layout.blocks))
        tiles = [[self._tile(t, s, merged.get((t, s))) for s in side] for t in side]
        return sparse.csr_array(sparse.block_array(tiles, format="csr"))

    def _tile(self, t: int, s: int, part: Part | None) -> sparse.csr_array:
        """The part of the matrix where one cohort reads another."""
        target, source = self.dynamics.layout.blocks[t], self.dynamics.layout.blocks[s]
        shape = (len(target.rows) * target.width, len(source.rows) * source.width)
        if part is None:
            return sparse.csr_array(shape)
        rows, columns = (self.dynamics.layout.rows_of(members) for members in (part.targets, part.producers))
        begin = np.searchsorted(rows, np.arange(len(target.rows) + 1))
        tile = sparse.csr_array(sparse.bsr_array((part.blocks.numpy(), columns, begin), shape=shape).tocsr())
        tile.eliminate_zeros()  # most of it, where flows have no transform
        return tile

    def _inside(self, pair: tuple[int, int]) -> Tensor:
        """The block of a pair on changes that stay inside the producer's family."""
        layout = self.dynamics.layout
        return layout.starts[layout.blocks[layout.place(pair[1])].cohort].tangent(self.by_pair[pair])

    def norms(self) -> sparse.csr_array:
        """``K``, ``K_ij = ‖B_ij‖₂`` (largest singular value, inside the families), ``[members, members]``."""
        pairs, values = [], []
        for shape in {block.shape for block in self.by_pair.values()}:
            alike = [pair for pair, block in self.by_pair.items() if block.shape == shape]
            pairs += alike
            values += torch.linalg.matrix_norm(torch.stack([self._inside(pair) for pair in alike]), 2).tolist()
        n = len(self.dynamics.names)
        rows, columns = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in (0, 1))
        return sparse.csr_array((values, (rows, columns)), shape=(n, n))
