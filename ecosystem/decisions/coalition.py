"""Coalitions: what some members gain who decide together, while everybody else goes on playing for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant
from ecosystem.core.check import a_seed, brief, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.words import called, capital, counted, joined, listed, number
from ecosystem.decisions.ensemble import Ensemble, check_over
from ecosystem.decisions.equilibria import Equilibrium
from ecosystem.decisions.equilibrium import GRID, TURNS, game_of, played
from ecosystem.decisions.nash import Point, Try, checked, distinct, searched
from ecosystem.decisions.play import SAME, Game
from ecosystem.influence.arising import Like
from ecosystem.scenario import Scenario


@dataclass(frozen=True, eq=False, repr=False)
class Coalition:
    """What some gain who agree; made by :func:`coalition`.

    ``selfish`` is play without the agreement. ``table`` has a row for each of its equilibria: where the agreement leads
    from there (``found``: to a point at which neither the coalition nor anybody else gains alone), what the members
    have ``before`` and ``after`` in sum, their ``gain``, what all ``others`` gain, ``aim`` (the gain in what they play
    for: over an ensemble the worst case or regret of their sum, if they fear these), the ``radius``. ``utilities`` has
    everybody's utility before, after and the change, and ``levels`` the levers, from the equilibrium that is
    ``chosen``: the one from which the members gain least.
    """

    members: tuple[str, ...]
    selfish: Equilibrium
    game: Game
    after: list[Point | None]
    tries: list[Try]
    over: str = ""

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each equilibrium of selfish play."""
        places = [self.game.landscape.targets.index(name) for name in self.members]
        rows = []
        for i, (point, end) in enumerate(zip(self.selfish.nash, self.after, strict=True), 1):
            before = point.play.members
            gone = np.full(len(before), np.nan)
            after = gone if end is None else end.play.members
            gain = float((after - before)[places].sum())
            aim = np.nan if end is None else float(end.play.utilities[0] - self.game.at(point.play.x).utilities[0])
            rows.append(
                {
                    "point": i,
                    "found": end is not None,
                    "before": float(before[places].sum()),
                    "after": float(after[places].sum()),
                    "gain": gain,
                    "others": float((after - before).sum()) - gain,
                    "aim": aim,
                    "radius": np.nan if end is None else end.play.settled.radius,
                }
            )
        return pd.DataFrame(rows, columns=["point", "found", "before", "after", "gain", "others", "aim", "radius"])

    @property
    def chosen(self) -> int | None:
        """The number of the equilibrium from which the members gain least; None where nothing is known."""
        known = self.table[self.table["found"]]
        return None if known.empty else int(known.loc[known["gain"].idxmin(), "point"])

    @property
    def gain(self) -> float:
        """The least that the members gain in sum, over the equilibria of selfish play; NaN where nothing is known."""
        return np.nan if self.chosen is None else float(self.table.set_index("point").at[self.chosen, "gain"])

    @property
    def utilities(self) -> pd.DataFrame:
        """member, agrees, before, after, change, from the equilibrium that is ``chosen``."""
        before, after = self._ends()
        names = self.game.landscape.targets
        table = pd.DataFrame({"member": names, "agrees": [name in self.members for name in names]})
        before, after = (play.members if play is not None else np.nan for play in (before, after))
        return table.assign(before=before, after=after, change=after - before)

    @property
    def levels(self) -> pd.DataFrame:
        """lever, member, before, after, from the equilibrium that is ``chosen``."""
        before, after = (play.x if play is not None else np.nan for play in self._ends())
        levers = self.game.levers
        return pd.DataFrame({"lever": levers.names, "member": levers.readers}).assign(before=before, after=after)

    def _ends(self) -> tuple[Any, Any]:
        if self.chosen is None:
            return None, None
        end = self.after[self.chosen - 1]
        return self.selfish.nash[self.chosen - 1].play, None if end is None else end.play

    @property
    def verdict(self) -> str:
        """gains, loses (others answer so that agreeing costs more than it brings), nothing, unknown."""
        if np.isnan(self.gain):
            return "unknown"
        size = SAME * 100 * (1 + float(self.table["before"].abs().max()))
        return "gains" if self.gain > size else "loses" if self.gain < -size else "nothing"

    @property
    def verdicts(self) -> pd.DataFrame:
        """Columns subject, verdict, sentence."""
        rows = [("coalition", self.verdict, self._itself())]
        if self.chosen is not None:
            others = float(self.table.set_index("point").at[self.chosen, "others"])
            word = "gain" if others > 0 else "lose"
            rows.append(("others", word, f"The others {word} {number(abs(others))} in sum."))
            table = self.utilities[self.utilities["agrees"]]
            worse = table[table["change"] < -SAME * (1 + table["before"].abs())]
            if len(worse):
                names = joined([called(name) for name in worse["member"]])
                text = f"{capital(names)} would be better off without it, and must be paid to stay."
                rows.append(("members", "must be paid", text))
        return pd.DataFrame(rows, columns=["subject", "verdict", "sentence"])

    @property
    def sentence(self) -> str:
        """In a sentence or two."""
        return " ".join(self.verdicts["sentence"])

    def _itself(self) -> str:
        who = joined([called(name) for name in self.members])
        if not self.selfish.nash:
            return f"What {who} gain by deciding together is unknown: selfish play has no equilibrium that was found."
        if self.chosen is None:
            return f"No equilibrium was found in which {who} decide together."
        where = f" (the least from {counted(len(self.after), 'equilibrium').replace('equilibriums', 'equilibria')})"
        where = where if len(self.after) > 1 else ""
        where += self._on_average()
        if self.verdict == "nothing":
            return f"{capital(who)} gain nothing by deciding together{where}."
        word = "gain" if self.gain > 0 else "lose"
        return f"{capital(who)} {word} {number(abs(self.gain))} in sum by deciding together{where}."

    def _on_average(self) -> str:
        """Over an ensemble: that this is a mean, and what it comes to for what they play for."""
        if self.over in ("", "expected"):
            return ", on average over the ensemble" if self.over else ""
        aim = float(self.table.set_index("point").at[self.chosen, "aim"])
        word = "more" if aim > 0 else "less"
        if self.over == "worst":
            return f", on average over the ensemble; in their worst case they have {number(abs(aim))} {word}"
        word = "less" if aim > 0 else "more"
        return f", on average over the ensemble; their largest regret is {number(abs(aim))} {word}"

    def __repr__(self) -> str:
        return f"Coalition({self.sentence})\n{self.utilities.set_index('member').round(6).to_string()}"


