"""How much each parameter of a study explains."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import percent
from ecosystem.plots.chart import embedded, finish, needs

LINES = 200  # names that have a line of their own


def sensitivity(table: pd.DataFrame, label: str = "the measure", scattered: bool = False) -> Any:
    """How much of a measure's variance over the points each parameter explains alone: a bar, and a dot a name.

    Parameters
    ----------
    table
        Shares, ``[names, parameters]`` (:func:`ecosystem.study.outcomes.measuring.explained`).
    label
        The measure in words.
    scattered
        Whether points were strewn, so that chance was taken off.

    Raises
    ------
    NothingToDraw
        If nothing moved, or nothing was varied.
    """
    needs("sensitivity", "explained", table, (), f"{label} is the same at all points")
    needs("sensitivity", "explained", table.T, (), "the study varies no parameter")
    few, parameters = table.head(LINES), list(map(str, table.columns))  # which may be called like a column below
    bars = pd.DataFrame({"parameter": parameters, "share": table.mean().to_numpy(), "name": "mean", "kind": "mean"})
    ranked = bars.sort_values("share", ascending=False, kind="stable")
    order = list(ranked["parameter"])
    dots = pd.DataFrame({"parameter": np.repeat(parameters, len(few)), "share": few.to_numpy().T.ravel()})
    dots = dots.assign(name=np.tile(few.index.astype(str), len(parameters)), kind="name")
    data = embedded("sensitivity", pd.concat([bars, dots], ignore_index=True))
    x = alt.X(
        "share:Q", title="share of the variance over points", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
    )
    y = alt.Y("parameter:N", sort=order, title=None, axis=alt.Axis(labelLimit=220, ticks=False, domain=False))
    base = alt.Chart(data).encode(x, y)
    tips = [alt.Tooltip("parameter:N"), alt.Tooltip("name:N", title="of"), alt.Tooltip("share:Q", format=".1%")]
    bar = (
        base.transform_filter("datum.kind == 'mean'").mark_bar(height={"band": 0.55}, opacity=0.75).encode(tooltip=tips)
    )
    text = (
        base.transform_filter("datum.kind == 'mean'")
        .mark_text(align="left", dx=5)
        .encode(alt.Text("share:Q", format=".0%"))
    )
    layers = [bar, text]
    if len(table) > 1:
        dot = base.transform_filter("datum.kind == 'name'").mark_tick(
            thickness=1.5, style="frame", height={"band": 0.35}
        )
        layers.insert(1, dot.encode(tooltip=tips))
        layers[-1] = text.encode(y=alt.Y("parameter:N", sort=order, bandPosition=0.08))
    drawn = alt.layer(*layers).properties(height=alt.Step(34), width=420)
    told = [f"{row['parameter']} explains {row['share']:.0%}" for row in ranked.to_dict("records")]
    rest, words = 1 - float(bars["share"].sum()), f"{'; '.join(told)} of the differences in {label}"
    if rest > 0.02 and not scattered:
        words += f"; the other {percent(round(rest, 2))} comes from combinations of them, and from chance"
    words += "."
    each = "each" if len(few) == len(table) else f"the first {len(few)} of {len(table):,}"
    key = f"bars: the mean over names, lines: {each}; alone, without what parameters do together"
    key = key if len(table) > 1 else ""
    return finish(drawn, f"What moves {label}", words, key)
