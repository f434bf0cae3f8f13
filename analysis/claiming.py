"""What a claim is: a number that is said, how it is played, and the verdict on both."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

CLOSE = 1e-6  # of numbers that are exact
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Said:
    """The number that is claimed, and in what ``sense``: ``"is"`` or ``"at most"``."""

    number: float
    sense: str = "is"

    def holds(self, ours: float, half: float) -> bool:
        return ours - self.number <= half and (self.sense == "at most" or self.number - ours <= half)


@dataclass(frozen=True)
class Claim:
    """What a ``source`` (an arXiv number, as in docs/literature.md; none of what is nobody's) claims, and its number.

    ``play`` makes it here: one exact number, or one of each replicate ``[r]``.
    """

    source: str
    claim: str
    said: Said
    play: Callable[[], float | np.ndarray]
    command: str

    def row(self) -> dict[str, object]:
        """The claim beside what came out."""
        found = np.atleast_1d(np.asarray(self.play(), dtype=float))
        ours, half = float(found.mean()), CLOSE * max(1.0, abs(self.said.number))
        if len(found) > 1:
            half = float(student.ppf((1 + CONFIDENCE) / 2, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
        low, high = (ours - half, ours + half) if len(found) > 1 else (ours, ours)
        return {
            "source": self.source,
            "claim": self.claim,
            "sense": self.said.sense,
            "claimed": self.said.number,
            "ours": ours,
            "low": low,
            "high": high,
            "verdict": "holds" if self.said.holds(ours, half) else "does not hold",
            "command": self.command,
        }
