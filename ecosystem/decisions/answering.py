"""One player's answer to all others: along one lever by a grid and exact slopes, along several by SLSQP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy import optimize

from ecosystem.decisions.play import Array, Game, Play

_EDGE = 24  # halvings by which the edge of what is stable is found
_FAR = 1e6  # how much worse than anything seen a network is that is nowhere


def answered(game: Game, x: Array, p: int, points: int) -> Play:
    """The best that player ``p`` can do when all others stay, over its whole box; as it is, where nothing is better."""
    player = game.players[p]
    one = len(player.levers) == 1
    found = _along(game, x, player.levers[0], points) if one else highest(game, x, p, min(points, 5))
    here = game.at(x)
    plays = [here, *found]
    allowed = [play for play in plays if play.ok]
    if not allowed:
        return here
    best = max(allowed, key=lambda play: play.utilities[p])
    same = here.ok and best.utilities[p] <= here.utilities[p] + game.same * (game.unit + abs(here.utilities[p]))
    return here if same else best


def _along(game: Game, x: Array, k: int, points: int) -> list[Play]:
    """Candidates along one lever: a grid, every maximum between two of its points, the edges of what is stable."""

    def at(value: float) -> Play:
        moved = x.copy()
        moved[k] = value
        return game.at(moved)

    grid = np.unique(np.append(np.linspace(game.lower[k], game.upper[k], points), x[k]))
    plays = [at(value) for value in grid]
    found = [play for play in plays if play.ok]
    for a, b in pairwise(plays):
        if a.ok != b.ok:
            inside = _edge(at, a.x[k], b.x[k]) if a.ok else _edge(at, b.x[k], a.x[k])
            found.append(inside)
            a, b = (a, inside) if a.ok else (inside, b)
        if a.ok and b.ok and a.marginal[k] > 0 > b.marginal[k]:
            top = _top(at, k, a.x[k], b.x[k])
            found += [top] if top is not None and top.ok else []
    return found


def _top(at: Callable[[float], Play], k: int, low: float, high: float) -> Play | None:
    """Where the marginal utility falls through 0."""
    try:
        value = optimize.brentq(lambda v: float(at(v).marginal[k]), low, high, xtol=1e-9)
    except (ValueError, RuntimeError):  # between them the network is nowhere
        return None
    return at(float(value))  # type: ignore[arg-type]


def _edge(at: Callable[[float], Play], inside: float, outside: float) -> Play:
    """The last stable network on the way out."""
    found = at(inside)
    for _ in range(_EDGE):
        middle = (inside + outside) / 2
        play = at(middle)
        if play.ok:
            inside, found = middle, play
        else:
            outside = middle
    return found


def highest(game: Game, x: Array, p: int, points: int, starts: Sequence[Array] = ()) -> list[Play]:
    """Local maxima of player ``p``'s utility over all its levers, by SLSQP with exact derivatives from several starts.

    Where unstable networks were met, stability is a constraint.
    """
    own = list(game.players[p].levers)
    rng = np.random.default_rng(0)
    scattered = [game.lower + rng.random(len(x)) * game.width for _ in range(max(points - 3, 0))]
    begins = [x, game.lower, game.upper, *scattered, *starts]
    found = []
    for begin in begins:
        for wall in (False, True):
            climb = _Climb(game, x, p, own, wall)
            found += climb.run(begin[own])
            if not climb.met:
                break
    return found


class _Climb:
    """One run of SLSQP, whose tolerances are of utilities in the game's own unit.

    Where utilities are the least of several pieces it is of ``z = (x, t)``, with ``t`` below each of these.
    """

    def __init__(self, game: Game, x: Array, p: int, own: list[int], wall: bool) -> None:
        self.game, self.x, self.p, self.own, self.wall = game, x, p, own, wall
        self.met, self.worst = False, 0.0
        self.best: Play | None = None

    def run(self, begin: Array) -> list[Play]:
        bounds = list(zip(self.game.lower[self.own], self.game.upper[self.own], strict=True))
        room = [{"type": "ineq", "fun": self.room, "jac": self.room_slope}] if self.wall else []
        if not self.game.smooth:
            least = self.above(np.append(begin, 0.0)).min(initial=np.inf)
            begin, bounds = np.append(begin, least if np.isfinite(least) else 0.0), [*bounds, (None, None)]
            room.append({"type": "ineq", "fun": self.above, "jac": self.above_slope})
        options = {"maxiter": 100, "ftol": 1e-14}
        with np.errstate(all="ignore"):
            last = optimize.minimize(
                self.value, begin, jac=self.slope, method="SLSQP", bounds=bounds, constraints=room, options=options
            )
        self.value(np.append(self.game.snapped(self._whole(last.x))[self.own], last.x[len(self.own) :]))
        return [] if self.best is None else [self.best]

    def _whole(self, z: Array) -> Array:
        moved = self.x.copy()
        moved[self.own] = np.clip(z[: len(self.own)], self.game.lower[self.own], self.game.upper[self.own])
        return moved

    def value(self, z: Array) -> float:
        play = self.game.at(self._whole(z))
        if not play.ok:
            self.met = True
            return self.worst + _FAR
        utility = float(play.utilities[self.p])
        if self.best is None or utility > self.best.utilities[self.p]:
            self.best = play
        self.worst = max(self.worst, abs(utility) / self.game.unit)
        return -utility / self.game.unit if self.game.smooth else -float(z[-1])

    def slope(self, z: Array) -> Array:
        if not self.game.smooth:
            return -np.eye(len(z))[-1]
        play = self.game.at(self._whole(z))
        return -play.marginal[self.own] / self.game.unit if play.ok else np.zeros(len(z))

    def above(self, z: Array) -> Array:
        """How far each piece is above ``t``."""
        x = self._whole(z)
        values = self.game.pieces(x, self.p)[0] if self.game.at(x).ok else np.full(self.game.count, -_FAR)
        return values / self.game.unit - z[-1]

    def above_slope(self, z: Array) -> Array:
        x = self._whole(z)
        slopes = self.game.pieces(x, self.p)[1] if self.game.at(x).ok else np.zeros((self.game.count, len(self.own)))
        return np.hstack([slopes / self.game.unit, -np.ones((len(slopes), 1))])

    def room(self, z: Array) -> float:
        settled = self.game.at(self._whole(z)).settled
        return 1 - self.game.margin - settled.radius if settled.found else -1.0

    def room_slope(self, z: Array) -> Array:
        settled = self.game.at(self._whole(z)).settled
        slope = -settled.slope[self.own] if settled.found else np.zeros(len(self.own))
        return np.append(slope, np.zeros(len(z) - len(slope)))
