"""A setting of the page: parameters, removed flows and moved curation levels; as a scenario, and as Python."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecosystem.scenario import Scenario

Flow = tuple[str, str]


@dataclass(frozen=True)
class Level:
    """A curation level that was moved; ``like`` is the producer of the flow on which it arises, from level 0."""

    level: float
    like: str | None = None


@dataclass(frozen=True)
class Setting:
    """What was chosen: ``parameters`` of ``scenario()``, flows ``removed`` from it, ``levels`` of curation by member.

    >>> Setting({"share": 0.5}).without("a", "b").with_level("a", 0.4).code()
    "scenario(share=0.5).without('a', 'b').with_curation('a', 0.4)"
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    removed: tuple[Flow, ...] = ()
    levels: Mapping[str, Level] = field(default_factory=dict)

    def with_parameter(self, name: str, value: Any) -> Setting:
        return replace(self, parameters={**self.parameters, name: value})

    def without(self, u: str, v: str) -> Setting:
        """The flow ``u → v`` removed, or put back if it was."""
        left = tuple(flow for flow in self.removed if flow != (u, v))
        return replace(self, removed=left if len(left) < len(self.removed) else (*left, (u, v)))

    def with_level(self, name: str, level: float | None, like: str | None = None) -> Setting:
        """The curation level of a member moved; None leaves it where the parameters have it."""
        others = {member: at for member, at in self.levels.items() if member != name}
        return replace(self, levels=others if level is None else {**others, name: Level(level, like)})

    def scenario(self, build: Callable[..., Scenario]) -> Scenario:
        """The scenario of this setting, and whatever ``build`` or the changes refuse."""
        scenario = build(**self.parameters)
        for u, v in self.removed:
            scenario = scenario.without(u, v)
        for name, at in self.levels.items():
            scenario = scenario.with_curation(name, at.level, None if at.like is None else (at.like, name))
        return scenario

    def code(self, between: str = "") -> str:
        """The expression that makes the same scenario of the function ``scenario``, ``between`` before each change."""
        given = ", ".join(f"{name}={_literal(value)}" for name, value in self.parameters.items())
        parts = [f"scenario({given})", *(f".without({u!r}, {v!r})" for u, v in self.removed)]
        for name, at in self.levels.items():
            like = "" if at.like is None else f", like=({at.like!r}, {name!r})"
            parts.append(f".with_curation({name!r}, {at.level!r}{like})")
        return between.join(parts)

    def python(self, file: str) -> str:
        """A script that makes this scenario again, from the same file, and shows what the page showed of it."""
        return (
            f"# A setting of {file}, as it was chosen on its living page.\n\n"
            "from ecosystem.cli.loading import load_build\n"
            "from ecosystem.influence import influence\n\n"
            f"scenario = load_build({file!r})\n"
            f"setting = (\n    {self.code(chr(10) + '    ')}\n)\n\n"
            'if __name__ == "__main__":\n'
            "    effect = influence(setting)\n"
            "    print(effect.point.alignment)\n"
            "    print(effect.matrix)\n"
        )


def _literal(value: Any) -> str:
    """A value as Python writes it; a member of an enumeration is found where ``scenario`` finds it."""
    if isinstance(value, enum.Enum):
        return f"scenario.__globals__[{type(value).__name__!r}].{value.name}"
    return repr(value)


def arises(scenario: Scenario, name: str) -> str | None:
    """The producer on whose flow the curation of a member would arise: the one that it reads most; None if it curates.

    Raises
    ------
    ValueError
        If it reads nobody.
    """
    if scenario.curation(name) > 0:
        return None
    flows = scenario.incoming(name)
    if not flows:
        raise ValueError(f"{name!r} reads nobody, so nobody could choose for it: there is no curation level to move")
    return max(flows, key=lambda u: flows[u].raw)
