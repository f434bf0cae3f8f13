"""The population dynamics of a scenario as functions of all parameters at once: the engine's own, made for solvers.

``T`` (:meth:`Dynamics.retrained`) fits every member to ``P_i(Θ)``; a *stable point* is ``Θ* = T(Θ*)``. Columns stand
where an ecosystem has its replicates, so one call moves many parameter vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import one_line
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.products import any_bits
from ecosystem.core.streams import Stream, on_device
from ecosystem.engine.audience import one
from ecosystem.engine.choosing import chosen, used
from ecosystem.engine.looking import looked
from ecosystem.engine.memories import Unsettled, settled
from ecosystem.engine.placing import Home, home_of
from ecosystem.engine.program import Program, compiled
from ecosystem.engine.round import Round
from ecosystem.engine.state import Memory, State
from ecosystem.engine.step import play
from ecosystem.engine.waves import Plan, Task
from ecosystem.engine.wiring import CURATED
from ecosystem.influence.arising import Like, Part, arise, check_like, chosen_from, curated_like, own_shares
from ecosystem.influence.layout import Layout
from ecosystem.influence.leaving import differentiating
from ecosystem.retention import replace as forgetful
from ecosystem.running.agents import ModelAgent
from ecosystem.scenario import Scenario
from ecosystem.scenario.network import said_of_all, standing_for_all

_STILL = 1000  # rounds in which a memory may show that it leaves alone what stands still
INSTEAD = "measure it by paired runs instead: measure_influence(scenario, ...) works with every generator and agent"


class Dynamics:
    """A scenario's retraining map on vectors ``[columns, size]``.

    ``like`` names, for members at curation level 0, the flow on which curation would arise (as ``with_curation``);
    ``arising`` are other shares of 0 that are to be looked at. On a ``device`` the map is played, and differentiated,
    there; vectors, and the solvers that work on them, stay on the CPU. With ``dtype=torch.float32`` there is a
    ``rough`` one besides, for corrections that are held against the exact one.
    """

    original: Dynamics | None = None  # whose map this is, with other shares

    def __init__(
        self,
        scenario: Scenario,
        like: Like | None = None,
        arising: Set[Part] = frozenset(),
        device: Any = None,
        dtype: Any = None,
        home: Home = Home(),  # noqa: B008 - frozen
    ) -> None:
        there = home_of(device, dtype)
        exact = replace(there, dtype=torch.float64)
        self.away = None if exact.usual else Dynamics(scenario, like, arising, home=exact)
        self.rough = None if there == exact else Dynamics(scenario, like, arising, home=there)
        self.like, self.arising = dict(like or {}), arising
        check_like(scenario, self.like)
        self.given = scenario
        self.scenario = scenario.replace(samples=None)
        _check(self.scenario)
        wired = curated_like(self.scenario, self.like)  # so that all components exist; own_shares puts shares back
        if any(group == CURATED for _, _, group in arising):
            wired = chosen_from(wired, arising)
            _check(wired)
        self._wired = replace(compiled([wired], [(0, 0)], home=home), stops=False)  # solvers want to see where it leads
        _check_clocks(self.scenario, self._wired.first)
        self._programs: dict[tuple[int, bool, bool], Program] = {}
        self.wiring = self._wired.first.wiring
        self.cohorts = self._wired.cohorts
        self.names = list(self._wired.names)
        self.index = self._wired.index
        self.moves = said_of_all(self.scenario, lambda member: not member.schedule.is_never)
        self.layout = Layout(self.cohorts, self.moves, self._wired.first)
        self.shares = own_shares(self.scenario, self._wired.first, self.like, arising)
        self.live = (self.shares != 0).flatten(1).any(1).cpu().numpy() | arise(self.wiring, self.like, arising)
        self.start = self.layout.pack(self._wired.first.now, self._wired.first)

    # -- the map --------------------------------------------------------------------------------------------------

    def retrained(self, vector: Tensor, shares: Tensor | None = None, differentiable: bool = True) -> Tensor:
        """``T(Θ)``: everybody fitted to what all of them, at ``Θ [columns, size]``, produce.

        The same to the bit, in less memory, where torch need not differentiate it.

        Users who move look at ``Θ`` too: one more block of the map, with the fixed points that rounds have (in which
        tastes look when models have retrained, and users choose between members before).
        """
        if self.away is not None:
            there = self.away.shares.device
            moved = None if shares is None else shares.to(there)
            return self.away.retrained(vector.to(there), moved, differentiable).to(vector.device)
        taken = self.layout.minds.weighed(vector, self.shares if shares is None else shares)
        now = self._played(self.round_at(vector, taken, differentiable))
        with any_bits():
            users = now.state.changed(
                audience=looked(now.program, now.state).audience, weights=chosen(now.program, now.state)[0].weights
            )
        return self.layout.pack(now.generators, users)

    def played(self, vector: Tensor) -> Tensor:
        """A round as it is played: users choose, all retrain on the newest data, then tastes look at the new output."""
        if self.away is not None:
            return self.away.played(vector.to(self.away.shares.device)).to(vector.device)
        now = self.round_at(vector)
        now = self._played(Round(now.program, chosen(now.program, now.state)[0], 0, now.rng))
        after = self.layout.pack(now.generators, now.state)
        with any_bits():
            audience = looked(now.program, self.state([after])).audience
        return self.layout.pack(now.generators, now.state.changed(audience=audience))

    @property
    def roughly(self) -> Callable[[Tensor], Tensor] | None:
        """:meth:`retrained` with float32 numbers, where it was asked for: from and to float32 vectors.

        Raises
        ------
        ValueError
            If a part has numbers of its own that do not mix with these.
        """
        rough = self.rough
        if rough is None:
            return None
        assert rough.plan  # made before torch differentiates

        def retrained(vector: Tensor) -> Tensor:
            try:
                return rough.retrained(vector.to(rough.shares.device)).to(vector)
            except RuntimeError as error:
                raise ValueError(
                    f"influence(dtype=torch.float32) does not pass a part of the scenario: {one_line(error)}; leave "
                    "dtype out"
                ) from error

        return retrained

    def _played(self, now: Round) -> Round:
        """A round in which all retrain, before tastes look."""
        due = torch.from_numpy(self.moves).to(now.shares.device).reshape(-1, 1, 1).expand(-1, *now.state.alive.shape)
        with any_bits(), differentiating(self.scenario, INSTEAD):
            play(now, self.plan, used(now.state, due))
        return now

    def round_at(self, vector: Tensor, shares: Tensor | None = None, differentiable: bool = True) -> Round:
        """A round about to begin at ``Θ``: everybody reads it, however delayed, and keeps only the newest data.

        ``shares`` are those that are taken, whatever users choose.
        """
        program = self.program(len(vector), newest=True, differentiable=differentiable)
        return Round(program, self.state([vector], shares=shares), 0, program.rng)

    def state(
        self, past: Sequence[Tensor], memories: Sequence[Memory] | None = None, shares: Tensor | None = None
    ) -> State:
        """The state of an ecosystem with parameters ``past[d] [columns, size]`` now and ``d`` rounds ago.

        ``shares`` are those that are taken, whatever users choose.
        """
        first, columns = self._wired.first, len(past[0])
        wide = {name: getattr(first, name).expand(-1, 1, columns) for name in ("active", "frozen")}
        return first.changed(
            past=tuple(tuple(self.layout.unpack(vector)) for vector in past),
            audience=self.layout.minds.unpack(past[0]),
            memories=first.memories if memories is None else tuple(memories),
            declared=self.shares,
            weights=self.layout.minds.weights(past[0]),
            shares=self.layout.minds.weighed(past[0], self.shares) if shares is None else shares,
            alive=first.alive.expand(1, columns),
            **wide,
        )

    def program(self, columns: int, *, newest: bool = False, differentiable: bool = False) -> Program:
        """The engine's program with a replicate for each column.

        ``newest``: with members who forget everything but the newest data.
        """
        key = (columns, newest, differentiable)
        if key not in self._programs:
            cohorts = self.cohorts
            if newest:
                cohorts = tuple(replace(cohort, retention=forgetful()) for cohort in cohorts)
            lots = Stream(torch.from_numpy(np.zeros(columns, dtype=np.int64)))  # nothing is drawn on the population
            keys = {"rng": on_device(lots, self._wired.home.device), "lots": lots}
            self._programs[key] = replace(self._wired, cohorts=cohorts, differentiable=differentiable, **keys)
        return self._programs[key]

    def with_shares(self, shares: Tensor) -> Dynamics:
        """The same map with other declared shares ``[components, 1, 1]``; nothing is compiled anew.

        Components that have no share here, and did not arise, must have none there.
        """
        assert self.plan  # made once for all
        other = copy(self)
        other.shares, other.original = shares, self.original or self
        other.away = None if self.away is None else self.away.with_shares(shares.to(self.away.shares.device))
        other.rough = None if self.rough is None else self.rough.with_shares(shares.to(self.rough.shares))
        return other

    def compiled(self, ranks: np.ndarray, due: Tensor) -> Plan:
        """The waves of any round, ``ranks [members]``, ``due [members]``."""
        live = torch.from_numpy(self.live).reshape(-1, 1, 1)  # also where curation would arise
        return self._wired.plan(self._wired.first.changed(shares=live), ranks, due)

    @cached_property
    def plan(self) -> Plan:
        """Who reads what from whom when all retrain at once."""
        ranks = np.zeros(len(self.names), dtype=np.int64)
        return self.compiled(ranks, torch.from_numpy(self.moves))

    def tasks(self, now: Round) -> list[Task]:
        """The tasks of a round in which all retrain at once, with the users of that round."""
        return [task.bind(now.state.audience) for wave in self.plan for task in wave]


def _check_clocks(scenario: Scenario, state: State) -> None:
    """Refuse users who learn otherwise in each round."""
    for stack in state.audience.stacks:
        if stack.learn is not None and stack.learn.timed:
            raise ValueError(
                f"scenario {scenario.name!r} has users who learn otherwise in each round ({one(stack.learn)}); a "
                f"stable point belongs to a network that stays: let them learn alike in all, or {INSTEAD}"
            )


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
    every = standing_for_all(scenario)
    for retention in {id(member.retention): member.retention for _, member, _ in every}.values():
        with suppress(Unsettled):
            settled(retention, torch.ones(1, 1, 1, 1, dtype=torch.float64), rounds=_STILL)
    for name, member, _ in every:
        if member.agent is not None and member.agent is not ModelAgent:
            raise ValueError(f"{name!r} has an agent of its own, {member.agent.__name__}, which may act; {INSTEAD}")
        if member.schedule.ends:
            raise ValueError(
                f"{name!r} retrains {member.schedule}, then never again: where it ends depends on the way there; "
                f"give it every(...) or never, or {INSTEAD}"
            )
    if all(member.schedule.is_never for _, member, _ in every):
        raise ValueError(f"in scenario {scenario.name!r} nobody retrains (schedule=never): there is nothing to solve")
