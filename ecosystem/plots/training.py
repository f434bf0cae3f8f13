"""What members train on: their diets as they are given, what was drawn of each part, and how good the parts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, percent, shortened
from ecosystem.plots.chart import ROWS, embedded, finish, needs, panels
from ecosystem.plots.lines import in_rounds
from ecosystem.plots.palette import MANY
from ecosystem.plots.spreads import among, evenly, in_order, over_members
from ecosystem.plots.theme import CURATED, HALO, PART, RAW, REAL
from ecosystem.running.verdicts import survivors

KINDS = {"real": "real data", "raw": "raw (as generated)", "curated": "curated (chosen)"}
KEY = "grey: real data; the colour says whose output it is, pale: raw, full: curated"
STYLES = {"real": REAL, "raw": RAW, "curated": CURATED}
PALE = 0.45  # of raw parts beside curated ones of the same source
LETTERS = 70  # of a label in 440 pixels
COLUMNS, PANELS = 400, 12  # members side by side, and with panels of their own


def parts(members: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """The parts of training sets in the first round, member by member: real data, then raw, then curated output.

    Columns: member, kind (a key of `KINDS`), source (empty for real data), share, start, end: where the part lies
    between 0 and 1. Parts of nothing are left out.
    """
    flows = there(flows)
    real = members[["member"]].assign(kind="real", source="", share=members["real"].astype(float).fillna(0.0))
    read = [
        pd.DataFrame({"member": flows["target"], "kind": kind, "source": flows["source"], "share": flows[kind]})
        for kind in ("raw", "curated")
    ]
    table = pd.concat([real, *read], ignore_index=True)
    table = table.astype({"member": str, "kind": str, "source": str, "share": float})
    order = {name: place for place, name in enumerate(in_order(members, members))}
    table = table[table["share"] > 0].sort_values(
        "member", key=lambda c: c.map(order), kind="stable", ignore_index=True
    )
    table["end"] = table.groupby("member")["share"].cumsum()
    return table.assign(start=table["end"] - table["share"])


def there(flows: pd.DataFrame) -> pd.DataFrame:
    """The flows that are there in the first round, to which the levels and real shares of members belong."""
    return flows[flows["there"].astype(bool)] if "there" in flows else flows  # runs of earlier versions do not say


def totals(members: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """The real, raw and curated share of every member, sorted by the curated one, then raw, then real."""
    sums = there(flows).astype({"target": str}).groupby("target")[["raw", "curated"]].sum()
    table = sums.reindex([str(name) for name in members["member"]]).fillna(0.0)
    table = table.assign(real=members["real"].astype(float).fillna(0.0).to_numpy())
    return table.sort_values(["curated", "raw", "real"]).rename_axis("member").reset_index()


def diets(members: pd.DataFrame, flows: pd.DataFrame) -> Any:
    """What each member's training set is made of in the first round: real data, raw and curated output by source.

    Of more than `MANY` members, each is a thin column of the three kinds, sorted by its curated share.

    Parameters
    ----------
    members
        ``run.members``: member, real.
    flows
        ``run.flows``: source, target, raw, curated; and there, if it says so.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no members.

    >>> import pandas as pd
    >>> members = pd.DataFrame({"member": ["a", "b"], "real": [1.0, 0.25]})
    >>> flows = pd.DataFrame({"source": ["a"], "target": ["b"], "raw": [0.5], "curated": [0.25]})
    >>> print(diets(members, flows).description)
    Training sets in the first round: a 100 % real; b 25 % real, 50 % raw from a, 25 % curated from a.
    """
    needs("diets", "members", members, ("member", "real"))
    if len(flows):
        needs("diets", "flows", flows, ("source", "target", "raw", "curated"))
    title = "Training sets in the first round"
    mean = totals(members, flows)[["real", "raw", "curated"]].mean()
    if len(members) > MANY:
        told = ", ".join(f"{percent(mean[kind])} {kind}" for kind in mean.index)
        words = f"{title} of {counted(len(members), 'member')}: on average {told}."
        return finish(_columns(members, flows), title, words, _picked(len(members)))
    table, names = parts(members, flows), in_order(members, members)
    table["less"] = table["share"].map(percent)
    table["label"] = table["source"].map(lambda source: shortened(source or "real", 16)) + " " + table["less"]
    told = [
        f"{name} {', '.join(_part(row) for row in table[table['member'] == name].to_dict('records'))}" for name in names
    ]
    return finish(_bars(embedded("diets", table), names), title, f"{title}: {'; '.join(told)}.", KEY)


def _part(row: dict[Any, Any]) -> str:
    return f"{percent(row['share'])} {row['kind']}" + (f" from {row['source']}" if row["source"] else "")


def sources_colour(names: Sequence[str]) -> Any:
    """The colour of the member whose output it is."""
    legend = alt.Legend(title="output of", symbolOpacity=1, columns=1 + len(names) // 16)
    return alt.Color("source:N", scale=alt.Scale(domain=list(names)), legend=legend)


def _kinds_opacity() -> Any:
    scale = alt.Scale(domain=["raw", "curated"], range=[PALE, 1.0])
    return alt.Opacity("kind:O", scale=scale, legend=alt.Legend(title=None, symbolType="square"))


def _bars(table: pd.DataFrame, names: list[str]) -> Any:
    share = alt.Axis(format="%", tickCount=4, grid=False)
    tips = [alt.Tooltip("member:N"), alt.Tooltip("kind:N"), alt.Tooltip("source:N"), *shares("share")]
    y = alt.Y("member:N", sort=names, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
    x = alt.X("start:Q", title="share of the training set", axis=share, scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(table).encode(y, x, alt.X2("end:Q"), tooltip=tips)
    is_real = alt.datum.kind == "real"
    real = base.transform_filter(is_real).mark_bar(style=REAL, height=alt.RelativeBandSize(0.72))
    read = base.transform_filter(~is_real).mark_bar(height=alt.RelativeBandSize(0.72), style=PART)
    read = read.encode(sources_colour(names), _kinds_opacity())
    words = alt.Chart(table).transform_calculate(middle="(datum.start + datum.end) / 2")
    room = alt.param(name="letters", value=LETTERS)  # a page that draws the bars shorter gives fewer
    fits = "length(datum.{0}) + 1 < letters * (datum.end - datum.start) ? datum.{0} : "
    words = words.transform_calculate(words=f"{fits.format('label')}{fits.format('less')}''")
    words = words.encode(y, alt.X("middle:Q"), alt.Text("words:N"))
    halo = words.mark_text(fontSize=10, style=HALO)
    drawn = alt.layer(real, read, halo, words.mark_text(fontSize=10)).properties(height=alt.Step(26))
    return drawn.add_params(room)


def _picked(count: int) -> str:
    some = f"{COLUMNS} of {count:,} members, evenly picked" if count > COLUMNS else f"{count:,} members"
    return f"{some}, sorted by their curated share; from below: curated, raw, real data"


def _columns(members: pd.DataFrame, flows: pd.DataFrame) -> Any:
    """Members as thin columns."""
    table = totals(members, flows)
    table = table.iloc[evenly(range(len(table)), COLUMNS)].reset_index(names="place")
    table["curated_end"], table["raw_end"] = table["curated"], table["curated"] + table["raw"]
    table["real_end"] = table["raw_end"] + table["real"]
    long = pd.concat(
        [
            table[["place", "member"]].assign(kind=kind, share=table[kind], end=table[f"{kind}_end"])
            for kind in ("curated", "raw", "real")
        ]
    )
    long = long.assign(start=long["end"] - long["share"])
    x = alt.X("place:O", title="members, sorted", scale=alt.Scale(padding=0), axis=alt.Axis(labels=False, ticks=False))
    return _by_kind(embedded("diets", long), x, "share of the training set", alt.Axis(format="%", tickCount=4))


def _by_kind(table: pd.DataFrame, x: Any, title: str, axis: Any) -> Any:
    """Stacked columns of the three kinds, each in its own grey or violet, and what they are."""
    y = alt.Y("start:Q", title=title, axis=axis, scale=alt.Scale(domain=[0, 1]))
    tips = [alt.Tooltip("member:N"), alt.Tooltip("kind:N"), *shares("share")]
    base = alt.Chart(table).encode(x, y, alt.Y2("end:Q"), tooltip=tips)
    layers = [
        base.transform_filter(alt.datum.kind == kind).mark_bar(style=STYLES[kind], width=alt.RelativeBandSize(1.0))
        for kind in ("curated", "raw", "real")
    ]
    return alt.layer(*layers).properties(width=440)


def shares(column: str) -> list[alt.Tooltip]:
    """A tooltip in percent."""
    return [alt.Tooltip(f"{column}:Q", title="share", format=".3~p")]


def kinds(table: pd.DataFrame) -> np.ndarray:
    """What the rows of ``draws`` or ``sources`` are: a key of `KINDS`."""
    return np.select([table["curated"].to_numpy(bool), table["source"] == "real"], ["curated", "real"], "raw")


def draws(draws: pd.DataFrame, members: pd.DataFrame | None = None, failures: pd.DataFrame | None = None) -> Any:
    """What members drew from real data, from raw and from curated output, as shares round by round.

    Counts add up over replicates; up to `PANELS` members have a panel each, of more, lines and bands tell how shares of
    the three kinds are spread over members.

    Parameters
    ----------
    draws
        ``run.draws``, of ``Record(draws=True)``: seed, replicate, round, member, source, curated, count.
    members
        ``run.members``: member, for the order and so the colours.
    failures
        ``run.failures``: seed, replicate, of replicates that are left out.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nothing was recorded.
    """
    columns = ("seed", "replicate", "round", "member", "source", "curated", "count")
    needs("draws", "draws", draws, columns, "record it: Record(draws=True)")
    table = survivors(draws, failures).astype({"member": str, "source": str, "count": float})
    table = table.assign(kind=kinds(table))
    names = in_order(members, draws)
    every = sorted(set(table["round"]))
    title = "Where training data were drawn from"
    mean = table.groupby("kind")["count"].sum().reindex(list(KINDS)).fillna(0.0)
    told = ", ".join(f"{percent(mean[kind] / mean.sum())} {kind}" for kind in KINDS)
    words = (
        f"{title}, rounds {every[0]} to {every[-1]}: {told}, over all {counted(len(set(table['member'])), 'member')}."
    )
    if table["member"].nunique() > PANELS:
        return finish(_kinds_over_members(table, every), title, words, "lines: the median member; bands: middle half")
    sums = table.groupby(["member", "kind", "source", "round"])["count"].sum().reset_index()
    kept = evenly(every, max(2, ROWS // max(len(sums) // len(every), 1)))
    sums = sums[sums["round"].isin(kept)]
    sums["share"] = sums["count"] / sums.groupby(["member", "round"])["count"].transform("sum")
    order = {"real": 0, **{name: 1 + place for place, name in enumerate(names)}}
    sums = sums.sort_values("source", key=lambda c: c.map(order), kind="stable")
    sums["end"] = sums.groupby(["member", "round"])["share"].cumsum()
    sums["start"] = sums["end"] - sums["share"]
    present = among(names, sums["member"])
    return finish(_drawn(sums, names, present, len(kept)), title, words, KEY)


def _drawn(rows: pd.DataFrame, names: list[str], present: list[str], rounds: int) -> Any:
    """A panel a member: bars of few rounds, areas of many."""
    table, few = embedded("draws", rows), rounds <= 40
    axis = alt.Axis(labelAngle=0, labelOverlap=True, labelSeparation=6)
    x: Any = alt.X("round:O", title="round", axis=axis) if few else in_rounds()
    y = alt.Y("start:Q", title="share", axis=alt.Axis(format="%", tickCount=3), scale=alt.Scale(domain=[0, 1]))
    tips = [alt.Tooltip(f"{name}:N") for name in ("member", "kind", "source")]
    tips += [alt.Tooltip("round:Q", format=",d"), *shares("share"), alt.Tooltip("count:Q", format=",d")]
    base = alt.Chart().encode(x, y, alt.Y2("end:Q"), tooltip=tips)
    is_real = alt.datum.kind == "real"
    real, read = base.transform_filter(is_real), base.transform_filter(~is_real).encode(alt.Detail("kind:N"))
    grey = real.mark_bar(style=REAL) if few else real.mark_area(style=REAL)
    colours = (read.mark_bar() if few else read.mark_area()).encode(sources_colour(names), _kinds_opacity())
    size = {"width": 200 if len(present) > 1 else 440, "height": 130 if len(present) > 1 else 240}
    real_rows = rows["kind"] == "real"
    layers = [
        layer for layer, some in ((grey, real_rows), (colours, ~real_rows)) if some.any()
    ]  # empty ones have no ends
    drawn = alt.layer(*layers, data=table).properties(**size)
    return panels(drawn, "member", present, 3) if len(present) > 1 else drawn


def _kinds_over_members(table: pd.DataFrame, every: list[int]) -> Any:
    """Quantiles over members of the shares of the three kinds."""
    sums = table[table["round"].isin(evenly(every, 300))].groupby(["member", "round", "kind"])["count"].sum()
    wide = sums.unstack("kind", fill_value=0.0).reindex(columns=list(KINDS), fill_value=0.0)
    long = wide.div(wide.sum(axis=1), axis=0).stack().rename("middle").reset_index()
    shown = embedded("draws", over_members(long, ("kind", "round")))
    base = alt.Chart(shown).encode(in_rounds())
    axis = alt.Axis(format="%", tickCount=4)
    layers = []
    for kind, dashes in (("real", [1, 0]), ("raw", [2, 2]), ("curated", [9, 3])):
        one = base.transform_filter(alt.datum.kind == kind)
        band = {"title": "share of what a member drew", "axis": axis}
        layers.append(
            one.mark_area(style=STYLES[kind], opacity=0.25).encode(alt.Y("lower:Q", **band), alt.Y2("upper:Q"))
        )
        tips = [alt.Tooltip("kind:N"), alt.Tooltip("round:Q"), *shares("middle")]
        middle = one.encode(alt.Y("middle:Q", **band), tooltip=tips)
        layers.append(middle.mark_line(style=f"{STYLES[kind]}-line", strokeDash=dashes))
        layers.append(middle.mark_circle(style=f"{STYLES[kind]}-line", opacity=1.0 if len(every) <= 12 else 0.0))
        last = one.transform_filter(alt.datum.round == max(every))
        layers.append(last.mark_text(align="left", dx=6, text=kind).encode(alt.Y("middle:Q", **band)))
    return alt.layer(*layers)
