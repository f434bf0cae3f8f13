"""Whose numbers are moved and who is looked at: names checked, reasons kept."""

from __future__ import annotations

from collections.abc import Sequence

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import a_name
from ecosystem.core.memory import affordable, free_memory
from ecosystem.core.words import listed
from ecosystem.influence.goals import Goal
from ecosystem.influence.numbers import Numbers
from ecosystem.influence.room import PAIR, sizes_of
from ecosystem.scenario import Scenario


def check_room(
    scenario: Scenario, numbers: Numbers, sources: Sequence[str] | None, targets: Sequence[str] | None
) -> None:
    """Refuse a matrix that the memory has no room for, before anything is worked out."""
    rows = len(scenario.names if targets is None else targets)
    columns = len(numbers.candidates(scenario) if sources is None else sources)
    if PAIR * rows * columns > free_memory():  # unless most of them cannot be moved
        columns = len(movable(scenario, numbers, sources)[0])
    affordable(
        sizes_of(scenario, rows * columns).bytes // 8,
        f"the influence of {columns:,} sources on {rows:,} targets",
        "name some: influence(scenario, sources=[...], targets=[...])",
    )


def movable(scenario: Scenario, numbers: Numbers, asked: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The sources whose number can be moved, and why others cannot; a name asked for must be one."""
    everybody = numbers.candidates(scenario)
    known = set(everybody)
    looked_at = everybody if asked is None else [name for name in asked if isinstance(name, str) and name in known]
    reasons = {name: why for name in looked_at if (why := numbers.refusal(scenario, name))}
    return _asked(scenario, everybody, asked, reasons, "sources")


def judged(scenario: Scenario, goal: Goal, asked: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The members that have the number looked at, and why others have not; a name asked for must be one."""
    return _asked(scenario, scenario.names, asked, goal.reasons, "targets")


def _asked(
    scenario: Scenario, everybody: list[str], asked: Sequence[str] | None, reasons: dict[str, str], what: str
) -> tuple[list[str], dict[str, str]]:
    names = list(everybody if asked is None else asked)
    known = set(everybody)
    for name in names:
        if name not in known:
            a_name(name, what)
            members = "members" if everybody == scenario.names else what
            near = meant_among(name, everybody, f"the {members} are {listed(everybody)}")
            raise KeyError(f"{what}: there is no {'member' if members == 'members' else 'source'} {name!r}{near}")
        if asked is not None and name in reasons:
            raise ValueError(f"{name!r} cannot be among the {what}: {reasons[name]}")
    found = [name for name in names if name not in reasons]
    if not found:
        first = next(iter(reasons.items()), ("nobody", "no names were given"))
        raise ValueError(f"there are no {what} in scenario {scenario.name!r}: {first[0]!r}: {first[1]}")
    return found, reasons if asked is None else {}
