"""Free numbers of users: how they choose (strengths, temperatures), and how strong their taste is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.arguments import meant, meant_among, spelled
from ecosystem.core.check import brief
from ecosystem.curation import Users
from ecosystem.decisions.free import Free
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.wiring import CURATED
from ecosystem.scenario import Scenario, checks

At = str | tuple[str, str]  # a member, or a flow with users of its own
_WORDS = ("level", "real", "taste")  # numbers of a member that are none of its curator
_OF_FLOWS = ("raw", "curated", "share", "taste")


@spelled
@dataclass(frozen=True, repr=False)
class Number(Free):
    """A number of how users choose, by the name that their curator gives it (:meth:`Curator.free`).

    ``at`` is the member whose users they are, or a flow ``(u, v)`` with users of its own. :class:`Strength` and
    :class:`Temperature` are those of the built-in curators.

    >>> Number("hub", "boldness").name, Number(("a", "b"), "temperature").name
    ('boldness(hub)', 'temperature(a → b)')
    """

    at: At
    number: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_at(self.at)

    @property
    def name(self) -> str:
        return f"{self.number}({_at(self.at)})"

    @property
    def remedy(self) -> str:
        return "record what users choose"

    def value(self, scenario: Scenario) -> float:
        curator = _users(self, scenario)[1]
        if curator is None:
            near = meant(self.number, _WORDS)
            raise ValueError(
                f"{self.name} cannot be free: {self.at!r} has no curator{near or '; give it one: Member(curator=...)'}"
            )
        known = curator.free()
        if self.number not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            near = meant_among(self.number, [*known, *_WORDS], f"{there} (a curator of one's own says so in free())")
            raise ValueError(
                f"{self.name} cannot be free: the curator {curator} says of no number {self.number!r} that it can be "
                f"fitted{near}"
            )
        value = float(known[self.number])
        if not value > 0:
            raise ValueError(f"{self.name} cannot be free: it is {value:.6g}; start from a positive one")
        return value

    def natural(self, scenario: Scenario) -> tuple[float, float]:
        return 0.0, math.inf

    def changed(self, scenario: Scenario, value: float) -> Scenario:
        curator = _users(self, scenario)[1]
        new = curator.freed(self.number, torch.tensor(value, dtype=torch.float64))
        return _with_users(self, scenario, curator=new)

    def write(self, program: Program, state: State, value: Tensor) -> State:
        return _written(state, self.at, False, lambda users, x: users.curator.freed(self.number, x), "curator", value)


def Strength(at: At, *, low: float | None = None, high: float | None = None) -> Number:
    """The size ``‖a‖`` of the vector by which users move samples (:class:`Shift`)."""
    return Number(at, "strength", low=low, high=high)


def Temperature(at: At, *, low: float | None = None, high: float | None = None) -> Number:
    """The temperature by which users choose (:class:`Luce`, :class:`Tilt`)."""
    return Number(at, "temperature", low=low, high=high)


@spelled
@dataclass(frozen=True, repr=False)
class Taste(Free):
    """How strong a taste is: so many times the reward that the scenario has (which is 1).

    Of a member's users (who are judged by it too), or of a flow ``(u, v)`` with users of its own.

    >>> Taste("hub").name
    'taste(hub)'
    """

    at: At

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_at(self.at)

    @property
    def name(self) -> str:
        return f"taste({_at(self.at)})"

    def value(self, scenario: Scenario) -> float:
        reward = _users(self, scenario)[0]
        if reward is None:
            raise ValueError(f"{self.name} cannot be free: there is no reward; give one: Member(..., reward=...)")
        try:
            reward.scaled(torch.tensor(1.0, dtype=torch.float64))
        except TypeError as error:
            raise ValueError(f"{self.name} cannot be free: {error}; WeightedSum([reward], [1.0]) has") from error
        return 1.0

    def natural(self, scenario: Scenario) -> tuple[float, float]:
        return 0.0, math.inf

    def changed(self, scenario: Scenario, value: float) -> Scenario:
        reward = _users(self, scenario)[0]
        return _with_users(self, scenario, reward=reward.scaled(torch.tensor(value, dtype=torch.float64)))

    def write(self, program: Program, state: State, value: Tensor) -> State:
        return _written(state, self.at, True, lambda users, x: users.reward.scaled(x), "reward", value)


def _check_at(at: Any) -> None:
    """TypeError for what is neither a member's name nor a flow."""
    if not isinstance(at, str) and not (isinstance(at, tuple) and len(at) == 2 and all(isinstance(n, str) for n in at)):
        raise TypeError(f"users are a member's, by its name, or those of a flow (u, v); got {brief(at)}")


def _at(at: Any) -> str:
    return " → ".join(at) if isinstance(at, tuple) else str(at)


def _users(free: Number | Taste, scenario: Scenario) -> tuple[Any, Any, Any]:
    """Reward, curator and learner of the users that are meant."""
    if isinstance(free.at, tuple):
        checks.check_flow_known(*free.at, scenario.graph, free.name)
        users = scenario.flow(*free.at).chosen_by
        if isinstance(users, str):
            near = meant(free.number, _OF_FLOWS) if isinstance(free, Number) else ""
            mend = near or "; name the member instead"
            raise ValueError(f"{free.name} cannot be free: on that flow the users of its {users} choose{mend}")
        return users.reward, users.curator, users.learn
    checks.check_known(free.at, scenario.graph, free.name)
    member = scenario.member(free.at)
    return member.reward, member.curator, member.learn


def _with_users(free: Number | Taste, scenario: Scenario, **changes: Any) -> Scenario:
    """A copy in which the users that are meant have another reward or curator."""
    if isinstance(free.at, str):
        return scenario.with_member(free.at, **changes)
    parts = dict(zip(("reward", "curator", "learn"), _users(free, scenario), strict=True)) | changes
    return scenario.with_flow(*free.at, chosen_by=Users(**parts))


def _written(
    state: State, at: At, judges: bool, change: Callable[[Any, Tensor], Any], part: str, value: Tensor
) -> State:
    """The state in which some users have another part, each replicate its own; also where they judge, if asked."""
    wiring, audience, count = state.wiring, state.audience, len(value)
    curated = [c for c in wiring.components if c.group == CURATED]
    if isinstance(at, tuple):
        places = [c.users for c in curated if c.flow == at]
    else:
        who = wiring.index[at]
        places = [c.users for c in curated if c.chooser == who]
        places += [judge.place for judge in wiring.judges[who]] if judges else []
    everywhere = torch.ones(1, count, dtype=torch.bool)
    for place in dict.fromkeys(places):
        users = audience.at(place).map(lambda t: t.expand(1, 1, count, *t.shape[3:]))
        made = change(users, value.reshape(1, 1, -1))
        new = made.tensors()
        wrong = {name: list(tensor.shape) for name, tensor in new.items() if tensor.shape[:3] != (1, 1, count)}
        if wrong:
            name, shape = next(iter(wrong.items()))
            raise ValueError(
                f"a free number of {type(made).__name__} is given a value of shape [1, 1, {count}], one for each choice"
                f", and makes {name!r} of shape {shape}; keep its batch [*batch, ...], no float(...) of it"
            )
        tensors = users.tensors() | {f"{part}.{name}": tensor for name, tensor in new.items()}
        audience = audience.written(place, users.rebuild(tensors), everywhere)
    return state.changed(audience=audience)
