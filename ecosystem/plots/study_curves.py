"""A study along one of its parameters: curves with intervals over seeds, also at a few values of another."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, listed, number, shortened
from ecosystem.plots.chart import embedded, finish, needs, panels, shortly
from ecosystem.plots.lines import members_colour, members_dashes, numbers, picked
from ecosystem.plots.spreads import over_members
from ecosystem.plots.theme import RULE

LINES = 12  # names that have a line
PANELS = 6  # kinds, or names, that have a panel each
FAILED = "×"
APART: dict[str, Any] = {"labelOverlap": "greedy", "labelSeparation": 6}  # numbers below an axis
PALEST = 0.5  # of the strength of colours that is left out
TOLD = 8  # names in a text alternative


def curves(
    table: pd.DataFrame, parameter: str = "x", label: str = "mean", basis: str = "", log: bool = False, note: str = ""
) -> Any:
    """A measure against one parameter: the mean of each name, its interval over seeds, and what it is compared with.

    Lines and bands where the parameter is a number, dots and bars where it is a category. Of more than 12 names those
    that move most are drawn, over bands that hold the middle half and 90 % of all. Names of one ``kind`` share a panel,
    up to six panels. A cross marks values at which points failed; what is infinite is said and not drawn.

    Parameters
    ----------
    table
        One row a name and value: name, x (a number or a text), mean, low, high (NaN where chance is not known); kind,
        base, points, failed and seeds are shown too where they are there.
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
    whole = table.assign(name=table["name"].astype(str))
    table = whole[np.isfinite(whole["mean"].astype(float))]
    needs("curves", "along", table, (), f"{label} has no number")
    spans = table.groupby("name", sort=False)["mean"].agg(lambda mean: mean.max() - mean.min())
    names = [name for name in spans.index if name in set(spans.nlargest(LINES).index)]
    kept = embedded("curves", table[table["name"].isin(names)].rename(columns={"name": "member"}))
    crowded, number = len(names) < len(spans), pd.api.types.is_numeric_dtype(kept["x"])
    if crowded and number:  # so many bands hide each other
        kept = kept.drop(columns=["base", "base_low", "base_high"], errors="ignore").assign(low=np.nan, high=np.nan)
    drawn = (_lines if number else _dots)(kept, names, parameter, label, log)
    kinds = list(dict.fromkeys(kept["kind"])) if "kind" in kept and not crowded else []
    kinds = kinds if len(kinds) <= PANELS else []
    if number and len(kinds) > 1:
        drawn = panels(drawn.properties(width=300, height=190), "kind", kinds, 2, shortly())
    elif number:
        drawn = alt.layer(*([_crowd(table, label)] if crowded else []), drawn, *_failures(whole, kept))
    known = bool((kept["high"] > kept["low"]).any())
    words = [f"the {LINES} of {len(spans):,} that move most" if crowded else ""]
    words.append("grey: the middle half and 90 % of all" if crowded and number else "")
    words.append(f"{'band' if number else 'bar'}: the 95 % interval over seeds" if known else "")
    words.append(f"faint dots: {basis}{' and its interval' * _wide(kept)}" if basis and _has(kept, "base") else "")
    failed = whole.loc[whole["failed"] > 0].drop_duplicates("x") if "failed" in whole else whole.head(0)
    words.append(f"{FAILED}: points failed there" if len(failed) and number and len(kinds) < 2 else "")
    endless = whole[np.isinf(whole["mean"].astype(float))]
    some = listed((f"{shortened(row['name'])} at {_value(row)}" for row in endless.to_dict("records")), 4)
    words.append(f"without end, so not drawn: {some}" if len(endless) else "")
    title = f"{label[:1].upper()}{label[1:]} by {shortened(parameter)}"
    told = _told(kept, names) + (
        f" Points failed at {listed(map(_value, failed.to_dict('records')))}." if len(failed) else ""
    )
    return finish(drawn, title, f"{title}. {told}", [note, "; ".join(filter(None, words))])


def _crowd(table: pd.DataFrame, label: str) -> Any:
    """Bands that hold the middle half and 90 % of very many names."""
    spread = over_members(table.rename(columns={"mean": "middle"}), ("x",))
    base = alt.Chart(spread).encode(alt.X("x:Q"))
    parts = (("low", "high", 0.1), ("lower", "upper", 0.18))
    marks = [
        base.mark_area(style=RULE, opacity=pale).encode(alt.Y(f"{low}:Q", title=label), alt.Y2(f"{high}:Q"))
        for low, high, pale in parts
    ]
    return alt.layer(*marks)


