"""How much each parameter of a study matters: bars with intervals, or Morris' plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import listed, percent, shortened
from ecosystem.plots.chart import embedded, finish, needs
from ecosystem.plots.theme import FRAME
from ecosystem.study.sensitivity.told import METHODS, Sensitivity

LINES = 200  # names that have a dot of their own
NAMED = 6  # names that are written out
WORDS = {"first": "alone", "total": "with others", "delta": "delta"}
COLUMNS = ("name", "parameter", "index", "value", "low", "high")


def of_result(found: Sensitivity) -> Any:
    """The chart of a sensitivity analysis: see :func:`sensitivity`."""
    words = "" if found.method == "levels" else found.sentence
    return sensitivity(found.table, found.measure, found.method, found.scattered, found.notes, found.certain, words)


def sensitivity(
    table: pd.DataFrame,
    label: str = "the measure",
    method: str = "levels",
    scattered: bool = False,
    notes: Sequence[str] = (),
    certain: bool = False,
    words: str = "",
) -> Any:
    """How much of a measure each parameter explains: bars, with intervals and a dot a name; of Morris a plane.

    Parameters
    ----------
    table
        ``results.sensitivity(...).table``: name, parameter, index, value, low, high.
    label
        The measure in words.
    method
        ``"sobol"``, ``"delta"``, ``"levels"`` or ``"morris"``.
    scattered
        Whether points were strewn, so that chance was taken off what levels explain.
    notes
        What was left out, for those who look at it.
    certain
        Whether nothing was drawn, so that no difference comes from chance.
    words
        What it says to those who do not see it; without any it is made of the bars.

    Raises
    ------
    NothingToDraw
        If nothing moved, or nothing was varied.
    """
    needs("sensitivity", "of sensitivity", table, COLUMNS, f"{label} is the same at all points")
    rows = table.assign(parameter=table["parameter"].astype(str), name=table["name"].astype(str))
    if method == "morris":
        return _plane(rows, label, notes, words)
    return _bars(rows[rows["index"].isin(list(WORDS))], label, method, scattered, notes, certain, words)


def _bars(
    rows: pd.DataFrame, label: str, method: str, scattered: bool, notes: Sequence[str], certain: bool, words: str
) -> Any:
    """A bar for each parameter and index: the mean over names with its interval, and a dot for each of several."""
    names = list(dict.fromkeys(rows["name"]))
    few = rows[rows["name"].isin(names[:LINES])]
    indices = [index for index in WORDS if index in set(rows["index"])]
    means = rows.groupby(["parameter", "index"], sort=False)[["value", "low", "high"]].mean().reset_index()
    ranked = means[means["index"] == indices[-1]].sort_values("value", ascending=False, kind="stable")
    order = list(ranked["parameter"])
    shown = pd.concat(
        [means.assign(name="mean", kind="mean"), few[list(COLUMNS)].assign(kind="name")], ignore_index=True
    )
    data = embedded("sensitivity", shown.assign(what=shown["index"].map(WORDS)))
    title = "delta" if method == "delta" else "share of the variance over points"
    x = alt.X(
        "value:Q",
        title=title,
        scale=alt.Scale(domain=[0, 1], nice=False, clamp=True),  # estimates stray beyond what a share can be
        axis=alt.Axis(format=".1f" if method == "delta" else "%"),
    )
    axis = alt.Axis(labelLimit=220, ticks=False, domain=False)
    y: dict[str, Any] = {"y": alt.Y("parameter:N", sort=order, title=None, axis=axis)}
    colour: dict[str, Any] = {}
    if len(indices) > 1:
        sort = [WORDS[index] for index in indices]
        y["yOffset"] = alt.YOffset("what:N", sort=sort)
        colour["color"] = alt.Color("what:N", sort=sort, title=None, scale=alt.Scale(domain=sort))
    base = alt.Chart(data).encode(x, **y)
    each = base.transform_filter("datum.kind == 'name'")
    mean = base.encode(**colour).transform_filter("datum.kind == 'mean'")
    form = ".3f" if method == "delta" else ".1%"
    tips = [alt.Tooltip("parameter:N"), alt.Tooltip("what:N", title="index"), alt.Tooltip("name:N", title="of")]
    tips += [alt.Tooltip(f"{column}:Q", format=form) for column in ("value", "low", "high")]
    layers: list[Any] = [mean.mark_bar(height={"band": 0.7}, opacity=0.75).encode(tooltip=tips)]
    known = bool(np.isfinite(means["low"]).any())
    if len(names) > 1:
        layers.append(each.mark_circle(style=FRAME, size=18, opacity=0.7).encode(tooltip=tips))
    if known:
        span = base.transform_filter("datum.kind == 'mean'").mark_rule(style=FRAME, strokeWidth=1.5)
        layers.append(span.encode(alt.X("low:Q"), alt.X2("high:Q"), tooltip=tips))
    if len(indices) == 1:
        text = mean.mark_text(align="left", dx=5).encode(
            alt.Text("value:Q", format=".2f" if method == "delta" else ".0%")
        )
        layers.append(text.encode(y=alt.Y("parameter:N", sort=order, bandPosition=0.08)) if len(layers) > 1 else text)
    drawn = alt.layer(*layers).properties(height=alt.Step(34 if len(indices) == 1 else 22), width=420)
    words = words or _told(means, order, label, method, scattered, certain)
    key = METHODS[method] if method != "levels" else "alone, without what parameters do together"
    if len(names) > 1:
        dots = listed(names, NAMED) if len(names) <= LINES else f"the first {LINES} of {len(names):,}"
        key += f"; bars: the mean over {len(names):,} names, dots: each ({dots})"
    key += "; lines: 95 % intervals over points" if known else ""
    return finish(drawn, f"What moves {label}", words, [key, *notes])


def _told(means: pd.DataFrame, order: Sequence[str], label: str, method: str, scattered: bool, certain: bool) -> str:
    """The bars in words."""
    value = means.set_index(["parameter", "index"])["value"]
    if method == "delta":
        deltas = [f"{name}: delta {value[name, 'delta']:.2f}" for name in order]
        return f"{'; '.join(deltas)}, of {label}."
    told = [f"{name} explains {_cut(value[name, 'first'])}" for name in order]
    if method == "sobol":
        told = [f"{said} alone, {_cut(value[n, 'total'])} with others" for said, n in zip(told, order, strict=True)]
        return f"{'; '.join(told)} of the differences in {label}."
    rest, words = 1 - float(means["value"].sum()), f"{'; '.join(told)} of the differences in {label}"
    if rest > 0.02 and not scattered:
        chance = "" if certain else ", and from chance"
        words += f"; the other {percent(round(rest, 2))} comes from combinations of them{chance}"
    return f"{words}."


def _cut(share: float) -> str:
    """A share as the bar has it: estimates stray below zero and above one."""
    return f"{min(max(share, 0.0), 1.0):.0%}"


def _plane(rows: pd.DataFrame, label: str, notes: Sequence[str], words: str) -> Any:
    """Morris' plane: how much a parameter moves the measure, and how differently at different places."""
    means = rows.groupby(["parameter", "index"], sort=False)[["value", "low", "high"]].mean().unstack("index")
    wide = pd.DataFrame({name: means["value", name] for name in ("mu", "mu_star", "sigma")})
    wide = wide.assign(low=means["low", "mu_star"], high=means["high", "mu_star"]).reset_index()
    wide = wide.sort_values("mu_star", ascending=False, kind="stable")
    data = embedded("sensitivity", wide)
    tips = [
        alt.Tooltip("parameter:N"),
        *(alt.Tooltip(f"{name}:Q", format=".3g") for name in ("mu_star", "mu", "sigma")),
    ]
    base = alt.Chart(data)
    x = alt.X("mu_star:Q", title="mean size of the change over its range (μ*)", scale=alt.Scale(zero=True))
    y = alt.Y("sigma:Q", title="deviation over places (σ)", scale=alt.Scale(zero=True))
    dots = base.mark_circle(size=70, opacity=1).encode(x, y, tooltip=tips)
    spans = base.mark_rule().encode(alt.X("low:Q"), y, alt.X2("high:Q"))
    text = base.mark_text(align="left", dx=7, dy=-6).encode(x, y, alt.Text("parameter:N"))
    drawn = alt.layer(spans, dots, text).properties(width=420, height=300)
    told = [f"{shortened(row['parameter'])} {row['mu_star']:.3g}" for row in wide.to_dict("records")]
    words = words or f"Over its whole range each parameter moves {label} by, on average: {'; '.join(told)}."
    key = ["to the right: matters; high up: acts together with others, or not in proportion", *notes]
    return finish(drawn, f"What moves {label}", words, key)
