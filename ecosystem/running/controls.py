"""Controls: what may change while an ecosystem runs, and the record of it.

Agents that decide and interventions from outside use the same few verbs. Every change is checked like a scenario's and
written to the table ``changes``. Masks ``where [variants, replicates]`` say in which replicates a change happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.streams import Stream
from ecosystem.curation import Users
from ecosystem.engine.cohorts import Registry
from ecosystem.engine.wiring import CURATED, RAW, Component, Wiring
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import (
    TOLERANCE,
    Connect,
    Curate,
    Disconnect,
    Freeze,
    Intervention,
    Join,
    Leave,
    Thaw,
    rescaled,
)
from ecosystem.schedules import Schedule, is_never

_key = attrgetter("target", "group", "flow")  # what stays of a component when other users choose on it
_KEPT = ("round", "version", "active", "frozen", "_declared", "_absent", "_curators")  # as they are, in a checkpoint


@dataclass(frozen=True)
class Change:
    """One row of the table ``changes``, for the replicates in ``where``."""

    round: int
    subject: str
    what: str
    before: Tensor | str
    after: Tensor | str
    where: Tensor


class Controls:
    """Who is there, who is frozen, when each is due, and who takes how much from whom."""

    def __init__(self, scenarios: Sequence[Scenario], wiring: Wiring, replicates: int) -> None:
        self.scenario = scenarios[0]
        self.wiring = wiring
        self.round = 0
        self.changes: list[Change] = []
        self.cell = (len(scenarios), replicates)
        self.alive = torch.ones(self.cell, dtype=torch.bool)  # replicates that have not diverged
        self.active = torch.ones(len(wiring.names), *self.cell, dtype=torch.bool)
        self.frozen = torch.zeros_like(self.active)
        self.version = 0  # of the shares: plans compiled for an older one are stale
        self._absent = self.scenario.late()
        self._declared = wiring.shares.clone()
        self._schedules = _schedule_groups(scenarios, wiring)
        self._own: dict[int, list[tuple[Schedule, Tensor]]] = {}
        self._curators: dict[str, str] = {}
        self._users: list[tuple[str, Users, tuple[int, int]]] = []  # those that agents have set, and their place
        for subject in self._absent:
            if isinstance(subject, str):
                self.active[wiring.index[subject]] = False
        self._commit()

    # -- who is due ------------------------------------------------------------------------------------------------

    def due(self, round: int, rng: Stream, words: Tensor) -> Tensor:
        """Who retrains in a round, ``[members, variants, replicates]``."""
        due = torch.zeros_like(self.active)
        for ids, schedule in self._schedules:
            due[ids] = self._answer(schedule, round, rng, words[ids])
        for member, many in self._own.items():
            for schedule, where in many:
                answer = self._answer(schedule, round, rng, words[member : member + 1])[0]
                due[member] = torch.where(where, answer, due[member])
        return due & self.active & ~self.frozen

    def _answer(self, schedule: Schedule, round: int, rng: Stream, words: Tensor) -> Tensor:
        stream = Stream(torch.zeros(1, 1, 1, dtype=torch.int64))
        if schedule.random:
            stream = Stream(rng.at("schedule").keys.reshape(1, 1, -1)).at(words.reshape(-1, 1, 1))
        return schedule.due(round, stream).expand(len(words), *self.cell)

    # -- verbs of agents -------------------------------------------------------------------------------------------

    def set_flow(self, u: str, v: str, raw: Any = None, curated: Any = None, where: Tensor | None = None) -> None:
        """Change the shares that ``v`` takes from ``u`` (numbers or ``[variants, replicates]``)."""
        places = {group: self._places(u, v, group) for group in (RAW, CURATED)}
        if not places[RAW] and not places[CURATED]:
            raise KeyError(f"{v!r} has no flow from {u!r}; declare it in the scenario, with share 0 if need be")
        where = self._where(where)
        with self._change():
            for group, name, value in ((RAW, "raw", raw), (CURATED, "curated", curated)):
                if value is None:
                    continue
                if not places[group]:
                    raise ValueError(f"the flow {u!r} → {v!r} has no {name} part; declare it with a positive share")
                self._set_group(f"{u}→{v}", name, places[group], torch.as_tensor(value, dtype=torch.float64), where)

    def set_curation(self, v: str, level: Any, where: Tensor | None = None) -> None:
        """Raise or lower the curation level of ``v``: curated shares ``· λ'/λ``, all others ``· (1−λ')/(1−λ)``."""
        where = self._where(where)
        target = torch.as_tensor(level, dtype=torch.float64).expand(self.cell)
        places = [i for i in self.wiring.components_of(self.wiring.index[v]) if self._present(i)]
        curated = [i for i in places if self.wiring.components[i].group == CURATED]
        raw = [i for i in places if self.wiring.components[i].group == RAW]
        self._spread()
        old = self._declared[curated].sum(0)
        if bool((where & ((old <= 0) | (old >= 1) | (target < 0) | (target > 1))).any()):
            raise ValueError(
                f"round {self.round}: the curation level of {v!r} can go from strictly between 0 and 1 to between 0 "
                f"and 1, asked was {old[where].tolist()} → {target[where].tolist()}"
            )
        safe = torch.where(where, old, 0.5)
        new_raw, new_curated = rescaled(self._declared[raw], self._declared[curated], safe, target)
        with self._change():
            self._declared[raw] = torch.where(where, new_raw, self._declared[raw])
            self._declared[curated] = torch.where(where, new_curated, self._declared[curated])
            self._log(v, "curation", old, target, where & ((old - target).abs() > TOLERANCE))

    def set_curator(self, name: str, users: Users, where: Tensor | None = None) -> None:
        """Other users (or other habits of theirs) choose wherever this member's users do."""
        where = self._where(where)
        member = self.wiring.index[name]
        place = self._placed(name, users)
        self._spread()
        moved = False
        for old in [c for c in self.wiring.components if c.group == CURATED and self._chooser(c) == member]:
            here = where & self._current(old)
            if old.users == place or not bool(here.any()):
                continue
            moved = True
            i = self.wiring.components.index(old)
            share = torch.where(here, self._declared[i], 0.0)
            self._declared[i] = torch.where(here, 0.0, self._declared[i])
            assert old.flow is not None
            same = [k for k in self._places(*old.flow, CURATED) if self.wiring.components[k].users == place]
            if same:
                new = self.wiring.components[same[0]]
                self._declared[same[0]] += share
                new.current = self._current(new) | here
            else:
                new = replace(old, users=place, current=here)
                self.wiring.shares = self._declared
                self.wiring.insert(new, share)
                self._declared = self.wiring.shares.clone()
            old.current = self._current(old) & ~here
        if moved:
            before = self._curators.get(name, str(self.scenario.member(name).curator))
            self._curators[name] = str(users.curator)
            self._log(name, "curator", before, str(users.curator), where)
            self._commit()

    def _placed(self, name: str, users: Users) -> tuple[int, int]:
        place = self.wiring.users.add([users] * self.cell[0], f"the new users of {name!r}")
        self._users.append((name, users, place))
        return place

    def _current(self, component: Component) -> Tensor:
        """Where these users are the ones who choose now (others may have taken over)."""
        return torch.ones(self.cell, dtype=torch.bool) if component.current is None else component.current

    def set_schedule(self, name: str, schedule: Schedule, where: Tensor | None = None) -> None:
        """Another schedule from this round on."""
        where = self._where(where)
        own = self._own.setdefault(self.wiring.index[name], [])
        before = str(own[-1][0] if own else self.scenario.member(name).schedule)
        one = schedule.map(lambda t: t.reshape(1, 1, 1, *t.shape))
        if before == str(schedule) and bool(where.all()):
            return
        own.append((one, where))
        try:
            self._commit()
        except ValueError:
            own.pop()
            raise
        self._log(name, "schedule", before, str(schedule), where)

    def set_frozen(self, name: str, frozen: bool, where: Tensor | None = None) -> None:
        """Stop or resume retraining; others still read the member."""
        where, i = self._where(where), self.wiring.index[name]
        self._log(name, "frozen", str(not frozen), str(frozen), where & (self.frozen[i] != frozen))
        self.frozen[i] = torch.where(where, torch.tensor(frozen), self.frozen[i])

    # -- interventions ---------------------------------------------------------------------------------------------

    def intervene(self, intervention: Intervention) -> None:
        """Let something happen from outside, in every replicate."""
        subject, everywhere = intervention.subject, self._where(None)
        if isinstance(intervention, Freeze | Thaw):
            self.set_frozen(str(subject), isinstance(intervention, Freeze))
        elif isinstance(intervention, Curate):
            self.set_curation(str(subject), intervention.level)
        else:
            come = isinstance(intervention, Join | Connect)
            assert come or isinstance(intervention, Leave | Disconnect)
            if isinstance(subject, str):
                self.active[self.wiring.index[subject]] = come
            with self._change():
                (self._absent.discard if come else self._absent.add)(subject)
                self._log(intervention.label, "present", str(not come), str(come), everywhere)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that has changed since the start."""
        number = {place: i for i, (_, _, place) in enumerate(self._users)}
        parts = self.wiring.components if number else []  # else they are those that the scenario makes
        return {
            "own": {name: getattr(self, name) for name in _KEPT},
            "alive": self.alive,
            "shares": self.wiring.shares,
            "schedules": {self.wiring.names[member]: many for member, many in self._own.items()},
            "users": [{name: users} for name, users, _ in self._users],
            "components": [(_key(c), number.get(c.users), c.current) for c in parts],
            "changes": [tuple(vars(change).values()) for change in self.changes],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` has given, in a new ecosystem."""
        vars(self).update(state["own"])
        self.alive.copy_(state["alive"])  # the ecosystem has the same tensor
        self._own = {self.wiring.index[name]: many for name, many in state["schedules"].items()}
        places = [self._placed(name, users) for one in state["users"] for name, users in one.items()]
        first = {_key(component): component for component in reversed(self.wiring.components)}
        self.wiring.components[:] = [
            replace(first[key], users=first[key].users if i is None else places[i], current=current)
            for key, i, current in state["components"]
        ] or self.wiring.components
        self.wiring.shares = state["shares"]
        self.wiring.refresh()
        self.changes = [Change(*change) for change in state["changes"]]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _where(self, where: Tensor | None) -> Tensor:
        asked = torch.ones(self.cell, dtype=torch.bool) if where is None else torch.as_tensor(where).bool()
        return asked.expand(self.cell) & self.alive

    def _places(self, u: str, v: str, group: int) -> list[int]:
        own = self.wiring.components_of(self.wiring.index[v])
        return [i for i in own if self.wiring.components[i].flow == (u, v) and self.wiring.components[i].group == group]

    def _chooser(self, component: Component) -> int | None:
        """The member whose users choose on a component; None where the flow has users of its own."""
        if component.flow is None:
            return None
        flow = self.scenario.flow(*component.flow)
        if isinstance(flow.chosen_by, Users):
            return None
        return component.target if component.after else component.producer

    def _present(self, i: int) -> bool:
        flow = self.wiring.components[i].flow
        return flow is None or not self._absent & {*flow, flow}

    def _spread(self) -> None:
        """Shares of their own for every replicate."""
        if self._declared.shape[1:] != self.cell:
            self._declared = self._declared.expand(-1, *self.cell).contiguous()

    def _set_group(self, flow: str, what: str, places: list[int], value: Tensor, where: Tensor) -> None:
        """A new share, divided among the parts of a flow that different users choose as it was."""
        self._spread()
        value = value.expand(self.cell)
        if bool((where & ~((value >= 0) & (value <= 1 + TOLERANCE))).any()):
            raise ValueError(f"round {self.round}: the {what} share of {flow} must lie between 0 and 1, got {value}")
        old = self._declared[places].sum(0)
        for i in places:
            alone = self._current(self.wiring.components[i]).double()  # from 0, all goes to those who choose now
            part = torch.where(old > 0, self._declared[i] / torch.where(old > 0, old, 1.0), alone)
            self._declared[i] = torch.where(where, value * part, self._declared[i])
        self._log(flow, what, old, value, where & ((old - value).abs() > TOLERANCE))

    def _log(self, subject: str, what: str, before: Tensor | str, after: Tensor | str, where: Tensor) -> None:
        if bool(where.any()):
            self.changes.append(Change(self.round, subject, what, before, after, where.clone()))

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Change the declared shares inside; what turns out wrong is taken back before the error goes on."""
        declared, absent, changes = self._declared, set(self._absent), len(self.changes)
        self._declared = declared.clone()
        try:
            yield
            self._commit()
        except Exception:
            if len(self._declared) == len(declared):
                self._declared = declared
            self._absent = absent
            del self.changes[changes:]
            raise

    def _commit(self) -> None:
        """Put the declared shares of all that is present into the wiring, if every diet is whole."""
        wiring = self.wiring
        present = torch.tensor([self._present(i) for i in range(len(wiring.components))])
        before = wiring.shares
        wiring.shares = torch.where(present.reshape(-1, 1, 1), self._declared, 0.0)
        wiring.fill_real()
        taken = wiring.shares.new_zeros(len(wiring.names), *wiring.shares.shape[1:])
        taken.index_add_(0, torch.from_numpy(wiring.target), wiring.shares)
        here = torch.tensor([self._is_fed(name) for name in wiring.names]).reshape(-1, 1, 1) & self.active
        over = taken > 1 + TOLERANCE
        short = (taken < 1 - TOLERANCE) & here
        for wrong, why in ((over, "more than 1"), (short, "less than 1, and it has no real data")):
            if bool(wrong.any()):
                wiring.shares = before
                i = int(wrong.nonzero()[0, 0])
                raise ValueError(
                    f"round {self.round}: shares of {wiring.names[i]!r} add up to "
                    f"{float(taken[i].expand(self.cell)[wrong[i].expand(self.cell)][0]):.6g}, {why}; "
                    "they must lie between 0 and 1, and what they leave over needs real data"
                )
        self.version += 1

    def _is_fed(self, name: str) -> bool:
        """Whether a member ever retrains."""
        own = self._own.get(self.wiring.index[name], [])
        return any(not is_never(schedule) for schedule in (self.scenario.member(name).schedule, *(s for s, _ in own)))


def _schedule_groups(scenarios: Sequence[Scenario], wiring: Wiring) -> list[tuple[Tensor, Schedule]]:
    """Members by kind of schedule, with the stacked schedule ``[members, variants, 1]``."""
    registry = Registry()
    groups: dict[int, list[tuple[int, int]]] = {}
    for i, name in enumerate(wiring.names):
        schedules = [scenario.member(name).schedule for scenario in scenarios]
        kind, row = registry.add(schedules, f"the schedule of {name!r}")
        groups.setdefault(kind, []).append((i, row))
    out = []
    for kind, many in groups.items():
        rows = torch.tensor([row for _, row in many])
        schedule = registry.stack(kind).take(rows)
        assert isinstance(schedule, Schedule)
        out.append((torch.tensor([i for i, _ in many]), schedule))
    return out
