"""A study over the plane of two parameters: a measure as colours, and what the dynamics do."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, joined, number, shortened
from ecosystem.plots.chart import ROWS, embedded, finish, needs, shortly
from ecosystem.plots.lines import numbers
from ecosystem.plots.scales import Ends, coloured, ends, letters, written
from ecosystem.plots.theme import BLANK

PANELS = 6  # names that have a panel
WIDE = 330  # pixels of a panel, about
FAILED, UNCLEAR, NEGATIVE, ENDLESS = "×", "·", "−", "∞"
ROOM, WIDER = 34, 44  # pixels of a cell that has room for its number, and for a longer one
# What dynamics do, in the order of the theme's colours (blue, orange, green, pink, ...), and its sign
DONE = {"settles": "●", "diverges": "×", "wanders": "~", "cycles": "○", "other": "?"}


def heat_map(
    table: pd.DataFrame,
    x: str = "x",
    y: str = "y",
    label: str = "mean",
    signed: bool = False,
    grid: bool = True,
    note: str = "",
) -> Any:
    """A measure over two parameters, a panel a name: colours with zero in the middle where numbers are ``signed``.

    A cell has its number where there is room, in brackets where the interval holds zero; else a minus where it is below
    zero, and a dot where that is not clear. A cross marks cells without a number whose points failed, ∞ those without
    end. Of more than six names those that move most are drawn.

    Parameters
    ----------
    table
        One row a name and cell: name, x, y (numbers or texts), mean; clear (whether the interval leaves zero out),
        failed, points, x_label, y_label, low, high are shown too where they are there.
    x, y, label
        What the parameters and the mean are, in words.
    signed
        Whether zero divides what falls from what rises; colours of numbers on both sides of it are divided anyhow.
    grid
        Whether rows are cells of a grid; else they are points, drawn where they are.
    note
        What else a reader must know.

    Raises
    ------
    NothingToDraw
        If a column is missing, there is no number, or there are more cells than a chart holds.
    """
    needs("heat_map", "cells", table, ("name", "x", "y", "mean"))
    seen = table[np.isfinite(table["mean"].astype(float))]
    needs("heat_map", "cells", seen, (), f"{label} has no number")
    spans = seen.groupby("name", sort=False)["mean"].agg(lambda mean: mean.max() - mean.min())
    most = max(1, min(PANELS, ROWS // max(1, len(table) // table["name"].nunique())))
    names = [name for name in spans.index if name in set(spans.nlargest(most).index)]
    kept = table[table["name"].isin(names)].assign(name=lambda rows: rows["name"].astype(str))
    divided = signed or bool((kept["mean"] < 0).any() and (kept["mean"] > 0).any())
    found = ends(kept["mean"].to_numpy(float), divided)
    across = kept["x"].nunique()
    step = int(np.clip(WIDE * (1.3 if len(names) == 1 else 1) / max(across, 1), 4, 54))
    kept = embedded("heat_map", _marked(kept, found, step if grid else 0, signed, divided))
    color = coloured("mean", found, label, divided, ("falls", "rises") if signed else ("", ""))
    draw = _cells if grid else _points
    panel = draw(kept, x, y, color, label, step)
    columns = len(names) if len(names) < 3 else 2 if len(names) == 4 else 3
    header = alt.Header(labelExpr=shortly(max(12, min(40, step * across // 7))))
    facet = alt.Facet("name:N", title=None, sort=names, header=header)
    drawn = panel.facet(facet, columns=columns) if len(names) > 1 else panel
    part = f"the {len(names)} of {len(spans):,} that move most" if len(names) < len(spans) else ""
    words = [note, "; ".join(filter(None, [part, found.words, *_key(kept, grid)]))]
    title = f"{label[:1].upper()}{label[1:]} by {shortened(x)} and {shortened(y)}"
    if len(names) == 1 and names[0]:
        title += f": {shortened(names[0])}"
    return finish(drawn, title, f"{title}. {_told(kept, names)}", words)


def _marked(table: pd.DataFrame, found: Ends, step: int, signed: bool, divided: bool) -> pd.DataFrame:
    """The table with what stands in a cell."""
    mean = table["mean"].to_numpy(float)
    clear = table["clear"].to_numpy(bool) if "clear" in table and signed else np.ones(len(table), dtype=bool)
    failed = table["failed"].to_numpy(float) > 0 if "failed" in table else np.zeros(len(table), dtype=bool)
    top = max(abs(found.low), abs(found.high))
    words = []
    for value, sure, broken in zip(mean, clear, failed, strict=True):
        if not np.isfinite(value):
            words.append(number(value) if np.isinf(value) else FAILED if broken else "")
        elif step >= ROOM:
            word = "0" if value == 0 else number(value, top, sign=signed, digits=3 if step >= WIDER else 2)
            words.append(word if sure else f"({word})")
        else:
            words.append("" if not signed else UNCLEAR if not sure else NEGATIVE if value < 0 else "")
    shown = np.where(np.isfinite(mean), mean, 0.0)
    return table.assign(words=words, letters=letters(shown, found, divided))


def _key(table: pd.DataFrame, grid: bool) -> list[str]:
    """What the signs in cells mean, of those that are there."""
    words = table["words"]
    found = ["(): the interval holds zero"] if words.str.startswith("(").any() else []
    found += [f"{'·' if grid else 'small'}: the interval holds zero"] if words.eq(UNCLEAR).any() else []
    found += ["∞: without end"] if words.str.endswith(ENDLESS).any() else []
    return found + (["×: points failed"] if words.eq(FAILED).any() else [])


def _tips(table: pd.DataFrame, x: str, y: str, label: str) -> list[alt.Tooltip]:
    sides = [(f"{side}_label" if f"{side}_label" in table else side, name) for side, name in (("x", x), ("y", y))]
    tips = [alt.Tooltip("name:N", title="of"), *(alt.Tooltip(f"{column}:N", title=name) for column, name in sides)]
    tips += numbers(("mean", label))
    tips += numbers(("low", "from"), ("high", "to")) if "low" in table and table["low"].notna().any() else []
    return tips + [alt.Tooltip(f"{name}:Q", format=",d") for name in ("points", "seeds", "failed") if name in table]


def _ordered(channel: Any, table: pd.DataFrame, side: str, title: str) -> Any:
    """An axis of the values of a parameter in their order, from below upwards."""
    column = f"{side}_label" if f"{side}_label" in table else side
    places = table[list(dict.fromkeys((side, column)))].drop_duplicates()
    places = places.sort_values(side, kind="stable") if pd.api.types.is_numeric_dtype(places[side]) else places
    order = places[column].astype(str).tolist()
    look: dict[str, Any] = {"ticks": False, "domain": False, "grid": False, "labelOverlap": "greedy", "labelLimit": 110}
    if side == "x":
        look["labelAngle"] = 0 if max(map(len, order), default=0) * 7 * len(order) <= WIDE else -45
    axis = alt.Axis(title=shortened(title, 40), **look)
    return channel(
        f"{column}:O", sort=order[::-1] if side == "y" else order, axis=axis, scale=alt.Scale(paddingInner=0.03)
    )


def _cells(table: pd.DataFrame, x: str, y: str, color: alt.Color, label: str, step: int) -> Any:
    """A rectangle a cell, grey where there is no number."""
    base = alt.Chart(table).encode(_ordered(alt.X, table, "x", x), _ordered(alt.Y, table, "y", y))
    tips = _tips(table, x, y, label)
    layers = [base.transform_filter("isValid(datum.mean)").mark_rect().encode(color, tooltip=tips)]
    if not np.isfinite(table["mean"]).all():
        layers.insert(0, base.transform_filter("!isValid(datum.mean)").mark_rect(style=BLANK).encode(tooltip=tips))
    if table["words"].ne("").any():
        layers += written(base, "words", 11 if step >= ROOM else max(7, min(11, step)))
    down = int(np.clip(step, 4, 34)) if step >= ROOM else int(np.clip(WIDE * 0.75 / table["y"].nunique(), 4, 34))
    return alt.layer(*layers).properties(width=alt.Step(step), height=alt.Step(down))


def _points(table: pd.DataFrame, x: str, y: str, color: alt.Color, label: str, step: int) -> Any:
    """A disc a point, where its parameters are; triangles that point down are below zero, where that is said."""
    scale = alt.Scale(zero=False, nice=False, padding=8)
    kinds = {side: "Q" if pd.api.types.is_numeric_dtype(table[side]) else "N" for side in ("x", "y")}
    scales: dict[str, Any] = {"Q": {"scale": scale}, "N": {}}
    spots = [
        channel(f"{side}:{kinds[side]}", title=shortened(title, 40), **scales[kinds[side]])
        for channel, side, title in ((alt.X, "x", x), (alt.Y, "y", y))
    ]
    tips = _tips(table, x, y, label)
    below = table["words"].str.contains(NEGATIVE, regex=False) & table["mean"].lt(0)
    shape = alt.Shape("below:N", scale=alt.Scale(domain=[False, True], range=["circle", "triangle-down"]), legend=None)
    size = alt.Size("area:Q", scale=None, legend=None)
    area = table["words"].map({UNCLEAR: 30}).fillna(90)
    base = alt.Chart(table.assign(below=below, area=area)).encode(*spots)
    marks = base.transform_filter("isValid(datum.mean)").mark_point(
        filled=True, opacity=1, stroke="gray", strokeWidth=0.5
    )
    broken = (
        base.transform_filter(f"!isValid(datum.mean) && indexof('{FAILED}{ENDLESS}', slice(datum.words, -1)) >= 0")
        .mark_text(fontSize=13)
        .encode(alt.Text("words:N"), tooltip=tips)
    )
    crossed = table["words"].str.endswith((FAILED, ENDLESS)) & ~np.isfinite(table["mean"].to_numpy(float))
    layers = [marks.encode(color, shape, size, tooltip=tips), *([broken] if crossed.any() else [])]  # no empty one
    return alt.layer(*layers).properties(width=WIDE, height=WIDE * 0.75)


def _told(table: pd.DataFrame, names: list[str]) -> str:
    """Where each name is highest and lowest, and at how many cells it is below zero or not clear."""
    told = []
    for name in names:
        rows = table[(table["name"] == name) & table["mean"].notna()]
        top, low = rows.loc[rows["mean"].idxmax()], rows.loc[rows["mean"].idxmin()]
        ends = f"highest {number(top['mean'])} at {_where(top)}, lowest {number(low['mean'])} at {_where(low)}"
        words = f"{shortened(name, 40)}: {ends}"
        below, unclear = (
            int((rows["mean"] < 0).sum()),
            int((~rows["clear"].astype(bool)).sum()) if "clear" in rows else 0,
        )
        words += f", below zero in {below:,} of {len(rows):,}" if low["mean"] < 0 else ""
        told.append(words + (f", not clear in {unclear:,}" if unclear else ""))
    return "; ".join(told) + "."


def _where(row: pd.Series) -> str:
    return ", ".join(shortened(row.get(f"{side}_label", row[side])) for side in ("x", "y"))


def stable(table: pd.DataFrame, x: str, y: str | None = None) -> Any:
    """What the dynamics of a study's points do, over one parameter (shares of the points) or two (a sign a cell).

    Parameters
    ----------
    table
        One row a point: found (whether there is a stable point), seen (what the dynamics did: settles, cycles ...,
        wanders, diverges), x, and y with two parameters, their values in words, in their order.
    x, y
        What the parameters are, in words.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.
    """
    needs("stable", "settling", table, ("found", "seen", "x", *(["y"] if y else [])))
    first = table["seen"].astype(str).str.split().str[0]
    done = first.where(first.isin(list(DONE)), "other")
    present = [name for name in DONE if (done == name).any()]
    keys = ["x", *(["y"] if y else [])]
    counts = table.assign(done=done).groupby([*keys, "done"], sort=False).size().rename("points").reset_index()
    counts["share"] = counts["points"] / counts.groupby(keys)["points"].transform("sum")
    scale = alt.Scale(domain=list(DONE))
    colour = alt.Color("done:N", scale=scale, legend=alt.Legend(title="dynamics", values=present))
    look: dict[str, Any] = {"ticks": False, "domain": False, "grid": False, "labelOverlap": "greedy", "labelLimit": 110}
    axis = alt.Axis(title=shortened(x, 40), labelAngle=0, **look)
    across = alt.X("x:O", sort=list(dict.fromkeys(table["x"])), axis=axis, scale=alt.Scale(paddingInner=0.03))
    tips = [
        alt.Tooltip("x:N", title=x),
        alt.Tooltip("done:N", title="dynamics"),
        alt.Tooltip("points:Q", format=",d"),
        alt.Tooltip("share:Q", format=".0%"),
    ]
    step = int(np.clip(WIDE * 1.3 / counts["x"].nunique(), 8, 54))
    if y is None:
        up = alt.Y("share:Q", title="share of points", stack="normalize", axis=alt.Axis(format="%"))
        drawn = alt.Chart(embedded("stable", counts)).mark_bar().encode(across, up, colour, tooltip=tips)
        drawn = drawn.encode(order=alt.Order("rank:Q")).transform_calculate(rank=f"indexof({list(DONE)}, datum.done)")
    else:
        main = counts.sort_values("points", ascending=False, kind="stable").drop_duplicates(keys)
        main = main.assign(sign=main["done"].map(DONE))
        order = list(dict.fromkeys(table["y"]))
        up = alt.Y(
            "y:O", sort=order[::-1], axis=alt.Axis(title=shortened(y, 40), **look), scale=alt.Scale(paddingInner=0.03)
        )
        base = alt.Chart(embedded("stable", main)).encode(across, up)
        tips.insert(1, alt.Tooltip("y:N", title=y))
        down = int(np.clip(WIDE / len(order), 8, 34))
        drawn = alt.layer(
            base.mark_rect(opacity=0.75).encode(colour, tooltip=tips),
            base.mark_text(fontSize=max(8, min(13, step)), style="on-middle").encode(alt.Text("sign:N"), tooltip=tips),
        ).properties(height=alt.Step(down))
    drawn = drawn.properties(width=alt.Step(step))
    total, has = len(table), int(table["found"].astype(bool).sum())
    told = [f"{name} at {int((done == name).sum()):,}" for name in present]
    words = f"Of {counted(total, 'point')}, {has:,} have a stable point; the dynamics: {joined(told)}."
    key = "; ".join(f"{DONE[name]} {name}" for name in present) if y else ""
    return finish(drawn, f"What the dynamics do by {shortened(x)}{f' and {shortened(y)}' if y else ''}", words, key)
