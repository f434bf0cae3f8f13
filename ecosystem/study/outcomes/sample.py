"""Numbers with their chance: means over seeds, and by how much each seed strays from them.

All points of a study share their seeds, so what a seed does to one point it tends to do to its neighbours. Means over
points and differences between them keep the seeds apart until the end; their standard errors are those of the seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit


@dataclass(frozen=True, eq=False)
class Sample:
    """Means ``[names, places]`` over seeds, ``stray`` ``[names, places, seeds]``, and how many ``seeds`` were there.

    Places are the points of a study or levels of its parameters. Strays add up to zero at each place and are scaled so
    that the squares of the means' standard errors are ``Σ stray² / (S (S − 1))``; NaN where one seed says nothing about
    chance, 0 where there is none. A place that was not seen is NaN; one with an infinite value has no other mean than
    that, and nothing is known of its chance (NaN also where values are infinite on both sides).
    """

    mean: np.ndarray
    stray: np.ndarray
    seeds: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, exact: np.ndarray) -> Sample:
        """Of values ``[names, points, seeds]``; ``exact [points]`` says where there is no chance."""
        seen = np.isfinite(values)
        count, total = (~np.isnan(values)).sum(-1), values.shape[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(seen, values, 0.0).sum(-1) / count
            stray = np.where(seen, values - mean[..., None], 0.0)
            stray *= np.sqrt(total * max(total - 1, 1) / (count * (count - 1.0)))[..., None]
        chance = np.broadcast_to(~exact, mean.shape)
        stray[chance & (count < 2)] = np.nan
        stray[~chance] = 0.0
        return cls(_endless(np.where(count > 0, mean, np.nan), stray, values), stray, count)

    @cached_property
    def error(self) -> np.ndarray:
        """Standard errors of the means; NaN where nothing is known about chance."""
        total = self.stray.shape[-1]
        return np.sqrt((self.stray**2).sum(-1) / max(total * (total - 1), 1))

    @cached_property
    def reach(self) -> np.ndarray:
        """Half the width of an interval: two standard errors, more with few seeds (Student's t at 95 %)."""
        return self.error * np.maximum(2.0, stdtrit(np.maximum(self.seeds - 1, 1), 0.975))

    def sign(self, scale: np.ndarray | float = 0.0) -> np.ndarray:
        """1 where a mean is above zero beyond its interval, −1 below, 0 where neither can be said, NaN if not seen.

        Without anything known about chance it is the sign of the mean. What is smaller than rounding errors of numbers
        as large as ``scale`` is zero.
        """
        smallest = np.maximum(np.nan_to_num(self.reach), 1e-9 * np.asarray(scale))
        sign = np.sign(self.mean) * (np.abs(self.mean) > smallest)
        return np.where(np.isfinite(self.mean), sign, np.nan)

    def anywhere(self, side: int, scale: np.ndarray | float = 0.0) -> np.ndarray:
        """How probable it is by chance that a name's means are so far above zero (``side`` 1) or below (−1) anywhere.

        ``[names]``: by Simes' test over all places: it allows for their number, and holds where they go together, as
        points with the same seeds do. NaN where there is no place, or none of which anything is known about chance:
        a place with a single seed beside others with more proves nothing.
        """
        known = np.isfinite(self.error) | ~np.isfinite(self.error).any(1, keepdims=True)
        mean, error = np.where(known, side * self.mean, np.nan), np.nan_to_num(self.error)
        moved = np.where(np.isfinite(mean), mean > 1e-9 * np.asarray(scale), False)
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = stdtr(np.maximum(self.seeds - 1, 1), -mean / error)
        chance = np.where(moved, np.where(error > 0, chance, 0.0), 1.0)
        chance = np.sort(np.where(np.isfinite(mean), chance, np.inf), axis=1)
        count = np.isfinite(mean).sum(1)
        simes = (chance * np.maximum(count, 1)[:, None] / np.arange(1, chance.shape[1] + 1)).min(1, initial=np.inf)
        return np.where(count > 0, simes, np.nan)

    def average(self, level: np.ndarray, levels: int) -> Sample:
        """Means over the points of each level (``level[point]``, −1: none); every point that was seen counts once.

        Of points of which nothing is known about chance the error is taken to be that of the mean of the others.
        """
        order = np.argsort(level, kind="stable")
        edges = np.searchsorted(level[order], np.arange(levels + 1))
        bundles = [order[edges[i] : edges[i + 1]] for i in range(levels)]
        places = [self._mean_of(points) for points in bundles]
        return Sample(*(np.stack(part, axis=1) for part in zip(*places, strict=True)))

    def _mean_of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, stray and seeds of some points taken together."""
        mean, stray, seeds = self.mean[:, points], self.stray[:, points], self.seeds[:, points]
        if len(points) == 1:
            return mean[:, 0], stray[:, 0], seeds[:, 0]
        seen = np.isfinite(mean)
        known = seen & np.isfinite(stray).all(-1)
        count = np.where(seen.any(1), seen.sum(1), np.nan)
        with np.errstate(invalid="ignore"):  # NaN where no chance is known: what is not known is not zero
            together = np.where(known[..., None], stray, 0.0).sum(1) / known.sum(1)[:, None]
        whole = _endless(np.where(seen, mean, 0.0).sum(1) / count, together, mean)
        return whole, together, np.where(np.isnan(mean), 0, seeds).max(1, initial=0)

    def minus(self, place: int, other: int) -> Sample:
        """The difference between two places, seed by seed, as a sample of one place."""
        least = np.minimum(self.seeds[:, place], self.seeds[:, other])[:, None]
        pair = (self.mean[:, place] - self.mean[:, other], self.stray[:, place] - self.stray[:, other])
        return Sample(pair[0][:, None], pair[1][:, None], least)

    def at(self, points: np.ndarray) -> Sample:
        """Some of the places."""
        return Sample(self.mean[:, points], self.stray[:, points], self.seeds[:, points])

    def only(self, names: list[int]) -> Sample:
        """Some of the names."""
        return Sample(self.mean[names], self.stray[names], self.seeds[names])


def _endless(mean: np.ndarray, stray: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means of ``values [..., parts]``, infinite where one of the parts is; of these ``stray`` is made unknown."""
    endless = np.isinf(values)
    if not endless.any():
        return mean
    stray[endless.any(-1)] = np.nan
    with np.errstate(invalid="ignore"):
        return np.where(endless.any(-1), np.where(endless, values, 0.0).sum(-1), mean)


def size(sample: Sample) -> np.ndarray:
    """How large each name's numbers are, ``[names, 1]``: rounding errors are measured by it."""
    return np.max(np.abs(sample.mean), axis=1, initial=0, keepdims=True, where=np.isfinite(sample.mean))


def spread(sample: Sample) -> np.ndarray:
    """How far each name's numbers lie apart over the places; 0 if none was seen."""
    seen = np.isfinite(sample.mean)
    high = np.where(seen, sample.mean, -np.inf).max(1)
    low = np.where(seen, sample.mean, np.inf).min(1)
    return np.where(seen.any(1), high - low, 0.0)


def strongest(sample: Sample, most: int) -> list[int]:
    """The names whose numbers lie furthest apart over the places (else the largest), in their own order."""
    return sorted(np.lexsort((-size(sample)[:, 0], -spread(sample)))[:most].tolist())
