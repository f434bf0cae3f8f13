"""Certificates: what the shares of a network alone promise, who will collapse, and what would change it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.kinds import typed
from ecosystem.core.words import called, joined, number, percent
from ecosystem.influence.collapse import Collapse, Reading, closed, readers_of
from ecosystem.influence.cures import cheapest, together
from ecosystem.influence.cycles import dominant_cycle
from ecosystem.influence.diversity import Diversity
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import DENSE
from ecosystem.influence.links import coupling, edges
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.spectra import radius_of_sparse
from ecosystem.influence.stable import StablePoint, find, prepared, vector_of
from ecosystem.influence.trials import arrived, removed
from ecosystem.scenario import Scenario

_MOST = 1000  # members up to which all flows that are not there are tried
_TOLD = 5  # names in a sentence


@dataclass(frozen=True, repr=False)
class Certificates:
    """Who keeps diversity and who loses itself: on the network as it is, without a flow, with another, with real data.

    ``members`` has one row a member: its ``real`` share; the strongly connected ``part`` it belongs to, by number, and
    that part's ``radius``; whether the part is ``closed`` (nobody in it has real data or reads outside it); whether the
    member ``collapses`` (the variance that finite samples add in each round grows without end, because it reads,
    directly or through others, a part with ``ρ ≥ 1``), and ``after`` whom, the members of those parts.

    ``radius`` is ``ρ(B)``; ``cycle`` the members of the dominant cycle, each of whom the next one reads, and ``gain``
    the geometric mean of ``K_ij = ‖B_ij‖₂`` along it, below which ``ρ(K)`` cannot be (empty and 0 without a cycle, NaN
    in parts of more than 3,000 members). Of location members without transforms ``K`` is the shares and ``ρ(K) =
    ρ(B)``. ``diversity``: see :class:`~ecosystem.influence.diversity.Diversity`.
    """

    members: pd.DataFrame
    radius: float
    cycle: tuple[str, ...]
    gain: float
    diversity: Diversity
    _dynamics: Dynamics
    _reading: Reading

    def removals(self) -> pd.DataFrame:
        """What taking out each flow that there is would cure, its share given back to real data.

        Columns ``source``, ``target`` and ``cures``, those who collapse with it and not without. One row a flow between
        members that retrain whose target has real data to fall back on; ``B`` elsewhere stays what it was (of location
        members that is exact).
        """
        index = self._dynamics.index
        known = self._dynamics.scenario.member
        flows = [(index[u], index[v]) for u, v in coupling(self._dynamics).edges if known(v).real is not None]
        rows = [(self._name(u), self._name(v), self._named(cured)) for u, v, cured in removed(self._reading, flows)]
        return pd.DataFrame(rows, columns=["source", "target", "cures"])

    @typed
    def arrivals(self, share: float | None = None) -> pd.DataFrame:
        """What each flow that is not there would do, its target giving up a ``share`` of real data to read its source.

        None: all the real data that the target has. Columns ``source``, ``target``, ``share`` and ``collapses``, those
        who would collapse then and do not now. One row for each pair of members that retrain, have the same number of
        parameters and no flow, and whose target has that much real data to give up. ValueError for shares outside
        (0, 1] and beyond 1,000 members.
        """
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"arrivals(share) lies in (0, 1], got {brief(share)}; None is all the real data there is")
        if len(self.members) > _MOST:
            raise ValueError(
                f"arrivals tries every pair: {len(self.members):,} members are too many; give it a network of up to "
                f"{_MOST:,}, or look at removals() and cures()"
            )
        real = self.members["real"].to_numpy()
        given = real if share is None else np.full(len(real), float(share))
        there = {(self._dynamics.index[u], self._dynamics.index[v]) for u, v in edges(self._dynamics)}
        rows = [
            (self._name(u), self._name(v), given[v], self._named(worse))
            for u, v, worse in arrived(self._reading, there, given, real)
        ]
        return pd.DataFrame(rows, columns=["source", "target", "share", "collapses"])

    @typed
    def cures(self, margin: float = 0.05) -> pd.DataFrame:
        """The least real data that make every part safe, ``ρ ≤ 1 − margin``, the cheapest first.

        One row for each member of a part whose radius is larger: ``real``, what this member alone must be given of its
        diet, the rest of which is scaled down (NaN where even all of it is not enough), and ``each``, the same share
        if every member of the part is given it. Both are the least where ``B`` is not negative. Members that
        have no real data are named too: there must be some to give. ValueError for margins outside (0, 1).
        """
        if not 0 < margin < 1:
            raise ValueError(f"cures(margin) lies between 0 and 1, got {brief(margin)}")
        rows = []
        for part, some in self.members.groupby("part").indices.items():
            if self.members["radius"].iloc[some[0]] <= 1 - margin:
                continue
            block, owners = self._reading.inside(some)
            each = together(block, margin)
            found = sorted(((cheapest(block, owners == i, margin), int(i)) for i in some), key=_cost)
            rows += [(part, self._name(i), real, each) for real, i in found]
        return pd.DataFrame(rows, columns=["part", "member", "real", "each"])

    def sentences(self) -> list[str]:
        """The same in words, the worst first."""
        heap = self.members[self.members["collapses"] & ~(self.members["radius"] < 1 - 1e-9)]
        said = [self._collapse(part, own) for part, own in heap.groupby("part")]
        if not said:
            said.append("Nobody collapses: what finite samples add fades in every part of the network.")
        if self.cycle:
            way = [*map(called, self.cycle[:_TOLD]), *(["…"] if len(self.cycle) > _TOLD else []), called(self.cycle[0])]
            said.append(f"The dominant cycle is {' → '.join(way)}: a step of it hands on {percent(self.gain)}.")
        if not math.isnan(self.diversity.exact):
            exact, real, bound = (number(getattr(self.diversity, name)) for name in ("exact", "real", "bound"))
            most = "" if bound == "–" else f" (at most {bound} by the graph alone)"
            said.append(f"Members end at a diversity of {exact}{most}; their real data have {real}.")
        return said

    def _collapse(self, part: object, own: pd.DataFrame) -> str:
        """A part that heaps up, and who reads it."""
        names = own["member"].tolist()
        one = len(names) == 1
        why = "reads nothing but itself" if one else "nobody among them has real data or reads outside"
        if not own["closed"].all():
            times = number(own["radius"].iloc[0])
            why = f"what {'it hands' if one else 'they hand'} on comes back {times} times as large"
        elif one:
            why = f"it {why}"
        after = [n for n, a in zip(self.members["member"], self.members["after"], strict=True) if names[0] in a]
        others = [name for name in after if name not in set(names)]
        with_it = f", and with {'it' if one else 'them'} {_people(others)}" if others else ""
        return f"{_people(names)} collapse{'s' if one else ''}, for {why}{with_it}."

    def _name(self, member: int) -> str:
        return self._dynamics.names[member]

    def _named(self, some: np.ndarray) -> tuple[str, ...]:
        return tuple(self._name(i) for i in np.flatnonzero(some).tolist())

    def __repr__(self) -> str:
        return f"Certificates(ρ(B) = {self.radius:.4g}. {' '.join(self.sentences())})"


def _cost(row: tuple[float, int]) -> tuple[bool, float, int]:
    return math.isnan(row[0]), *row


def _people(names: list[str]) -> str:
    more = [f"{len(names) - _TOLD:,} more"] if len(names) > _TOLD else []
    return joined([*map(called, names[:_TOLD]), *more])


@typed
def certificates(scenario: Scenario, *, at: StablePoint | None = None) -> Certificates:
    """What the graph of a scenario says of collapse and diversity, at its stable point (``at`` spares the search).

    Exact for location members, whose ``B`` is their shares and the same everywhere (closed components: arXiv
    2605.20151; cycles and diversity: Wei, Zhang, Zhang 2026, arXiv 2610.09409); of other families ``B`` is that of the
    stable point, and a flow that comes is taken to hand on its share of every parameter; where parameters are bounded,
    as those of categoricals are, it is not their variance that grows, but diversity that is lost. Where there is no
    stable point, because somebody collapses under constant pushes, ``B`` is that of the start. Memories of old data and
    schedules are left out: rounds are synchronous and all data new. ValueError for scenarios without population
    dynamics, and with users whose taste moves: what they do to a member's diet is not told by its shares.

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("echo", rounds=1)
    >>> for name in "abc":
    ...     s.add(name, Member(Location([0.0]), real=Location([1.0])))
    >>> s.connect("a", "b", Flow(raw=1.0))
    >>> s.connect("b", "a", Flow(raw=1.0))
    >>> s.connect("b", "c", Flow(raw=0.3))
    >>> found = certificates(s)
    >>> found.members[["member", "real", "closed", "collapses"]].values.tolist()
    [['a', 0.0, True, True], ['b', 0.0, True, True], ['c', 0.7, False, True]]
    >>> found.removals()["cures"].tolist()
    [('a', 'b', 'c'), ('a', 'b', 'c'), ('c',)]
    >>> found.cures(margin=0.1)[["real", "each"]].round(9).values.tolist()
    [[0.19, 0.1], [0.19, 0.1]]
    """
    dynamics, vector = _where(scenario, at)
    resolvent = Resolvent(dynamics, vector)
    reading = _reading(resolvent)
    now, real = Collapse.of(reading), np.array([dynamics.scenario.real_share(name) for name in dynamics.names])
    gain, cycle = dominant_cycle(resolvent.blocks.norms())
    members = _members(dynamics, reading, now, real)
    return Certificates(
        members,
        float(members["radius"].max(skipna=False)),  # B is block triangular in its parts
        tuple(dynamics.names[i] for i in reversed(cycle)),
        gain,
        Diversity.of(dynamics, vector, reading.matrix, real),
        dynamics,
        reading,
    )


def _where(scenario: Scenario, at: StablePoint | None) -> tuple[Dynamics, Tensor]:
    """The dynamics and ``Θ`` to look at: the stable point, else the start."""
    if at is not None:
        dynamics, point = prepared(scenario, None, at)
        return dynamics, vector_of(dynamics, point)
    dynamics = Dynamics(scenario)
    point = find(dynamics)
    return dynamics, point.vector if point.found else dynamics.start[0]


def _reading(resolvent: Resolvent) -> Reading:
    dynamics = resolvent.dynamics
    if dynamics.layout.minds:
        raise ValueError(
            f"scenario {dynamics.scenario.name!r} has users whose taste moves or who choose between members, of "
            "which certificates know nothing: "
            "look at it with users who stay as they are, or at stability(scenario)"
        )
    small = len(resolvent.point) <= DENSE
    matrix = resolvent.operator.diagonal() if small else resolvent.blocks.sparse()
    return Reading(matrix, dynamics.layout.owners().numpy(), len(dynamics.names))


def _members(dynamics: Dynamics, reading: Reading, now: Collapse, real: np.ndarray) -> pd.DataFrame:
    """See :class:`Certificates`."""
    pattern, moves = reading.pattern, dynamics.moves
    still = np.zeros(len(real), dtype=bool)  # who reads somebody that never retrains: as good as real data
    for u, v in edges(dynamics):
        still[dynamics.index[v]] |= not moves[dynamics.index[u]]
    after: list[tuple[str, ...]] = [()] * len(real)
    for part in np.flatnonzero(now.heap):
        some = now.part == part
        names = tuple(dynamics.names[i] for i in np.flatnonzero(some))
        for i in np.flatnonzero(readers_of(pattern, some)):
            after[i] += names
    radii = np.fromiter(map(radius_of_sparse, reading.parts(now.part)), float, len(now.heap))
    return pd.DataFrame(
        {
            "member": dynamics.names,
            "real": real,
            "part": now.part,
            "radius": radii[now.part],
            "closed": closed(pattern, now.part, (real > 0) | ~moves | still)[now.part],
            "collapses": now.collapses,
            "after": after,
        }
    )
