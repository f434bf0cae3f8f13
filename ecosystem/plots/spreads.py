"""What charts of members over rounds are made of: the middle and the band over replicates, and over many members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from ecosystem.core.words import counted
from ecosystem.running.verdicts import copies, survivors

Item = TypeVar("Item")
POINTS = 300  # rounds drawn at most: more cannot be seen and make a page heavy
FEW = 10  # replicates: below it a band shows their whole range, from it on the middle 80 %
PANELS = 6
QUANTILES = {"low": 0.05, "lower": 0.25, "middle": 0.5, "upper": 0.75, "high": 0.95}
CALLED = {"low": "5 %", "lower": "25 %", "middle": "median", "upper": "75 %", "high": "95 %"}


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most ``most`` of the items, evenly spaced, always the first and the last."""
    picks = {round(i) for i in np.linspace(0, len(items) - 1, min(most, len(items)))}
    return [items[i] for i in sorted(picks)]


def spread(
    rounds: pd.DataFrame,
    column: str,
    middle: str = "mean",
    failures: pd.DataFrame | None = None,
    positive: bool = False,
    points: int = POINTS,
) -> pd.DataFrame:
    """A column of ``rounds`` over replicates, as member, round, middle (mean or median), low, high, replicates.

    Replicates that diverged are left out as in the verdicts; of very long runs, evenly spaced rounds are kept.
    """
    rounds = survivors(rounds.assign(member=rounds["member"].astype(str)), failures)
    kept = evenly(np.unique(rounds["round"]).tolist(), points)
    values = rounds[column].astype(float)
    good = np.isfinite(values) & rounds["round"].isin(kept) & ((values > 0) | (not positive))
    groups = rounds[good].groupby(["member", "round"])[column]
    edge = 0.1 if copies(rounds) >= FEW else 0.0
    table = groups.agg(middle).to_frame("middle").assign(low=groups.quantile(edge), high=groups.quantile(1 - edge))
    return table.assign(replicates=groups.size()).reset_index()


def band_words(count: int) -> str:
    """What the band around a line is; empty with one replicate."""
    if count < 2:
        return ""
    return f"the band spans {'all' if count < FEW else 'the middle 80 % of'} {counted(count, 'replicate')}"


def over_members(table: pd.DataFrame, by: Sequence[str] = ("round",)) -> pd.DataFrame:
    """Quantiles of ``middle`` over members: ``low`` and ``high`` hold 90 % of them, ``lower`` and ``upper`` half."""
    groups = table.groupby(list(by))["middle"]
    return pd.DataFrame({name: groups.quantile(q) for name, q in QUANTILES.items()}).reset_index()


def moving(table: pd.DataFrame, most: int) -> tuple[list[str], str]:
    """The names whose ``mean`` moves most over their rows, in the order of the table, and words on the others."""
    spans = table.groupby("name", sort=False)["mean"].agg(lambda mean: mean.max() - mean.min())
    kept = set(spans.nlargest(most).index)
    words = f"the {len(kept)} of {len(spans):,} that move most" if len(kept) < len(spans) else ""
    return [str(name) for name in spans.index if name in kept], words


def by_reward(members: pd.DataFrame | None, present: set[str]) -> dict[str, list[str]]:
    """Members of one reward together, while that makes at most `PANELS` panels; otherwise all in one."""
    if members is None or "reward" not in members:
        return {"": sorted(present)}
    tastes = members.assign(member=members["member"].astype(str), reward=members["reward"].astype(str))
    shown = tastes[tastes["member"].isin(present)]
    if shown["reward"].nunique() > PANELS:
        return {"": list(shown["member"])}
    return {str(reward): list(group["member"]) for reward, group in shown.groupby("reward", sort=False)}


def among(names: Sequence[str], there: Iterable[object]) -> list[str]:
    """Those of some names that are there, in their order."""
    kept = set(there)
    return [name for name in names if name in kept]


def in_order(members: pd.DataFrame | None, table: pd.DataFrame) -> list[str]:
    """All members in the order of the scenario, which gives each its colour; without it, in that of the table."""
    column = table["member"] if members is None else members["member"]
    if members is None and isinstance(column.dtype, pd.CategoricalDtype):
        return [str(name) for name in column.cat.categories]
    return list(dict.fromkeys(column.astype(str)))
