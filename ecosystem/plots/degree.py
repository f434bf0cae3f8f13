"""How many sources and readers members have, over all of a large network."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, percent
from ecosystem.plots.chart import ROWS, NothingToDraw, embedded, finish, needs
from ecosystem.plots.spreads import evenly

SIDES = {"source": "readers that learn from it", "target": "sources it learns from"}


def degrees(members: pd.DataFrame, flows: pd.DataFrame) -> Any:
    """What share of members has at least so many sources, or readers, on logarithmic axes.

    Parameters
    ----------
    members
        ``run.members``: member.
    flows
        ``run.flows``: source, target.

    Raises
    ------
    NothingToDraw
        If a column is missing, there are no flows, or all members have equally many.

    >>> import pandas as pd
    >>> flows = pd.DataFrame({"source": ["hub", "hub", "hub", "a"], "target": ["a", "b", "c", "b"]})
    >>> print(degrees(pd.DataFrame({"member": ["hub", "a", "b", "c"]}), flows).description)
    Sources and readers of four members: hub has the most readers, 3 (25 % of members have so many); b has the most \
sources, 2 (25 % of members have so many).
    """
    needs("degrees", "members", members, ("member",))
    needs("degrees", "flows", flows, tuple(SIDES), "nobody reads anybody")
    names = members["member"].astype(str)
    found = [_curve(flows[side].astype(str), names, words) for side, words in SIDES.items()]
    if max(len(table) for table, _ in found) < 2:
        raise NothingToDraw("plots.degrees: all members have equally many sources, and readers")
    title = "How many sources and readers members have"
    told = "; ".join(told for _, told in found)
    words = f"Sources and readers of {counted(len(names), 'member')}: {told}."
    table = embedded("degrees", pd.concat([table for table, _ in found], ignore_index=True))
    x = alt.X(
        "number:Q",
        title="number (at least)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(tickCount=5, format=",d"),
    )
    y = alt.Y(
        "share:Q",
        title="share of members",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(tickCount=5, format=".3~p"),
    )
    what = {"scale": alt.Scale(domain=list(SIDES.values())), "legend": alt.Legend(title=None, symbolType="stroke")}
    tips = [alt.Tooltip("what:N"), alt.Tooltip("number:Q", format=",d"), alt.Tooltip("share:Q", format=".3~p")]
    base = alt.Chart(table).encode(x, y, alt.Color("what:N", **what), tooltip=tips)
    drawn = alt.layer(base.mark_line().encode(alt.StrokeDash("what:N", **what)), base.mark_circle(size=30, opacity=1))
    return finish(drawn, title, words, "the share of members that have at least so many")


def _curve(ends: pd.Series, names: pd.Series, words: str) -> tuple[pd.DataFrame, str]:
    """The share of members with at least so many flows that begin, or end, with them; and who has most."""
    counts = ends.value_counts().reindex(names, fill_value=0)
    ordered = np.sort(counts.to_numpy())
    numbers = np.array(evenly(np.unique(ordered[ordered > 0]).tolist(), ROWS // 4))
    shares = 1 - np.searchsorted(ordered, numbers, side="left") / len(ordered)
    kind = words.partition(" ")[0]
    most = f"{counts.idxmax()} has the most {kind}, {counts.max():,}"
    most += f" ({percent(float(shares[-1]))} of members have so many)"
    return pd.DataFrame({"what": words, "number": numbers, "share": shares}), most