def _failures(whole: pd.DataFrame, kept: pd.DataFrame) -> list[Any]:
    """A cross at the foot of each value at which points failed."""
    if "failed" not in whole or not (whole["failed"] > 0).any():
        return []
    columns = [name for name in ("x", "label", "failed", "points") if name in whole]
    bad = whole[whole["failed"] > 0].drop_duplicates("x")[columns]
    tips = [alt.Tooltip(name) for name in columns]
    mark = alt.Chart(bad).mark_text(text=FAILED, fontSize=14, dy=-6)
    return [mark.encode(alt.X("x:Q"), alt.Y(datum=float(np.nanmin(kept[["mean", "low"]]))), tooltip=tips)]


def _levels(levels: list[str], title: str, ordered: bool) -> alt.Color:
    """A colour a value of the other parameter: from pale to strong where values have an order."""
    look: dict[str, Any] = {"symbolType": "stroke", "symbolOpacity": 1, "symbolSize": 400, "symbolStrokeWidth": 2}
    if not ordered:
        return alt.Color("by:N", scale=alt.Scale(domain=levels), title=title, legend=alt.Legend(**look))
    words = f"{json.dumps(levels)}[datum.value]"
    legend = alt.Legend(type="symbol", values=list(range(len(levels))), labelExpr=words, **look)
    scale = alt.Scale(domain=[-PALEST * len(levels), max(len(levels) - 1, 1)], range="ramp")
    return alt.Color("place:Q", scale=scale, title=title, legend=legend)


def _wide(table: pd.DataFrame) -> bool:
    """Whether what means are compared with has an interval to be seen."""
    return _has(table, "base_low") and bool((table["base_high"] > table["base_low"]).any())


def _has(table: pd.DataFrame, column: str) -> bool:
    return column in table and bool(table[column].notna().any())


def _tips(table: pd.DataFrame, parameter: str, label: str) -> list[alt.Tooltip]:
    tips = [alt.Tooltip("member:N", title="of"), alt.Tooltip("label:N" if "label" in table else "x", title=parameter)]
    tips += numbers(("mean", label), *((("low", "from"), ("high", "to")) if _has(table, "low") else ()))
    tips += numbers(("base", "compared with")) if _has(table, "base") else []
    tips += numbers(("base_low", "that from"), ("base_high", "to")) if _wide(table) else []
    counts = (name for name in ("points", "seeds", "failed") if name in table)
    return tips + [alt.Tooltip(f"{name}:Q", format=",d") for name in counts]


def _lines(table: pd.DataFrame, names: list[str], parameter: str, label: str, log: bool) -> Any:
    """A line and a band a name over the numbers of a parameter."""
    chosen, pale = picked("curves"), 0.16 if len(names) <= 4 else 0.06
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=False)
    x = alt.X("x:Q", title=shortened(parameter, 40), scale=scale, axis=alt.Axis(**APART))
    base = alt.Chart(table).encode(x, color=members_colour(names))
    y: dict[str, Any] = {"title": label, "scale": alt.Scale(zero=False)}
    full, faint = (alt.when(chosen).then(alt.value(a)).otherwise(alt.value(b)) for a, b in ((1.0, 0.12), (pale, 0.02)))
    band = base.mark_area().encode(alt.Y("low:Q", **y), alt.Y2("high:Q"), opacity=faint)
    line = base.mark_line().encode(alt.Y("mean:Q", **y), strokeDash=members_dashes(names), opacity=full)
    dots = base.mark_circle(size=36).encode(alt.Y("mean:Q", **y), opacity=full, tooltip=_tips(table, parameter, label))
    layers = [band] if _has(table, "low") else []
    if _wide(table):
        layers += _edges(base, y, alt.when(chosen).then(alt.value(0.4)).otherwise(alt.value(0.06)))
    if _has(table, "base"):
        dotted = base.mark_line(strokeDash=[1, 3], strokeWidth=1.3)
        layers.append(
            dotted.encode(alt.Y("base:Q", **y), opacity=alt.when(chosen).then(alt.value(0.7)).otherwise(alt.value(0.1)))
        )
    layers += [line, dots]
    return alt.layer(*(layer.add_params(chosen) if layer is layers[0] else layer for layer in layers))


def _edges(base: Any, y: dict[str, Any], opacity: Any) -> list[Any]:
    """The interval of what a mean is compared with: thin lines at its ends, as a second band would hide the first."""
    thin = base.mark_line(strokeDash=[1, 5], strokeWidth=0.8)
    return [thin.encode(alt.Y(f"{end}:Q", **y), opacity=opacity) for end in ("base_low", "base_high")]


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
    if _wide(table):
        thin = base.mark_rule(strokeWidth=1, strokeDash=[1, 3], opacity=0.6)
        layers.insert(0, thin.encode(alt.X("base_low:Q", title=label, scale=scale), alt.X2("base_high:Q")))
    return alt.layer(*layers).properties(height=max(80, len(order) * (18 + 12 * len(names))), width=420)


