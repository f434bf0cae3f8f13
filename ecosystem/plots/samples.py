"""What members generate, where a chart can show it: clouds of points in the plane, and how often symbols are written.

Samples are tensors by member and round, as ``run.samples`` has them; :func:`points` and :func:`shares` make the tables
that the charts are functions of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number, percent
from ecosystem.plots.chart import embedded, finish, needs, panels
from ecosystem.plots.lines import numbers
from ecosystem.plots.spreads import among, evenly, in_order
from ecosystem.plots.theme import FRAME, REAL

MEMBERS = 12  # that have a panel at most
DOTS = 150  # of a panel's cloud at most
BARS = 120  # of a panel at most: of larger alphabets a bar is a range of symbols


def kind(sample: np.ndarray) -> str | None:
    """Which picture suits samples ``[n, *event]``: "images", "clouds", "symbols" or None.

    ``[h, w]`` and ``[c, h, w]`` are images (of one colour or three), ``[2]`` is a point, a whole number is a symbol.
    """
    event = sample.shape[1:]
    if len(event) == 2 or (len(event) == 3 and event[0] in (1, 3)):
        return "images"
    if event == (2,):
        return "clouds"
    whole = not np.issubdtype(sample.dtype, np.floating) or bool(np.all(sample == np.round(sample)))
    return "symbols" if event == () and whole else None


def drawable(samples: Mapping[str, Mapping[int, Any]], wanted: str) -> dict[str, dict[int, np.ndarray]]:
    """The members, with their rounds in order, all of whose samples ``wanted`` suits (see :func:`kind`)."""
    found = {}
    for name, kept in samples.items():
        rounds = {int(at): _array(x) for at, x in sorted(kept.items()) if len(x)}
        if rounds and all(kind(x) == wanted for x in rounds.values()):
            found[str(name)] = rounds
    return found


def points(samples: Mapping[str, Mapping[int, Any]]) -> pd.DataFrame:
    """Points of the plane as a table: member, round, x, y."""
    found = drawable(samples, "clouds")
    rows = [
        pd.DataFrame({"member": name, "round": at, "x": x[:, 0], "y": x[:, 1]})
        for name, rounds in found.items()
        for at, x in rounds.items()
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["member", "round", "x", "y"])


def shares(samples: Mapping[str, Mapping[int, Any]]) -> pd.DataFrame:
    """How often members write each symbol: member, round, symbol (from 0), share."""
    found = drawable(samples, "symbols")
    size = 1 + max((int(x.max()) for rounds in found.values() for x in rounds.values()), default=0)
    rows = [
        pd.DataFrame(
            {
                "member": name,
                "round": at,
                "symbol": range(size),
                "share": np.bincount(x.astype(int).clip(0), minlength=size) / len(x),
            }
        )
        for name, rounds in found.items()
        for at, x in rounds.items()
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["member", "round", "symbol", "share"])


def clouds(points: pd.DataFrame, members: pd.DataFrame | None = None, round: int | None = None) -> Any:
    """Where members' samples lie in the plane, a panel each; grey: the first round that was kept of it.

    Panels share their axes, which are the same in every round. Of more than `MEMBERS` members some are shown, evenly
    picked, and of more than `DOTS` points the first.

    Parameters
    ----------
    points
        member, round, x, y, as :func:`ecosystem.plots.samples.points` makes it of ``run.samples``.
    members
        ``run.members``: member, for the order and so the colours.
    round
        The round; the last that was kept, if None.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no points, or none of this round.

    >>> import pandas as pd
    >>> rows = [("a", 0, 0.0, 0.0), ("a", 5, 1.0, 2.0), ("a", 5, 3.0, 2.0)]
    >>> chart = clouds(pd.DataFrame(rows, columns=["member", "round", "x", "y"]))
    >>> print(chart.description)
    Samples in the plane, round 5: the middle of a is at (2.00, 2.00), at first at (0.00, 0.00).
    """
    needs("clouds", "points", points, ("member", "round", "x", "y"), "keep some in the plane: Record(samples=64)")
    names, present, at, table = _of_round("clouds", "points", points, members, round)
    x, y, digits = _square(table)
    size = 220 if len(present) > 1 else 320
    base = alt.Chart().encode(x, y)
    dot: dict[str, Any] = {"size": 14, "clip": True}
    start = base.transform_filter(alt.datum.first).mark_circle(style=REAL, opacity=0.9, **dot)
    now = base.transform_filter(~alt.datum.first).mark_circle(opacity=0.75, **dot)
    now = now.encode(_colour(names), tooltip=[alt.Tooltip("member:N"), *numbers(("x", "x"), ("y", "y"))])
    kept = table[(table["round"] == at) | table["first"]].groupby(["member", "round"], sort=False).head(DOTS)
    kept = kept[np.isfinite(kept[["x", "y"]].astype(float)).all(axis=1)].round({"x": digits, "y": digits})
    again = kept[kept["first"] & (kept["round"] == at)].assign(first=False)  # a member's own start, in its colour too
    data = embedded("clouds", pd.concat([kept, again])[["member", "x", "y", "first"]])
    drawn = alt.layer(start, now, data=data).properties(width=size, height=size)
    centres = table.groupby(["member", "round"])[["x", "y"]].mean()
    told = (_centre(name, centres.loc[name], at) for name in present)
    title = f"Where samples lie, round {at}"
    words = f"Samples in the plane, round {at}: the middle of {'; of '.join(told)}."
    return finish(panels(drawn, "member", present, 3), title, words, "grey: where the member started")


def symbols(shares: pd.DataFrame, members: pd.DataFrame | None = None, round: int | None = None) -> Any:
    """How often members write each symbol, a panel each; the lines across bars are the first round that was kept.

    Panels share their axes, which are the same in every round. Of alphabets with more than `BARS` symbols a bar is a
    range of them; of more than `MEMBERS` members some are shown, evenly picked.

    Parameters
    ----------
    shares
        member, round, symbol, share, as :func:`ecosystem.plots.samples.shares` makes it of ``run.samples``.
    members
        ``run.members``: member, for the order and so the colours.
    round
        The round; the last that was kept, if None.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no symbols, or none of this round.

    >>> import pandas as pd
    >>> rows = [("a", 0, 0, 0.5), ("a", 0, 1, 0.5), ("a", 5, 0, 0.25), ("a", 5, 1, 0.75)]
    >>> chart = symbols(pd.DataFrame(rows, columns=["member", "round", "symbol", "share"]))
    >>> print(chart.description)
    Shares of symbols, round 5: a writes 1 most (75 %).
    """
    needs("symbols", "shares", shares, ("member", "round", "symbol", "share"), "keep some: Record(samples=64)")
    names, present, at, table = _of_round("symbols", "shares", shares, members, round)
    count = int(table["symbol"].max()) + 1
    wide = -(-count // BARS)
    table = table.assign(symbol=table["symbol"] // wide * wide)
    table = table.groupby(["member", "round", "first", "symbol"], sort=False)["share"].sum().reset_index()
    start = table[table["first"]].set_index(["member", "symbol"])["share"].rename("start")
    data = table[table["round"] == at].join(start, on=["member", "symbol"])
    data = data.assign(begin=data["symbol"] - 0.5, end=data["symbol"] + wide - 0.5)
    top = float(table["share"].max())
    named = list(range(0, count, max(wide, -(-count // 10))))  # halves of symbols are none
    below = alt.Axis(values=named, format="d", grid=False)
    x = alt.X("begin:Q", title="symbol", axis=below, scale=alt.Scale(nice=False))
    axis = {"axis": alt.Axis(format="%", tickCount=3), "title": "share", "scale": alt.Scale(domain=[0, 1.05 * top])}
    tips = [alt.Tooltip("member:N"), alt.Tooltip("symbol:Q", title="symbol" if wide == 1 else "symbols from")]
    tips += [alt.Tooltip(f"{name}:Q", format=".3~p") for name in ("share", "start")]
    base = alt.Chart().encode(x, alt.X2("end:Q"), tooltip=tips)
    bars = base.mark_bar(binSpacing=1).encode(alt.Y("share:Q", **axis), alt.Y2(datum=0), _colour(names))
    lines = base.mark_rule(style=FRAME, strokeWidth=1.5).encode(alt.Y("start:Q", **axis))
    drawn = alt.layer(bars, lines, data=embedded("symbols", data.drop(columns=["first", "round"])))
    most = data.loc[data.groupby("member")["share"].idxmax()].set_index("member")
    told = [f"{n} writes {most.at[n, 'symbol']} most ({percent(most.at[n, 'share'])})" for n in present]
    title = f"Which symbols are written, round {at}"
    key = "line: in the round where the member started" + (f"; a bar is {counted(wide)} symbols" if wide > 1 else "")
    drawn = panels(drawn.properties(width=220, height=140), "member", present, 3)
    return finish(drawn, title, f"Shares of symbols, round {at}: {'; '.join(told)}.", key)


def _of_round(
    chart: str, name: str, table: pd.DataFrame, members: pd.DataFrame | None, round: int | None
) -> tuple[list[str], list[str], int, pd.DataFrame]:
    """All names, those shown, the round, and the table of those with a column ``first``: the round they begin with."""
    table = table.astype({"member": str})
    names = in_order(members, table)
    at = int(table["round"].max() if round is None else round)
    there = set(table.loc[table["round"] == at, "member"])
    kept = sorted(set(table["round"]))
    needs(chart, name, table[table["round"] == at], ("round",), f"nothing of round {at} was kept, but of {kept}")
    shown = evenly(among(names, table["member"]), MEMBERS)
    first = table.groupby("member")["round"].transform("min") == table["round"]
    table = table.assign(first=first)
    return names, [n for n in shown if n in there], at, table[table["member"].isin(shown)]


def _colour(names: list[str]) -> alt.Color:
    """A member's own; its name stands above its panel."""
    return alt.Color("member:N", scale=alt.Scale(domain=names), legend=None)


