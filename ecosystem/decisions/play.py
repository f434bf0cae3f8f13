"""The game that members play: who moves which lever, what for, and how it answers to everybody's levers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecosystem.core.check import brief, real_number
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.decisions.levers import Levers
from ecosystem.decisions.mixed import MixedLandscape, MixedSettled

Array = NDArray[np.float64]
SAME = 1e-9  # relative difference of two utilities that are one
_KEPT, _SMALL = 4096, 100  # plays that are kept of networks with so many numbers at most


@dataclass(frozen=True)
class Player:
    """Who decides together: a name, the ``levers`` by their place, and the ``members`` whose utilities count."""

    name: str
    levers: tuple[int, ...]
    members: tuple[str, ...]


@dataclass(frozen=True)
class Play:
    """Where the network is at ``x [levers]``, and what everybody has of it.

    ``ok``: there is a stable point, with the radius that is asked for. ``marginal [levers]`` is the derivative of the
    utility of each lever's own player.
    """

    x: Array
    settled: Settled | MixedSettled
    ok: bool
    utilities: Array  # [players]
    members: Array  # [targets]: alignment less what the own levers cost
    marginal: Array

    @property
    def welfare(self) -> float:
        """Everybody's utility, in sum."""
        return float(self.members.sum())


class Game:
    """``U_p = Σ_{j in p} (J_j − Σ_k cost_k x_k)`` over levers ``x`` within bounds, where ``ρ(B) ≤ 1 − margin``.

    Costs are those of ``prices [levers]``, paid by whose diet a lever changes. Over an ensemble utilities are means.
    """

    smooth = True  # whether utilities have derivatives everywhere
    same = SAME  # relative gain for which nobody moves
    count = 1  # pieces, the least of which is a utility

    def __init__(
        self, landscape: Landscape | MixedLandscape, players: Sequence[Player], prices: Array, margin: float
    ) -> None:
        self.landscape, self.players, self.prices, self.margin = landscape, tuple(players), prices, margin
        self.lower, self.upper = landscape.levers.lower, landscape.levers.upper
        places = {name: j for j, name in enumerate(landscape.targets)}
        self.pays = np.zeros((len(places), len(prices)))
        for k, reader in enumerate(landscape.levers.readers):
            self.pays[places[reader], k] = prices[k]
        self.weights = np.zeros((len(players), len(places)))
        self.owner = np.zeros(len(prices), dtype=int)
        for p, player in enumerate(players):
            self.weights[p, [places[name] for name in player.members]] = 1.0
            self.owner[list(player.levers)] = p
        self._known: OrderedDict[bytes, Play] = OrderedDict()
        self._kept = _KEPT if landscape.size <= _SMALL else 4

    @property
    def levers(self) -> Levers:
        return self.landscape.levers

    def joined(self, members: Sequence[str]) -> Game:
        """The same game in which some members decide as one."""
        one = [player for player in self.players if set(player.members) & set(members)]
        rest = [player for player in self.players if player not in one]
        moved = tuple(sorted(k for player in one for k in player.levers))
        names = tuple(dict.fromkeys([*members, *(name for player in one for name in player.members)]))
        return self.of([Player(" + ".join(members), moved, names), *rest])

    def of(self, players: Sequence[Player]) -> Game:
        """The same game among others."""
        return Game(self.landscape, players, self.prices, self.margin)

    def pieces(self, x: Array, p: int) -> tuple[Array, Array]:
        """What player ``p`` has, as the least of pieces ``[pieces]``, and their slopes ``[pieces, own levers]``."""
        play = self.at(x)
        return np.array([play.utilities[p]]), np.asarray(play.marginal)[list(self.players[p].levers)][None]

    def at(self, x: Array) -> Play:
        """Where play is at ``x [levers]``, near where it was last; the last ones are kept."""
        key = (np.ascontiguousarray(x, dtype=np.float64) + 0.0).tobytes()
        if key not in self._known:
            self._known[key] = self._play(np.array(x, dtype=np.float64))
            if len(self._known) > self._kept:
                self._known.popitem(last=False)
        return self._known[key]

    def _play(self, x: Array) -> Play:
        settled = self.landscape.at(x)
        ok = settled.found and settled.radius <= 1 - self.margin + 1e-9
        slopes = settled.gradients(torch.from_numpy(self.weights)) - self.weights @ self.pays if ok else None
        if slopes is None or not np.isfinite(slopes).all():
            gone = np.full(len(self.players), np.nan)
            return Play(x, settled, False, gone, np.full(len(self.pays), np.nan), np.full(len(x), np.nan))
        members = settled.alignment.numpy() - self.pays @ x
        return Play(x, settled, True, self.weights @ members, members, slopes[self.owner, np.arange(len(x))])

    def residual(self, play: Play) -> float:
        """By how much first-order conditions are missed: the largest marginal utility that a bound does not hold."""
        up = np.where(play.x < self.upper, np.maximum(play.marginal, 0), 0)
        down = np.where(play.x > self.lower, np.maximum(-play.marginal, 0), 0)
        return float(np.maximum(up, down).max(initial=0)) if play.ok else np.inf

    @cached_property
    def width(self) -> Array:
        return self.upper - self.lower

    @cached_property
    def unit(self) -> float:
        """What utilities are measured in: the most that a lever seems worth over its bounds, at these or at present."""
        begins = (self.lower, self.upper, np.clip(self.levers.now, self.lower, self.upper))
        seen = [
            np.abs(np.asarray(play.marginal) * self.width).max(initial=0) for x in begins if (play := self.at(x)).ok
        ]
        return max(map(float, seen), default=0.0) or 1.0

    def snapped(self, x: Array) -> Array:
        """``x`` within bounds, at a bound where it is as good as there."""
        x = np.clip(x, self.lower, self.upper)
        x = np.where(x - self.lower <= 1e-9 * self.width, self.lower, x)
        return np.where(self.upper - x <= 1e-9 * self.width, self.upper, x)


def prices_of(levers: Levers, costs: Any, what: str) -> Array:
    """What a unit of each lever costs, ``[levers]``: a number for all, or numbers by lever (0 for those not named)."""
    given = dict(costs.items()) if isinstance(costs, Mapping) or hasattr(costs, "items") else None
    found = np.zeros(len(levers)) if given is not None else np.full(len(levers), real_number(costs))
    for name, cost in (given or {}).items():
        found[levers.place(name, f"{what}(costs)")] = real_number(cost)
    if not np.isfinite(found).all():
        raise ValueError(f"{what}(costs) is a number, or numbers by lever, got {brief(costs)}")
    return found
