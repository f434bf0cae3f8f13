"""How much each parameter of a study explains."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ecosystem.plots.chart import embedded, finish, needs


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
    means = table.mean().rename("share").rename_axis("parameter").reset_index()
    order = list(means.sort_values("share", ascending=False, kind="stable")["parameter"])
    bars = means.assign(name="mean", kind="mean")
    dots = (
        table.rename_axis("name")
        .reset_index()
        .melt("name", var_name="parameter", value_name="share")
        .assign(kind="name")
    )
    dots = dots.groupby("parameter").head(200)
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
    told = [
        f"{row['parameter']} explains {row['share']:.0%}"
        for row in means.sort_values("share", ascending=False).to_dict("records")
    ]
    rest = 1 - float(means["share"].sum())
    words = f"{'; '.join(told)} of the differences in {label}" + (
        f"; {rest:.0%} is in how they act together." if rest > 0.005 and not scattered else "."
    )
    key = "bars: the mean over names, lines: each; alone, without what parameters do together" if len(table) > 1 else ""
    return finish(drawn, f"What moves {label}", words, key)
