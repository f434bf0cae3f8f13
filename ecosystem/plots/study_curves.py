"""A study along its parameters: curves with intervals over seeds, and how much each parameter explains."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, listed, number, shortened
from ecosystem.plots.chart import embedded, finish, needs
from ecosystem.plots.lines import members_colour, members_dashes, numbers, picked

LINES = 12  # names that have a line
TOLD = 8  # names in a text alternative


def curves(
    table: pd.DataFrame, parameter: str = "x", label: str = "mean", basis: str = "", log: bool = False, note: str = ""
) -> Any:
    """A measure against one parameter: the mean of each name, its interval over seeds, and what it is compared with.

    Lines and bands where the parameter is a number, dots and bars where it is a category. Of more than 12 names those
    that move most are drawn.

    Parameters
    ----------
    table
        One row a name and value: name, x (a number or a text), mean, low, high (NaN where chance is not known); base,
        points and seeds are shown too where they are there.
    parameter, label, basis
        What x, mean and base are, in words.
    log
        Whether the parameter has a logarithmic axis.
    note
        What else a reader must know.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there is no number.
    """
    needs("curves", "along", table, ("name", "x", "mean", "low", "high"))
    table = needs("curves", "along", table[np.isfinite(table["mean"].astype(float))], (), f"{label} has no number")
    table = table.assign(name=table["name"].astype(str))
    spans = table.groupby("name", sort=False)["mean"].agg(lambda mean: mean.max() - mean.min())
    names = [name for name in spans.index if name in set(spans.nlargest(LINES).index)]
    kept = embedded("curves", table[table["name"].isin(names)].rename(columns={"name": "member"}))
    drawn = (_lines if pd.api.types.is_numeric_dtype(kept["x"]) else _dots)(kept, names, parameter, label, log)
    known = bool((kept["high"] > kept["low"]).any())
    words = [f"the {LINES} of {len(spans):,} that move most" if len(names) < len(spans) else ""]
    band = "band" if pd.api.types.is_numeric_dtype(kept["x"]) else "bar"
    words.append(f"{band}: the interval over seeds" if known else "")
    words.append(f"faint dots: {basis}" if basis and _has(kept, "base") else "")
    title = f"{label[:1].upper()}{label[1:]} by {shortened(parameter)}"
    return finish(drawn, title, f"{title}. {_told(kept, names)}", [note, "; ".join(filter(None, words))])


def _has(table: pd.DataFrame, column: str) -> bool:
    return column in table and bool(table[column].notna().any())


def _tips(table: pd.DataFrame, parameter: str, label: str) -> list[alt.Tooltip]:
    tips = [alt.Tooltip("member:N", title="of"), alt.Tooltip("label:N" if "label" in table else "x", title=parameter)]
    tips += numbers(("mean", label), *((("low", "from"), ("high", "to")) if _has(table, "low") else ()))
    tips += numbers(("base", "compared with")) if _has(table, "base") else []
    return tips + [alt.Tooltip(f"{name}:Q", format=",d") for name in ("points", "seeds") if name in table]


def _lines(table: pd.DataFrame, names: list[str], parameter: str, label: str, log: bool) -> Any:
    """A line and a band a name over the numbers of a parameter."""
    chosen, pale = picked("curves"), 0.16 if len(names) <= 4 else 0.06
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False)
    x = alt.X("x:Q", title=shortened(parameter, 40), scale=scale)
    base = alt.Chart(table).encode(x, color=members_colour(names))
    y: dict[str, Any] = {"title": label, "scale": alt.Scale(zero=False)}
    full, faint = (alt.when(chosen).then(alt.value(a)).otherwise(alt.value(b)) for a, b in ((1.0, 0.12), (pale, 0.02)))
    band = base.mark_area().encode(alt.Y("low:Q", **y), alt.Y2("high:Q"), opacity=faint)
    line = base.mark_line().encode(alt.Y("mean:Q", **y), strokeDash=members_dashes(names), opacity=full)
    dots = base.mark_circle(size=36).encode(alt.Y("mean:Q", **y), opacity=full, tooltip=_tips(table, parameter, label))
    layers = [band] if _has(table, "low") else []
    if _has(table, "base"):
        dotted = base.mark_line(strokeDash=[1, 3], strokeWidth=1.3)
        layers.append(
            dotted.encode(alt.Y("base:Q", **y), opacity=alt.when(chosen).then(alt.value(0.7)).otherwise(alt.value(0.1)))
        )
    layers += [line, dots]
    return alt.layer(*(layer.add_params(chosen) if layer is layers[0] else layer for layer in layers))


def _dots(table: pd.DataFrame, names: list[str], parameter: str, label: str, log: bool) -> Any:
    """A dot and a bar a name and category, categories below each other."""
    order = list(dict.fromkeys(table["x"]))
    y: dict[str, Any] = {"sort": order, "title": shortened(parameter, 40)}
    axis = alt.Axis(ticks=False, domain=False, labelLimit=220, grid=True, bandPosition=0.5)
    base = alt.Chart(table).encode(
        alt.Y("x:N", axis=axis, scale=alt.Scale(paddingInner=0.25), **y),
        alt.YOffset("member:N", sort=names, scale=alt.Scale(paddingOuter=0.3)),
        color=members_colour(names),
    )
    scale = alt.Scale(zero=False)
    bars = base.mark_rule(strokeWidth=1.8).encode(alt.X("low:Q", title=label, scale=scale), alt.X2("high:Q"))
    dots = base.mark_circle(size=60, opacity=1).encode(
        alt.X("mean:Q", title=label, scale=scale), tooltip=_tips(table, parameter, label)
    )
    layers = [bars, dots] if _has(table, "low") else [dots]
    if _has(table, "base"):
        layers.insert(0, base.mark_point(size=45, opacity=0.6).encode(alt.X("base:Q", title=label, scale=scale)))
    return alt.layer(*layers).properties(height=max(80, len(order) * (18 + 12 * len(names))), width=420)


def _told(table: pd.DataFrame, names: list[str]) -> str:
    """Where each name begins and ends, and its highest and lowest value."""
    told = []
    for name in names[:TOLD]:
        rows = table[table["member"] == name]
        first, last = rows.iloc[0], rows.iloc[-1]
        ends = " and ".join(f"{number(row['mean'])} at {_value(row)}" for row in (first, last))
        top, low = rows.loc[rows["mean"].idxmax()], rows.loc[rows["mean"].idxmin()]
        inside = [
            f"{how} {number(row['mean'])} at {_value(row)}"
            for how, row in (("highest", top), ("lowest", low))
            if row["x"] not in (first["x"], last["x"])
        ]
        told.append(f"{name}: {ends}{f' ({listed(inside)})' if inside else ''}")
    more = f"; and {counted(len(names) - TOLD, 'more')}" if len(names) > TOLD else ""
    return "; ".join(told) + more.removesuffix("s") + "."


def _value(row: pd.Series) -> str:
    return str(row["label"] if "label" in row else row["x"])


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
