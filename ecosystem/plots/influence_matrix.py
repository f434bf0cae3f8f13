"""The influence matrix, and the flows that carry most: who gains and who is harmed by more of what is moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.check import whole_number
from ecosystem.core.words import called, counted, joined, number, shortened
from ecosystem.influence.cutting import changes
from ecosystem.influence.sentences import ROUNDING, smallest
from ecosystem.plots.chart import embedded, finish, needs
from ecosystem.plots.lines import numbers
from ecosystem.plots.scales import coloured, ends, letters, written
from ecosystem.plots.theme import FRAME, RULE

MOST = 60  # rows or columns that are drawn
STRONGEST = 40  # of more
WIDE = 480  # pixels of a matrix, about
LETTER = 7.6  # pixels of a letter
NAMED = 3  # pairs that a text alternative names on either side
SIDES = ("gains", "harms")  # in the order of the theme's colours: blue and orange


def matrix(
    influence: pd.DataFrame,
    members: Sequence[str] | None = None,
    most: int = MOST,
    scale: Sequence[float] | np.ndarray | None = None,
) -> Any:
    """Effect of every source on every target, in colours that have zero in the middle, with its sign in the cell.

    Of more than ``most`` rows or columns those with the largest effects are drawn, up to 40, and the subtitle says so.

    Parameters
    ----------
    influence
        ``effect.table`` or ``findings.influence``: target, source, effect (per unit of what is moved); network and
        verdict are shown too where they are there, of and measure say what else is moved and looked at.
    members
        All members, in the order of rows and columns; by default that of the table.
    scale
        Effects whose colours these should be, for charts that are compared; by default those that are drawn.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.

    >>> table = pd.DataFrame({"target": ["a", "b"], "source": ["a", "a"], "effect": [2.0, -0.5]})
    >>> print(matrix(table).description)
    Influence of one source on two targets. It helps most: a on itself (+2.00). It harms most: a on b (−0.500).
    """
    needs("matrix", "influence", influence, ("target", "source", "effect"), "nobody's curation has a derivative here")
    table = influence.astype({"target": str, "source": str, "effect": float}).reset_index(drop=True)
    rows, columns, subtitle = _shown(table, list(dict.fromkeys(map(str, members or ()))), most)
    kept = table[table["target"].isin(rows) & table["source"].isin(columns)]
    found = ends(kept["effect"].to_numpy() if scale is None else np.asarray(scale, dtype=float), centred=True)
    step = int(np.clip(WIDE / max(len(rows), len(columns)), 11, 56))
    kept = _written(kept, step, found)
    of, measure = (str(table[name].iloc[0]) if name in table else usual for name, usual in _USUAL.items())
    base = alt.Chart(embedded("matrix", kept)).encode(
        _axis(alt.X, "source", columns, step), _axis(alt.Y, "target", rows, step)
    )
    tips = [alt.Tooltip("source:N"), alt.Tooltip("target:N"), *numbers(("effect", "effect"))]
    tips += [alt.Tooltip(f"{name}:N") for name in ("network", "verdict") if name in kept]
    down, up = ("harms", "helps") if measure == _USUAL["measure"] else ("lowers", "raises")
    color = coloured("effect", found, f"d {measure} / d {of}", True, (down, up))
    cells = base.mark_rect().encode(color, tooltip=tips)
    layers = [cells, *written(base.transform_filter("isValid(datum.effect)"), "words", min(11, step - 2))]
    if max(len(rows), len(columns)) <= MOST:
        own = base.transform_filter("datum.target == datum.source")
        layers.insert(1, own.mark_rect(filled=False, strokeWidth=1.6 if step > 20 else 1, style=FRAME))
    drawn = alt.layer(*layers).properties(width=alt.Step(step), height=alt.Step(min(step, 40) if step > 11 else step))
    title = f"Influence of {of} on {measure}"
    words = [subtitle, "frames: on oneself" if len(layers) > 4 else "", found.words]
    return finish(drawn, title, _heading(of, measure) + _told(table, up, down), "; ".join(filter(None, words)))


_USUAL = {"of": "curation", "measure": "alignment"}


def _heading(of: str, measure: str) -> str:
    return "" if (of, measure) == tuple(_USUAL.values()) else f"d {measure} / d {of}: "


def _shown(table: pd.DataFrame, members: list[str], most: int) -> tuple[list[str], list[str], str]:
    """Rows and columns in their order: all of them, or those with the largest effects and words that say so."""
    sides, told = [], []
    for side, noun in (("target", "target"), ("source", "source")):
        size = table.groupby(side, sort=False)["effect"].agg(lambda effects: effects.abs().sum())
        names = [name for name in members if name in size.index] or list(size.index)
        if len(names) > most:
            kept = set(size.nlargest(min(STRONGEST, most)).index)
            told.append(f"{len(kept)} of {len(names):,} {noun}s")
            names = [name for name in names if name in kept]
        sides.append(names)
    return sides[0], sides[1], f"the {' and '.join(told)} with the largest effects" if told else ""


def sided(numbers: pd.Series) -> np.ndarray:
    """Whether numbers are gains or harms; of 0, neither."""
    return np.select([numbers > 0, numbers < 0], SIDES, "")


def sides(table: pd.DataFrame) -> alt.Color:
    """Gains and harms in the theme's first two colours; the key has those that are there."""
    present = [side for side in SIDES if side in set(table["side"])]
    legend = alt.Legend(title=None, orient="top", values=present)
    return alt.Color("side:N", scale=alt.Scale(domain=list(SIDES)), legend=legend)


