"""What users think of all members together: the sum of their alignments, and the lowest of them."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots.chart import embedded, finish, needs, panels
from ecosystem.plots.lines import in_rounds, numbers
from ecosystem.plots.spreads import POINTS, band_words, evenly, spread
from ecosystem.running.verdicts import KEYS, copies, survivors


def together(rounds: pd.DataFrame, failures: pd.DataFrame | None = None) -> pd.DataFrame:
    """Total and lowest alignment round by round: what (total, worst off), round, middle, low, high, best (a round).

    Where an alignment is infinite in a replicate, so is the ``middle`` (NaN where infinities cancel), and that round
    is never the best.
    """
    needs("welfare", "rounds", rounds, (*KEYS, "round", "member", "alignment"))
    seen = rounds[rounds["alignment"].astype(float).notna()]
    needs("welfare", "rounds", seen, ("alignment",), "users of these members have no taste that was recorded")
    groups = seen.astype({"alignment": float}).groupby([*KEYS, "round"])["alignment"]
    words = {"total": groups.sum(), "worst off": groups.min()}
    both = pd.concat([values.reset_index().assign(member=name) for name, values in words.items()], ignore_index=True)
    table = spread(both, "alignment", "mean", failures)
    known = survivors(both, failures)
    known = known[known["round"].isin(evenly(np.unique(known["round"]).tolist(), POINTS))]
    endless = known[~np.isfinite(known["alignment"])].groupby(["member", "round"])["alignment"].agg(_endless)
    table = table.set_index(["member", "round"])
    table = table.reindex(table.index.union(endless.index))
    table.loc[endless.index, ["low", "high"]] = np.nan
    table.loc[endless.index, "middle"] = endless
    table = table.reset_index().rename(columns={"member": "what"})
    finite = table[np.isfinite(table["middle"])]
    return table.assign(best=table.index.isin(finite.groupby("what")["middle"].idxmax()))


def _endless(values: pd.Series) -> float:
    """The mean of numbers of which some are infinite."""
    return float(values.iloc[0]) if values.nunique(dropna=False) == 1 else np.nan


def welfare(rounds: pd.DataFrame, failures: pd.DataFrame | None = None) -> Any:
    """All members together: the sum of their alignments and the lowest of them, and the rounds in which they are best.

    Both are taken within each replicate, then the mean over replicates, and a band. Rewards of different kinds add up
    as they are. Rounds in which one of them is infinite have no place on the axis: the words tell of them.

    Parameters
    ----------
    rounds
        ``run.rounds``: seed, replicate, round, member, alignment.
    failures
        ``run.failures``: seed, replicate, of replicates that are left out.

    Raises
    ------
    NothingToDraw
        If a column is missing, nobody's alignment is a number, or there is no round in which all are finite.

    >>> import pandas as pd
    >>> rows = [(0, 0, t, m, x) for t, (a, b) in enumerate([(1, 2), (3, 1)]) for m, x in (("a", a), ("b", b))]
    >>> chart = welfare(pd.DataFrame(rows, columns=["seed", "replicate", "round", "member", "alignment"]))
    >>> print(chart.description)
    Welfare over rounds: the total goes from 3.00 to 4.00 and is highest in round 1 (4.00); the worst off goes from \
1.00 to 1.00 and is highest in round 0 (1.00).
    """
    table = together(rounds, failures)
    drawn = needs("welfare", "rounds", table[np.isfinite(table["middle"])], (), "alignment is infinite in every round")
    told = [_went(str(name), mine.sort_values("round")) for name, mine in table.groupby("what")]
    chart = _welfare(embedded("welfare", drawn), list(dict.fromkeys(drawn["what"])), copies(rounds) > 1)
    subtitle = "; ".join(filter(None, ("dot: the round in which it is highest", band_words(copies(rounds)))))
    return finish(chart, "Welfare over rounds", f"Welfare over rounds: {'; '.join(told)}.", subtitle)


def _went(name: str, mine: pd.DataFrame) -> str:
    """Where the total or the worst off begins and ends, where it is highest, and in how many rounds it is infinite."""
    way = f"the {name} goes from {number(mine['middle'].iloc[0])} to {number(mine['middle'].iloc[-1])}"
    best, endless = mine[mine["best"]], mine[~np.isfinite(mine["middle"])]
    if len(endless):
        way += f", is infinite in {counted(len(endless), 'round')} (from round {int(endless['round'].iloc[0])})"
    if best.empty:
        return way
    at = best.iloc[0]
    return f"{way} and is highest in round {int(at['round'])} ({number(at['middle'])})"


def _welfare(table: pd.DataFrame, order: list[str], band: bool) -> Any:
    tips = [alt.Tooltip("round:Q", format=",d"), *numbers(("middle", "mean"), ("low", "from"), ("high", "to"))]
    y = {"title": "alignment", "scale": alt.Scale(zero=False)}
    base = alt.Chart().encode(in_rounds(), tooltip=tips)
    layers = [base.mark_area(opacity=0.16).encode(alt.Y("low:Q", **y), alt.Y2("high:Q"))] if band else []
    layers.append(base.mark_line().encode(alt.Y("middle:Q", **y)))
    top = base.transform_filter("datum.best")
    layers.append(top.mark_circle(size=70, opacity=1).encode(alt.Y("middle:Q", **y)))
    layers.append(top.mark_text(dy=-11).encode(alt.Y("middle:Q", **y), alt.Text("round:Q", format=",d")))
    drawn = alt.layer(*layers, data=table).properties(width=300, height=190)
    words = "datum.label == 'total' ? 'total: the sum over members' : 'worst off: the lowest member'"
    return panels(drawn, "what", order, 2, words)
