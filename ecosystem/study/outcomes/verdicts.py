"""What a study says about each member, as a table: where it gains and loses, where it ends best and worst."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import called, counted, number
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.judging import Verdict, judged
from ecosystem.study.outcomes.long_run import LongRun, long_run
from ecosystem.study.outcomes.reading import Alignment, alignment
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.sweep import Sweep
from ecosystem.study.outcomes.under_way import so_far

HELD = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"  # in one line
WORDS = {
    "gains": "gains",
    "loses": "loses",
    "both": "gains and loses",
    "unclear": "no clear change",
    "still": "no difference",
    "varies": "",  # nothing to compare with was kept
    "single": "",
    "run": "one run: no verdict",
    "boundless": "no finite change",
    "endless": "not finite",
}
COLUMNS = ["member", "verdict", "points", "gained", "lost", "highest", "highest_at", "lowest", "lowest_at", "against"]


def of_study(results: Contents) -> pd.DataFrame:
    """One row a member: does it gain or lose over the points, against what it would be alone?

    Columns member; verdict: gains, loses, both, unclear, still (no difference at any point), run (one run a point: it
    says nothing about chance), varies or single (nothing to compare with was kept), boundless (no finite change),
    endless (no finite alignment); points; gained and lost: at how many of them; its highest and lowest mean alignment
    and the points where (highest_at, lowest_at: values of ``point``, missing where none is finite); against: what it is
    compared with, real data alone or the start; sentence: that in words, and what the exact long run says where
    ``stable_point`` was kept beside ``rounds``, and how many points it is about, where not all are computed. Empty
    where no table has alignments.
    """
    found, sweep = alignment(results), Sweep.of(results)
    exact = {} if found is None or found.exact.all() else long_run(results)
    rows = [] if found is None else [_row(results, found, sweep, v, exact.get(v.name)) for v in judged(found)]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "sentence"])
    return table.astype({name: "Int64" for name in ("highest_at", "lowest_at") if table[name].isna().any()})


def _row(results: Contents, found: Alignment, sweep: Sweep, verdict: Verdict, exact: LongRun | None) -> dict[str, Any]:
    points, mean = results.points["point"].to_numpy(), found.end.mean[verdict.member]
    kind, compared = verdict.told, verdict.compared + verdict.beyond > 0
    against = "" if not compared else "the start" if verdict.begun else "real data alone"
    ends = (("highest", verdict.best), ("lowest", verdict.worst))
    row = {"member": verdict.name, "verdict": kind, "points": verdict.points}
    row |= {"gained": verdict.gained, "lost": verdict.lost, "against": against}
    row |= {name: float(mean[point]) for name, point in ends} | {
        f"{name}_at": points[point] if verdict.points else None for name, point in ends
    }
    part = so_far(results)
    told = [_sentence(found, sweep, verdict, kind, against), "" if exact is None else settled(exact)]
    told += [f"This is about what is there: {part}."] if part else []
    return row | {"sentence": " ".join(filter(None, told))}


def settled(exact: LongRun) -> str:
    """The exact long run of a member in a sentence, told apart from its runs."""
    return f"In the exact long run, where nothing is drawn, against real data alone, it {exact.words}."


def _sentence(found: Alignment, sweep: Sweep, verdict: Verdict, kind: str, against: str) -> str:
    """The verdict on one member in words, with where its alignment is highest and lowest."""
    name = called(verdict.name)
    words = {
        "varies": f"{name}: nothing to compare with was kept",
        "single": f"{name}: nothing to compare with was kept",
        "run": f"{name}: one run a point, so no verdict",
    }.get(kind, f"{name} {phrase(verdict)}")
    if against and verdict.points > 1 and kind not in ("still", "run", "endless"):
        words += f", against {against}"
    if kind == "endless":
        return f"{words}."
    words += f"; its change is infinite at {_more(verdict)}" if verdict.beyond and kind != "boundless" else ""
    words += f"; it is infinite at {counted(verdict.endless, 'more point')}" if verdict.endless else ""
    ends = verdict.best, verdict.worst
    if verdict.points == 1 or verdict.best == verdict.worst:
        return f"{words}; its alignment is {value(found.end, verdict.member, verdict.best)}."
    places = [f"{value(found.end, verdict.member, point)} at {sweep.told(point)}" for point in ends]
    return f"{words}; its alignment is highest, {places[0]}, and lowest, {places[1]}."


def _more(verdict: Verdict) -> str:
    """How many points have an infinite change, beside those that are compared."""
    return counted(verdict.beyond, "more point" if verdict.compared else "point")


def value(sample: Sample, name: int, place: int, digits: int = 2) -> str:
    """A mean with half its 95 % interval, if there is one, which has so many digits: ``1.306 ± 0.021``."""
    mean, reach = float(sample.mean[name, place]), float(sample.reach[name, place])
    if np.isfinite(reach) and reach > 0 and np.isfinite(mean):
        return f"{number(mean, reach, digits=digits)}{HELD}{number(reach, digits=digits)}"
    return number(mean)


def phrase(verdict: Verdict) -> str:
    """The verdict on one member as a clause: ``gains at 80 of 99 points and loses at 12``."""
    n = f"{verdict.compared:,} point{'s' * (verdict.compared != 1)}"
    if verdict.kind == "endless":
        return f"has no finite alignment at {counted(verdict.endless, 'point')}"
    if verdict.kind == "boundless":
        return f"has no finite change at {counted(verdict.beyond, 'point')}"
    if verdict.points == 1:
        where = "its start" if verdict.begun else "its real data alone"
        ends = {"gains": f"ends above {where}", "loses": f"ends below {where}", "still": f"ends at {where}"}
        return ends.get(verdict.kind, f"shows no clear change against {where}")
    if verdict.kind == "still" and verdict.compared < verdict.points:
        return f"moves at none of {n}" if verdict.begun else f"is at none of {n} other than by its real data alone"
    if verdict.kind == "still":
        return "moves at no point" if verdict.begun else "is at no point other than by its real data alone"
    if verdict.kind == "unclear":
        if not verdict.gained + verdict.lost:
            return f"shows no clear change at any of {n}"
        sides = {"up": verdict.gained, "down": verdict.lost}
        told = " and ".join(f"{side} at {count:,}" for side, count in sides.items() if count)
        return f"shows no clear change ({told} of {n}, which {_chance(verdict)})"
    if verdict.kind == "both":
        return f"gains at {verdict.gained:,} of {n} and loses at {verdict.lost:,}"
    if verdict.kind == "gains":
        verb, count, rest = "gains", verdict.gained, f"down at {verdict.lost:,}" if verdict.lost else ""
    else:
        verb, count, rest = "loses", verdict.lost, f"up at {verdict.gained:,}" if verdict.gained else ""
    words = f"{verb} at {'all' if 1 < count == verdict.compared else f'{count:,} of'} {n}"
    return f"{words} ({rest}, which {_chance(verdict)})" if rest else words


def _chance(verdict: Verdict) -> str:
    """Why so many points prove nothing: they have their seeds in common, so that chance moves them together."""
    shared = f", as all points share {counted(verdict.seeds, 'seed')}" if verdict.seeds > 1 else ""
    return f"may be chance{shared}"
