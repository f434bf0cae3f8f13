"""What an unfinished study does not have yet, told apart from what failed, and whether the rest stands for the whole.

Points are played by the shape of their tensors, not in an order that is fair: what is there of a study that was broken
off may hold one value of a parameter alone. Shares and trends over such points are facts about the order of work.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.stats import chi2_contingency, ks_2samp

from ecosystem.core.words import joined, shortened
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.reading import places
from ecosystem.study.outcomes.sweep import Parameter, Sweep
from ecosystem.study.plan import pending

LEVEL = 0.05  # of the test whether what is there is spread as what is left; for all parameters together
MANY = 10  # levels: a parameter with more is compared as a number


class Unfinished(ValueError):
    """A question whose answer would be about the order of work; it can be asked when more is computed."""


def waiting(results: Contents) -> set[int]:
    """The points, by their numbers, of which something is not computed yet."""
    left = pending(results.facts.requests, results.store.finished(results.facts))
    return {point for block in left for point in block.points}


def not_yet(results: Contents) -> np.ndarray:
    """The same by place, ``[points]`` of yes and no."""
    at = places(results, sorted(waiting(results)))
    found = np.zeros(len(results.points), dtype=bool)
    found[at[at >= 0]] = True
    return found


def lacking(results: Contents, points: Iterable[int], every: int, which: str = "points") -> str:
    """Why some points have no number: ``95 of 304 points have no number (90 not computed yet, 5 failed)``."""
    gone = {int(point) for point in points}
    yet = gone & waiting(results)
    failed = (gone - yet) & set(results.failed)
    kinds = {"not computed yet": len(yet), "failed": len(failed), "computed": len(gone - yet - failed)}
    known = [(what, count) for what, count in kinds.items() if count and (what != "computed" or yet or failed)]
    why = known[0][0] if len(known) == 1 else ", ".join(f"{count:,} {what}" for what, count in known)
    return f"{len(gone):,} of {every:,} {which} have no number" + (f" ({why})" if why else "")


def so_far(results: Contents) -> str:
    """How many points statements are about, where a study is not finished: ``209 of 304 points computed so far``."""
    if results.finished:
        return ""
    every = set(results.points["point"].tolist())
    begun = every & {point for block in results.store.blocks(results.facts) for point in block.points}
    whole = len(begun - waiting(results))
    part = "" if whole == len(begun) else f", {whole:,} of them with all seeds"
    return f"{len(begun):,} of {len(every):,} points computed so far{part}"


def headed(results: Contents) -> str:
    """The same before a headline: ``209 of 304 points so far. ``."""
    part = so_far(results).replace(" computed", "")
    return f"{part}. " if part else ""


def lopsided(sweep: Sweep, there: np.ndarray, left: np.ndarray) -> str:
    """How what is ``there`` (places of points) differs from what is ``left`` to compute; empty where it does not.

    A level that is missing of a parameter with few, or values spread otherwise, by a χ² test of few levels and that of
    Kolmogorov and Smirnov of many, at 5 % for all parameters together.
    """
    if not len(left) or not len(there):
        return ""
    for p in sweep.swept:
        seen = np.unique(p.level[there])
        if len(p) <= MANY and np.setdiff1d(p.level[left], seen).size:
            return f"of {shortened(p.name)} they have {joined([shortened(p.labels[i], 32) for i in seen])} alone"
    worst = min(sweep.swept, key=lambda p: _chance(p, there, left))
    if _chance(worst, there, left) < LEVEL / len(sweep.swept):
        return f"{shortened(worst.name)} is spread otherwise over them than over those that are left"
    return ""


def held(sweep: Sweep, there: np.ndarray) -> str:
    """The first parameter that has one value only at some points (places), with it; empty where all vary."""
    for p in sweep.swept:
        if len(there) and len(seen := np.unique(p.level[there])) == 1:
            return f"{shortened(p.name)} is seen at one value only, {shortened(p.labels[seen[0]], 32)}"
    return ""


def _chance(p: Parameter, there: np.ndarray, left: np.ndarray) -> float:
    """How probable two parts of a design differ so much in a parameter by chance."""
    if len(p) > MANY:
        return float(ks_2samp(p.values[there], p.values[left]).pvalue)
    counts = np.stack([np.bincount(p.level[part], minlength=len(p)) for part in (there, left)])
    return float(chi2_contingency(counts[:, counts.any(0)]).pvalue)


def comparable(results: Contents, sweep: Sweep, seen: np.ndarray) -> str:
    """Why points that are ``seen`` do not stand for a study that is not finished; empty where they do, or it is."""
    left = ~seen & not_yet(results)
    return lopsided(sweep, np.flatnonzero(seen), np.flatnonzero(left))