def _square(table: pd.DataFrame) -> tuple[alt.X, alt.Y, int]:
    """Axes of one length for all but the outermost percent of points, and the digits that can be told apart on them."""
    (left, right), (low, high) = (_limits(table[name]) for name in ("x", "y"))
    half = 0.55 * max(right - left, high - low, 1e-9)
    axis = alt.Axis(tickCount=3, grid=False)
    across, up = ([middle - half, middle + half] for middle in ((left + right) / 2, (low + high) / 2))
    x = alt.X("x:Q", title="first coordinate", scale=alt.Scale(domain=across, nice=False), axis=axis)
    y = alt.Y("y:Q", title="second coordinate", scale=alt.Scale(domain=up, nice=False), axis=axis)
    return x, y, 3 - int(np.floor(np.log10(2 * half)))


def _limits(values: pd.Series) -> tuple[float, float]:
    """The range of finite values but for the outermost percent: one stray point must not hide the rest."""
    pool = values.to_numpy(float)
    pool = pool[np.isfinite(pool)]
    low, high = np.quantile(pool, [0.005, 0.995]) if len(pool) else (0.0, 1.0)
    return float(low), float(max(high, low))


def _centre(name: str, centres: pd.DataFrame, at: int) -> str:
    """Where a member's middle is, and where it began."""
    now, start = ([number(value, digits=3) for value in centres.loc[when]] for when in (at, centres.index.min()))
    told = f"{name} is at ({', '.join(now)})"
    return told if at == centres.index.min() else f"{told}, at first at ({', '.join(start)})"


def _array(samples: Any) -> np.ndarray:
    """A tensor or array as NumPy, without needing torch here."""
    return np.asarray(samples.detach().cpu() if hasattr(samples, "detach") else samples)
