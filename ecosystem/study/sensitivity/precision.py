"""How many seeds are enough: the half widths that a study reached, and the seeds that a wanted one takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ecosystem.core.check import brief
from ecosystem.core.kinds import typed
from ecosystem.core.words import number, percent
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers, numbers
from ecosystem.study.outcomes.reading import places
from ecosystem.study.outcomes.under_way import so_far

MOST = 2**40  # seeds: more are none


@dataclass(frozen=True, eq=False)
class Precision:
    """How exactly the means over seeds are known.

    Attributes
    ----------
    table: a row a point and name: ``point``, ``name``, ``seeds`` (that had a number), ``mean``, ``half_width`` of its
        interval (Student's t; 0 where nothing is left to chance, NaN where one seed says nothing of it), and with a
        wanted one ``needed``, the seeds it takes, by the deviation that these seeds have.
    measure, level, wanted: what was asked.
    part: what is computed so far, where the study is not finished.
    """

    measure: str
    level: float
    wanted: float | None
    table: pd.DataFrame
    part: str = ""

    @property
    def sentence(self) -> str:
        """The widest interval, what it takes, and of how many points that is."""
        return f"{self._words} This is about {self.part}." if self.part else self._words

    @property
    def _words(self) -> str:
        known = self.table.dropna(subset="half_width")
        if known.empty:
            return f"{self.measure}: one seed says nothing about chance; run the study with more, Study(seeds=8)."
        if (known["half_width"] == 0).all():
            return f"{self.measure} is exact at all points: nothing is left to chance, and one seed is enough."
        worst = known.loc[known["half_width"].idxmax()]
        words = (
            f"The mean over seeds of {self.measure} is known within ±{number(worst['half_width'], digits=2)} "
            f"({percent(self.level)} intervals; widest for {worst['name']} at point {worst['point']}, "
            f"{worst['seeds']} seeds), at half of the points within ±{number(known['half_width'].median(), digits=2)}."
        )
        if self.wanted is not None:
            needed = known["needed"]
            words += (
                f" For ±{self.wanted:g} everywhere it takes about {int(needed.max()):,} seeds, at half of the points "
                f"{int(np.ceil(needed.median())):,}."
            )
        return words

    def __repr__(self) -> str:
        return self.sentence


@typed
def precision(
    results: Contents,
    measure: str | Numbers = "alignment",
    wanted: float | None = None,
    *,
    level: float = 0.95,
    against: int | None = None,
) -> Precision:
    """The half width of the interval of every mean over seeds, ``t s / √n``, and the seeds for a wanted one.

    ``"gain"`` is paired as it is: each seed's end less what it would be alone with the same draws. The needed number is
    the least ``n ≥ 2`` with ``t(n − 1) s / √n ≤ wanted``; it rests on the deviation ``s`` of the seeds at hand, which
    is itself uncertain (by about ``s / √(2 (n − 1))``).

    Parameters
    ----------
    measure: as in ``results.plot``.
    wanted: a half width, above 0.
    level: of the intervals.
    against: a point; then it is about the difference of each other point from it, seed by seed: all points share
        their seeds, and what these do to both goes out.

    Raises
    ------
    NoMeasure
        If there is no such measure.
    ValueError
        If ``wanted`` or ``level`` cannot be, or there is no point ``against``.
    """
    if not 0 < level < 1:
        raise ValueError(f"precision(level) lies between 0 and 1, got {brief(level)}; 0.95 is usual")
    if wanted is not None and not (np.isfinite(wanted) and wanted > 0):
        raise ValueError(f"precision(wanted) is a half width above 0, got {brief(wanted)}")
    found = numbers(results, measure) if isinstance(measure, str) else measure
    if found.names == []:
        raise NoMeasure(f"{found.label}: nobody has one")
    label, sample = found.label, found.sample
    mean, error, seeds = sample.mean, sample.error, sample.seeds
    points = results.points["point"].to_numpy()
    if against is not None:
        label = f"the difference in {found.label} from point {against}"
        place = int(places(results, [against])[0]) if abs(against) < 2**63 else -1
        if place < 0:
            raise ValueError(
                f"precision(against): there is no point {brief(against)}; there are {points[0]} to {points[-1]}"
            )
        total = sample.stray.shape[-1]
        error = np.sqrt(((sample.stray - sample.stray[:, [place]]) ** 2).sum(-1) / max(total * (total - 1), 1))
        mean, seeds = mean - mean[:, [place]], np.minimum(seeds, seeds[:, [place]])
        others = np.arange(len(points)) != place
        mean, error, seeds, points = mean[:, others], error[:, others], seeds[:, others], points[others]
    with np.errstate(invalid="ignore"):
        half = error * np.where(error == 0, 0.0, stdtrit(np.maximum(seeds - 1, 1), (1 + level) / 2))
    half = np.where(np.isfinite(mean), half, np.nan)
    rows = pd.DataFrame(
        {
            "point": np.tile(points, len(found.names)),
            "name": np.repeat(found.names, len(points)),
            "seeds": seeds.ravel(),
            "mean": mean.ravel(),
            "half_width": half.ravel(),
        }
    )
    if wanted is not None:
        needed = _needed((error * np.sqrt(seeds)).ravel(), wanted, level)
        rows["needed"] = pd.array(np.where(np.isnan(rows["half_width"]), np.nan, needed), dtype="Int64")
    return Precision(label, level, wanted, rows, so_far(results))


def _needed(deviation: np.ndarray, wanted: float, level: float) -> np.ndarray:
    """The least numbers of seeds whose means are known so well; 1 where nothing is left to chance."""

    def enough(count: np.ndarray) -> np.ndarray:
        return stdtrit(count - 1, (1 + level) / 2) * deviation / np.sqrt(count) <= wanted

    low, high = np.ones(len(deviation)), np.full(len(deviation), 2.0)
    while not (done := enough(high) | np.isnan(deviation) | (high >= MOST)).all():  # t falls with n, as 1 / √n does
        low, high = np.where(done, low, high), np.where(done, high, 2 * high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        good = enough(middle) | (middle <= low)
        low, high = np.where(good, low, middle), np.where(good & (middle > low), middle, high)
    return np.where(deviation == 0, 1.0, np.where(np.isnan(deviation), np.nan, high))