@typed
def coalition(
    scenario: Scenario | Ensemble,
    members: Sequence[str],
    *,
    costs: Any = 0.0,
    movable: Any = "levels",
    bounds: Mapping[str, tuple[float, float]] | None = None,
    like: Like | None = None,
    margin: float = 1e-3,
    over: str = "expected",
    starts: int = 6,
    seed: int = 0,
) -> Coalition:
    """What some members gain who move their levers for the sum of their utilities, while the others play selfishly.

    Selfish play comes first (:func:`equilibrium`). From each of its Nash points play goes on with the members as one
    player, by best responses in turn and by a simultaneous solve, to a point at which neither they nor anybody else
    gains alone. As the others answer, agreeing may cost more than it brings (as mergers do where firms compete in
    quantities).

    Parameters
    ----------
    scenario: one, or an :class:`Ensemble` of scenarios with the same levers.
    members: who agrees, two at least; those without a lever count for the sum only.
    costs, movable, bounds, like, margin, starts, seed: as of :func:`equilibrium`.
    over: of an ensemble, all play, those who agree for the sum of theirs, for the ``"expected"`` utility, the
        ``"worst"`` case or the least ``"regret"`` (how far that sum is below what they could have, were the scenario
        known). What members have and gain in tables are means over the ensemble; ``aim`` is the gain in what they play
        for.

    Raises
    ------
    KeyError, ValueError, TypeError
        As :func:`equilibrium`; for unknown members, for one alone, and where none of them has a lever.

    >>> from ecosystem import Flow, Location, Member, Quadratic, Scenario, Shift, never
    >>> s = Scenario("two", rounds=1)
    >>> s.add("people", Member(Location([0.0]), schedule=never))
    >>> for name in "ab":
    ...     s.add(name, Member(Location([0.0]), reward=Quadratic([1.0], 1.0), curator=Shift([1.0])))
    >>> for u, v in ("ab", "ba"):
    ...     s.connect(u, v, Flow(raw=0.25, curated=0.25, chosen_by="consumer"))
    ...     s.connect("people", v, Flow(raw=0.25, curated=0.25, chosen_by="consumer"))
    >>> found = coalition(s, ["a", "b"], costs=0.1)  # θ = 1 − 0.1 / 2 together, 1 − 0.1 / (4/3) alone
    >>> found.verdict, round(found.gain, 6)
    ('gains', 0.000625)
    """
    game = game_of(scenario, costs, movable, bounds, like, margin, "coalition", check_over(over, "coalition"))
    whole_number(starts, "coalition(starts)", 1)
    a_seed(seed, "coalition(seed)")
    names = _members(game, members)
    selfish = played(game, starts, seed, "coalition")
    together = game.joined(names)
    after: list[Point | None] = []
    tries: list[Try] = []
    for i, point in enumerate(selfish.nash, 1):
        many = searched(together, [(f"equilibrium {i}", point.play.x)], GRID, TURNS)
        ends = [checked(together, x, 3 * GRID) for x in distinct(together, many[::-1])]  # where turns lead first
        after.append(next((end for end in ends if end.nash), None))
        tries += many
    return Coalition(tuple(names), selfish, together, after, tries, over if isinstance(scenario, Ensemble) else "")


def _members(game: Game, members: Any) -> list[str]:
    if isinstance(members, str) or not isinstance(members, Sequence):
        raise TypeError(f"coalition(members) is a list of names, got {brief(members)}")
    targets = game.landscape.targets
    for name in members:
        if name not in targets:
            raise KeyError(
                f"coalition(members): nobody called {name!r} has an alignment that is known"
                f"{meant(str(name), targets)}; those who have are {listed(targets)}"
            )
    names = list(dict.fromkeys(members))
    if len(names) < 2:
        raise ValueError(f"coalition(members) names who decides together, two at least; got {brief(members)}")
    if not set(names) & {player.name for player in game.players}:
        raise ValueError(f"coalition: none of {listed(map(repr, names))} has a lever; say movable=, or name others")
    return names
