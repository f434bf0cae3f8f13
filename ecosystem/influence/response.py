"""A network's linear response to a push at a stable point: ``B``, ``b_k``, ``∇J_j``, and what follows from them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.arguments import meant_among
from ecosystem.core.kinds import typed
from ecosystem.core.words import listed
from ecosystem.influence.alone import alone
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.endless import Endless, endless
from ecosystem.influence.goals import Alignment, Goal
from ecosystem.influence.links import Links
from ecosystem.influence.numbers import Curation, Numbers
from ecosystem.influence.pushes import lengths, pushes_of, selected, summed
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.smoothness import check_smooth
from ecosystem.influence.solved import Account, Solved

_TRACED = 1 << 28  # members and flows, for each source, up to which it is looked up who can be reached


class Response:
    """``M = ∇Jᵀ (I − B)⁻¹ b`` at ``vector [size]``, for some sources of ``numbers`` and some targets of a ``goal``.

    By default of curation and alignment. Where the point is one of a continuum of stable points, effects that have no
    end are infinite, and those that only the way there decides are NaN; ``endless`` says which and why, for which the
    way's ``begin [size]`` is looked at.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        vector: Tensor,
        sources: list[str],
        targets: list[str],
        numbers: Numbers | None = None,
        goal: Goal | None = None,
        begin: Tensor | None = None,
    ) -> None:
        self.dynamics = dynamics
        self.vector = vector
        self.sources = sources
        self.targets = targets
        self.numbers = Curation(dynamics.like) if numbers is None else numbers
        self.goal = Alignment(dynamics) if goal is None else goal
        self.links = Links(dynamics)
        self.resolvent = Resolvent(dynamics, vector)
        check_smooth(dynamics, vector, self.resolvent.push, self.goal, targets)
        self.pushes = pushes_of(self.numbers, self.resolvent.flows, sources)
        self.gradients = self._gradients()
        self.endless = self._endless(vector.new_zeros(0) if begin is None else begin)
        self._account = Account(self.resolvent)
        self.matrix = self._matrix()

    # -- the ingredients, all members at once ----------------------------------------------------------------------

    @typed
    def pushed(self, source: str) -> dict[str, Tensor]:
        """``b_k = ∂T/∂(number)`` by the members that a source moves, in each one's own block ``[width]``."""
        if source not in self.sources:
            near = meant_among(source, self.sources, f"those are {listed(self.sources)}")
            raise KeyError(f"{source!r} is no source of this influence matrix{near}")
        row, layout = self.pushes.rows([source])[0], self.dynamics.layout
        spans = {name: layout.span(self.dynamics.index[name]) for name in self._readers(source)}
        return {name: row[span] for name, span in spans.items() if span is not None}

    def _readers(self, source: str) -> list[str]:
        return self.numbers.readers(self.dynamics.scenario, source)

    def _gradients(self) -> Tensor:
        """``∇J_j`` of every target, in its own block: ``[size]``."""
        values, pull = vjp(self.goal.values, self.vector.unsqueeze(0))[:2]
        asked = set(self.targets)
        wanted = torch.tensor([name in asked for name in self.goal.targets], dtype=values.dtype)
        return self.dynamics.layout.tangent(pull(wanted.unsqueeze(0))[0])[0]

    @cached_property
    def alignment(self) -> pd.Series:
        """``J`` of everybody who has one, at the point."""
        return Alignment(self.dynamics).at(self.vector)

    @property
    def scale(self) -> pd.DataFrame:
        """How large each effect could be before anything fades: targets in rows, sources in columns.

        The source's longest push along the target's taste.
        """
        steepness = lengths(self.dynamics, self.gradients.unsqueeze(0))[0]
        rows = steepness[[self.dynamics.index[name] for name in self.targets]]
        return _labelled(rows.unsqueeze(-1) * self.pushes.sizes(self.sources), self.targets, self.sources)

    def _endless(self, begin: Tensor) -> Endless | None:
        free = self.resolvent.continuum
        if free is None:
            return None
        return endless(
            free,
            self.pushes,
            self.numbers,
            self.dynamics,
            self.vector,
            begin,
            self.gradients,
            self.sources,
            self.targets,
        )

    def _matrix(self) -> pd.DataFrame:
        """``M``, rows targets and columns sources."""
        effects = self._solved().numpy()
        effects = effects if self.endless is None else self.endless.on(effects)
        matrix = self.links.matrix
        if not self.links.one and len(self.sources) * (matrix.nnz + matrix.shape[0]) <= _TRACED:
            rows = [self.dynamics.index[name] for name in self.targets]
            for k, source in enumerate(self.sources):  # no way, no effect: not even by rounding
                effects[~self.links.reached(self._readers(source))[rows], k] = 0.0
        return _labelled(effects, self.targets, self.sources)

    @property
    def solved(self) -> Solved:
        """How it was solved for: in what way, in how much memory, and how far effects can be off at most."""
        if len(self.targets) < len(self.sources):
            return self._account.told(float(self.pushes.sizes(self.sources).max()))
        return self._account.told(float(lengths(self.dynamics, self.gradients.unsqueeze(0)).max()))

    def _solved(self) -> Tensor:
        """``M [targets, sources]``, solving for whichever are fewer."""
        if len(self.targets) < len(self.sources):
            rows = [
                self.pushes.against(self._account.adjoint(selected(self.dynamics, self.gradients, part)))
                for part in (self.targets[s] for s in self.resolvent.batches(len(self.targets)))
            ]
            return torch.cat(rows) if rows else torch.zeros(0, len(self.sources), dtype=torch.float64)
        columns = [
            summed(self.dynamics, self._account.forward(self.pushes.rows(part)), self.gradients, self.targets)
            for part in (self.sources[s] for s in self.resolvent.batches(len(self.sources)))
        ]
        return torch.cat(columns).T

    @cached_property
    def isolated(self) -> pd.Series:
        """``I_k = ∇J_kᵀ (I − B_kk)⁻¹ b_k``: what a push would do with everybody else frozen at the stable point.

        Of sources that are members and retrain.
        """
        index, moves = self.dynamics.index, self.dynamics.moves
        known, asked = [name for name in self.sources if name in index and moves[index[name]]], set(self.targets)
        names = [name for name in known if name in asked]
        if not names:
            return pd.Series(dtype=float, index=pd.Index([], name="source"), name="isolated")
        some = np.zeros(len(moves), dtype=bool)
        some[[index[name] for name in names]] = True
        led = alone(self.resolvent, self.pushes.own(), some).unsqueeze(0)
        values = summed(self.dynamics, led, self.gradients, names)[0]
        return pd.Series(values.numpy(), index=pd.Index(names, name="source"), name="isolated")


def _labelled(matrix: Tensor | np.ndarray, targets: list[str], sources: list[str]) -> pd.DataFrame:
    """A matrix ``[targets, sources]`` with its names."""
    index, columns = pd.Index(targets, name="target"), pd.Index(sources, name="source")
    return pd.DataFrame(np.asarray(matrix), index=index, columns=columns)
