"""The verdict on each member of a study: at how many points it gained and lost, and if that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecosystem.core.chance import discoveries
from ecosystem.study.outcomes.reading import Alignment


@dataclass(frozen=True, eq=False)
class Verdict:
    """One member: at how many of ``points`` it gained or lost against what it would be alone, and where it ends best.

    And worst. ``kind`` is gains, loses, both, unclear or still (no difference); varies, or single (one point), where
    nothing is known to compare with; boundless where no change is finite, endless where no alignment is. ``begun``: it
    is compared with its start, as it has no real data. At ``beyond`` of the points the change is infinite, as what it
    is compared with is: they are neither gained nor lost. ``endless`` more points have an infinite alignment, and
    count for nothing else. ``chance``: something is known about it.
    """

    member: int
    name: str
    kind: str
    points: int
    best: int  # the point
    worst: int
    up: np.ndarray  # the points where it gained
    down: np.ndarray
    begun: bool = True
    endless: int = 0
    compared: int = 0  # points with a finite change
    beyond: int = 0
    chance: bool = True
    seeds: int = 0  # runs of a point, at most: all points share them

    @property
    def told(self) -> str:
        """The kind where it can be told; ``run`` where there is one run a point, which says nothing about chance."""
        return self.kind if self.chance or not self.compared else "run"

    @property
    def gained(self) -> int:
        return len(self.up)

    @property
    def lost(self) -> int:
        return len(self.down)


def judged(found: Alignment) -> list[Verdict]:
    """Of every member with an alignment, in the scenario's order."""
    end, seen = found.end.mean, np.isfinite(found.end.mean)
    there = np.where(seen.any(1, keepdims=True), seen, ~np.isnan(end))  # of what is infinite everywhere, that
    best = np.where(there, end, -np.inf).argmax(1)
    worst = np.where(there, end, np.inf).argmin(1)
    kinds = ["varies" if count > 1 else "single" for count in seen.sum(1)]
    sign, compared, beyond, known = (np.zeros_like(end, dtype=kind) for kind in (float, bool, bool, bool))
    if found.change is not None:
        scale = found.size[:, None]
        sign = found.change.sign(scale)
        up, down = _sides(found.change.anywhere(1, scale), found.change.anywhere(-1, scale), found.change.error)
        compared, known = seen & np.isfinite(found.change.mean), np.isfinite(found.change.error)
        beyond = seen & ~compared & (found.change.seeds > 0)
        ways = _kinds(sign, up, down, found.change.error)
        other = ["boundless" if beyond[i].any() else kind for i, kind in enumerate(kinds)]
        kinds = [ways[i] if compared[i].any() else other[i] for i in range(len(end))]
    kinds = [kind if seen[i].any() else "endless" for i, kind in enumerate(kinds)]
    return [
        Verdict(
            i,
            name,
            kinds[i],
            int(seen[i].sum()),
            int(best[i]),
            int(worst[i]),
            np.flatnonzero(sign[i] == 1),
            np.flatnonzero(sign[i] == -1),
            bool(found.begun[i]),
            int(np.isinf(end[i]).sum()),
            int(compared[i].sum()),
            int(beyond[i].sum()),
            bool((known & compared)[i].any()),
            0 if found.change is None else int(found.change.seeds[i].max(initial=0)),
        )
        for i, name in enumerate(found.members)
    ]


def _sides(up: np.ndarray, down: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which members gain anywhere and which lose, of the chances of either: more than chance, given how many there are.

    A member is found if the clearer of its sides is, at 5 %; of those, a side counts that is as clear as the last one
    that was found has to be (Benjamini and Bogomolov 2014). What has no chance in it counts as it is.
    """
    chance = np.any(np.nan_to_num(error) > 0, axis=1)
    either = np.where(chance, 2 * np.fmin(up, down), np.nan)
    found = discoveries(either)
    level = np.where(chance, 0.05 * found.sum() / max((~np.isnan(either)).sum(), 1), 0.05)
    return (found | ~chance) & (2 * up <= level), (found | ~chance) & (2 * down <= level)


def _kinds(sign: np.ndarray, up: np.ndarray, down: np.ndarray, error: np.ndarray) -> list[str]:
    """What became of each member, of what is clear at single points and at any of them."""
    up, down = up & (sign == 1).any(1), down & (sign == -1).any(1)
    chance = np.any(np.nan_to_num(error) > 0, axis=1)
    return [
        "both" if gains and loses else "gains" if gains else "loses" if loses else "unclear" if unsure else "still"
        for gains, loses, unsure in zip(up, down, chance, strict=True)
    ]
