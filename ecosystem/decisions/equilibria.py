"""What selfish play came to: the Nash points, what they cost everybody together, and who pays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from ecosystem.core.check import brief
from ecosystem.core.kinds import typed
from ecosystem.core.words import called, capital, counted, joined, number
from ecosystem.decisions.mixed import MixedLandscape
from ecosystem.decisions.nash import Point, Try
from ecosystem.decisions.play import SAME, Array, Game, Play
from ecosystem.influence.spectra import below_one
from ecosystem.scenario import Scenario


@dataclass(frozen=True, eq=False, repr=False)
class Equilibrium:
    """What selfish play comes to; made by :func:`equilibrium`.

    ``points``: a row for each point at which first-order conditions hold, or play came to rest: ``point`` (its number
    among the Nash points, 0 for the others), ``nash`` (nobody gains alone, over its whole box), welfare, residual,
    ``gain`` (the most that anybody gains by deviating, relative to ``1 + |U|``) and the ``deviator``, ``curvature``
    (the largest ``d²U_k/dλ_k²`` of levers inside the bounds; NaN where all are at one), ``attracts`` (best responses in
    turn come back to it), ``edge`` (the margin of stability binds), radius ``ρ(B)``, ``own`` (the scenario's own start
    leads to this network: it is no other branch).

    ``levels``: a row for each lever: its cost and bounds, where it is ``now``, at the ``optimum``, and at each Nash
    point, by its number. ``utilities`` has everybody's utility (alignment less what its own levers cost) at the same
    places, ``welfare`` their sum, ``alignment`` the alignments (of an ensemble means, whatever players fear).
    ``starts`` says what came of each start, ``cycle`` (a row a turn) where best responses go round instead.
    ``optimum`` is the highest welfare found over the same bounds, from the present levels, the bounds, every
    equilibrium and scattered starts. ``doubts`` say why derivatives mean little, a sentence each: alignments in steps.
    """

    game: Game
    checked: list[Point]
    tries: list[Try]
    best: Play
    margin: float
    doubts: tuple[str, ...] = ()

    # -- tables --------------------------------------------------------------------------------------------------------

    @property
    def nash(self) -> list[Point]:
        """The Nash points, those first that the present levels lead to."""
        return [point for point in self.checked if point.nash]

    @cached_property
    def points(self) -> pd.DataFrame:
        """A row for each point that was looked at."""
        rows, number, land = [], 0, cast(Any, self.game.landscape)
        for point in self.checked:
            number += point.nash
            settled = point.play.settled
            rows.append(
                {
                    "point": number if point.nash else 0,
                    "nash": point.nash,
                    "welfare": point.play.welfare,
                    "residual": point.residual,
                    "gain": point.gain,
                    "deviator": point.deviator,
                    "curvature": point.curvature,
                    "attracts": bool(point.nash and below_one(point.attracts)),
                    "edge": point.edge,
                    "radius": settled.radius,
                    "own": land.same(settled, land.own(point.play.x)),
                }
            )
        columns = ["point", "nash", "welfare", "residual", "gain", "deviator", "curvature", "attracts", "edge"]
        return pd.DataFrame(rows, columns=[*columns, "radius", "own"])

    @cached_property
    def _plays(self) -> dict[str, Play]:
        """Where tables look: now (as the scenario's own start leads there), the optimum, the Nash points."""
        now = self.game.at(np.clip(self.game.levers.now, self.game.lower, self.game.upper))
        return {"now": now, "optimum": self.best} | {str(i): p.play for i, p in enumerate(self.nash, 1)}

    @cached_property
    def levels(self) -> pd.DataFrame:
        """A row for each lever."""
        levers = self.game.levers
        names = {"lever": levers.names, "member": levers.readers, "cost": self.game.prices}
        bounds = {"lower": self.game.lower, "upper": self.game.upper}
        return pd.DataFrame({**names, **bounds, **{name: play.x for name, play in self._plays.items()}})

    @cached_property
    def utilities(self) -> pd.DataFrame:
        """Everybody's alignment less what its own levers cost, by place."""
        members = {"member": self.game.landscape.targets}
        return pd.DataFrame({**members, **{name: play.members for name, play in self._plays.items()}})

    @cached_property
    def alignment(self) -> pd.DataFrame:
        """Everybody's alignment, by place."""
        members = {"member": self.game.landscape.targets}
        return pd.DataFrame({**members, **{name: play.settled.alignment.numpy() for name, play in self._plays.items()}})

    @property
    def welfare(self) -> pd.Series:
        """The sum of all utilities, by place (NaN where there is no stable network)."""
        return pd.Series({name: play.welfare for name, play in self._plays.items()}, name="welfare")

    @property
    def starts(self) -> pd.DataFrame:
        """What came of every start, by both methods."""
        rows = [(one.start, one.method, one.outcome) for one in self.tries]
        return pd.DataFrame(rows, columns=["start", "method", "outcome"])

    @property
    def cycle(self) -> pd.DataFrame:
        """Where best responses go round: a row a turn, a column a lever; empty where they come to rest."""
        found: tuple[Array, ...] = next((one.cycle for one in self.tries if one.cycle), ())
        rows = np.array(found) if found else np.zeros((0, len(self.game.levers)))
        return pd.DataFrame(rows, columns=self.game.levers.names).rename_axis(index="turn")

    @typed
    def scenario(self, point: int = 1) -> Scenario:
        """A copy of the scenario with its levers at a Nash point, by its number, or at the optimum (0).

        Of an ensemble the first (:meth:`scenarios` has all).
        """
        return self.scenarios(point)[0]

    @typed
    def scenarios(self, point: int = 1) -> tuple[Scenario, ...]:
        """The same of every scenario of an ensemble."""
        if not 0 <= point <= len(self.nash):
            raise ValueError(f"scenario(point) is 0 (the optimum) to {len(self.nash)}, got {brief(point)}")
        x, land = self.nash[point - 1].play.x if point else self.best.x, self.game.landscape
        every = land.landscapes if isinstance(land, MixedLandscape) else (land,)
        return tuple(one.levers.moved(x) for one in every)

    # -- what it costs -------------------------------------------------------------------------------------------------

    @property
    def worst(self) -> int | None:
        """The number of the Nash point with the least welfare; None where there is none."""
        if not self.nash:
            return None
        return 1 + int(np.argmin([point.play.welfare for point in self.nash]))

    @property
    def loss(self) -> float:
        """Welfare at the optimum less welfare at the worst equilibrium found; NaN without one."""
        return np.nan if self.worst is None else self.best.welfare - self.nash[self.worst - 1].play.welfare

    @property
    def anarchy(self) -> float:
        """The price of anarchy: welfare at the optimum over welfare at the worst equilibrium found, at least 1.

        NaN where there is no equilibrium, or either is not positive, so that a ratio would say nothing: then ``loss``.
        """
        if self.worst is None or self.nash[self.worst - 1].play.welfare <= 0:
            return np.nan
        return self.best.welfare / self.nash[self.worst - 1].play.welfare

    @property
    def payers(self) -> pd.DataFrame:
        """Who pays for selfish play, most first: member, optimum, equilibrium (the worst), loss."""
        worst = self.utilities[str(self.worst)] if self.worst else np.nan
        table = self.utilities[["member", "optimum"]].assign(equilibrium=worst)
        table["loss"] = table["optimum"] - table["equilibrium"]
        return table.sort_values("loss", ascending=False, kind="stable", ignore_index=True)

    # -- words ---------------------------------------------------------------------------------------------------------

    @property
    def verdict(self) -> str:
        """one, several, none found."""
        return "none found" if not self.nash else "one" if len(self.nash) == 1 else "several"

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """What it means: columns subject, verdict, sentence."""
        rows = [("equilibrium", self.verdict, self._found()), ("anarchy", *self._price())]
        if self.worst is not None and self._gap() > 0:
            rows.append(("payers", "pay", self._pays()))
        rows += [("stability", "binds", self._edges())] if any(point.edge for point in self.nash) else []
        others = self.points[self.points["nash"] & ~self.points["own"]]
        if len(others):
            which = joined([str(i) for i in others["point"]])
            text = f"The scenario's own start leads elsewhere at the levels of {which}: it is another branch."
            rows.append(("branch", "another", text))
        rows += [("derivatives", "doubtful", text) for text in self.doubts]
        return pd.DataFrame(rows, columns=["subject", "verdict", "sentence"])

    @property
    def sentence(self) -> str:
        """In a sentence or two."""
        return " ".join(self.verdicts["sentence"].iloc[:2])

    def _gap(self) -> float:
        """The loss, without rounding."""
        return self.loss if self.loss > SAME * float(np.abs(self.best.members).sum()) else 0.0

    def _found(self) -> str:
        tried = counted(len({one.start for one in self.tries}), "start")
        if not self.nash:
            round_ = f"; best responses go round in {counted(len(self.cycle), 'turn')}" if len(self.cycle) else ""
            critical = len(self.checked)
            passed = f" ({counted(critical, 'point')} at which somebody gains by deviating)" if critical else ""
            return f"No equilibrium was found from {tried}{passed}{round_}."
        many = capital(counted(len(self.nash), "equilibrium").replace("equilibriums", "equilibria"))
        many = many[0].upper() + many[1:]
        settle = sum(below_one(point.attracts) for point in self.nash)
        words = "best responses lead to it" if settle else "best responses do not lead to it"
        if len(self.nash) > 1:
            every = settle == len(self.nash)
            words = f"best responses lead to {'each' if every else counted(settle) + ' of them'}"
        return f"{many} found from {tried}; {words}."

    def _price(self) -> tuple[str, str]:
        if self.worst is None:
            return "undefined", "Without an equilibrium there is no price of anarchy."
        top, low = self.best.welfare, self.nash[self.worst - 1].play.welfare
        both = f"welfare is {number(low, digits=4)} at the worst equilibrium and {number(top, digits=4)} at the optimum"
        if not self._gap():
            return "none", f"Selfish play costs nothing: {both}."
        if not np.isnan(self.anarchy):
            return "costs", f"The price of anarchy is {number(self.anarchy, digits=4)}: {both}."
        return "costs", f"Selfish play costs {number(self.loss, digits=4)}: {both} (a ratio would say nothing)."

    def _pays(self) -> str:
        table = self.payers
        first = table.iloc[0]
        gainers = table[table["loss"] < -SAME * (1 + table["optimum"].abs())]
        text = f"{capital(called(first['member']))} pays most, {number(first['loss'])}"
        if not len(gainers):
            return f"{text}; nobody gains."
        last = gainers.iloc[-1]
        return f"{text}; {called(last['member'])} gains most, {number(-last['loss'])}."

    def _edges(self) -> str:
        which = [str(i) for i, point in enumerate(self.nash, 1) if point.edge]
        return f"At equilibrium {joined(which)} stability binds (margin={self.margin:g}): somebody would go on beyond."

    def __repr__(self) -> str:
        shown = self.levels.drop(columns=["member", "cost", "lower", "upper"]).set_index("lever")
        return f"Equilibrium({self.sentence})\n{shown.round(6).to_string()}"
