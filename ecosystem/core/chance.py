"""What is more than chance, where many are looked at: one home for the tests behind verdicts.

Of 2,000 members that do not change, a hundred have a 95 % interval that leaves zero out. Verdicts on many therefore
allow for their number (Benjamini and Hochberg 1995, "Controlling the false discovery rate", J. R. Stat. Soc. B 57).
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, bdtrik, stdtr

Numbers = np.ndarray


def two_sided(mean: Numbers, error: Numbers, degrees: Numbers) -> Numbers:
    """How probable means so far from zero are by chance: Student's t on both sides, elementwise; NaN without error.

    >>> two_sided(np.array([4.302652729911275]), np.array([1.0]), np.array([2])).round(6)
    array([0.05])
    """
    error = np.where(np.asarray(error, float) > 0, error, np.nan)
    return 2 * stdtr(np.maximum(degrees, 1), -np.abs(mean) / error)


def discoveries(chances: Numbers, level: float = 0.05) -> Numbers:
    """Which of ``chances [..., n]`` are more than chance, given how many there are: Benjamini and Hochberg.

    With the chances in order, ``p_(1) ≤ … ≤ p_(n)``, these are the first ``k`` for the largest ``k`` with
    ``p_(k) ≤ level · k / n``. Where nothing is there, one or more are found with a probability of at most ``level``; of
    those that are found, at most a share of ``level`` is there by chance, on average (Benjamini and Yekutieli 2001:
    where tests are independent or go together). A single one is found as without a correction. NaN is no test: never
    found, and not counted.

    >>> discoveries(np.array([0.01, 0.04, 0.03, 0.8]))
    array([ True, False, False, False])
    >>> discoveries(np.array([0.01, 0.04, 0.03, np.nan]))
    array([ True,  True,  True, False])
    """
    chances = np.asarray(chances, dtype=float)
    ordered = np.sort(chances, axis=-1)  # NaN last
    count = (~np.isnan(chances)).sum(-1, keepdims=True)
    ranks = np.arange(1, chances.shape[-1] + 1)
    passed = ordered <= level * ranks / np.maximum(count, 1)
    bound = np.where(passed, ordered, -1.0).max(-1, keepdims=True, initial=-1.0)
    return chances <= bound


def most_by_chance(count: int, chance: float, level: float = 0.99) -> int:
    """The number that at least ``level`` of binomial counts do not exceed.

    >>> most_by_chance(20, 0.05)
    4
    """
    most = max(int(np.ceil(bdtrik(level, count, chance))), 0)
    return most - 1 if most > 0 and bdtr(most - 1, count, chance) >= level else most
