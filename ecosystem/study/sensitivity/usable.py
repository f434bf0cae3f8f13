"""Which points of a study its indices are of: those that have a number, where these stand for all."""

from __future__ import annotations

import numpy as np

from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.reading import places
from ecosystem.study.outcomes.sweep import Sweep
from ecosystem.study.outcomes.under_way import Unfinished, comparable, held, lacking, lopsided, not_yet, so_far
from ecosystem.study.sampling import Sampled

FEWEST = 30  # points: densities of fewer say nothing
LEAST = {"sobol": 8, "morris": 4}  # whole blocks, trajectories: of fewer a bootstrap knows no interval
BLOCKS = {"sobol": "blocks of Saltelli’s design", "morris": "trajectories"}


def _too_early(results: Contents, why: str) -> ValueError:
    """An error with its mend: to finish the study, where it is not."""
    if results.finished:
        return ValueError(f"{why}; compute failed points again (retry=True), or vary it more")
    return Unfinished(f"{why} ({so_far(results)}); go on with the study")


def dense_points(results: Contents, sweep: Sweep, values: np.ndarray) -> tuple[np.ndarray, str]:
    """The points that have a number; of SALib's designs those that were drawn apart, so that intervals are right."""
    asked = np.ones(len(values), dtype=bool) if sweep.alone is None else sweep.alone
    seen = asked & ~np.isnan(values)
    gone = results.points["point"].to_numpy()[asked & ~seen]
    which = "points" if sweep.alone is None else f"points drawn apart (of {sweep.points:,})"
    missing = lacking(results, gone, int(asked.sum()), which)
    if seen.sum() < FEWEST:
        why = f"delta compares densities, and {seen.sum()} {which} have a number; it takes {FEWEST} or more"
        raise ValueError(why) if results.finished else Unfinished(f"{why}: {missing}; go on with the study")
    if why := comparable(results, sweep, seen):
        raise Unfinished(f"{missing}, and the others do not stand for all: {why}; go on with the study")
    return np.flatnonzero(seen), f"{missing}: left out" if len(gone) else ""


def whole_blocks(results: Contents, sweep: Sweep, kept: Sampled, values: np.ndarray) -> tuple[np.ndarray, str]:
    """The points of the design's rows, in its order, without blocks of which one is missing."""
    rows = np.array(kept.rows)
    at = places(results, rows).reshape(-1, kept.block)
    seen = (at >= 0) & ~np.isnan(values[at])
    whole = np.asarray(seen.all(1))
    count, kept_whole, what = len(whole), int(whole.sum()), BLOCKS[kept.method]
    if kept_whole == count >= LEAST[kept.method]:
        return at.ravel(), ""
    missing = lacking(results, rows[~seen.ravel()], len(set(kept.rows)))
    least = f"{kept_whole} whole {what} of {count:,}, and indices take {LEAST[kept.method]} or more"
    other = "or ask for method='delta', which takes points one by one"
    if kept_whole < LEAST[kept.method]:
        if not results.finished:
            raise Unfinished(f"{missing}, which leaves {least}; finish the study, {other}")
        if kept_whole == count:
            raise ValueError(f"there are {least}; make the design of more, Study.{kept.method}(points=...), {other}")
        raise ValueError(f"{missing}, which leaves {least}; compute failed points again (retry=True), {other}")
    left = ~whole & ((at >= 0) & ~seen & not_yet(results)[at]).any(1)
    ends = [0] if kept.method == "morris" else [0, kept.block - 1]  # drawn apart
    rest = at[left][:, ends].ravel()
    if why := lopsided(sweep, at[whole][:, ends].ravel(), rest[rest >= 0]):
        raise Unfinished(
            f"{missing}, and the {kept_whole:,} {what} that are whole do not stand for all {count:,}: {why}; finish "
            "the study"
        )
    note = f"{missing}, so {count - kept_whole:,} of {count:,} {what} are left out"
    if not left.all() and (~whole & ~left).any():
        note += "; if points fail where the measure is extreme, the indices are those of the rest"
    return at[whole].ravel(), note


def level_points(results: Contents, sweep: Sweep, mean: np.ndarray) -> tuple[np.ndarray, str]:
    """The points at which somebody's mean ``[names, points]`` is finite; of SALib's designs those drawn apart."""
    asked = np.ones(sweep.points, dtype=bool) if sweep.alone is None else sweep.alone
    seen = asked & np.isfinite(mean).any(0)
    which = "points" if sweep.alone is None else f"points drawn apart (of {sweep.points:,})"
    gone = lacking(results, results.points["point"].to_numpy()[asked & ~seen], int(asked.sum()), which)
    if why := comparable(results, sweep, seen):
        raise Unfinished(f"{gone}, and the others do not stand for all: {why}; go on with the study")
    refuse_held(results, sweep, np.flatnonzero(seen))
    return np.flatnonzero(seen), f"{gone}: left out" if seen.sum() < asked.sum() else ""


def refuse_held(results: Contents, sweep: Sweep, there: np.ndarray) -> None:
    """Refuse points (places) over which a parameter has one value only."""
    if one := held(sweep, there):
        raise _too_early(results, f"{one}, so nobody knows what it does")
