"""The search for Nash points: simultaneous solves and best responses from several starts, each result checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from ecosystem.decisions.answering import answered
from ecosystem.decisions.play import SAME, Array, Game, Play

_MET = 1e-6  # of marginal utilities, relative to the largest seen, by which first-order conditions may be missed
_APART = 1e-4  # of the bounds' width: points nearer to each other are one
_NEAR = 1e-2  # of the bounds' width: a critical point so near is the one that turns were coming to
_STILL = 1e-6  # of the bounds' width: a step of less is none
_EXACT = 1e-8  # the same where nothing but turns leads to a point
_STEP = 1e-4  # of the bounds' width, for differences of exact derivatives
_GAIN = 1e-7  # gain of somebody who deviates that is none, of what levers are worth


class _Left(Exception):
    """A search left the stable networks."""


@dataclass(frozen=True)
class Point:
    """A point that was looked at: first and second order, and what anybody could gain alone over its whole box.

    ``attracts``: sequential best responses come back to it after a small change (by their spectral radius).
    """

    play: Play
    residual: float
    gain: float
    deviator: str
    curvature: float
    attracts: float
    edge: bool

    @property
    def nash(self) -> bool:
        """Whether nobody gains by deviating alone."""
        return self.gain <= _GAIN


@dataclass(frozen=True)
class Try:
    """What came of one start by one method: ``outcome`` in words, and where play ended, if anywhere."""

    start: str
    method: str
    outcome: str
    x: Array | None
    cycle: tuple[Array, ...] = ()


def begun(game: Game, count: int, seed: int) -> Iterator[tuple[str, Array]]:
    """So many starts in the box: as it is, its ends, then scattered ones (every other at a corner)."""
    known = (np.clip(game.levers.now, game.lower, game.upper), game.lower.copy(), game.upper.copy())
    yield from list(zip(("present", "lower", "upper"), known, strict=True))[:count]
    rng = np.random.default_rng(seed)
    for number in range(max(count - 3, 0)):
        lots = rng.random(len(game.lower))
        yield f"random {number + 1}", game.lower + (lots.round() if number % 2 == 0 else lots) * game.width


def searched(game: Game, begins: list[tuple[str, Array]], points: int, turns: int) -> list[Try]:
    """What came of every start, by both methods."""
    scale = max([np.abs(np.asarray(game.at(x).marginal)).max() for _, x in begins if game.at(x).ok], default=1.0)
    found = []
    for name, x in begins:
        if not game.smooth:  # where utilities have kinks there are no conditions to solve at once
            found.append(_in_turn(game, name, x, points, turns))
            continue
        found.append(_simultaneous(game, name, x, max(float(scale), 1e-12)))
        turned = _in_turn(game, name, x, points, turns)
        if turned.x is not None:  # all conditions at once are exact, where the ends of turns need not be
            exact = _simultaneous(game, name, turned.x, max(float(scale), 1e-12)).x
            near = exact is not None and (np.abs(exact - turned.x) <= _NEAR * game.width).all()
            turned = replace(turned, x=exact) if near else turned
        found.append(turned)
    return found


def _simultaneous(game: Game, name: str, begin: Array, scale: float) -> Try:
    """A zero of Robinson's normal map ``z − x − F(x)``, ``x`` the point of the box nearest to ``z`` (SciPy's hybr).

    It is the complementarity problem of all first-order conditions at once; utilities are asked in the box only.
    """

    def gap(z: Array) -> Array:
        x = np.clip(z, game.lower, game.upper)
        play = game.at(x)
        if not play.ok:
            raise _Left
        return z - x - play.marginal / scale

    z = begin
    try:
        for _ in range(3):
            z = optimize.root(gap, z, method="hybr", options={"xtol": 1e-12, "maxfev": 60 * (len(z) + 1)}).x
            x = game.snapped(z)
            if game.residual(game.at(x)) <= _MET * scale * 1e-3:
                break
    except _Left:
        return Try(name, "simultaneous", "left the stable networks", None)
    good = game.residual(game.at(x)) <= _MET * scale
    return Try(name, "simultaneous", "critical point" if good else "did not converge", x if good else None)


def _in_turn(game: Game, name: str, begin: Array, points: int, turns: int) -> Try:
    """Best responses, one player after the other, until nobody moves or play comes back to where it was."""
    x, past, still = begin, [begin], _STILL if game.smooth else _EXACT
    for _ in range(turns):
        for p in range(len(game.players)):
            x = game.snapped(answered(game, x, p, points).x)
        if not game.at(x).ok:
            return Try(name, "best responses", "no stable network to begin from", None)
        near = [float((np.abs(x - old) / np.maximum(game.width, 1e-300)).max()) for old in past]
        if near[-1] <= still:
            return Try(name, "best responses", "nobody moves", x)
        back = [i for i, distance in enumerate(near[:-1]) if distance <= 10 * still]
        if back:
            cycle = tuple([*past[back[-1] + 1 :], x])
            return Try(name, "best responses", f"comes round every {len(cycle)} turns", None, cycle)
        past.append(x)
    return Try(name, "best responses", f"not at rest after {turns} turns", x)


def distinct(game: Game, tries: list[Try]) -> list[Array]:
    """Where play ended, each point once."""
    found: list[Array] = []
    for one in tries:
        apart = one.x is not None and all((np.abs(one.x - x) > _APART * game.width).any() for x in found)
        if one.x is not None and apart:
            found.append(one.x)
    return found


def checked(game: Game, x: Array, points: int) -> Point:
    """First order, second order, and everybody's best response over its whole box."""
    play = game.at(x)
    gains = []
    for p in range(len(game.players)):
        best = answered(game, x, p, points)
        size = game.unit + abs(play.utilities[p])
        gains.append((best.utilities[p] - play.utilities[p]) / size if best is not play else 0.0)
    worst = int(np.argmax(gains))
    slopes = curvatures(game, x) if game.smooth else np.full((len(x), len(x)), np.nan)
    free = (x > game.lower) & (x < game.upper)
    bends = [_largest(slopes, player.levers, free) for player in game.players]
    gain = float(gains[worst])
    residual = game.residual(play)
    room = 1 - game.margin - play.settled.radius
    return Point(
        play,
        residual,
        gain if gain > SAME else 0.0,
        game.players[worst].name if gain > _GAIN else "",
        max((bend for bend in bends if bend == bend), default=np.nan),
        _turns(game, slopes, free) if game.smooth else 0.0,  # turns led there
        bool(room <= 1e-5),
    )


