"""Whose curation is moved and whose alignment is looked at: names checked, reasons kept."""

from __future__ import annotations

from collections.abc import Sequence

from ecosystem.influence.dynamics import INSTEAD, Dynamics


def movable(dynamics: Dynamics, asked: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The members whose level can be moved, and why others cannot; a name asked for must be one."""
    reasons: dict[str, str] = {}
    for name in dynamics.names:
        level = dynamics.scenario.curation(name)
        if not dynamics.moves[dynamics.index[name]]:
            reasons[name] = "it never retrains"
        elif level == 0 and name not in dynamics.like:
            reasons[name] = f"it has no curated flow; say which would be curated: like={{{name!r}: (u, {name!r})}}"
        elif level >= 1 - 1e-12:
            reasons[name] = "its curation level is 1, which leaves nothing to scale; lower it"
    return _asked(dynamics, asked, reasons, "sources")


def judged(dynamics: Dynamics, asked: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    """The members whose alignment is known exactly, and why that of others is not; a name asked for must be one."""
    reasons: dict[str, str] = {}
    known = set(dynamics.targets)
    for name in dynamics.names:
        reward = dynamics.scenario.member(name).reward
        if reward is None:
            reasons[name] = "it has no reward; give it one: Member(..., reward=...)"
        elif name not in known:
            reasons[name] = f"the expectation of its reward {reward} is not known exactly; {INSTEAD}"
    return _asked(dynamics, asked, reasons, "targets")


def _asked(
    dynamics: Dynamics, asked: Sequence[str] | None, reasons: dict[str, str], what: str
) -> tuple[list[str], dict[str, str]]:
    if isinstance(asked, str):
        raise TypeError(f"{what} is a list of names, got the string {asked!r}; pass [{asked!r}]")
    names = list(dynamics.names if asked is None else asked)
    for name in names:
        if name not in dynamics.index:
            raise KeyError(f"{what}: there is no member {name!r}; the members are {', '.join(dynamics.names[:12])}")
        if asked is not None and name in reasons:
            raise ValueError(f"{name!r} cannot be among the {what}: {reasons[name]}")
    found = [name for name in names if name not in reasons]
    if not found:
        first = next(iter(reasons.items()), ("nobody", "no names were given"))
        raise ValueError(f"there are no {what} in scenario {dynamics.scenario.name!r}: {first[0]!r}: {first[1]}")
    return found, reasons if asked is None else {}
