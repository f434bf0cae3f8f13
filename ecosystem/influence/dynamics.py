"""The population dynamics of a scenario as functions of all parameters at once: the engine's own, made for solvers.

``T`` (:meth:`Dynamics.retrained`) fits every member to ``P_i(Θ)``; a *stable point* is ``Θ* = T(Θ*)``. Columns stand
where an ecosystem has its replicates, so one call moves many parameter vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import cast

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.products import any_bits
from ecosystem.core.streams import Stream
from ecosystem.engine.cohorts import Cohort
from ecosystem.engine.judging import tastes
from ecosystem.engine.looking import looked
from ecosystem.engine.program import Program, compiled
from ecosystem.engine.round import Round
from ecosystem.engine.state import Memory, State
from ecosystem.engine.step import play
from ecosystem.engine.waves import Plan, Task, compile_plan
from ecosystem.engine.wiring import CURATED, REAL, filled
from ecosystem.generators import ClosedForm
from ecosystem.influence.layout import Layout
from ecosystem.retention import Unsettled, settled
from ecosystem.retention import replace as newest
from ecosystem.running.agents import ModelAgent
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known
from ecosystem.scenario.copies import put_flows
from ecosystem.scenario.shares import share_rate

_STILL = 1000  # rounds in which a memory may show that it leaves alone what stands still
Like = Mapping[str, tuple[str, str]]
Part = tuple[str, str | None, int]  # reader, producer (None for real data) and group: a component by names
INSTEAD = "measure it by paired runs instead: measure_influence(scenario, ...) works with every generator and agent"


class Dynamics:
    """A scenario's retraining map on vectors ``[columns, size]``.

    ``like`` names, for members at curation level 0, the flow on which curation would arise (as ``with_curation``);
    ``arising`` are other shares of 0 that are to be looked at.
    """

    def __init__(self, scenario: Scenario, like: Like | None = None, arising: Set[Part] = frozenset()) -> None:
        self.like, self.arising = dict(like or {}), arising
        _check_like(scenario, self.like)
        self.given = scenario
        self.scenario = scenario.replace(samples=None)
        _check(self.scenario)
        wired = self.scenario
        for name, flow in self.like.items():  # so that the curated component exists; its share is put back below
            wired = wired.with_curation(name, 0.5, like=flow)
        if any(group == CURATED for _, _, group in arising):
            wired = _chosen_from(wired, arising)
            _check(wired)
        self._wired = replace(compiled([wired], [(0, 0)]), stops=False)  # solvers want to see where it leads
        self._programs: dict[tuple[int, bool, bool], Program] = {}
        self.wiring = self._wired.first.wiring
        self.cohorts = self._wired.cohorts
        self.names = list(self._wired.names)
        self.words = self._wired.words
        self.index = self._wired.index
        self.moves = np.array([not wired.member(name).schedule.is_never for name in self.names])
        self.layout = Layout(self.cohorts, self.moves, self._wired.first.audience)
        self.shares = self._shares()
        self.live = (self.shares != 0).flatten(1).any(1).numpy() | self._arising()
        self.start = self.layout.pack(self._wired.first.now, self._wired.first.audience)
        self.targets = self._targets()

    # -- the map --------------------------------------------------------------------------------------------------

    def retrained(self, vector: Tensor, shares: Tensor | None = None) -> Tensor:
        """``T(Θ)``: everybody fitted to what all of them, at ``Θ [columns, size]``, produce.

        Users who move look at ``Θ`` too: one more block of the map, with the fixed points that rounds have (in which
        they look when models have retrained).
        """
        now = self.world(vector, shares)
        with any_bits():
            play(now, self.plan, self.due(len(vector)))
            audience = looked(now.program, now.state).audience
        return self.layout.pack(now.generators, audience)

    def world(self, vector: Tensor, shares: Tensor | None = None) -> Round:
        """A round about to begin at ``Θ``: everybody reads it, however delayed, and keeps only the newest data."""
        program = self.program(len(vector), newest=True, differentiable=True)
        return Round(program, self.state([vector], shares=shares), 0, program.rng)

    def state(
        self, past: Sequence[Tensor], memories: Sequence[Memory] | None = None, shares: Tensor | None = None
    ) -> State:
        """The state of an ecosystem with parameters ``past[d] [columns, size]`` now and ``d`` rounds ago."""
        first, columns = self._wired.first, len(past[0])
        wide = {name: getattr(first, name).expand(-1, 1, columns) for name in ("active", "frozen")}
        return first.changed(
            past=tuple(tuple(self.layout.unpack(vector)) for vector in past),
            audience=self.layout.minds.unpack(past[0]),
            memories=first.memories if memories is None else tuple(memories),
            shares=self.shares if shares is None else shares,
            alive=first.alive.expand(1, columns),
            **wide,
        )

    def program(self, columns: int, *, newest: bool = False, differentiable: bool = False) -> Program:
        """The engine's program with a replicate for each column.

        ``newest``: with members who forget everything but the newest data.
        """
        key = (columns, newest, differentiable)
        if key not in self._programs:
            cohorts = self._forgetful if newest else self.cohorts
            rng = Stream(torch.from_numpy(np.zeros(columns, dtype=np.int64)))  # nothing is drawn on the population
            self._programs[key] = replace(self._wired, cohorts=cohorts, rng=rng, differentiable=differentiable)
        return self._programs[key]

    @cached_property
    def _forgetful(self) -> tuple[Cohort, ...]:
        return tuple(replace(cohort, retention=newest()) for cohort in self.cohorts)

    def compiled(self, ranks: np.ndarray, due: Tensor) -> Plan:
        """The waves of any round, ``ranks [members]``, ``due [members]``."""
        live = torch.from_numpy(self.live).double().reshape(-1, 1, 1)  # also where curation would arise
        return self._wired.plan(self._wired.first.changed(shares=live), ranks, due)

    @cached_property
    def plan(self) -> Plan:
        """Who reads what from whom when all retrain at once."""
        ranks = np.zeros(len(self.names), dtype=np.int64)
        return compile_plan(self._wired.parts, self.wiring, ranks, self.moves, self.live)

    def due(self, columns: int) -> Tensor:
        """Everybody who moves, ``[members, 1, columns]``."""
        return torch.from_numpy(self.moves).reshape(-1, 1, 1).expand(-1, 1, columns)

    def tasks(self, now: Round) -> list[Task]:
        """The tasks of a round in which all retrain at once, with the users of that round."""
        return [task.bind(now.state.audience) for wave in self.plan for task in wave]

    def alignment(self, vector: Tensor) -> Tensor:
        """``J = E r(x)`` of every target, ``[columns, targets]``."""
        state = self.state([vector])
        out: list[Tensor] = [torch.empty(0)] * len(self.targets)
        place = {self.index[name]: i for i, name in enumerate(self.targets)}
        for c, cohort in enumerate(self.cohorts):
            for taste in tastes(self._wired, state, c) if place.keys() & set(cohort.ids) else ():
                judged = cast(ClosedForm, taste.judged(state.now[c]))
                values = judged.expect(taste.reward)[:, 0].expand(-1, len(vector))
                for i, row in enumerate(taste.rows.tolist()):
                    if cohort.ids[row] in place:
                        out[place[cohort.ids[row]]] = values[i]
        return torch.stack(out, -1) if out else vector.new_zeros(len(vector), 0)

    # -- shares and levels ----------------------------------------------------------------------------------------

    def level_tangent(self, name: str, tangent: Tensor) -> None:
        """Write into ``tangent [components, 1, 1]`` how the shares of a member move with its curation level.

        See :func:`~ecosystem.scenario.shares.share_rate`; from level 0 all curation is on the flow ``like``.
        """
        level = self.scenario.curation(name)
        for i in self.wiring.components_of(self.index[name]):
            component = self.wiring.components[i]
            first = None if level > 0 else float(component.flow == self.like.get(name))
            tangent[i] = share_rate(self.shares[i], component.group == CURATED, level, first)

    def _shares(self) -> Tensor:
        shares = self._wired.first.shares.clone()
        for name in self.like:
            for i in self.wiring.components_of(self.index[name]):  # undo ``with_curation(name, 0.5)``
                shares[i] = 0.0 if self.wiring.components[i].group == CURATED else shares[i] * 2
        if self.arising:
            for i, component in enumerate(self.wiring.components):
                if component.flow is not None:
                    flow = self.scenario.flow(*component.flow)
                    shares[i] = flow.curated if component.group == CURATED else flow.raw
            shares = filled(self.wiring, shares)
        return shares

    def _arising(self) -> np.ndarray:
        """The components that have no share yet and would get one."""
        arising = {(v, u, CURATED) for u, v in self.like.values()} | self.arising
        names = [(self.names[c.target], c.flow and c.flow[0], c.group) for c in self.wiring.components]
        return np.array([name in arising for name in names], dtype=bool)

    def _targets(self) -> list[str]:
        """Members whose alignment is known exactly."""
        found = set()
        first = self._wired.first
        for c, cohort in enumerate(self.cohorts):
            for taste in tastes(self._wired, first, c):
                try:
                    cast(ClosedForm, first.now[c]).take(taste.rows).expect(taste.reward)
                except NoPopulationLaw:
                    continue
                found |= {cohort.names[row] for row in taste.rows.tolist()}
        return [name for name in self.names if name in found]

    def edges(self) -> list[tuple[str, str]]:
        """The flows that carry anything, in the order of the components."""
        parts = self.wiring.components
        found = {c.flow: None for c, live in zip(parts, self.live, strict=True) if live and c.group != REAL}
        return [flow for flow in found if flow is not None]

    @cached_property
    def coupling(self) -> nx.DiGraph:
        """The members that retrain and the flows between them that carry anything."""
        graph = nx.DiGraph()
        graph.add_nodes_from(name for name, moves in zip(self.names, self.moves, strict=True) if moves)
        graph.add_edges_from((u, v) for u, v in self.edges() if u in graph and v in graph)
        return graph


def _check_like(scenario: Scenario, like: Like) -> None:
    for name in like:
        check_known(name, scenario.graph, "like")
        level = scenario.curation(name)
        if level > 0:
            raise ValueError(f"like is for members at curation level 0, {name!r} has {level:.4g}; drop it there")


def _chosen_from(scenario: Scenario, arising: Set[Part]) -> Scenario:
    """The scenario with some curated share on each flow on which choosing would arise, so that its component exists.

    It is taken from the raw share of the flow, or where there is none from real data.
    """
    new = scenario.replace()
    readers: dict[str, list[str]] = {}
    for v, u in sorted((v, str(u)) for v, u, group in arising if group == CURATED):
        readers.setdefault(v, []).append(u)
    for v, producers in readers.items():
        spare = scenario.real_share(v) / (1 + len(producers))
        flows = {}
        for u in producers:
            flow = scenario.flow(u, v)
            some = {"raw": flow.raw / 2, "curated": flow.raw / 2} if flow.raw > 0 else {"curated": spare}
            flows[u] = replace(flow, **some)
        put_flows(new, v, flows)
    return new


def _check(scenario: Scenario) -> None:
    """Refuse what has no fixed population dynamics, naming the place and what to use instead."""
    try:
        scenario.check()
    except NoPopulationLaw as error:
        what = str(error).removesuffix(NoPopulationLaw.REMEDY).strip()
        raise ValueError(f"{what} has no population law, which exact influence needs; {INSTEAD}") from error
    if scenario.interventions:
        round = min(scenario.interventions)
        raise ValueError(
            f"scenario {scenario.name!r} changes while it runs ({scenario.interventions[round][0]} in round {round}); "
            f"a stable point belongs to a network that stays: build the scenario as it is in the end, or {INSTEAD}"
        )
    for retention in {id(m.retention): m.retention for m in map(scenario.member, scenario.names)}.values():
        with suppress(Unsettled):
            settled(retention, torch.ones(1, 1, 1, 1, dtype=torch.float64), rounds=_STILL)
    for name in scenario.names:
        member = scenario.member(name)
        if member.agent is not None and member.agent is not ModelAgent:
            raise ValueError(f"{name!r} has an agent of its own, {member.agent.__name__}, which may act; {INSTEAD}")
        if member.schedule.ends:
            raise ValueError(
                f"{name!r} retrains {member.schedule}, then never again: where it ends depends on the way there; "
                f"give it every(...) or never, or {INSTEAD}"
            )
    if all(scenario.member(name).schedule.is_never for name in scenario.names):
        raise ValueError(f"in scenario {scenario.name!r} nobody retrains (schedule=never): there is nothing to solve")
