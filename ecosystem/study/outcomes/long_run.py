"""The exact long run beside the runs: at how many stable points each member lies above what it would be alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecosystem.core.words import called, counted, joined
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.reading import columns, parts

TABLE = "stable_point"
ROUNDING = 1e-9  # relative differences below which two exact numbers are one


@dataclass(frozen=True)
class LongRun:
    """One member: at how many of ``points`` with a stable point its alignment is above its real data alone, or below.

    Nothing is drawn there, so there is no chance in it.
    """

    name: str
    above: int
    below: int
    points: int

    @property
    def kind(self) -> str:
        """As verdicts on runs have it: gains, loses, both or still."""
        if self.above and self.below:
            return "both"
        return "gains" if self.above else "loses" if self.below else "still"

    @property
    def words(self) -> str:
        """``lies above at all 209 points``."""
        every = {1: "the one point", 2: "both points"}.get(self.points, f"all {counted(self.points)} points")
        sides = {"above": self.above, "below": self.below}
        whole = [f"lies {side} at {every}" for side, count in sides.items() if count == self.points]
        some = [f"{side} at {counted(count)}" for side, count in sides.items() if count]
        part = f"lies {joined(some)} of {counted(self.points)} points"
        return whole[0] if whole else part if some else f"lies just there at {every}"


def long_run(results: Contents) -> dict[str, LongRun]:
    """By member; empty where runs were not kept, stable points were not, or not what members would be alone."""
    wanted = ["point", "member", "alignment", "alone"]
    if not set(wanted) <= columns(results, TABLE) or "rounds" not in results.tables:
        return {}
    rows = pd.concat([*parts(results, TABLE, wanted), pd.DataFrame(columns=wanted)])
    end, alone = rows["alignment"].to_numpy(float), rows["alone"].to_numpy(float)
    known = np.isfinite(end) & np.isfinite(alone)
    off = np.where(known, end - alone, 0.0)
    clear = np.abs(off) > ROUNDING * np.maximum(1.0, np.maximum(np.abs(end), np.abs(alone)))
    sides = pd.DataFrame({"above": (off > 0) & clear, "below": (off < 0) & clear, "points": known})
    sums = sides.groupby(rows["member"].astype(str).to_numpy(), sort=False).sum()
    return {
        str(name): LongRun(str(name), *map(int, row))
        for name, row in zip(sums.index, sums.itertuples(index=False), strict=True)
        if row[2]
    }


def headed(found: Iterable[LongRun], most: int) -> str:
    """The long run in a headline: ``In the exact long run three gain and two lose.``"""
    every = list(found)
    verbs = {"gains": "gain{s}", "loses": "lose{s}", "both": "gain{s} or lose{s}", "still": "do{es} not differ"}
    clauses = []
    for kind, verb in verbs.items():
        some = [one.name for one in every if one.kind == kind]
        one = len(some) == 1
        if some:
            who = joined([called(name) for name in some]) if len(every) <= most else counted(len(some))
            clauses.append(f"{who} {verb.format(s='s' if one else '', es='es' if one else '')}")
    return f"In the exact long run {joined(clauses)}." if clauses else ""
