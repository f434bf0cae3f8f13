"""What an exact analysis will take of the memory, said before anything is worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecosystem.core.kinds import typed
from ecosystem.core.memory import budget, free_memory
from ecosystem.generators import ClosedForm
from ecosystem.influence.numbers import as_numbers
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import Member
from ecosystem.scenario.network import said_of_all

_NUMBER = 8  # bytes
_VECTORS = 14  # of all numbers, that are held together at most
_SHARE = 140  # bytes that each share takes in a compiled round and as a weight
PAIR = 32  # bytes that each pair of a source and a target takes while the matrix is solved for


@dataclass(frozen=True)
class Needs:
    """What ``influence`` and ``stable_point`` of a scenario hold at most, about, besides the scenario itself.

    ``members``; ``numbers``: the parameters of all who retrain, ``Θ``; ``shares``: components of diets (a raw and a
    curated one for each flow, real data); ``pairs``: effects that are asked for; ``scratch``: bytes that a solver may
    use at a time besides (a quarter of what is free, or what ``at_most`` says), at most. What curators compare (grids,
    candidates) is fitted to that scratch and not counted.
    """

    members: int
    numbers: int
    shares: int
    pairs: int
    scratch: int

    @property
    def bytes(self) -> int:
        """Of all together, without scratch."""
        return _NUMBER * _VECTORS * self.numbers + _SHARE * self.shares + PAIR * self.pairs

    @property
    def fits(self) -> bool:
        """Whether that is free on this machine now."""
        return self.bytes <= free_memory()

    def __str__(self) -> str:
        sizes = f"{self.members:,} members, {self.numbers:,} numbers, {self.shares:,} shares, {self.pairs:,} effects"
        return (
            f"{sizes}: about {_said(self.bytes)}, and {_said(self.scratch)} of scratch at most; "
            f"{_said(free_memory())} are free"
        )


@typed
def needs(
    scenario: Scenario, sources: Sequence[str] | None = None, targets: Sequence[str] | None = None, *, of: object = None
) -> Needs:
    """What :func:`influence` of these arguments will take, by sizes alone: nothing is solved for.

    ``influence`` refuses what is not free. KeyError and ValueError as there for what cannot be moved at all.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), real=Location([0.0, 0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> found = needs(s)
    >>> found.numbers, found.shares, found.pairs, found.fits
    (2, 3, 1, True)
    """
    names = scenario.names
    columns = len(as_numbers(scenario, "curation" if of is None else of, None).candidates(scenario))
    rows = len(names) if targets is None else len(targets)
    columns = columns if sources is None else len(sources)
    return sizes_of(scenario, rows * columns)


def sizes_of(scenario: Scenario, pairs: int) -> Needs:
    """See :class:`Needs`."""
    numbers = said_of_all(scenario, _width)
    fed = said_of_all(scenario, lambda member: member.real is not None)
    shares = 2 * scenario.graph.number_of_edges() + int(fed.sum())
    return Needs(len(numbers), int(numbers.sum()), shares, pairs, budget() // 2)


def _width(member: Member) -> int:
    """The numbers of a member that retrains."""
    if member.schedule.is_never or not isinstance(member.generator, ClosedForm):
        return 0
    return int(member.generator.vector().shape[-1])


def _said(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
