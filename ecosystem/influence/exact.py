"""Influence: by how much more curation at one member changes the long-run alignment of every other, exactly.

At a stable point ``Θ* = T(Θ*)`` the implicit function theorem gives, with ``B = ∂T/∂Θ`` and ``b_k = ∂T/∂λ_k``,

    M_jk = dJ_j/dλ_k = ∇J_jᵀ [(I − B)⁻¹]_jk b_k

(Zhang, Wei, Zhang 2026, arXiv 2605.29267, for two models; here for any network). ``T`` is the engine's own population
round and all derivatives are taken through it, so every family with a population law is covered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import pandas as pd
import torch
from torch import Tensor

from ecosystem.influence import after, propagation, verdicts, walks
from ecosystem.influence.asked import judged, movable
from ecosystem.influence.dynamics import Dynamics, Like
from ecosystem.influence.findings import Findings
from ecosystem.influence.knockout import KnockOut, solved_without
from ecosystem.influence.response import Response
from ecosystem.influence.stability import Stability, assess
from ecosystem.influence.stable import StablePoint, prepared, vector_of
from ecosystem.scenario import Scenario


class Influence(Response):
    """The influence matrix of a scenario and everything that follows from it; made by :func:`influence`.

    ``matrix`` is ``M`` as a DataFrame, rows targets, columns sources; ``table`` the same as one row a pair with the
    verdicts; ``welfare`` adds up what each source does to itself and to others. ``hops``, ``edges`` and ``paths``
    follow the effect through the network. ``formal`` is empty, or says why no dynamics leads there. ``skipped`` names
    members that have no column, ``unjudged`` those that have no row, and why.
    """

    def __init__(self, dynamics: Dynamics, point: StablePoint, sources: list[str], targets: list[str]) -> None:
        super().__init__(dynamics, vector_of(dynamics, point), sources, targets)
        self.scenario = dynamics.scenario
        self.point = point
        self.skipped: dict[str, str] = {}
        self.unjudged: dict[str, str] = {}

    # -- what people read --------------------------------------------------------------------------------------------

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each target and source.

        ``effect`` is ``M_jk`` (per unit of share). On the diagonal (``kind`` self) ``isolated`` is ``I_k``,
        ``amplification`` ``M_kk/I_k`` and ``network`` what the network does to it: unchanged, amplified, dampened,
        inverted or undefined. ``backfires``: the member's own curation lowers its own alignment; ``harms``: the effect
        is negative, whosever it is.
        """
        return verdicts.table(self.matrix, self.isolated, self.dynamics.coupling, self.scale)

    @property
    def welfare(self) -> pd.DataFrame:
        """Of each source: ``private`` value ``M_kk``, ``externality`` ``Σ_{j≠k} M_jk``, ``social`` value their sum."""
        return verdicts.welfare(self.matrix)

    @cached_property
    def formal(self) -> str:
        """Why the numbers are formal (no synchronous dynamics leads there); empty if they are not."""
        return verdicts.formal(self.resolvent.radius)

    @cached_property
    def stability(self) -> Stability:
        """See :func:`ecosystem.influence.stability`, at this stable point."""
        return assess(self.resolvent)

    # -- the paper's quantities ----------------------------------------------------------------------------------------

    def S(self, target: str) -> Tensor:
        """``S_q = R_qq``, ``R = (I − B)⁻¹``: what the loops through ``q`` make of a push, ``[width, width]``."""
        return self._resolved_rows(target)[:, self._span(target)]

    def C(self, target: str, source: str) -> Tensor:
        """``C = R_qq⁻¹ R_qp``: a change of ``p`` as it first arrives at ``q``, ``[width of q, width of p]``.

        For two models ``B_qp (I − B_pp)⁻¹`` (Theorem 4.5 of Zhang, Wei, Zhang 2026): ``R_qp = S_q C``.
        """
        rows = self._resolved_rows(target)
        return torch.linalg.solve(rows[:, self._span(target)], rows[:, self._span(source)])

    def rho(self, target: str, source: str) -> float:
        """The alignment proxy: ``cos(∇J_k, b_k)`` for a member itself, ``cos(∇J_j, C b_k)`` for another.

        Is curation at the source locally aligned with the target's users?
        """
        push, gradient = self.pushes[self._span(source)], self.gradients[self._span(target)]
        arriving = push if target == source else self.C(target, source) @ push
        return float(torch.nn.functional.cosine_similarity(gradient, arriving, dim=0, eps=1e-300))

    def _resolved_rows(self, target: str) -> Tensor:
        """The rows of ``(I − B)⁻¹`` that belong to a member, ``[width, size]``."""
        span = self._span(target)
        eye = self.vector.new_zeros(span.stop - span.start, len(self.vector))
        eye[:, span] = torch.eye(len(eye), dtype=eye.dtype)
        return self.resolvent.adjoint(eye)

    def _span(self, name: str) -> slice:
        span = self.dynamics.layout.span(self.dynamics.index[name]) if name in self.dynamics.index else None
        if span is None:
            moving = [n for i, n in enumerate(self.dynamics.names) if self.dynamics.moves[i]]
            raise KeyError(f"{name!r} is no member that retrains; those are {', '.join(moving[:8])}")
        return span

    # -- along the way -------------------------------------------------------------------------------------------------

    def hops(self, most: int = 8) -> pd.DataFrame:
        """See :func:`ecosystem.influence.propagation.hops`."""
        return propagation.hops(self, most)

    def edges(self, source: str | None = None, target: str | None = None, knock_out: bool = False) -> pd.DataFrame:
        """See :func:`ecosystem.influence.propagation.edges`."""
        return propagation.edges(self, source, target, knock_out)

    def paths(self, source: str, target: str, k: int = 10, longest: int = 24) -> pd.DataFrame:
        """See :func:`ecosystem.influence.walks.paths`."""
        return walks.paths(self, source, target, k, longest)

    def after(self, rounds: int | None = None) -> pd.DataFrame:
        """``dJ_j/dλ_k`` after so many rounds of the population from the scenario's own start, ``[targets, sources]``.

        By default the scenario's own: what a run shows of ``matrix`` by then, which it comes near as the network
        settles. Orders and clocks that are random are those of seed 0. By differences of fourth order of the engine's
        own rounds, exact to about ten digits; ValueError for a level at which the slopes on both sides differ.
        """
        rounds = self.scenario.rounds if rounds is None else rounds
        return after.after(self.dynamics, self.sources, self.targets, rounds)

    def knock_out(self, u: str, v: str) -> KnockOut:
        """Give the shares of ``u → v`` back to real data and solve again (ValueError where ``v`` has no real data)."""
        scenario, point = solved_without(self.scenario, u, v, self.vector)
        like = {name: flow for name, flow in self.dynamics.like.items() if flow != (u, v)}
        left = [name for name in self.sources if scenario.curation(name) > 0 or name in like]
        matrix = self.matrix * math.nan
        if left:
            new = influence(scenario, left, self.targets, like=like, at=point).matrix
            matrix = new.reindex_like(self.matrix) - self.matrix
        return KnockOut((u, v), point, point.alignment - self.point.alignment, matrix)

    # -- all of it -------------------------------------------------------------------------------------------------

    def findings(self, hops: int = 8, knock_out: bool = False) -> Findings:
        """Everything as tables, to save, show and report; of very many pairs the hops of the strongest only."""
        tables, stability = self.scenario.describe(), self.stability
        alignment = tables["members"]["member"].map(self.point.alignment)
        played, unplayed = after.of_pairs(self.dynamics, self.table, self.sources, self.targets)
        approach = self.point.approach
        return Findings(
            influence=self.table.assign(after=played),
            welfare=self.welfare,
            hops=propagation.strongest(self, hops),
            edges=self.edges(knock_out=knock_out),
            stability=stability.table,
            members=tables["members"].assign(alignment=alignment),
            flows=tables["flows"],
            settings={
                "scenario": self.scenario.name,
                "formal": self.formal,
                "seen": self.point.seen,
                "rounds": self.scenario.rounds,
                "distance": self.point.distance,
                "law": self.point.law,
                "when": f"{approach.when} it is {approach.where}" if approach else "",
                "unplayed": unplayed,
                "radius": self.resolvent.radius,
                "certificate": stability.certificate,
                "tolerance": stability.tolerance,
                "residual": self.point.residual,
                "skipped": self.skipped,
                "unjudged": self.unjudged,
            },
        )

    def __repr__(self) -> str:
        size = f"{len(self.sources)} sources, {len(self.targets)} targets"
        return f"Influence({self.scenario.name!r}: {size}, at {self.point.message})"


def influence(
    scenario: Scenario,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    *,
    like: Like | None = None,
    at: StablePoint | None = None,
) -> Influence:
    """The exact influence of curation at every source on every target, at the scenario's stable point.

    ``sources`` are members with a curation level strictly between 0 and 1 (default: all of those); for a member at
    level 0, ``like={name: (u, name)}`` says which flow would be curated, and the derivative is the right-hand one.
    ``targets`` are members with a reward whose expectation is exact (default: all). The stable point is the one that
    the scenario's own start leads to; ``at`` gives it, or another. The level is that of a member's diet, whoever
    chooses (:meth:`Scenario.with_curation`); effects are per unit of share: 0.01 of one for a percentage point.

    ValueError where there is no stable point, no population law or no derivative: the message names the place and what
    to use instead.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.3, curated=0.2))  # θ* = λ / (0.625 (1 − λ))
    >>> round(float(influence(s).matrix.at["a", "a"]), 9)
    2.5
    """
    dynamics, point = prepared(scenario, like, at)
    chosen, skipped = movable(dynamics, sources)
    wanted, unjudged = judged(dynamics, targets)
    result = Influence(dynamics, point, chosen, wanted)
    result.skipped, result.unjudged = skipped, unjudged
    return result
