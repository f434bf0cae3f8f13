"""Runs side by side, as a chart."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots.chart import ROWS, embedded, finish, needs, panels
from ecosystem.plots.influence_matrix import SIDES
from ecosystem.plots.lines import numbers
from ecosystem.plots.theme import RULE
from ecosystem.running.comparing import WORDS

SAME, UNCLEAR = WORDS["same"], "unclear"
_SIDE = {WORDS["above"]: SIDES[0], WORDS["below"]: SIDES[1], WORDS["same"]: SAME}  # all other words are unclear


def compared(table: pd.DataFrame, most: int = ROWS) -> Any:
    """How much higher each member ends than in the first run: a dot and its interval, a panel for each other run.

    Parameters
    ----------
    table
        :func:`ecosystem.compare`: member, run, against, difference, low, high, words.
    most
        Rows that are drawn, those with the largest differences.

    Raises
    ------
    NothingToDraw
        If a column is missing, or no member can be compared.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, compare
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> print(compared(compare({"base": s.run(), "cut": s.without("a", "a").run()})).description)
    Alignment at the end less that of base. cut: a −0.500.
    """
    needs("compared", "table", table, ("member", "run", "against", "difference", "low", "high", "words"))
    known = table[np.isfinite(table["difference"].astype(float))]
    needs("compared", "table", known, (), "nobody can be compared: the column words says why")
    kept = known.loc[known["difference"].abs().sort_values(ascending=False, kind="stable").index[:most]].sort_index()
    said = kept["words"].str.split("; ").str[0]  # notes follow
    kept = kept.assign(side=said.map(_SIDE).fillna(UNCLEAR), low=kept["low"].fillna(kept["difference"]))
    kept["high"] = kept["high"].fillna(kept["difference"])
    runs, against = list(dict.fromkeys(kept["run"])), str(kept["against"].iloc[0])
    data = embedded("compared", kept)
    base = alt.Chart(data).encode(
        alt.Y("member:N", sort=list(dict.fromkeys(kept["member"])), title=None, axis=alt.Axis(labelLimit=200))
    )
    domain = [*SIDES, UNCLEAR, SAME]
    legend = alt.Legend(title=None, orient="top", values=[side for side in domain if side in set(kept["side"])])
    colour = alt.Color("side:N", scale=alt.Scale(domain=domain), legend=legend)
    shapes = alt.Scale(domain=domain, range=["circle", "square", "cross", "diamond"])
    shape = alt.Shape("side:N", scale=shapes, legend=legend)
    title = f"difference in alignment from {against}"
    tips = [alt.Tooltip("member:N"), *numbers(("difference", "difference"), ("low", "from"), ("high", "to"))]
    layers: list[Any] = [
        alt.Chart(data)
        .transform_aggregate(n="count()", groupby=["run"])
        .mark_rule(aria=False, style=RULE)
        .encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.8).encode(alt.X("low:Q", title=title), alt.X2("high:Q"), colour),
        base.mark_point(filled=True, size=55, opacity=1).encode(
            alt.X("difference:Q", title=title), colour, shape, tooltip=[*tips, alt.Tooltip("words:N")]
        ),
    ]
    drawn = alt.layer(*layers).properties(height=alt.Step(20), width=420 if len(runs) == 1 else 230)
    drawn = drawn if len(runs) == 1 else panels(drawn, "run", runs, 2)
    left = (
        f"the {len(kept)} of {counted(len(known), 'row')} with the largest differences"
        if len(kept) < len(known)
        else ""
    )
    told = [
        f"{name}: {', '.join(_said(row) for row in rows.head(8).to_dict('records'))}"
        for name, rows in kept.groupby("run", sort=False)
    ]
    words = f"Alignment at the end less that of {against}. {'; '.join(told)}."
    return finish(drawn, f"Compared with {against}" + (f": {runs[0]}" if len(runs) == 1 else ""), words, left)


def _said(row: dict[Any, Any]) -> str:
    between = (
        f" ({number(row['low'], sign=True)} to {number(row['high'], sign=True)})" if row["high"] > row["low"] else ""
    )
    return f"{row['member']} {number(row['difference'], sign=True)}{between}"