def _axis(channel: Any, side: str, names: list[str], step: int) -> Any:
    """An axis of names in their order; what rows and columns are is in its title."""
    title = {"source": "source: of whom more is moved", "target": "target: who responds"}[side]
    short = max(map(len, names)) * LETTER <= step
    place = {"orient": "top", "labelAngle": 0 if short else -90} if channel is alt.X else {}
    axis = alt.Axis(title=title if len(names) > 5 else side, labelLimit=140, ticks=False, domain=False, **place)
    return channel(f"{side}:N", sort=names, axis=axis, scale=alt.Scale(paddingInner=0.06))


def _written(table: pd.DataFrame, step: int, found: Any) -> pd.DataFrame:
    """The table with what stands in a cell: its effect where there is room, else its sign."""
    effect = table["effect"].to_numpy()
    top = max(abs(found.low), abs(found.high))
    digits = 3 if step >= 40 else 2
    words = [_cell(value, top, digits if step >= 30 else 0) for value in effect]
    return table.assign(words=words, letters=letters(np.nan_to_num(effect), found))


def _cell(value: float, top: float, digits: int) -> str:
    if not np.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "?"
    if abs(value) <= ROUNDING * top:
        return "0" if digits else ""
    return number(value, top, sign=True, digits=digits) if digits else "−" if value < 0 else ""


def _told(table: pd.DataFrame, up: str, down: str) -> str:
    """How many on how many, whom it helps and whom it harms most."""
    effect = table["effect"]
    size = smallest(table)
    sources, targets = (counted(table[side].nunique(), side) for side in ("source", "target"))
    words = [f"Influence of {sources} on {targets}."]
    if len(table) > 2 * NAMED:
        counts = {"positive": int((effect > size).sum()), "negative": int((effect < -size).sum())}
        words.append(f"Of {len(table):,} effects {counts['positive']:,} are positive, {counts['negative']:,} negative.")
    for verb, rows in (
        (up, table[effect > size].nlargest(NAMED, "effect")),
        (down, table[effect < -size].nsmallest(NAMED, "effect")),
    ):
        named = [f"{pair_of(row)} ({_size(row['effect'])})" for row in rows.to_dict("records")]
        words += [f"It {verb} most: {joined(named)}."] if named else [f"It {verb} nobody."]
    return " ".join(words)


def _size(effect: float) -> str:
    return "without end" if np.isinf(effect) else number(effect, sign=True)


def pair_of(row: Any) -> str:
    """A pair in words."""
    return f"{called(row['source'])} on {'itself' if row['source'] == row['target'] else called(row['target'])}"


def headings(sources: Iterable[str], targets: Iterable[str], most: int, own: str = "") -> list[str]:
    """A heading for each pair, which no other pair has: names are shortened as far as they can be told apart.

    ``own`` is what a target is called that is the source itself.
    """
    pairs, said = list(zip(sources, targets, strict=True)), {}
    names = dict.fromkeys(name for pair in pairs for name in pair)
    for size in (most, 24, 40, 0):
        count = Counter([own, *said.values()])
        said |= {name: _label(name, size, bool(own)) for name in names if name not in said or count[said[name]] > 1}
    return [f"{said[u]} → {own if own and u == v else said[v]}" for u, v in pairs]


def _label(name: str, size: int, speaking: bool) -> str:
    """A name in so many letters; of size 0, or with an arrow in it, as it is in quotation marks: nothing else is."""
    return shortened(called(name) if speaking else name, size) if size and "→" not in name else repr(name)


