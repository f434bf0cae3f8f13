"""Runs side by side: who ends how much higher in one than in another, with its uncertainty.

Runs of one seed share every draw, whatever was changed between their scenarios, so differences are taken replicate by
replicate and then averaged: chance that both had falls out. Where they have no seed in common, the interval is Welch's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ecosystem.core.check import brief
from ecosystem.running.run import Run
from ecosystem.running.verdicts import ENOUGH, KEYS, all_diverged, exact, finished

WORDS = {
    "missing": "only in one of the two",
    "none": "has no users with a taste",
    "taste": "judged by another taste",
    "diverged": "diverged: nothing to compare",
    "gone": "left before the end",
    "same": "no difference",
    "above": "higher",
    "below": "lower",
    "one above": "higher in this one pair",
    "one below": "lower in this one pair",
    "few": "too few replicates",
    "unclear": "no clear difference",
}
COLUMNS = [
    "member",
    "run",
    "against",
    "alignment",
    "base",
    "difference",
    "error",
    "low",
    "high",
    "replicates",
    "paired",
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
        ``error``, its interval ``low`` to ``high`` (Student's t), and in ``words`` what that means. Where there is
        nothing to compare (another taste, a member that one of them has not, or that left), the difference is NaN and
        ``words`` say why. Users who move judge by their taste at the end.

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


def _between(base: Run, run: Run) -> pd.DataFrame:
    """One run against another: a row for each member of either."""
    then, now = _ends(base), _ends(run)
    tastes = [_tastes(base), _tastes(run)]
    shared = then.index.unique("pair").intersection(now.index.unique("pair"))
    certain = exact(base) and exact(run)
    diverged = all_diverged(base) or all_diverged(run)
    rows = []
    for member in dict.fromkeys([*tastes[0], *tastes[1]]):
        of = [table.xs(member) if member in table.index else table.head(0).droplevel(0) for table in (then, now)]
        if len(shared):
            common = of[0].index.intersection(of[1].index)
            of = [one.loc[common] for one in of]
        row = {
            "member": member,
            "paired": bool(len(shared)),
            **_difference(of[0]["alignment"], of[1]["alignment"], bool(len(shared))),
        }
        gone = any((one["round"] < table["round"].max()).any() for one, table in zip(of, (then, now), strict=True))
        why = _refused(member, tastes, diverged) or ("gone" if gone else "")
        if why:
            row |= dict.fromkeys(("difference", "error", "low", "high"), np.nan)
        rows.append(row | {"words": WORDS[why or _kind(row, certain)]})
    return pd.DataFrame(rows)


def _tastes(run: Run) -> dict[str, str]:
    """By whose taste each member is judged at the end, in words: an agent may have changed its users' mind."""
    tastes = dict(zip(run.members["member"].astype(str), run.members["reward"].astype(str), strict=True))
    if len(run.changes):
        for row in run.changes[run.changes["what"] == "reward"].to_dict("records"):
            tastes[str(row["subject"])] = row["after"]
    return tastes


def _ends(run: Run) -> pd.DataFrame:
    """The last alignment of each member and replicate, and its round; index (member, pair)."""
    rounds = finished(run)
    seen = rounds[np.isfinite(rounds["alignment"].astype(float))].sort_values("round", kind="stable")
    seen = seen.assign(pair=list(zip(*(seen[key] for key in KEYS), strict=True)))
    return seen.groupby(["member", "pair"]).agg(alignment=("alignment", "last"), round=("round", "last"))


def _difference(then: pd.Series, now: pd.Series, paired: bool) -> dict[str, Any]:
    """Means, the difference of the second less the first, its standard error and interval; NaN where there are none."""
    count = min(len(then), len(now))
    before, after = (float(x.mean()) if len(x) else np.nan for x in (then, now))
    error, free = np.nan, 1.0
    if count > 1 and paired:
        error, free = float((now - then).sem()), count - 1.0
    elif count > 1:  # Welch
        parts = [float(x.var()) / len(x) for x in (then, now)]
        error = sum(parts) ** 0.5
        weight = sum(part**2 / (len(x) - 1) for part, x in zip(parts, (then, now), strict=True))
        free = sum(parts) ** 2 / weight if weight else count - 1.0
    difference = float((now - then).mean()) if paired and count else after - before
    reach = error * float(stdtrit(free, 0.975))
    ends = {"alignment": after, "base": before, "difference": difference, "error": error}
    return ends | {"low": difference - reach, "high": difference + reach, "replicates": count}


def _refused(member: str, tastes: list[dict[str, str]], diverged: bool) -> str:
    """Why two runs cannot be compared about a member; empty where they can."""
    if any(member not in known for known in tastes):
        return "missing"
    if any(known[member] == "none" for known in tastes):
        return "none"
    return "taste" if tastes[0][member] != tastes[1][member] else "diverged" if diverged else ""


def _kind(row: dict[str, Any], certain: bool) -> str:
    """What a difference means, a key of `WORDS`."""
    difference, scale = row["difference"], max(1.0, abs(row["base"]))
    if not np.isfinite(difference):
        return "diverged"
    if abs(difference) <= (1e-9 if certain else 1e-12) * scale and not row["error"] > 0:
        return "same"
    side = "above" if difference > 0 else "below"
    if np.isnan(row["error"]):
        return side if certain else f"one {side}"
    if row["replicates"] < ENOUGH:
        return "few"
    return "above" if row["low"] > 0 else "below" if row["high"] < 0 else "unclear"
