"""Runs side by side: who ends how much higher in one than in another, with its uncertainty.

Runs of one seed share every draw, whatever was changed between their scenarios, so differences are taken replicate by
replicate and then averaged: chance that both had falls out. Where they have no seed in common, the interval is Welch's.
Words allow for the number of members, as verdicts on one run do; intervals are those of each member by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ecosystem.core.added import added
from ecosystem.core.chance import discoveries, two_sided
from ecosystem.core.check import brief
from ecosystem.running.run import Run
from ecosystem.running.verdicts import ENOUGH, KEYS, all_diverged, exact, finished

WORDS = {
    "missing": "only in one of the two",
    "none": "has no users with a taste",
    "unknown": "alignment not recorded",
    "taste": "judged by another taste",
    "diverged": "diverged: nothing to compare",
    "gone": "left before the end",
    "one infinite": "infinite in one of the two",
    "infinite": "infinite in both",
    "same": "no difference",
    "above": "higher",
    "below": "lower",
    "one above": "higher in this one pair",
    "one below": "lower in this one pair",
    "lone above": "higher, by a single replicate without its pair",
    "lone below": "lower, by a single replicate without its pair",
    "few": "too few replicates",
    "unclear": "no clear difference",
}
NOTES = {  # what may follow the words, after "; "
    "rounds": "not after equally many rounds",
    "labels": "tastes told apart by their labels alone",
}
COLUMNS = [
    *("member", "run", "against", "alignment", "base", "difference", "error", "low", "high", "replicates", "paired"),
    *("rounds", "base_rounds"),
]


def compare(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Each run against the first: the alignment of every member at the end, and the difference with its 95 % interval.

    Parameters
    ----------
    runs
        Runs by a name of your own, ``{"base": run, "cut": other}``; loaded ones too. The first is the one that the
        others are compared with.

    Returns
    -------
    pd.DataFrame
        A row for each run but the first and each member: ``member``, ``run``, ``against`` (the first), ``alignment``
        and ``base`` (at the end of the run and of the first: means over ``replicates``, those that are in both and
        diverged in neither, where they are ``paired``; else the fewer of the two), ``difference``, its standard
        ``error``, its interval ``low`` to ``high`` (Student's t), ``rounds`` and ``base_rounds`` (the last that were
        recorded), and in ``words`` what that means, one of `WORDS`; after "; " it may say one of `NOTES`. Where there
        is nothing to compare (another taste, a member that one of them has not, or that left), the difference is NaN
        and ``words`` say why. Users who move judge by their taste at the end; replicates in which agents gave them
        different ones are left out. Tastes are compared by content, as ``run.settings`` have it
        (``tastes``, and ``tastes given`` by agents).

    Raises
    ------
    TypeError, ValueError
        If these are no runs by name, or fewer than two.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> compare({"base": s.run(), "cut": s.without("a", "a").run()})[["member", "run", "difference", "words"]]
      member  run  difference  words
    0      a  cut        -0.5  lower
    """
    if not isinstance(runs, Mapping) or not all(hasattr(run, "rounds") for run in runs.values()):
        raise TypeError(f'compare(runs) takes runs by name, {{"base": run, "cut": other}}, got {brief(runs)}')
    if len(runs) < 2:
        raise ValueError(f"compare(runs) takes two runs at least, got {len(runs)}")
    (against, first), *others = runs.items()
    tables = [_between(first, run).assign(run=name, against=against) for name, run in others]
    return pd.concat(tables, ignore_index=True)[[*COLUMNS, "words"]]


class _Taste(NamedTuple):
    """By what a member is judged at the end: in words, and by content where that is known."""

    label: str
    digest: str = ""

    def is_that_of(self, other: _Taste) -> bool:
        if self.digest and other.digest:
            return self.digest == other.digest
        return self.label == other.label


