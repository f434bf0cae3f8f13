"""Influence along the way: hop by hop, round by round, and measured beside exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.check import whole_number
from ecosystem.core.words import counted, number, percent
from ecosystem.influence.sentences import ROUNDING
from ecosystem.plots.chart import embedded, finish, needs
from ecosystem.plots.influence_matrix import SIDES, headings, matrix, sided, sides
from ecosystem.plots.lines import in_rounds, numbers
from ecosystem.plots.spreads import evenly
from ecosystem.plots.theme import RULE

PANELS = 6  # pairs that have a panel each
REACHED = 12  # rows and columns of a matrix of so many hops
ROWS = 24  # pairs with an interval
POINTS = 120  # rounds drawn of a pair
PAIR = ["target", "source"]
ONE, MANY = {"width": 420, "height": 230}, {"width": 230, "height": 130}


def hops(hops: pd.DataFrame, pairs: int = PANELS) -> Any:
    """What walks of each length bring to the strongest influences: bars; their sum so far: a line; the whole: dashes.

    Parameters
    ----------
    hops
        ``effect.hops()`` or ``findings.hops``: target, source, hop, effect, cumulative, left (what longer walks bring).
    pairs
        Pairs that are drawn, those with the largest influence.

    Raises
    ------
    NothingToDraw
        If a column is missing, or no influence travels.
    """
    needs("hops", "hops", hops, (*PAIR, "hop", "effect", "cumulative", "left"))
    table = hops.assign(whole=hops["cumulative"] + hops["left"]).astype({"target": str, "source": str})
    table, order, subtitle = _strongest("hops", table, "whole", pairs)
    table["side"] = sided(table["effect"])
    table = embedded("hops", table)
    base = alt.Chart(table).encode(alt.X("hop:O", title="hops", axis=alt.Axis(labelAngle=0)))
    tips = [alt.Tooltip("pair:N"), alt.Tooltip("hop:O")]
    tips += numbers(("effect", "this hop"), ("cumulative", "so far"), ("whole", "whole"))
    colour = sides(table)
    y = "effect (per unit of share)"
    bars = base.mark_bar(opacity=0.75, width={"band": 0.62}).encode(alt.Y("effect:Q", title=y), colour, tooltip=tips)
    line = base.mark_line(point={"size": 24, "style": RULE}, style=RULE, strokeWidth=1.4)
    whole = _level(table, "whole", y)
    layers = (bars, _zero(table), line.encode(alt.Y("cumulative:Q", title=y), tooltip=tips), whole)
    last = table[table["hop"] == table["hop"].max()]
    named = [
        f"{row['pair']}: {number(row['whole'], sign=True)} in all, "
        f"{number(row['cumulative'], row['whole'], sign=True)} within {counted(row['hop'], 'hop')}"
        for row in last.to_dict("records")
    ]
    title, key = "Influence hop by hop", "bars: walks of so many hops; line: their sum; dashes: the whole"
    return finish(_panels(layers, order), title, "; ".join(named) + ".", [subtitle, key])


def within(hops: pd.DataFrame, hop: int, members: Sequence[str] | None = None, most: int = REACHED) -> Any:
    """The influence matrix of walks of up to ``hop`` hops, in the colours of all hops: charts of several compare.

    Parameters
    ----------
    hops
        ``effect.hops()`` or ``findings.hops``: target, source, hop, effect, cumulative, left; of and measure say what
        else than curation is moved, and what else than alignment looked at.
    members
        All members, in the order of rows and columns; by default that of the table.
    most
        Rows and columns that are drawn, those with the largest influence.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nobody was followed so far.
    """
    needs("within", "hops", hops, (*PAIR, "hop", "cumulative", "left"))
    whole_number(hop, "within(hop)", 0, of="hops")
    whole_number(most, "within(most)", 1)
    table = hops.astype({"target": str, "source": str})
    table["whole"] = table["cumulative"] + table["left"]
    sizes = table[table["hop"] == table["hop"].max()].assign(size=lambda last: last["whole"].abs())
    for side in PAIR:
        table = table[table[side].isin(sizes.groupby(side, sort=False)["size"].sum().nlargest(most).index)]
    scale = table[["cumulative", "whole"]].to_numpy().ravel()
    now = table[table["hop"] == hop]
    now = now.assign(effect=now["cumulative"])
    needs("within", "hops", now, (), f"give one of the hops {table['hop'].min()} to {table['hop'].max()}")
    kept = [*(name for name in ("of", "measure") if name in now), *PAIR, "effect", "left"]
    drawn = matrix(now[kept], members, most, scale)
    far, whole = now.loc[np.isfinite(now[["left", "whole"]]).all(axis=1), ["left", "whole"]].abs().sum()
    rest = (
        f"{percent(far / whole)} of the influence is still under way" if far > ROUNDING * whole else "nothing is left"
    )
    steps = f"within {counted(hop, 'hop')}" if hop else "before the first hop"
    many = bool((hops[PAIR].nunique() > most).any())
    part = f"the {most} sources and targets with the largest influence" if many else ""
    return finish(drawn, f"Influence {steps}", f"{rest[0].upper()}{rest[1:]}. {drawn.description}", [part, rest])


def response(response: pd.DataFrame, exact: pd.DataFrame | None = None, pairs: int = PANELS) -> Any:
    """What a change at the source has done to the target by each round, with its interval.

    Parameters
    ----------
    response
        ``measured.response``: source, target, round, effect; low and high, its interval, where there is one.
    exact
        ``effect.table`` or ``effect.matrix``: the long run, as dashes.
    pairs
        Pairs that are drawn, those whose effect is largest in the end.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nothing responds.
    """
    needs("response", "response", response, (*PAIR, "round", "effect"))
    table = response.astype({"target": str, "source": str}).sort_values("round", kind="stable")
    ended = table.groupby(PAIR)["effect"].transform("last")
    table, order, subtitle = _strongest("response", table.assign(ended=ended), "ended", pairs)
    table = table[table["round"].isin(evenly(sorted(set(table["round"])), POINTS))]
    table = embedded("response", _beside(table, exact))
    base = alt.Chart(table).encode(in_rounds())
    interval = {"low", "high"} <= set(table) and bool((table["high"] > table["low"]).any())
    title = "effect (per unit of share)"
    y = alt.Y("effect:Q", title=title)
    tips = [alt.Tooltip("pair:N"), alt.Tooltip("round:Q", format=",d"), *numbers(("effect", "effect"))]
    tips += numbers(("low", "from"), ("high", "to")) if interval else []
    layers = [_zero(table), base.mark_line().encode(y), base.mark_circle(size=30, opacity=0).encode(y, tooltip=tips)]
    if interval:
        layers.insert(0, base.mark_area(opacity=0.18).encode(alt.Y("low:Q", title=title), alt.Y2("high:Q")))
    if exact is not None:
        layers.append(_level(table, "exact", title))
    last = table.groupby("pair", sort=False).tail(1).set_index("pair").loc[order]
    named = [
        f"{pair}: {number(row['effect'], sign=True)} after round {row['round']}" + (_between(row) if interval else "")
        for pair, row in last.to_dict("index").items()
    ]
    key = "; ".join(["the band is its interval"] * interval + ["dashes: the exact long run"] * (exact is not None))
    return finish(_panels(layers, order), "Influence over rounds", "; ".join(named) + ".", [subtitle, key])


def intervals(measured: pd.DataFrame, exact: pd.DataFrame | None = None, most: int = ROWS) -> Any:
    """Measured influence with its intervals, and the exact one beside it: a dot and its interval, and a diamond.

    Parameters
    ----------
    measured
        ``measured.table``: source, target, effect, low, high; verdict and seeds are shown too where they are there.
    exact
        ``effect.table`` or ``effect.matrix``.
    most
        Pairs that are drawn, those with the largest effects.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.
    """
    needs("intervals", "measured", measured, (*PAIR, "effect", "low", "high"))
    whole_number(most, "intervals(most)", 1)
    table = measured.astype({"target": str, "source": str})
    table["pair"] = headings(table["source"], table["target"], 16, "itself")
    kept = table.loc[table["effect"].abs().sort_values(ascending=False, kind="stable").index[:most]]
    kept = _beside(kept, exact)
    kept["side"] = np.select([kept["low"] > 0, kept["high"] < 0], SIDES, "unclear")
    order = list(dict.fromkeys(kept["pair"]))
    base = alt.Chart(embedded("intervals", kept)).encode(
        alt.Y("pair:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False, grid=True))
    )
    tips = [alt.Tooltip("pair:N"), *numbers(("effect", "effect"), ("low", "from"), ("high", "to"))]
    tips += numbers(("exact", "exact")) if exact is not None else []
    tips += [alt.Tooltip(f"{name}:N") for name in ("verdict", "seeds") if name in kept]
    present = [side for side in (*SIDES, "unclear") if side in set(kept["side"])]
    legend = alt.Legend(title=None, orient="top", values=present)
    domain = [*SIDES, "unclear"]
    colour = alt.Color("side:N", scale=alt.Scale(domain=domain), legend=legend)
    shapes = alt.Shape("side:N", scale=alt.Scale(domain=domain, range=["circle", "square", "cross"]), legend=legend)
    x = "effect (per unit of share)"
    layers: list[Any] = [alt.Chart(kept.head(1)).mark_rule(aria=False, style=RULE).encode(x=alt.datum(0))]
    layers.append(base.mark_rule(strokeWidth=1.8).encode(alt.X("low:Q", title=x), alt.X2("high:Q"), colour))
    dots = base.mark_point(filled=True, size=55, opacity=1)
    layers.append(dots.encode(alt.X("effect:Q", title=x), colour, shapes, tooltip=tips))
    if exact is not None:
        diamond = base.mark_point(shape="diamond", size=90, strokeWidth=1.6, style=RULE)
        layers.append(diamond.encode(alt.X("exact:Q", title=x), tooltip=tips))
    drawn = alt.layer(*layers).properties(height=alt.Step(20), width=420)
    part = f"the {len(kept)} of {len(table):,} pairs with the largest effects" if len(kept) < len(table) else ""
    held = f"; {_held(kept)}" if exact is not None else ""
    named = [
        f"{row['pair']} {number(row['effect'], sign=True)}{_between(row)}" for row in kept.head(8).to_dict("records")
    ]
    words = f"Measured influence of {counted(len(table), 'pair')}{held}. {'; '.join(named)}."
    key = "diamonds: exact; dots and lines: measured, with intervals" if exact is not None else ""
    return finish(drawn, "Measured influence", words, [part, key])


def _strongest(chart: str, table: pd.DataFrame, column: str, most: int) -> tuple[pd.DataFrame, list[str], str]:
    """The rows of the pairs with the largest numbers, their headings in order, and words on the others."""
    whole_number(most, f"{chart}(pairs)", 1)
    sizes = table.groupby(PAIR, sort=False)[column].first()
    sizes = sizes[np.isfinite(sizes) & (sizes.abs() > ROUNDING * sizes.abs().max())].abs()
    kept = sizes.nlargest(most).index
    if not len(kept):
        needs(chart, chart, table.head(0), (), "no influence travels here")
    table = table[pd.MultiIndex.from_frame(table[PAIR]).isin(kept)]
    sources, targets = (kept.get_level_values(side) for side in ("source", "target"))
    names = dict(zip(kept, headings(sources, targets, 16, "itself"), strict=True))
    table = table.assign(pair=[names[pair] for pair in table[PAIR].itertuples(index=False, name=None)])
    words = f"the {len(kept)} largest of {len(sizes):,} influences" if len(kept) < len(sizes) else ""
    return table, list(names.values()), words


def _beside(table: pd.DataFrame, exact: pd.DataFrame | None) -> pd.DataFrame:
    """The table with a column ``exact``, from a table or a matrix of effects."""
    if exact is None:
        return table
    found: Any = exact
    if not {*PAIR, "effect"} <= set(found):
        found = found.rename_axis(index="target", columns="source").stack(future_stack=True)
        found = found.rename("effect").reset_index()
    values = found.astype({"target": str, "source": str}).set_index(PAIR)["effect"]
    return table.assign(exact=values.reindex(pd.MultiIndex.from_frame(table[PAIR])).to_numpy())


def _held(table: pd.DataFrame) -> str:
    """How many intervals hold the exact value, of the pairs that have both."""
    both = table[table[["low", "high", "exact"]].notna().all(axis=1)]
    inside, rest = both["exact"].between(both["low"], both["high"]), len(table) - len(both)
    words = f"{int(inside.sum())} of {len(both)} intervals hold the exact value"
    return f"{words} ({counted(rest, 'pair')} cannot be compared)" if rest else words


def _between(row: Any) -> str:
    return f" ({number(row['low'], sign=True)} to {number(row['high'], sign=True)})"


def _zero(table: pd.DataFrame) -> Any:
    """A thin line at zero in every panel."""
    flat = alt.Chart(table).transform_aggregate(rows="count()", groupby=["pair"])
    return flat.mark_rule(aria=False, style=RULE, strokeWidth=0.8).encode(y=alt.datum(0))


def _level(table: pd.DataFrame, column: str, title: str) -> Any:
    """Dashes at a number that all rows of a panel share."""
    flat: Any = alt.Chart(table)
    flat = flat.transform_aggregate(groupby=["pair"], **{column: f"mean({column})"})
    return flat.mark_rule(style=RULE, strokeDash=[4, 3]).encode(alt.Y(f"{column}:Q", title=title))


def _panels(layers: Any, order: list[str]) -> Any:
    """A panel a pair, each with a scale of its own."""
    drawn = alt.layer(*layers).properties(**(ONE if len(order) == 1 else MANY))
    columns = 2 if len(order) == 4 else min(len(order), 3)
    facets = drawn.facet(alt.Facet("pair:N", title=None, sort=order), columns=columns)
    return facets.resolve_scale(y="independent")
