"""The blocks ``B_ij = ∂T_i/∂θ_j``, put together from those of all flows: by pair, as a matrix, as norms."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ecosystem.influence.linear_flows import LinearFlows, PairBlocks

_AT_ONCE = 1 << 10  # blocks whose norms are worked out together


class Blocks:
    """The blocks of ``B`` at the point of some linearised flows."""

    def __init__(self, flows: LinearFlows) -> None:
        self.flows = flows
        self.dynamics = flows.dynamics

    @cached_property
    def by_pair(self) -> dict[tuple[int, int], Tensor]:
        """The block of each pair (target, producer) that is not zero by construction."""
        found: dict[tuple[int, int], Tensor] = {}
        for part in self.merged().values():
            pairs = zip(part.targets.tolist(), part.producers.tolist(), strict=True)
            found.update(zip(pairs, part.blocks, strict=True))
        return found

    def merged(self) -> dict[tuple[int, int], PairBlocks]:
        """One block for each pair of members, by the numbers of the two cohorts' places in the layout."""
        layout, found = self.dynamics.layout, {}
        wanted = self._pairs()
        for part in self.flows.parts():
            place = (int(layout.place[part.targets[0]]), int(layout.place[part.producers[0]]))
            known = found.get(place)
            if known is None:
                pairs = wanted[place]
                targets, producers = torch.from_numpy(pairs.T.copy())
                blank = part.blocks.new_zeros(len(pairs), *part.blocks.shape[1:])
                known = found[place] = PairBlocks(targets, producers, blank)
            size = len(self.dynamics.names)
            where = torch.searchsorted(known.targets * size + known.producers, part.targets * size + part.producers)
            known.blocks.index_add_(0, where, part.blocks)
        return found

    def _pairs(self) -> dict[tuple[int, int], np.ndarray]:
        """The pairs (target, producer) between which something flows, ``[n, 2]`` in order, by places in the layout."""
        wiring, layout = self.dynamics.wiring, self.dynamics.layout
        moves, u, v = self.dynamics.moves, wiring.producer, wiring.target
        flows = np.stack([v, u], 1)[self.dynamics.live & (u >= 0) & moves[u] & moves[v]]
        kept = [fit.task.members for fit in self.flows.fits if fit.incomplete]
        own = np.repeat(np.concatenate([np.zeros(0, dtype=np.int64), *kept])[:, None], 2, axis=1)
        pairs = np.unique(np.concatenate([flows, own]), axis=0)
        keys = layout.place[pairs]
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

    def _tile(self, t: int, s: int, part: PairBlocks | None) -> sparse.csr_array:
        """The part of the matrix where one cohort reads another."""
        target, source = self.dynamics.layout.blocks[t], self.dynamics.layout.blocks[s]
        shape = (len(target.rows) * target.width, len(source.rows) * source.width)
        if part is None:
            return sparse.csr_array(shape)
        rows, columns = (self.dynamics.layout.rows_of(members) for members in (part.targets, part.producers))
        begin = np.searchsorted(rows, np.arange(len(target.rows) + 1))
        places = np.int32 if max(shape) < 2**31 and part.blocks.numel() < 2**31 else np.int64
        blocks = part.blocks.numpy(), columns.astype(places), begin.astype(places)
        tile = sparse.csr_array(sparse.bsr_array(blocks, shape=shape).tocsr())
        tile.eliminate_zeros()  # most of it, where flows have no transform
        return tile

    def norms(self) -> sparse.csr_array:
        """``K``, ``K_ij = ‖B_ij‖₂`` (largest singular value, inside the families), ``[members, members]``."""
        layout, n = self.dynamics.layout, len(self.dynamics.names)
        total = sparse.csr_array((n, n))
        for (_, source), part in self.merged().items():
            inside = layout.starts[layout.blocks[source].cohort].tangent
            values = [torch.linalg.matrix_norm(inside(some), 2) for some in part.blocks.split(_AT_ONCE)]
            ends = part.targets.numpy(), part.producers.numpy()
            total = total + sparse.csr_array((torch.cat(values).numpy(), ends), shape=(n, n))
        return sparse.csr_array(total)
