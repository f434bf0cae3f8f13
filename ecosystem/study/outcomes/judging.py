"""The verdict on each member of a study: at how many points it gained and lost, and if that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecosystem.study.outcomes.reading import Alignment


@dataclass(frozen=True, eq=False)
class Verdict:
    """One member: at how many of ``points`` it gained or lost against what it would be alone, and where it ends best.

    And worst. ``kind`` is gains, loses, both, unclear or still (no difference); varies, or single (one point), where
    nothing is known to compare with; endless where no point has a finite alignment. ``begun``: it is compared with its
    start, as it has no real data. ``endless`` more points have an infinite alignment, and count for nothing else.
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

    @property
    def gained(self) -> int:
        return len(self.up)

    @property
    def lost(self) -> int:
        return len(self.down)


def judged(found: Alignment) -> list[Verdict]:
    """Of every member with an alignment, in the scenario's order."""
    end, seen = found.end.mean, np.isfinite(found.end.mean)
    best = np.where(seen, end, -np.inf).argmax(1)
    worst = np.where(seen, end, np.inf).argmin(1)
    kinds = ["varies" if count > 1 else "single" for count in seen.sum(1)]
    sign = np.zeros_like(end)
    if found.change is not None:
        scale = found.size[:, None]
        sign = found.change.sign(scale)
        up, down = (found.change.anywhere(side, scale) for side in (1, -1))
        kinds = _kinds(sign, up, down, found.change.error)
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
        )
        for i, name in enumerate(found.members)
    ]


def _kinds(sign: np.ndarray, up: np.ndarray, down: np.ndarray, error: np.ndarray) -> list[str]:
    """What became of each member, of what is clear at single points and at any of them."""
    up, down = up & (sign == 1).any(1), down & (sign == -1).any(1)
    chance = np.any(np.nan_to_num(error) > 0, axis=1)
    return [
        "both" if gains and loses else "gains" if gains else "loses" if loses else "unclear" if unsure else "still"
        for gains, loses, unsure in zip(up, down, chance, strict=True)
    ]