def traffic(edges: pd.DataFrame, most: int = 20) -> Any:
    """What the strongest flows carry: gains to the right, harms to the left, which in their sum would cancel.

    Parameters
    ----------
    edges
        ``effect.edges()``: source, target (of the flow), traffic; gains and harms, its positive and negative parts,
        without which it is traffic itself.
    most
        Flows that are drawn, those that carry most.

    Raises
    ------
    NothingToDraw
        If a column is missing, or no flow carries anything.
    """
    needs("traffic", "edges", edges, ("source", "target", "traffic"))
    whole_number(most, "traffic(most)", 1)
    table = apart(edges.assign(source=edges["source"].astype(str), target=edges["target"].astype(str)))
    table["flow"] = headings(table["source"], table["target"], 18)
    carrying = table[table["size"] > ROUNDING * table["size"].max()]
    kept = needs("traffic", "edges", carrying, ("flow",), "no flow carries influence").nlargest(most, "size")
    long = kept.melt(["flow", "source", "target", "traffic", "size"], ["gains", "harms"], "side", "carried")
    long = long[long["carried"] != 0]
    order = list(dict.fromkeys(kept["flow"]))
    tips = [alt.Tooltip("flow:N"), alt.Tooltip("side:N"), *numbers(("carried", "carries"), ("traffic", "both"))]
    base = alt.Chart(embedded("traffic", long)).encode(
        alt.Y("flow:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False)),
        alt.X("carried:Q", title="influence carried (effect × hops, per unit of share)", axis=alt.Axis(tickCount=7)),
    )
    bars = base.mark_bar(height={"band": 0.7}).encode(sides(long), tooltip=tips)
    zero = alt.Chart(long.head(1)).mark_rule(aria=False, style=RULE).encode(x=alt.datum(0))
    drawn = alt.layer(bars, zero).properties(height=alt.Step(18), width=420)
    subtitle = f"the {len(kept)} of {len(table):,} flows that carry most" if len(kept) < len(table) else ""
    named = [
        f"{row['flow']} carries gains of {number(row['gains'])} and harms of {number(row['harms'])}"
        for row in kept.head(2 * NAMED).to_dict("records")
    ]
    words = f"Of {counted(len(table), 'flow')}, {counted(len(carrying))} carry influence. {'; '.join(named)}."
    return finish(drawn, "Flows by the influence that they carry", words, subtitle)


def apart(edges: pd.DataFrame) -> pd.DataFrame:
    """Flows with what they carry apart, ``gains`` and ``harms`` (of traffic alone where that is not known), and their
    ``size``, in which gains and harms do not cancel.
    """
    whole = edges["traffic"].astype(float).fillna(0.0)
    parts = zip(SIDES, (whole.clip(lower=0), whole.clip(upper=0)), strict=True)
    found = {side: edges[side].astype(float).fillna(part) if side in edges else part for side, part in parts}
    return edges.assign(**found, size=found["gains"] - found["harms"])


def knock_out(edges: pd.DataFrame, source: str, target: str, most: int = 20) -> Any:
    """By how much each member's alignment changes without a flow whose share goes back to real data.

    Parameters
    ----------
    edges
        ``effect.edges(knock_out=True)``: source, target (of the flow), and a column ``J[member]`` for each member.
    source, target
        Of the flow that is taken out.
    most
        Members that are drawn, those whose alignment changes most.

    Raises
    ------
    NothingToDraw
        If there is no such flow, or it was not taken out.
    """
    needs("knock_out", "edges", edges, ("source", "target"))
    row = edges[(edges["source"].astype(str) == source) & (edges["target"].astype(str) == target)]
    told = changes(edges).loc[row.index]
    found = [(name, float(told[name].iloc[0])) for name in told if len(row)]
    table = pd.DataFrame(found, columns=["member", "change"]).assign(source=source, target=target)
    table = table[table["change"].notna()]
    needs(
        "knock_out", "edges", table, (), f"{source!r} → {target!r} was not taken out: knock_out=True, where it can be"
    )
    table["side"] = sided(table["change"])
    kept = table.loc[table["change"].abs().sort_values(ascending=False, kind="stable").index[:most]]
    base = alt.Chart(embedded("knock_out", kept)).encode(
        alt.Y("member:N", sort=list(kept["member"]), title=None, axis=alt.Axis(ticks=False, domain=False)),
        alt.X("change:Q", title="change of alignment without it", axis=alt.Axis(tickCount=7)),
    )
    tips = [alt.Tooltip("member:N"), *numbers(("change", "change"))]
    bars = base.mark_bar(height={"band": 0.7}).encode(sides(kept), tooltip=tips)
    zero = alt.Chart(kept.head(1)).mark_rule(aria=False, style=RULE).encode(x=alt.datum(0))
    drawn = alt.layer(bars, zero).properties(height=alt.Step(20), width=420)
    flow = headings([source], [target], 24)[0]
    subtitle = (
        f"the {len(kept)} of {len(table):,} members whose alignment changes most" if len(kept) < len(table) else ""
    )
    moved = kept[kept["change"] != 0].head(2 * NAMED).to_dict("records")
    named = joined([f"{called(r['member'])} {number(r['change'], sign=True)}" for r in moved]) or "nothing changes"
    return finish(drawn, f"Alignment without {flow}", f"Without {flow}: {named}.", subtitle)
