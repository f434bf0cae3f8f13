"""The free numbers of a scenario as one vector: scenarios and states at any values, and a box that solvers move in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.added import added
from ecosystem.core.check import brief, numbers
from ecosystem.decisions.diets import Share, with_shares
from ecosystem.decisions.free import Free
from ecosystem.decisions.spelling import as_free
from ecosystem.engine.program import Program
from ecosystem.engine.state import State, in_effect
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import TOLERANCE


class Parameters:
    """Free numbers of a scenario as a vector ``[P]``: ``names``, ``values`` in the scenario, bounds ``low``, ``high``.

    Shares of one diet stay on its simplex: what they leave over is real data. A member without real data gives its last
    free share no freedom: it is the ``remainder`` of the others (by name, with the numbers that it is the rest of).

    ``box(z)`` leads from the unit box (or, for numbers without an upper bound, from themselves) to values that keep all
    of this: each share gets its part of what those before it have left, so any ``z`` in ``box_bounds`` is a diet.

    Raises
    ------
    KeyError, ValueError
        For unknown members and flows, numbers that cannot be free, bounds that hold nothing, a number named twice, a
        level or real share free beside another number of the same diet; by name.

    >>> from ecosystem import Flow, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=3)
    >>> s.add("a", Member(Location([0.0]), curator=Shift([2.0]), real=Location([1.0])))
    >>> s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    >>> free = Parameters(s, ["level(a)", "strength(a)"])
    >>> free.names, free.values.tolist()
    (['level(a)', 'strength(a)'], [0.3, 2.0])
    >>> free.scenario_at([0.5, 1.0]).curation("a")
    0.5
    """

    def __init__(self, scenario: Scenario, free: Sequence[Free | str]) -> None:
        if isinstance(free, str | Free) or not isinstance(free, Sequence) or not free:
            raise TypeError(f"free is a list of at least one free number, ['level(a)'], got {brief(free)}")
        self.given, every = scenario, [as_free(one) for one in free]
        _check_twice(every)
        for one in every:  # before anything of them is asked
            one.value(scenario)
        self._diets = _diets(scenario, every)
        self.remainder = {rest: others for others, rest, _ in self._diets.values() if rest is not None}
        self.free = [one for one in every if one not in self.remainder]
        self.names = [one.name for one in self.free]
        self.values = np.array([one.value(scenario) for one in self.free])
        intervals = [one.interval(scenario) for one in self.free]
        self.low, self.high = (np.array(side) for side in zip(*intervals, strict=True))
        for v, (shares, _, room) in self._diets.items():
            lows = self.low[[self.free.index(one) for one in shares]]
            if lows.sum() > room + TOLERANCE:
                raise ValueError(
                    f"the lower bounds of {', '.join(one.name for one in shares)} add up to {lows.sum():.6g}, and only "
                    f"{room:.6g} of the diet of {v!r} is free; lower them"
                )
        self.scenario = self.scenario_at(self.values)  # users whose numbers are free are nobody else's here

    def __len__(self) -> int:
        return len(self.free)

    def meant(self, given: Free | str) -> Free | None:
        """Which free number (or rest) a part or a text means, read as :func:`as_free` reads it; None if none of them.

        Raises
        ------
        KeyError, ValueError
            For a text that spells no free number, and a share that may be raw or curated.
        """
        every = {one.name: one for one in (*self.free, *self.remainder)}
        asked = as_free(given)
        if asked.name in every:
            return every[asked.name]
        name = asked.name_in(self.given)
        return next((one for one in every.values() if one.name_in(self.given) == name), None)

    # -- scenarios and states --------------------------------------------------------------------------------------

    def rest(self, values: Any) -> dict[str, Any]:
        """What the last shares of diets without real data are, by name; ``values [..., P]``."""
        found = {}
        for shares, rest, room in self._diets.values():
            if rest is not None:
                found[rest.name] = room - values[..., [self.free.index(one) for one in shares]].sum(-1)
        return found

    def scenario_at(self, values: Any) -> Scenario:
        """The scenario with these values ``[P]``, changed by its own verbs; it keeps its name.

        Raises
        ------
        ValueError
            If they are not ``P`` finite numbers, or no scenario can have them.
        """
        given = numbers(values, "values of free numbers").tolist()
        if np.shape(given) != (len(self),):
            raise ValueError(f"there are {len(self)} free numbers, {', '.join(self.names)}; got {brief(values)}")
        new, last = self.given, self.rest(np.array(given))
        for one, value in zip(self.free, given, strict=True):
            if not isinstance(one, Share):
                new = one.changed(new, value)
        for shares, rest, _ in self._diets.values():
            parts = {one: given[self.free.index(one)] for one in shares}
            new = with_shares(new, parts if rest is None else {**parts, rest: max(0.0, float(last[rest.name]))})
        return new.replace(name=self.given.name)

    def write(self, program: Program, state: State, values: Tensor) -> State:
        """The first ``state`` of a ``program`` of ``self.scenario`` with ``values [replicates, P]``.

        A replicate for each row, in a way that torch can differentiate.
        """
        for i, one in enumerate(self.free):
            state = one.write(program, state, values[:, i])
        for shares, rest, room in self._diets.values():
            if rest is not None:
                taken = values[:, [self.free.index(one) for one in shares]].sum(-1)
                state = rest.write(program, state, room - taken)
        state = state.changed(declared=state.declared.expand(-1, -1, len(values)))
        return state.changed(shares=in_effect(state))

    def away(self) -> np.ndarray:
        """Other values, ``[P]``, about a tenth away from those of the scenario, within bounds and diets."""
        away = np.clip(self.values * 0.9 + 0.01, self.low, self.high)
        for shares in self.diets:
            if away[shares].sum() > self.values[shares].sum():
                away[shares] = self.values[shares]
        return away

    @property
    def diets(self) -> list[list[int]]:
        """Which of the free numbers are shares of one diet, diet by diet."""
        return [[self.free.index(one) for one in shares] for shares, _, _ in self._diets.values()]

    def highest(self, values: np.ndarray) -> np.ndarray:
        """The most that each number can be while all others stay: its bound, of a share what its diet has left too.

        ``[..., P]`` at ``values [..., P]``.
        """
        most = np.broadcast_to(self.high, values.shape).copy()
        for shares, _, room in self._diets.values():
            here = [self.free.index(one) for one in shares]
            left = np.maximum(room - values[..., here].sum(-1, keepdims=True), 0.0)
            most[..., here] = np.minimum(most[..., here], values[..., here] + left)
        return most

    # -- the box ---------------------------------------------------------------------------------------------------

    @property
    def box_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """``z`` lies between these, ``[P]`` each: the bounds themselves, 0 and 1 for shares of one diet."""
        low, high = self.low.copy(), self.high.copy()
        for shares, _, _ in self._diets.values():
            here = [self.free.index(one) for one in shares]
            low[here], high[here] = 0.0, 1.0
        return low, high

    def box(self, z: Tensor) -> Tensor:
        """Values ``[..., P]`` of ``z [..., P]``: share ``i`` is ``low_i + z_i · (most_i − low_i)``.

        ``most_i`` is the smaller of its upper bound and what those before it, and the lower bounds of those behind it,
        have left.
        """
        out = list(z.unbind(-1))
        for shares, _, room in self._diets.values():
            here = [self.free.index(one) for one in shares]
            taken, after = torch.zeros_like(out[0]), float(self.low[here].sum())
            for i in here:
                low, high = float(self.low[i]), float(self.high[i])
                after -= low
                most = (room - after - taken).clamp(max=high)
                out[i] = low + out[i] * (most - low)
                taken = taken + out[i]
        return torch.stack(out, -1)

    def unbox(self, values: Any) -> np.ndarray:
        """``z [P]`` of values ``[P]``; a share of which nothing was left is at 0."""
        z = np.array(values, dtype=float)
        for shares, _, room in self._diets.values():
            here = [self.free.index(one) for one in shares]
            taken, after = 0.0, float(self.low[here].sum())
            for i in here:
                after -= self.low[i]
                width = min(self.high[i], room - after - taken) - self.low[i]
                taken += z[i]
                z[i] = np.clip((z[i] - self.low[i]) / width, 0, 1) if width > 0 else 0.0
        return z

    def slopes(self, z: Any) -> np.ndarray:
        """``d values / dz [P, P]`` at ``z [P]``."""
        at = torch.as_tensor(np.asarray(z, dtype=float))
        found = torch.autograd.functional.jacobian(self.box, at)
        return found.numpy()  # type: ignore[union-attr]


def _check_twice(every: Sequence[Free]) -> None:
    seen = set()
    for one in every:
        if one.name in seen:
            raise ValueError(f"free names {one.name} twice")
        seen.add(one.name)


def _diets(scenario: Scenario, every: Sequence[Free]) -> dict[str, tuple[list[Share], Share | None, float]]:
    """By member: its free shares, the one that is the rest of them, and how much of its diet they have in all."""
    by_diet: dict[str, list[Free]] = {}
    for one in every:
        if one.diet is not None:
            by_diet.setdefault(one.diet, []).append(one)
    found = {}
    for v, many in by_diet.items():
        shares = [one for one in many if isinstance(one, Share)]
        if len(many) > 1 and len(shares) < len(many):
            raise ValueError(
                f"{many[0].name} and {many[1].name} move the same shares of {v!r}; free its level, its real share or "
                "single shares, not several of these"
            )
        if shares:
            found[v] = _diet(scenario, v, shares)
    return found


def _diet(scenario: Scenario, v: str, shares: list[Share]) -> tuple[list[Share], Share | None, float]:
    parts = [(share.source, share.of(scenario)) for share in shares]
    if len(set(parts)) < len(parts):
        raise ValueError(f"free names a share of {v!r} twice: {', '.join(one.name for one in shares)}")
    flows = scenario.incoming(v, dormant=True)
    named = added(share.value(scenario) for share in shares)
    room = 1 - (added(flow.raw + flow.curated for flow in flows.values()) - named)
    if room <= TOLERANCE:
        raise ValueError(f"{shares[0].name} cannot be free: the other flows take the whole diet of {v!r}")
    if scenario.member(v).real is not None:
        return shares, None, room
    if len(shares) == 1:
        raise ValueError(
            f"{shares[0].name} cannot be free alone: {v!r} has no real data to take what it gives up; free another "
            f"share of {v!r} too, or give it real data"
        )
    if (shares[-1].low, shares[-1].high) != (None, None):
        raise ValueError(
            f"{shares[-1].name} is what the other free shares of {v!r} leave, as it has no real data; give it no bounds"
        )
    return shares[:-1], shares[-1], room
