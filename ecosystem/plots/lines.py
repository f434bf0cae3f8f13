"""Members over rounds: how much their users like what they make, how far they move, what their training says.

Up to `MANY` members have a line each, and a band over replicates; of more, bands hold the middle half and the middle
90 % of them. A click in the legend brings a member to the front, a double click all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots.chart import ROWS, embedded, finish, needs, panels
from ecosystem.plots.palette import DASHES, MANY
from ecosystem.plots.spreads import CALLED, among, band_words, by_reward, evenly, in_order, over_members, spread
from ecosystem.running.verdicts import copies

NEEDED = ("seed", "replicate", "round", "member")
HOVERED = 1200  # places that answer the mouse
TOLD = 12  # members that a text alternative tells of one by one


def alignment(rounds: pd.DataFrame, members: pd.DataFrame | None = None, failures: pd.DataFrame | None = None) -> Any:
    """Expected reward of each member's own output, round by round: mean over replicates, and a band.

    Rewards of different kinds have different units: members of one taste share a panel, up to six panels.

    Parameters
    ----------
    rounds
        ``run.rounds``: seed, replicate, round, member, alignment.
    members
        ``run.members``: member, reward. Without it all members share a panel, in the order of ``rounds``.
    failures
        ``run.failures``: seed, replicate. Replicates that diverged are left out, unless all of them did.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nobody's alignment is a number.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=2)
    >>> s.add("a", Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> chart = alignment(s.run().rounds)
    >>> print(chart.description)
    Alignment over rounds 0 to 2. a goes from 1.00 to 0.250.
    """
    words = "users of these members have no taste that was recorded"
    return over_rounds(
        "alignment", rounds, "alignment", members, failures, "alignment (mean reward)", empty=words, by_taste=True
    )


def change(rounds: pd.DataFrame, members: pd.DataFrame | None = None, failures: pd.DataFrame | None = None) -> Any:
    """How far each member moves in a round, ``‖Δθ‖/‖θ‖``, on a logarithmic axis: median over replicates, and a band.

    It reads the columns seed, replicate, round, member, change of ``run.rounds``, and ``run.members`` and
    ``run.failures`` as :func:`alignment` does. Rounds in which a member did not move are left out: there is no
    logarithm of nothing.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nobody moved.
    """
    words = "no change was recorded, or nobody moved"
    return over_rounds(
        "change", rounds, "change", members, failures, "relative change per round", log=True, empty=words
    )


def losses(rounds: pd.DataFrame, members: pd.DataFrame | None = None, failures: pd.DataFrame | None = None) -> Any:
    """The training loss of each member after each retraining: mean over replicates, and a band.

    It reads the columns seed, replicate, round, member, loss of ``run.rounds``, and ``run.members`` and
    ``run.failures`` as :func:`alignment` does. Families with a closed form have no loss.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nobody has a loss.
    """
    words = "closed-form families are fitted without one"
    return over_rounds("losses", rounds, "loss", members, failures, "training loss", empty=words)


def measured(
    rounds: pd.DataFrame, column: str, members: pd.DataFrame | None = None, failures: pd.DataFrame | None = None
) -> Any:
    """A measure's column of ``run.rounds`` for each member: mean over replicates, and a band.

    It reads seed, replicate, round, member and ``column`` of ``run.rounds``, and ``run.members`` and ``run.failures``
    as :func:`alignment` does.

    Raises
    ------
    NothingToDraw
        If there is no such column, or it has no numbers.
    """
    return over_rounds("measured", rounds, column, members, failures, column.replace("_", " "))


def over_rounds(
    chart: str,
    rounds: pd.DataFrame,
    column: str,
    members: pd.DataFrame | None,
    failures: pd.DataFrame | None,
    title: str,
    log: bool = False,
    empty: str = "",
    by_taste: bool = False,
) -> Any:
    """A column of ``rounds``, member by member: lines and bands, or quantiles where members are many."""
    needs(chart, "rounds", rounds, (*NEEDED, column))
    names = in_order(members, rounds)
    many = len(names) > MANY
    points = {} if many else {"points": max(2, min(300, ROWS // max(len(names), 1)))}
    table = spread(rounds, column, "median" if log else "mean", failures, positive=log, **points)
    needs(chart, "rounds", table, ("middle",), empty or f"the column {column} has no numbers")
    shares = by_reward(members, set(table["member"])) if by_taste else {"": names}
    table = table.assign(panel=table["member"].map({name: panel for panel, some in shares.items() for name in some}))
    count = copies(rounds)
    y = {"title": title, "scale": alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)}
    y |= {"axis": alt.Axis(tickCount=4)} if log else {}
    if many:
        shown = over_members(table, ("panel", "round"))
        drawn, subtitle = _quantiles(embedded(chart, shown), y), _crowd(len(names))
    else:
        present = among(names, table["member"])
        drawn, subtitle = _lines(chart, embedded(chart, table), names, present, title, y, count > 1), band_words(count)
    if len(shares) > 1:
        shortly = "length(datum.label) > 48 ? slice(datum.label, 0, 47) + '…' : datum.label"
        drawn = panels(drawn.properties(width=300, height=190), "panel", list(shares), 2, f"'taste: ' + ({shortly})")
    words = f"{title.split(' (')[0].capitalize()} over rounds {table['round'].min()} to {table['round'].max()}."
    return finish(drawn, title.split(" (")[0].capitalize() + " over rounds", f"{words} {_told(table, names)}", subtitle)


def _crowd(count: int) -> str:
    return f"{count:,} members: the line is the median member, the bands hold the middle half and 90 % of them"


def _told(table: pd.DataFrame, names: Sequence[str]) -> str:
    """Where members begin and end, in words; of many, where the middle of them does."""
    table = table.sort_values("round", kind="stable")
    ends = table.groupby("member")["middle"].agg(["first", "last"])
    if len(ends) > TOLD:
        first, last = (ends[side].quantile([0.25, 0.5, 0.75]).map(number).tolist() for side in ("first", "last"))
        extremes = {"lowest": ends["last"].idxmin(), "highest": ends["last"].idxmax()}
        told = " and ".join(f"{name} is {how} ({number(ends.at[name, 'last'])})" for how, name in extremes.items())
        middle = f"The median of {counted(len(ends), 'member')} goes from {first[1]} to {last[1]}"
        return f"{middle}; at the end the middle half lies between {last[0]} and {last[2]}, {told}."
    told = [ends.loc[name] for name in names if name in ends.index]
    return "; ".join(f"{row.name} goes from {number(row['first'])} to {number(row['last'])}" for row in told) + "."


def members_colour(names: Sequence[str], present: Sequence[str] | None = None, field: str = "member") -> Any:
    """A member's own colour, which the theme gives to its place among all ``names``; the legend has those present."""
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(names)), legend=_legend(names, present))


