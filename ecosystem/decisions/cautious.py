"""A game whose players do not know which scenario is true, and fear the worst, or their largest regret."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from ecosystem.decisions.answering import answered
from ecosystem.decisions.mixed import MixedLandscape, MixedSettled
from ecosystem.decisions.play import Array, Game, Play, Player

_ACTIVE = 1e-6  # of what levers are worth: how near to the least a utility is that counts where there is a kink
_GRID = 5  # points along a lever at which the best response in one scenario is begun


@dataclass(frozen=True, eq=False)
class _Asked:
    """Numbers by place that are worked out when one is asked for: regrets are dear."""

    count: int
    of: Callable[[int], float]

    def __getitem__(self, place: Any) -> Any:
        return self.of(int(place)) if np.ndim(place) == 0 and not isinstance(place, slice) else np.array(self)[place]

    def __len__(self) -> int:
        return self.count

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.array([self.of(place) for place in range(self.count)], dtype=dtype or np.float64)


class Cautious(Game):
    """``U_p = min_s (U_ps − known_ps)`` over scenarios ``s``, and welfare the mean over them as in any game.

    ``known`` is 0 where the *worst* case is feared; where it is *regret*, what the player's best response to the
    others would give it, were the scenario known: the others' levers are the same in all of them.
    """

    smooth, same = False, 1e-14  # turns alone must lead to a point exactly

    def __init__(
        self, landscape: MixedLandscape, players: Sequence[Player], prices: Array, margin: float, over: str
    ) -> None:
        super().__init__(landscape, players, prices, margin)
        self.over = over
        self.alone = [Game(land, players, prices, margin) for land in landscape.landscapes]
        for one in self.alone:
            one.lower, one.upper = self.lower, self.upper
        self.count = len(self.alone)
        self._best: dict[tuple[int, bytes], Array] = {}

    def of(self, players: Sequence[Player]) -> Game:
        """The same among others, as cautious."""
        assert isinstance(self.landscape, MixedLandscape)
        return Cautious(self.landscape, players, self.prices, self.margin, self.over)

    def pieces(self, x: Array, p: int) -> tuple[Array, Array]:
        """One for each scenario."""
        return self.feared(x, p), self._slopes(x)[:, list(self.players[p].levers)]

    def _play(self, x: Array) -> Play:
        plain = super()._play(x)
        if not plain.ok or not isinstance(plain.settled, MixedSettled):
            return plain
        utilities = _Asked(len(self.players), lambda p: float(self.feared(x, p).min()))
        marginal = _Asked(len(x), lambda k: float(self._slopes(x)[int(self.feared(x, self.owner[k]).argmin()), k]))
        return Play(x, plain.settled, True, utilities, plain.members, marginal)  # type: ignore[arg-type]

    def feared(self, x: Array, p: int) -> Array:
        """What player ``p`` has at ``x`` in each scenario, ``[scenarios]``; less what it could have, if it regrets."""
        values = np.array([one.at(x).utilities[p] for one in self.alone])
        return values if self.over == "worst" else values - self._could(x, p)

    def _slopes(self, x: Array) -> Array:
        """Everybody's marginal utility in each scenario, ``[scenarios, levers]``."""
        return np.stack([one.at(x).marginal for one in self.alone])

    def _could(self, x: Array, p: int) -> Array:
        others = x.copy()
        others[list(self.players[p].levers)] = self.lower[list(self.players[p].levers)]
        key = (int(p), (others + 0.0).tobytes())
        if key not in self._best:
            self._best[key] = np.array([answered(one, x, p, _GRID).utilities[p] for one in self.alone])
        best = np.maximum(self._best[key], [one.at(x).utilities[p] for one in self.alone])
        self._best[key] = best  # what was found since
        return best

    def residual(self, play: Play) -> float:
        """As of any game; at a kink some mixture of scenarios in which a player is worst off must meet conditions."""
        if not play.ok:
            return np.inf
        slopes = self._slopes(play.x)
        return max(self._missed(play.x, p, slopes[:, list(one.levers)]) for p, one in enumerate(self.players))

    def _missed(self, x: Array, p: int, slopes: Array) -> float:
        """The least ``r ≥ 0`` with ``Σ_s μ_s slope_sk ≤ r`` where ``x_k`` can rise, ``≥ −r`` where it can fall."""
        if not slopes.shape[1]:
            return 0.0
        values, own = self.feared(x, p), list(self.players[p].levers)
        near = slopes[values <= values.min() + _ACTIVE * (self.unit + abs(values.min()))]
        rows = np.concatenate([near.T[x[own] < self.upper[own]], -near.T[x[own] > self.lower[own]]])
        if not len(rows):
            return 0.0
        goal, ones = np.append(np.zeros(len(near)), 1.0), np.append(np.ones(len(near)), 0.0)[None]
        found = linprog(
            goal, A_ub=np.hstack([rows, -np.ones((len(rows), 1))]), b_ub=np.zeros(len(rows)), A_eq=ones, b_eq=[1]
        )
        return float(found.fun) if found.success else np.inf