def _told(table: pd.DataFrame, names: list[str], where: str = "") -> str:
    """Where each name begins and ends, and its highest and lowest value."""
    told = []
    for name in names[:TOLD]:
        rows = table[table["member"].astype(str) == name]
        if rows.empty:
            continue
        first, last = rows.iloc[0], rows.iloc[-1]
        ends = " and ".join(f"{number(row['mean'])} at {_value(row)}" for row in (first, last))
        top, low = rows.loc[rows["mean"].idxmax()], rows.loc[rows["mean"].idxmin()]
        inside = [
            f"{how} {number(row['mean'])} at {_value(row)}"
            for how, row in (("highest", top), ("lowest", low))
            if row["x"] not in (first["x"], last["x"])
        ]
        told.append(f"{shortened(name, 40)}{where}: {ends}{f' ({listed(inside)})' if inside else ''}")
    more = f"; and {counted(len(names) - TOLD, 'more')}" if len(names) > TOLD else ""
    return "; ".join(told) + more.removesuffix("s") + "."


def _value(row: Any) -> str:
    return shortened(row["label"] if "label" in row else row["x"], 40)


def slices(
    table: pd.DataFrame,
    x: str = "x",
    by: str = "y",
    label: str = "mean",
    basis: str = "",
    log: bool = False,
    count: int = 0,
    note: str = "",
) -> Any:
    """A measure against one parameter at a few values of another: a curve a value, a panel a name.

    Parameters
    ----------
    table
        One row a name and pair of values: name, x, y (numbers or texts, ``y`` in the order of its curves), mean, low,
        high; x_label, y_label, base, points and seeds are shown too where they are there.
    x, by, label, basis
        What x, y, mean and base are, in words.
    log
        Whether x has a logarithmic axis.
    count
        How many values the other parameter has.
    note
        What else a reader must know.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there is no number.
    """
    needs("slices", "slices", table, ("name", "x", "y", "mean", "low", "high"))
    table = needs("slices", "slices", table[np.isfinite(table["mean"].astype(float))], (), f"{label} has no number")
    column = "y_label" if "y_label" in table else "y"
    ordered = pd.api.types.is_numeric_dtype(table["y"])
    levels = table[["y", column]].drop_duplicates()
    levels = (levels.sort_values("y", kind="stable") if ordered else levels)[column].astype(str)
    names = list(dict.fromkeys(table["name"].astype(str)))[:PANELS]
    kept = (
        table[table["name"].astype(str).isin(names)]
        .assign(by=table[column].astype(str))
        .rename(columns={"name": "member"})
    )
    kept = embedded("slices", kept.rename(columns={"x_label": "label"}).drop(columns=["y", "y_label"], errors="ignore"))
    number = pd.api.types.is_numeric_dtype(kept["x"])
    colour = _levels(list(levels), shortened(by, 40), ordered)
    kept = kept.assign(place=kept["by"].map({level: i for i, level in enumerate(levels)}))
    axis = alt.Scale(type="log" if log else "linear", zero=False, nice=False)
    across = (
        alt.X("x:Q", scale=axis, axis=alt.Axis(**APART))
        if number
        else alt.X("x:O", sort=list(dict.fromkeys(kept["x"])))
    )
    base = alt.Chart(kept).encode(across.title(shortened(x, 40)), colour, detail="by:N")
    y: dict[str, Any] = {"title": label, "scale": alt.Scale(zero=False)}
    layers = [base.mark_line().encode(alt.Y("mean:Q", **y))]
    tips = [*_tips(kept, x, label), alt.Tooltip("by:N", title=by)]
    layers.append(base.mark_circle(size=36, opacity=1).encode(alt.Y("mean:Q", **y), tooltip=tips))
    if _has(kept, "base"):
        dotted = base.mark_line(strokeDash=[1, 3], strokeWidth=1.3, opacity=0.6)
        layers.insert(0, dotted.encode(alt.Y("base:Q", **y)))
    if _wide(kept):
        layers = [*_edges(base, y, alt.value(0.3)), *layers]
    if _has(kept, "low"):
        layers.insert(0, base.mark_area(opacity=0.1).encode(alt.Y("low:Q", **y), alt.Y2("high:Q")))
    drawn = alt.layer(*layers)
    if len(names) > 1:
        drawn = panels(drawn.properties(width=300, height=190), "member", names, 2, shortly())
    words = [f"{len(levels)} of {counted(count, 'value')} of {shortened(by)}" if len(levels) < count else ""]
    words.append("band: the 95 % interval over seeds" if bool((kept["high"] > kept["low"]).any()) else "")
    words.append(f"faint dots: {basis}{' and its interval' * _wide(kept)}" if basis and _has(kept, "base") else "")
    title = f"{label[:1].upper()}{label[1:]} by {shortened(x)}, at values of {shortened(by)}"
    ends = dict.fromkeys((levels.iloc[0], levels.iloc[-1]))
    told = [_told(kept[kept["by"] == level], names, f" at {shortened(by)} {shortened(level)}") for level in ends]
    return finish(drawn, title, f"{title}. {' '.join(told)}", [note, "; ".join(filter(None, words))])