def _between(base: Run, run: Run) -> pd.DataFrame:
    """One run against another: a row for each member of either."""
    sides = _Side(base), _Side(run)
    paired = bool(sides[0].seeds & sides[1].seeds)
    certain = exact(base) and exact(run)
    diverged = all_diverged(base) or all_diverged(run)
    rows, told = [], []
    for member in dict.fromkeys([*sides[0].tastes, *sides[1].tastes]):
        why, pairs, by_label = _comparable(member, sides, paired)
        then, now = (side.end(member, kept) for side, kept in zip(sides, pairs, strict=True))
        row = {"member": member, "paired": paired, "rounds": sides[1].rounds, "base_rounds": sides[0].rounds}
        row |= _difference(then["alignment"], now["alignment"], paired)
        why = why or _refused(row, diverged, sides, (then, now))
        if why:
            row |= dict.fromkeys(("difference", "error", "low", "high"), np.nan)
        noted = {"rounds": sides[0].rounds != sides[1].rounds, "labels": by_label}
        notes = [NOTES[key] for key, holds in noted.items() if holds and not why]
        rows.append(row)
        told.append((why or _kind(row, (then, now), certain), notes))
    kinds = _allowing(rows, [kind for kind, _ in told])
    words = ["; ".join([WORDS[kind], *notes]) for kind, (_, notes) in zip(kinds, told, strict=True)]
    return pd.DataFrame(rows).assign(words=words)


def _allowing(rows: list[dict[str, Any]], kinds: list[str]) -> list[str]:
    """What differences mean, given how many there are: those in which chance has a part are judged together."""
    judged = np.isin(kinds, ["above", "below", "unclear"])
    chances = np.where(judged, [row.get("chance", np.nan) for row in rows], np.nan)
    unsure = ~np.isnan(chances) & ~discoveries(chances)
    return ["unclear" if may_be_chance else kind for kind, may_be_chance in zip(kinds, unsure, strict=True)]


class _Side:
    """What is read of one run: its seeds, how far it went, tastes and ends."""

    def __init__(self, run: Run) -> None:
        pairs = run.settings.get("seeds") or run.rounds[KEYS].drop_duplicates().to_numpy().tolist()
        self.seeds = {tuple(pair) for pair in pairs}
        table = finished(run)
        self.rounds = int(table["round"].max()) if len(table) else 0
        known = run.settings.get("tastes") or {}
        self.tastes = {
            member: _Taste(label, known.get(member, known.get("", "")))
            for member, label in zip(run.members["member"].astype(str), run.members["reward"].astype(str), strict=True)
        }
        given = {
            (member, tuple(pair)): digest
            for member, kept in (run.settings.get("tastes given") or {}).items()
            for digest, pairs in kept.items()
            for pair in pairs
        }
        self.changed = {}  # by member and replicate: an agent may have changed its users' mind in some of them alone
        for row in _of_rewards(run.changes):
            place = str(row["subject"]), (row["seed"], row["replicate"])
            self.changed[place] = _Taste(str(row["after"]), given.get(place, ""))
        # users without a taste, and what was not recorded, are NaN; an alignment of −∞ is an end like others
        seen = table[table["alignment"].notna()].sort_values("round", kind="stable")
        seen = seen.assign(pair=list(zip(*(seen[key] for key in KEYS), strict=True)))
        self.ends = seen.groupby(["member", "pair"]).agg(alignment=("alignment", "last"), round=("round", "last"))

    def end(self, member: str, pairs: list[Any] | None = None) -> pd.DataFrame:
        """The last alignment of a member and its round, a row a replicate."""
        table = self.ends.xs(member) if member in self.ends.index else self.ends.head(0).droplevel(0)
        return table if pairs is None else table.loc[pairs]

    def taste(self, member: str, pair: Any) -> _Taste:
        """By what a member is judged at the end of a replicate."""
        return self.changed.get((member, pair), self.tastes[member])


def _of_rewards(changes: pd.DataFrame) -> list[dict[Any, Any]]:
    """The changes of taste, the last one last."""
    kept = changes[changes["what"] == "reward"]
    return kept.sort_values("round", kind="stable").to_dict("records") if len(kept) else []


