"""All that is said about a study comes from here: its design, its alignments, where it failed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.judging import Verdict, judged
from ecosystem.study.outcomes.long_run import LongRun, long_run
from ecosystem.study.outcomes.measuring import Numbers, explained, of_ends
from ecosystem.study.outcomes.reading import Alignment, alignment, places
from ecosystem.study.outcomes.sweep import Parameter, Sweep
from ecosystem.study.outcomes.under_way import comparable, held, not_yet

MANY = 12  # members: above it not each has a line, a row or a colour
STOPPED = ("build", "run", "diverged", "lost")  # ways to fail that leave no end


@dataclass(frozen=True, eq=False)
class Subject:
    """A study, read once."""

    results: Contents

    @cached_property
    def sweep(self) -> Sweep:
        return Sweep.of(self.results)

    @cached_property
    def alignment(self) -> Alignment | None:
        return alignment(self.results)

    @cached_property
    def final(self) -> Numbers | None:
        """The alignment of every member at the end."""
        return None if self.alignment is None else of_ends(self.alignment)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """What became of each member."""
        return [] if self.alignment is None else judged(self.alignment)

    @cached_property
    def since(self) -> list[Verdict]:
        """The same against the start; empty where verdicts are about that already, or it was not kept."""
        found = self.alignment
        return [] if found is None or found.since is None else judged(replace(found, change=found.since))

    @cached_property
    def long_run(self) -> dict[str, LongRun]:
        """What becomes of members in the exact long run, beside what the runs say; empty where that was not kept."""
        return {} if self.certain else long_run(self.results)

    @property
    def certain(self) -> bool:
        """Whether nothing is left to chance, so that every difference is one."""
        return self.alignment is not None and bool(self.alignment.exact.all())

    @cached_property
    def not_yet(self) -> np.ndarray:
        """Of which points something is not computed yet, ``[points]``."""
        return not_yet(self.results)

    @cached_property
    def lopsided(self) -> str:
        """How the points that have a number differ from those that are left to compute; empty where they stand for all.

        Or that a parameter has one value over them.
        """
        if self.final is None:
            return ""
        seen = np.asarray(np.isfinite(self.final.sample.mean).any(0))
        several = seen.sum() > 1 and seen.sum() < len(seen)
        return comparable(self.results, self.sweep, seen) or (held(self.sweep, np.flatnonzero(seen)) if several else "")

    @cached_property
    def shares(self) -> dict[str, float]:
        """How much of the differences between points each swept parameter explains, the strongest first.

        Empty where that would be about the order in which points are computed.
        """
        return {} if self.final is None or self.lopsided else explained(self.final, self.sweep).mean().to_dict()

    @property
    def ranked(self) -> list[Parameter]:
        """The swept parameters, those that explain most first."""
        return sorted(self.sweep.swept, key=lambda p: -self.shares.get(p.name, 0.0))

    @cached_property
    def failures(self) -> pd.DataFrame:
        """The table of failures, seeds of a point in their order; ``place`` is where its point stands in the table."""
        table = self.results.failures.sort_values(["point", "seed", "replicate"], kind="stable", ignore_index=True)
        return table.assign(place=places(self.results, table["point"]))

    @cached_property
    def failed(self) -> np.ndarray:
        """Which points failed, ``[points]``, if only in one of their tables."""
        return np.isin(np.arange(self.sweep.points), self.failures["place"])

    @cached_property
    def stopped(self) -> np.ndarray:
        """Which points failed in more than a measure: they were not built, did not run, diverged or were lost."""
        some = self.failures[self.failures["kind"].isin(STOPPED)]
        return np.isin(np.arange(self.sweep.points), some["place"])
