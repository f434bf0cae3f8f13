"""All that a report says about a study comes from here: its design, its alignments, where it failed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ecosystem.report.study.quantity import Quantity
from ecosystem.study.outcomes.judging import Verdict, judged
from ecosystem.study.outcomes.measuring import Numbers, explained
from ecosystem.study.outcomes.reading import Alignment, alignment
from ecosystem.study.outcomes.sweep import Parameter, Sweep
from ecosystem.study.progress import Progress
from ecosystem.study.results import Results


@dataclass(frozen=True, eq=False)
class Failures:
    """Where a study failed: the table, and which of its ``count`` points it is about."""

    results: Results
    count: int

    @cached_property
    def table(self) -> pd.DataFrame:
        """The table of failures, seeds of a point in their order."""
        return self.results.failures.sort_values(["point", "seed", "replicate"], kind="stable", ignore_index=True)

    @cached_property
    def points(self) -> np.ndarray:
        """Which points failed, ``[points]``, if only in one of their tables."""
        return np.isin(np.arange(self.count), self.results.failed)

    @cached_property
    def stopped(self) -> np.ndarray:
        """Which points failed in more than a measure: they were not built, did not run, diverged or were lost."""
        return self._of("build", "run", "diverged", "lost")

    def marked(self, quantity: Quantity) -> np.ndarray:
        """Which points get a cross where a quantity is drawn: failed and without it, or with runs that diverged."""
        missing = ~np.isfinite(quantity.sample.mean).any(0)
        return (self.points & missing) | (self._of("diverged") & quantity.played)

    def _of(self, *kinds: str) -> np.ndarray:
        return np.isin(np.arange(self.count), self.table.loc[self.table["kind"].isin(kinds), "point"].to_numpy(int))


@dataclass(frozen=True, eq=False)
class Subject:
    """A study, read once."""

    results: Results

    @cached_property
    def sweep(self) -> Sweep:
        return Sweep.of(self.results)

    @cached_property
    def progress(self) -> Progress:
        return self.results.progress()

    @cached_property
    def alignment(self) -> Alignment | None:
        return alignment(self.results)

    @cached_property
    def failures(self) -> Failures:
        return Failures(self.results, self.sweep.points)

    @cached_property
    def final(self) -> Quantity | None:
        """The alignment of every member at the end."""
        found = self.alignment
        if found is None:
            return None
        return Quantity(
            f"alignment {found.when}",
            found.members,
            found.end,
            found.rewards,
            found.base,
            played=found.table == "rounds",
            basis=found.basis,
        )

    @cached_property
    def change(self) -> Quantity | None:
        """How far every member's alignment is from what it would be alone."""
        found = self.alignment
        if found is None or found.change is None:
            return None
        ends = ("falls", "rises") if found.begun.all() else ("lower", "higher")
        label = f"alignment: end minus {'start' if found.begun.all() else 'real data alone'}"
        return Quantity(
            label, found.members, found.change, found.rewards, None, True, ends, played=True, basis=found.basis
        )

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """What became of each member."""
        return [] if self.alignment is None else judged(self.alignment)

    @cached_property
    def since(self) -> list[Verdict]:
        """The same against the start; empty where verdicts are about that already, or it was not kept."""
        found = self.alignment
        return [] if found is None or found.since is None else judged(replace(found, change=found.since))

    @property
    def certain(self) -> bool:
        """Whether nothing is left to chance, so that every difference is one."""
        return self.alignment is not None and bool(self.alignment.exact.all())

    @cached_property
    def shares(self) -> dict[str, float]:
        """How much of the differences between points each swept parameter explains, the strongest first."""
        return {} if self.final is None else shares(self.final, self.sweep)

    def ranked(self, shares: dict[str, float]) -> list[Parameter]:
        """The swept parameters, those that explain most first."""
        return sorted(self.sweep.swept, key=lambda p: -shares.get(p.name, 0.0))


def shares(quantity: Quantity, sweep: Sweep) -> dict[str, float]:
    """The part of a quantity's variance over points that each parameter alone explains, on average over names."""
    return explained(Numbers(quantity.label, quantity.names, quantity.sample), sweep).mean().to_dict()
