"""Which number of a scenario is moved: curation levels, real shares, single flows, what a producer's users choose.

Each is a way in which shares move, so each gives a push ``b = ∂T/∂(number)``; the rest of influence is the same
(``M = ∇Jᵀ (I − B)⁻¹ b``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.engine.wiring import CURATED, RAW, REAL
from ecosystem.influence.arising import Part
from ecosystem.influence.dynamics import Dynamics
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import TOLERANCE, curated_by
from ecosystem.scenario.shares import FULL, share_rate

GROUPS = {"raw": RAW, "curated": CURATED}
PRODUCERS = "producers' users"


class Numbers(ABC):
    """Some numbers of a scenario, one for each source, and how shares move with each of them.

    ``of`` is their name in tables.
    """

    of: str
    like: Mapping[str, tuple[str, str]] = {}

    @abstractmethod
    def candidates(self, scenario: Scenario) -> list[str]:
        """The names of all sources that there could be."""

    def wanted(self, asked: Sequence[str] | None) -> Sequence[str] | None:
        """The sources asked for; None: all that there can be."""
        return asked

    @abstractmethod
    def refusal(self, scenario: Scenario, name: str) -> str:
        """Why the number of a source cannot be raised; empty if it can."""

    @abstractmethod
    def readers(self, scenario: Scenario, name: str) -> list[str]:
        """The members whose training sets it changes."""

    @abstractmethod
    def write(self, dynamics: Dynamics, name: str, tangent: Tensor) -> None:
        """Write into ``tangent [components, 1, 1]`` how shares move with the number."""

    def parts(self, scenario: Scenario, name: str) -> Iterator[Part]:
        """Shares of 0 that arise: ``(reader, producer or None, group)``."""
        yield from ()

    def without(self, u: str, v: str) -> Numbers:
        """The same about a scenario that has the flow ``u → v`` no more."""
        return self

    def arising(self, scenario: Scenario, asked: Sequence[str] | None) -> set[Part]:
        """All of these, for the sources asked for."""
        known = self.candidates(scenario)
        names = known if asked is None or isinstance(asked, str) else set(known) & set(asked)
        return {part for name in names if not self.refusal(scenario, name) for part in self.parts(scenario, name)}


class Curation(Numbers):
    """The curation level of a member's diet (:meth:`ecosystem.Scenario.with_curation`)."""

    of = "curation"

    def __init__(self, like: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.like = dict(like or {})

    def candidates(self, scenario: Scenario) -> list[str]:
        return scenario.names

    def without(self, u: str, v: str) -> Numbers:
        return Curation({name: flow for name, flow in self.like.items() if flow != (u, v)})

    def refusal(self, scenario: Scenario, name: str) -> str:
        level = scenario.curation(name)
        if scenario.member(name).schedule.is_never:
            return "it never retrains"
        if level == 0 and name not in self.like:
            return f"it has no curated flow; say which would be curated: like={{{name!r}: (u, {name!r})}}"
        return "its curation level is 1, which leaves nothing to scale; lower it" if level >= FULL else ""

    def readers(self, scenario: Scenario, name: str) -> list[str]:
        return [name]

    def write(self, dynamics: Dynamics, name: str, tangent: Tensor) -> None:
        level = dynamics.scenario.curation(name)
        for i in dynamics.wiring.components_of(dynamics.index[name]):
            component = dynamics.wiring.components[i]
            first = None if level > 0 else float(component.flow == self.like.get(name))  # all on the flow ``like``
            tangent[i] = share_rate(dynamics.shares[i], component.group == CURATED, level, first)


class Real(Numbers):
    """The share of real data in a member's diet; all that it takes from others shrinks in proportion."""

    of = "real"

    def candidates(self, scenario: Scenario) -> list[str]:
        return scenario.names

    def refusal(self, scenario: Scenario, name: str) -> str:
        member = scenario.member(name)
        if member.schedule.is_never:
            return "it never retrains"
        if member.real is None:
            return "it has no real data; give it some: Member(..., real=...)"
        if scenario.real_share(name) >= FULL:
            return "it trains on real data alone, so there is nothing to give up; let it read somebody"
        return ""

    def readers(self, scenario: Scenario, name: str) -> list[str]:
        return [name]

    def parts(self, scenario: Scenario, name: str) -> Iterator[Part]:
        if scenario.real_share(name) <= TOLERANCE:
            yield name, None, REAL

    def write(self, dynamics: Dynamics, name: str, tangent: Tensor) -> None:
        own = dynamics.wiring.components_of(dynamics.index[name])
        real = {i: dynamics.wiring.components[i].group == REAL for i in own}
        share = next(float(dynamics.shares[i]) for i in own if real[i])
        for i in own:
            first = None if share > 0 else float(real[i])
            tangent[i] = share_rate(dynamics.shares[i], real[i], share, first)


class Flows(Numbers):
    """The raw or curated share of single flows; real data shrink by as much."""

    def __init__(self, scenario: Scenario, asked: Sequence[tuple[str, str, str]]) -> None:
        self.flows: dict[str, tuple[str, str, int]] = {}
        groups = {group for group, _, _ in asked}
        self.of = groups.pop() if len(groups) == 1 else "share"
        for group, u, v in asked:
            name = f"{u} → {v}" if self.of != "share" else f"{u} → {v} ({group})"
            if not scenario.graph.has_edge(u, v):
                raise KeyError(
                    f"of=({group!r}, {u!r}, {v!r}): there is no flow {u!r} → {v!r}; declare it, with share 0 if need be"
                )
            if name in scenario.graph:
                raise ValueError(f"a member is called {name!r}, as the flow would be; rename the member")
            if name in self.flows:
                raise ValueError(f"of names the flow {name} twice")
            self.flows[name] = (u, v, GROUPS[group])

    def candidates(self, scenario: Scenario) -> list[str]:
        return list(self.flows)

    def wanted(self, asked: Sequence[str] | None) -> Sequence[str] | None:
        if asked is not None:
            raise ValueError("of names the flows that are moved; leave sources out")
        return list(self.flows)

    def refusal(self, scenario: Scenario, name: str) -> str:
        u, v, group = self.flows[name]
        if not scenario.graph.has_edge(u, v):
            return f"there is no flow {u!r} → {v!r}"
        flow, reader = scenario.flow(u, v), scenario.member(v)
        if reader.schedule.is_never:
            return f"{v!r} never retrains"
        if scenario.real_share(v) <= TOLERANCE:
            return f"{v!r} has no real share to give up for it; lower another of its shares first"
        if group == CURATED and curated_by(flow, scenario.member(u), reader) is None:
            return f"nobody chooses there: give {u if flow.chosen_by == 'producer' else v!r} a curator"
        return ""

    def readers(self, scenario: Scenario, name: str) -> list[str]:
        return [self.flows[name][1]]

    def parts(self, scenario: Scenario, name: str) -> Iterator[Part]:
        u, v, group = self.flows[name]
        flow = scenario.flow(u, v)
        if (flow.curated if group == CURATED else flow.raw) == 0:
            yield v, u, group

    def write(self, dynamics: Dynamics, name: str, tangent: Tensor) -> None:
        u, v, group = self.flows[name]
        (grows,) = dynamics.wiring.places((u, v), group)
        tangent[grows] = 1.0
        (shrinks,) = (i for i in dynamics.wiring.components_of(dynamics.index[v]) if _is_real(dynamics, i))
        tangent[shrinks] = -1.0


class Choices(Numbers):
    """The fraction of what is taken raw from a producer that its users choose instead, for everybody who reads it.

    On every flow ``u → v`` chosen by the producer's users ``raw_uv`` becomes ``(1 − t)·raw_uv`` and ``curated_uv``
    grows by ``t·raw_uv``; the derivative is by ``t``, at ``t = 0``. A flow that they choose wholly stays as it is:
    there is no more to choose from.
    """

    of = PRODUCERS

    def candidates(self, scenario: Scenario) -> list[str]:
        return scenario.names

    def refusal(self, scenario: Scenario, name: str) -> str:
        if scenario.member(name).users is None:
            return "its users do not choose; give them a curator: Member(..., curator=...)"
        if not self.readers(scenario, name):
            whole = [v for v in self._readers(scenario, name) if scenario.flow(name, v).curated > 0]
            if whole:
                asked = [("curated", name, v) for v in whole if scenario.real_share(v) > TOLERANCE]
                return "its users choose all that is taken from it, so nothing is left for them to choose from; " + (
                    f"that more of it is read, and less real data, is of={asked}: add up the columns"
                    if asked
                    else "let some of it be raw: with_flow(..., raw=...)"
                )
            return (
                "nobody who retrains takes raw data from it for its users to choose from (flows with a raw share and "
                "chosen_by='producer')"
            )
        return ""

    def readers(self, scenario: Scenario, name: str) -> list[str]:
        return [v for v in self._readers(scenario, name) if scenario.flow(name, v).raw > 0]

    def _readers(self, scenario: Scenario, name: str) -> list[str]:
        """Who retrains on what its users may choose."""
        chosen = (v for v in scenario.graph.successors(name) if scenario.flow(name, v).chosen_by == "producer")
        return [v for v in chosen if not scenario.member(v).schedule.is_never]

    def parts(self, scenario: Scenario, name: str) -> Iterator[Part]:
        for v in self.readers(scenario, name):
            if scenario.flow(name, v).curated == 0:
                yield v, name, CURATED

    def write(self, dynamics: Dynamics, name: str, tangent: Tensor) -> None:
        for v in self.readers(dynamics.scenario, name):
            (raw,), (curated,) = (dynamics.wiring.places((name, v), group) for group in (RAW, CURATED))
            tangent[raw] = -dynamics.shares[raw]
            tangent[curated] = dynamics.shares[raw]


def _is_real(dynamics: Dynamics, component: int) -> bool:
    return dynamics.wiring.components[component].group == REAL


def as_numbers(scenario: Scenario, of: Any, like: Mapping[str, tuple[str, str]] | None) -> Numbers:
    """What ``of`` asks about; refused where it is none of the ways to say it."""
    word = of if isinstance(of, str) else None
    if word == "curation":
        return Curation(like)
    if like:
        raise ValueError(f"like says where curation arises; with of={brief(of)} leave it out")
    if word == "real":
        return Real()
    if word == PRODUCERS:
        return Choices()
    flows = [of] if isinstance(of, tuple) and of and isinstance(of[0], str) and of[0] in GROUPS else of
    if isinstance(flows, list | tuple) and flows and all(map(_is_flow, flows)):
        return Flows(scenario, list(flows))
    raise ValueError(
        f"influence(of) is 'curation', 'real', {PRODUCERS!r}, ('raw', u, v), ('curated', u, v) or a list of these; "
        f"got {brief(of)}"
    )


def _is_flow(of: Any) -> bool:
    return isinstance(of, tuple) and len(of) == 3 and all(isinstance(name, str) for name in of) and of[0] in GROUPS