def members_dashes(names: Sequence[str], present: Sequence[str] | None = None, field: str = "member") -> Any:
    """A member's own line style, a second sign beside its colour."""
    scale = alt.Scale(domain=list(names), range=[DASHES[i % len(DASHES)] for i in range(len(names))])
    return alt.StrokeDash(f"{field}:N", scale=scale, legend=_legend(names, present))


def _legend(names: Sequence[str], present: Sequence[str] | None) -> alt.Legend:
    shown = list(names if present is None else present)
    marks: dict[str, Any] = {"symbolType": "stroke", "symbolOpacity": 1, "symbolSize": 400, "symbolStrokeWidth": 2}
    return alt.Legend(title=None, values=shown, columns=1 + len(shown) // 16, **marks)


def picked(chart: str) -> Any:
    """A selection of members by their legend, in one chart: two of one name would not stand side by side."""
    return alt.selection_point(fields=["member"], bind="legend", name=f"{chart}_member")


def in_rounds() -> alt.X:
    """The axis of rounds: whole numbers, from the first to the last."""
    return alt.X("round:Q", title="round", scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1, format=",d"))


def numbers(*columns: tuple[str, str]) -> list[alt.Tooltip]:
    """Tooltips of few digits."""
    return [alt.Tooltip(f"{column}:Q", title=title, format=",.4~r") for column, title in columns]


def _lines(
    chart: str, table: pd.DataFrame, names: list[str], present: list[str], title: str, y: dict[str, Any], band: bool
) -> Any:
    """A line a member, a band behind it, and places that tell their numbers."""
    chosen = picked(chart)
    rounds = sorted(set(table["round"]))
    hovered = evenly(rounds, max(2, HOVERED // len(present)))
    colour, dashes = members_colour(names, present), members_dashes(names, present)
    base = alt.Chart(table).encode(in_rounds(), color=colour)
    layers = []
    if band:
        faint = alt.when(chosen).then(alt.value(0.16)).otherwise(alt.value(0.02))
        layers.append(base.mark_area().encode(alt.Y("low:Q", **y), alt.Y2("high:Q"), opacity=faint))
    full = alt.when(chosen).then(alt.value(1.0)).otherwise(alt.value(0.12))
    middle = alt.Y("middle:Q", **y)
    layers.append(base.mark_line().encode(middle, strokeDash=dashes, opacity=full))
    seen = 1.0 if len(rounds) <= 12 else 0.0
    dots = alt.when(chosen).then(alt.value(seen)).otherwise(alt.value(seen * 0.12))
    tips = [alt.Tooltip("member:N"), alt.Tooltip("round:Q", format=",d")]
    tips += numbers(("middle", title), *((("low", "from"), ("high", "to")) if band else ()))
    at = alt.FieldOneOfPredicate(field="round", oneOf=hovered)
    layers.append(base.transform_filter(at).mark_circle(size=36).encode(middle, opacity=dots, tooltip=tips))
    layers[0] = layers[0].add_params(chosen)
    return alt.layer(*layers)


def _quantiles(table: pd.DataFrame, y: dict[str, Any]) -> Any:
    """Bands over members and the median one."""
    base = alt.Chart(table).encode(in_rounds())
    tips = [alt.Tooltip("round:Q", format=",d")]
    tips += numbers(*CALLED.items())
    wide = base.mark_area(opacity=0.16).encode(alt.Y("low:Q", **y), alt.Y2("high:Q"))
    half = base.mark_area(opacity=0.3).encode(alt.Y("lower:Q", **y), alt.Y2("upper:Q"))
    line = base.mark_line().encode(alt.Y("middle:Q", **y))
    dots = base.mark_circle(size=36, opacity=1.0 if len(table) <= 12 else 0.0).encode(alt.Y("middle:Q"), tooltip=tips)
    return alt.layer(wide, half, line, dots)