def curvatures(game: Game, x: Array) -> Array:
    """``∂F_i/∂x_j [levers, levers]`` of marginal utilities, by differences of these exact derivatives, in the box."""
    found = np.full((len(x), len(x)), np.nan)
    for j, width in enumerate(game.width):
        if width == 0:
            found[:, j] = 0.0
            continue
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[j] = np.clip(x[j] + sign * _STEP * width, game.lower[j], game.upper[j])
            play = game.at(moved)
            ends.append(play if play.ok else game.at(x))
        far = ends[0].x[j] - ends[1].x[j]
        if far > 0:
            found[:, j] = (ends[0].marginal - ends[1].marginal) / far
    return found


def _largest(slopes: Array, own: tuple[int, ...], free: NDArray[np.bool_]) -> float:
    """The largest second derivative of a player's utility in the levers that no bound holds; NaN without any."""
    inside = [k for k in own if free[k]]
    block = slopes[np.ix_(inside, inside)]
    if not len(inside) or not np.isfinite(block).all():
        return np.nan
    return float(np.linalg.eigvalsh((block + block.T) / 2).max())


def _turns(game: Game, slopes: Array, free: NDArray[np.bool_]) -> float:
    """The spectral radius of best responses in turn (block Gauss–Seidel), in the levers that no bound holds."""
    inside = np.flatnonzero(free)
    block = slopes[np.ix_(inside, inside)]
    if not len(inside) or not np.isfinite(block).all():
        return 0.0 if not len(inside) else np.nan
    owner = game.owner[inside]
    low = np.where(owner[:, None] >= owner[None, :], block, 0.0)
    try:
        return float(np.abs(np.linalg.eigvals(np.linalg.solve(low, block - low))).max())
    except np.linalg.LinAlgError:
        return np.nan
