"""A network's linear response to curation at a stable point: ``B``, ``b_k``, ``∇J_j``, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import networkx as nx
import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.smoothness import check_smooth

_TRACED = 2000  # members up to which it is looked up who can be reached


class Response:
    """``M = ∇Jᵀ (I − B)⁻¹ b`` at ``vector [size]``, for some sources of curation and targets of alignment."""

    def __init__(self, dynamics: Dynamics, vector: Tensor, sources: list[str], targets: list[str]) -> None:
        self.dynamics = dynamics
        self.vector = vector
        self.sources = sources
        self.targets = targets
        self.resolvent = Resolvent(dynamics, vector)
        self.blocks = self.resolvent.blocks
        check_smooth(dynamics, vector, self.resolvent.push)
        self.pushes = self._pushes()
        self.gradients = self._gradients()
        self.matrix = self._matrix()

    # -- the ingredients, all members at once ----------------------------------------------------------------------

    def _pushes(self) -> Tensor:
        """``b_k = ∂T_k/∂λ_k`` of every source, in its own block: ``[size]``.

        ``T_k`` alone depends on ``λ_k``, so one derivative along all levels together gives them all.
        """
        tangent = torch.zeros_like(self.dynamics.shares)
        for name in self.sources:
            self.dynamics.level_tangent(name, tangent)
        return self.blocks.pushed(tangent)

    def _gradients(self) -> Tensor:
        """``∇J_j`` of every target, in its own block: ``[size]``."""
        values, pull = vjp(self.dynamics.alignment, self.vector.unsqueeze(0))[:2]
        asked = set(self.targets)
        wanted = torch.tensor([name in asked for name in self.dynamics.targets], dtype=values.dtype)
        return self.dynamics.layout.tangent(pull(wanted.unsqueeze(0))[0])[0]

    @cached_property
    def alignment(self) -> pd.Series:
        """``J`` of everybody who has one, at the point."""
        values = self.dynamics.alignment(self.vector.unsqueeze(0))[0]
        return pd.Series(values.numpy(), index=pd.Index(self.dynamics.targets, name="member"), name="alignment")

    @property
    def scale(self) -> float:
        """How large an effect could be before anything fades: the longest push along the steepest taste."""
        pushes, gradients = (
            torch.zeros(len(self.dynamics.names), dtype=blocks.dtype)
            .index_add_(0, self.dynamics.layout.owners(), blocks**2)
            .max()
            .sqrt()
            for blocks in (self.pushes, self.gradients)
        )
        return float(pushes * gradients)

    def selected(self, blocks: Tensor, names: Sequence[str]) -> Tensor:
        """One row for each name: ``blocks [size]`` with all but its own block 0, ``[names, size]``."""
        members = torch.tensor([self.dynamics.index[name] for name in names], dtype=torch.int64)
        return torch.where(members.unsqueeze(-1) == self.dynamics.layout.owners(), blocks, 0.0)

    def summed(self, rows: Tensor, blocks: Tensor, names: Sequence[str]) -> Tensor:
        """``Σ rows · blocks`` over each name's own block, ``[rows, names]``."""
        members = torch.tensor([self.dynamics.index[name] for name in names], dtype=torch.int64)
        owners = self.dynamics.layout.owners()
        total = rows.new_zeros(len(rows), len(self.dynamics.names)).index_add_(1, owners, rows * blocks)
        return total.index_select(1, members)

    def _matrix(self) -> pd.DataFrame:
        """``M``, rows targets and columns sources."""
        index, columns = pd.Index(self.targets, name="target"), pd.Index(self.sources, name="source")
        matrix = pd.DataFrame(self._solved().numpy(), index=index, columns=columns)
        graph = self.dynamics.coupling
        if not nx.is_strongly_connected(graph) and len(graph) <= _TRACED:  # no way, no effect: not even by rounding
            for source in self.sources:
                reached = nx.descendants(graph, source) | {source}
                matrix.loc[[name not in reached for name in self.targets], source] = 0.0
        return matrix

    def _solved(self) -> Tensor:
        """``M [targets, sources]``, solving for whichever are fewer."""
        if len(self.targets) < len(self.sources):
            rows = [
                self.summed(self.resolvent.adjoint(self.selected(self.gradients, part)), self.pushes, self.sources)
                for part in (self.targets[s] for s in self.resolvent.batches(len(self.targets)))
            ]
            return torch.cat(rows) if rows else torch.zeros(0, len(self.sources), dtype=torch.float64)
        columns = [
            self.summed(self.resolvent.forward(self.selected(self.pushes, part)), self.gradients, self.targets)
            for part in (self.sources[s] for s in self.resolvent.batches(len(self.sources)))
        ]
        return torch.cat(columns).T

    @cached_property
    def isolated(self) -> pd.Series:
        """``I_k = ∇J_kᵀ (I − B_kk)⁻¹ b_k``: what curation would do with everybody else frozen at the stable point."""
        asked = set(self.targets)
        names = [name for name in self.sources if name in asked]
        alone = self.resolvent.alone(self.pushes).unsqueeze(0)
        values = self.summed(alone, self.gradients, names)[0]
        return pd.Series(values.numpy(), index=pd.Index(names, name="source"), name="isolated")