def _comparable(member: str, sides: tuple[_Side, _Side], paired: bool) -> tuple[str, list[Any], bool]:
    """Why a member cannot be compared (or nothing), in which replicates of either it can, and whether labels said so.

    Pairs whose two tastes differ are left out; of runs that share no seed, what is not of one taste that both have.
    """
    if any(member not in side.tastes for side in sides):
        return "missing", [None, None], False
    pairs = [list(side.end(member).index) for side in sides]
    starts = [side.tastes[member] for side in sides]
    if any(start.label == "none" and not mine for start, mine in zip(starts, pairs, strict=True)):
        return "none", pairs, False
    if paired:
        pairs = [[pair for pair in pairs[0] if pair in set(pairs[1])]] * 2
    tastes = [[side.taste(member, pair) for pair in mine] for side, mine in zip(sides, pairs, strict=True)]
    if not all(pairs):
        return "" if starts[0].is_that_of(starts[1]) else "taste", pairs, False
    wanted = tastes[::-1] if paired else [[_shared(tastes)] * len(mine) for mine in tastes]
    kept = [
        [pair for pair, taste, other in zip(mine, own, others, strict=True) if taste.is_that_of(other)]
        for mine, own, others in zip(pairs, tastes, wanted, strict=True)
    ]
    by_label = any(not side.taste(member, pair).digest for side, mine in zip(sides, kept, strict=True) for pair in mine)
    return "" if all(kept) else "taste", kept, by_label


def _shared(tastes: list[list[_Taste]]) -> _Taste:
    """The taste that most replicates of the first run have, of those that the second has too, if there is any."""
    others = set(tastes[1])
    both = [taste for taste in tastes[0] if any(taste.is_that_of(other) for other in others)] or tastes[0]
    return max(both, key=both.count)


def _difference(then: pd.Series, now: pd.Series, paired: bool) -> dict[str, Any]:
    """Means, the difference of the second less the first, its standard error and interval; NaN where there are none."""
    count = min(len(then), len(now))
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
        before, after = (float(x.mean()) if len(x) else np.nan for x in (then, now))
    if not np.isfinite([before, after]).all():
        return {"alignment": after, "base": before, "replicates": count}
    error, free = np.nan, 1.0
    if count > 1 and paired:
        error, free = float((now - then).sem()), count - 1.0
    elif count > 1:  # Welch
        parts = [float(x.var()) / len(x) for x in (then, now)]
        error = added(parts) ** 0.5
        weight = added(part**2 / (len(x) - 1) for part, x in zip(parts, (then, now), strict=True))
        free = added(parts) ** 2 / weight if weight else count - 1.0
    difference = float((now - then).mean()) if paired and count else after - before
    reach = error * float(stdtrit(free, 0.975))
    ends = {"alignment": after, "base": before, "difference": difference, "error": error}
    ends["chance"] = float(two_sided(np.array(difference), np.array(error), np.array(free)))
    return ends | {"low": difference - reach, "high": difference + reach, "replicates": count}


def _refused(row: dict[str, Any], diverged: bool, sides: tuple[_Side, _Side], ends: tuple[Any, Any]) -> str:
    """Why ends of one taste cannot be compared; empty where they can."""
    # an alignment that is infinite is a failure of the run too, but nothing that diverged
    infinite = [row["replicates"] > 0 and not np.isfinite(row[name]) for name in ("base", "alignment")]
    if diverged and not any(infinite):
        return "diverged"
    if not row["replicates"]:  # each pair diverged in one of the two, or nothing was ever recorded of the member
        return "diverged" if all(row["member"] in side.ends.index for side in sides) else "unknown"
    if any((end["round"] < side.rounds).any() for end, side in zip(ends, sides, strict=True)):
        return "gone"
    return "infinite" if all(infinite) else "one infinite" if any(infinite) else ""


def _kind(row: dict[str, Any], ends: tuple[Any, Any], certain: bool) -> str:
    """What a difference means, a key of `WORDS`."""
    difference, error = row["difference"], row["error"]
    rounding = 1e-9 if certain else 1e-12
    rounding *= max(1.0, *(float(end["alignment"].abs().mean()) for end in ends))
    if abs(difference) <= rounding and not error > rounding:
        return "same"
    side = "above" if difference > 0 else "below"
    if np.isnan(error):
        return side if certain else f"one {side}" if row["paired"] else f"lone {side}"
    if row["replicates"] < ENOUGH:
        return "few"
    return "above" if row["low"] > 0 else "below" if row["high"] < 0 else "unclear"
