"""What happens to a scenario from outside: an intervention says what it does by the verbs that it calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import networkx as nx

from ecosystem.core.check import brief, real_number
from ecosystem.scenario.descriptions import Flow, Member

Subject = str | tuple[str, str]  # a member, or a flow (u, v)


class Verbs(Protocol):
    """What can be done from outside to a scenario that runs, in every replicate."""

    def set_frozen(self, name: str, frozen: bool, /) -> None:
        """Stop or resume a member's retraining; others still read it."""

    def set_curation(self, name: str, level: float, /) -> None:
        """Raise or lower a member's curation level (:func:`ecosystem.scenario.shares.move_share`)."""

    def set_present(self, subject: Subject, present: bool, /) -> None:
        """Let a member or a flow ``(u, v)`` come or go; while it is away its shares are real data."""


class Scene(Protocol):
    """The scenario that an intervention is given to, as far as it may look."""

    name: str
    rounds: int

    @property
    def graph(self) -> nx.DiGraph: ...

    def member(self, name: str) -> Member: ...

    def flow(self, u: str, v: str) -> Flow: ...


@dataclass(frozen=True, repr=False)
class Intervention:
    """Something that happens before a round, from outside, in every replicate; its subject is a member or a flow.

    One of your own is a frozen dataclass with a method ``apply`` that calls :class:`Verbs`. It is played on paper when
    it is given to a scenario and when the scenario is checked, so unknown members, diets that nobody could fill and
    the like are refused before a run, whatever it does; in the run each call is a row of the table ``changes``.

    >>> from dataclasses import dataclass
    >>> from ecosystem import Intervention, Location, Member, Scenario
    >>> @dataclass(frozen=True)
    ... class FreezeBoth(Intervention):
    ...     other: str
    ...
    ...     def apply(self, verbs):
    ...         verbs.set_frozen(self.subject, True)
    ...         verbs.set_frozen(self.other, True)
    >>> s = Scenario("two", rounds=3)
    >>> for name in "ab":
    ...     s.add(name, Member(Location([0.0]), real=Location([1.0])))
    >>> s.at(2, FreezeBoth("a", "b"))
    >>> s.run().changes[["round", "subject", "what", "after"]].values.tolist()
    [[2, 'a', 'frozen', 'True'], [2, 'b', 'frozen', 'True']]
    """

    subject: Subject

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(brief, vars(self).values()))})"

    @property
    def label(self) -> str:
        return label(self.subject)

    def check(self, scenario: Scene, round: int) -> None:
        """Raise where it makes no sense in this scenario; what its verbs cannot do is refused anyway."""

    def apply(self, verbs: Verbs) -> None:
        """Call the verbs; an intervention that calls none is refused."""


@dataclass(frozen=True, repr=False, eq=False)
class _OfMember(Intervention):
    """What happens to one member."""

    subject: str

    def __post_init__(self) -> None:
        kind, given = type(self).__name__, self.subject
        if isinstance(given, tuple | list):
            raise TypeError(f"{self}: {kind} takes one member, {kind}('a'), got the flow or list {brief(given)}")
        if not isinstance(given, str):
            raise TypeError(f"{self}: {kind} takes the name of a member, a string, got {brief(given)}; use str(node)")


class _OfFlow(Intervention):
    """What happens to one flow; it takes ``u, v`` as ``Scenario.connect`` does."""

    def __init__(self, u: str, v: str = "") -> None:
        kind = type(self).__name__
        if isinstance(u, tuple) and len(u) == 2:
            raise TypeError(f"{kind}({u!r}): give both members as arguments of their own: {kind}{u!r}")
        if not isinstance(u, str) or not isinstance(v, str) or not v:
            got = brief(u) if isinstance(v, str) and not v else f"{brief(u)}, {brief(v)}"
            raise TypeError(f"{kind}({got}): {kind} takes a flow by two members, {kind}(u, v), got {got}")
        super().__init__((u, v))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.subject!r}"


class Join(_OfMember):
    """A member comes in; until then its flows are empty and their shares are real data."""

    def apply(self, verbs: Verbs) -> None:
        verbs.set_present(self.subject, True)


class Leave(_OfMember):
    """A member goes: it retrains no more, and the shares that others took from it become real data."""

    def apply(self, verbs: Verbs) -> None:
        verbs.set_present(self.subject, False)


class Freeze(_OfMember):
    """A member stops retraining; others still read it."""

    def apply(self, verbs: Verbs) -> None:
        verbs.set_frozen(self.subject, True)


class Thaw(_OfMember):
    """A frozen member retrains again."""

    def apply(self, verbs: Verbs) -> None:
        verbs.set_frozen(self.subject, False)


class Connect(_OfFlow):
    """The flow ``u → v`` appears; until then its share is real data.

    >>> Connect("hub", "north")
    Connect('hub', 'north')
    """

    def apply(self, verbs: Verbs) -> None:
        verbs.set_present(self.subject, True)


class Disconnect(_OfFlow):
    """The flow ``u → v`` goes; its share becomes real data."""

    def apply(self, verbs: Verbs) -> None:
        verbs.set_present(self.subject, False)


@dataclass(frozen=True, repr=False, eq=False)
class Curate(_OfMember):
    """A member's curation level becomes ``level``."""

    level: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_level(self.level, repr(self))

    def apply(self, verbs: Verbs) -> None:
        verbs.set_curation(self.subject, self.level)


def label(subject: Subject) -> str:
    """A member or a flow as tables name it."""
    return subject if isinstance(subject, str) else "→".join(subject)


def check_level(level: Any, where: str) -> None:
    """A curation level is a share."""
    if not 0 <= real_number(level) <= 1:
        raise ValueError(f"{where}: a curation level lies between 0 and 1, got {brief(level)}")


class Effect(NamedTuple):
    """One call of a verb."""

    what: Literal["frozen", "curation", "present"]
    subject: Subject
    value: Any


class _Noted:
    """Verbs that do nothing but note what is called."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []

    def set_frozen(self, name: str, frozen: bool, /) -> None:
        self.effects.append(Effect("frozen", name, frozen))

    def set_curation(self, name: str, level: float, /) -> None:
        self.effects.append(Effect("curation", name, level))

    def set_present(self, subject: Subject, present: bool, /) -> None:
        self.effects.append(Effect("present", subject, present))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"an intervention calls set_frozen, set_curation or set_present, not {name}")


def effects(intervention: Intervention) -> list[Effect]:
    """What an intervention would do, call by call, without doing it."""
    noted = _Noted()
    try:
        intervention.apply(noted)
    except AttributeError as error:
        raise TypeError(f"{intervention}: {error}") from error
    return noted.effects


_SAID = {"frozen": "whether {} retrains", "curation": "the curation level of {}", "present": "whether {} is there"}


def at_once(interventions: Iterable[Intervention], round: int) -> list[tuple[Intervention, Effect]]:
    """All that the interventions of a round do, so that the order in which they were given means nothing.

    Curation levels are reached last: they are those of what is there then. ValueError where the same is said of a
    subject twice.
    """
    found: dict[tuple[str, Subject], tuple[Intervention, Effect]] = {}
    for intervention in interventions:
        for effect in effects(intervention):
            key = (effect.what, effect.subject)
            if key in found:
                raise ValueError(
                    f"{intervention} in round {round}: {found[key][0]} says already "
                    f"{_SAID[effect.what].format(repr(effect.subject))}, and what happens in one round happens at "
                    "once; keep one of the two, or let one happen in another round"
                )
            found[key] = intervention, effect
    return sorted(found.values(), key=lambda pair: pair[1].what == "curation")
