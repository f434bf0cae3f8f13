"""What was decided, as charts: levers and welfare by plan, what a unit more would buy, and how selfish play went."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots.chart import embedded, finish, needs, rows_of
from ecosystem.plots.lines import members_colour, members_dashes
from ecosystem.plots.palette import MANY

PLANS = ("before", "after", "uniform", "selfish")
_MOST = 40  # levers, or members, of one chart: those first that are moved most


def plans(levels: pd.DataFrame) -> Any:
    """Where each lever is before, after, and in the uniform and the selfish plan: a row for each lever.

    Parameters
    ----------
    levels
        ``allocation.levels``: lever, before, after, uniform, selfish. Of very many the forty that are moved most.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.

    >>> rows = [("a", 0.2, 0.0, 0.25, 0.1), ("b", 0.2, 0.5, 0.25, 0.4)]
    >>> print(plans(pd.DataFrame(rows, columns=["lever", *PLANS])).description)
    Two levers under four plans; most is moved at b, from 0.200 to 0.500.
    """
    table = needs("plans", "levels", levels, ["lever", *PLANS])
    moved = (table["after"] - table["before"]).abs()
    top = table.loc[moved.idxmax()]
    few = table.loc[moved.sort_values(ascending=False, kind="stable").index[:_MOST]].sort_index()
    words = f"{counted(len(table), 'lever').capitalize()} under four plans; most is moved at {top['lever']}, "
    words += f"from {number(top['before'])} to {number(top['after'])}."
    key = _left(len(table), _MOST, "levers that are moved most")
    return finish(_dots(few, "lever", PLANS, "level"), "Levers by plan", words, key)


def welfare(values: pd.Series) -> Any:
    """Welfare by plan, as bars; plans without a stable network are left out.

    Raises
    ------
    NothingToDraw
        If no plan has any.

    >>> print(welfare(pd.Series({"before": 1.0, "after": 3.0, "uniform": 2.0})).description)
    Welfare under three plans: highest after, 3.00, and lowest before, 1.00.
    """
    table = values.replace([float("inf"), -float("inf")], float("nan")).dropna().rename("welfare")
    table = needs("welfare", "welfare", table.rename_axis("plan").reset_index(), ["plan", "welfare"])
    low, high = table.loc[table["welfare"].idxmin()], table.loc[table["welfare"].idxmax()]
    words = f"Welfare under {counted(len(table), 'plan')}: highest {high['plan']}, {number(high['welfare'])}, "
    words += f"and lowest {low['plan']}, {number(low['welfare'])}."
    return finish(_bars(table, "plan", "welfare", list(table["plan"])), "Welfare by plan", words)


def multipliers(table: pd.DataFrame) -> Any:
    """What one more unit of each constraint that binds would buy of welfare, the most first.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nothing binds.

    >>> rows = {"constraint": ["budget", "a"], "kind": ["budget", "lower"], "multiplier": [2.0, 0.5]}
    >>> print(multipliers(pd.DataFrame(rows)).description)
    Two constraints bind; a unit more of the budget would buy most, 2.00.
    """
    table = needs("multipliers", "multipliers", table, ["constraint", "kind", "multiplier"], "nothing binds")
    bounds = table["kind"].isin(["lower", "upper"])
    names = table["constraint"].where(~bounds, table["kind"] + " bound: " + table["constraint"])
    table = table.assign(constraint=names)
    table = table.sort_values("multiplier", ascending=False, kind="stable")
    top = table.iloc[0]
    bind, most = ("binds", "") if len(table) == 1 else ("bind", "most, ")
    words = f"{counted(len(table), 'constraint').capitalize()} {bind}; "
    words += f"a unit more of the {top['constraint']} would buy {most}{number(top['multiplier'])}."
    few, key = table.head(_MOST), _left(len(table), _MOST, "constraints that would buy most")
    return finish(_bars(few, "constraint", "multiplier", list(few["constraint"])), "What more would buy", words, key)


def responses(levels: pd.DataFrame) -> Any:
    """Where everybody's lever is now, at the optimum, and where best responses rest: at each equilibrium.

    Parameters
    ----------
    levels
        ``equilibrium.levels``: lever, now, optimum, and the equilibria by their numbers. Of very many levers the forty
        that end farthest from the optimum, and of more than six equilibria the first six.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.

    >>> rows = pd.DataFrame({"lever": ["a", "b"], "now": 0.1, "optimum": 0.5, "1": [0.2, 0.9]})
    >>> print(responses(rows).description)
    Two levers now, at the optimum and at one equilibrium; farthest from the optimum is b, 0.900 against 0.500.
    """
    table = needs("responses", "levels", levels.rename(columns=str), ["lever", "now", "optimum"])
    ends = [name for name in table if name.isdigit()]
    words = f"{counted(len(table), 'lever').capitalize()} now, at the optimum"
    away = table[[*ends, *([] if ends else ["now"])]].sub(table["optimum"], axis=0).abs().max(axis=1)
    if ends:
        top = table.loc[away.idxmax()]
        end = max(ends, key=lambda name: abs(top[name] - top["optimum"]))
        many = f"{counted(len(ends))} {'equilibrium' if len(ends) == 1 else 'equilibria'}"
        words += f" and at {many}"
        if away.max() > 1e-9:
            words += (
                f"; farthest from the optimum is {top['lever']}, {number(top[end])} against {number(top['optimum'])}."
            )
        else:
            words += ", which is it." if len(ends) == 1 else ", none of which is away from it."
    else:
        words = words.replace(", at", " and at") + "; no equilibrium was found."
    named = table.rename(columns={name: f"equilibrium {name}" for name in ends})
    shown = ends[: len(_SHAPES) - 2]
    key = [_left(len(table), _MOST, "levers farthest from the optimum")]
    key += [f"the first {len(shown)} of {len(ends):,} equilibria"] if len(ends) > len(shown) else []
    few = named.loc[away.sort_values(ascending=False, kind="stable").index[:_MOST]].sort_index()
    places = ("now", "optimum", *(f"equilibrium {name}" for name in shown))
    return finish(_dots(few, "lever", places, "level"), "Where selfish play ends", words, key)


def turns(cycle: pd.DataFrame) -> Any:
    """Where best responses go round: every lever, turn by turn; of more than `MANY` those that go farthest.

    Raises
    ------
    NothingToDraw
        If play comes to rest, so that there are no turns.

    >>> print(turns(pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 1.0]})).description)
    Best responses of two levers go round in two turns.
    """
    frame = cycle.drop(columns="turn", errors="ignore").rename(columns=str)
    table = needs("turns", "cycle", frame, list(frame.columns), "best responses come to rest")
    words = f"Best responses of {counted(table.shape[1], 'lever')} go round in {counted(len(table), 'turn')}."
    widest = (table.max() - table.min()).sort_values(ascending=False, kind="stable").index[:MANY]
    few = table[[name for name in table if name in set(widest)]]
    rows = few.assign(turn=range(1, len(table) + 1)).melt("turn", var_name="lever", value_name="level")
    names = list(dict.fromkeys(rows["lever"]))
    base = alt.Chart(embedded("turns", rows), height=220)
    drawn = base.mark_line(point=True).encode(
        alt.X("turn:Q", axis=alt.Axis(format="d", tickMinStep=1)),
        alt.Y("level:Q"),
        members_colour(names, field="lever"),
        members_dashes(names, field="lever"),
        tooltip=["lever:N", "turn:Q", alt.Tooltip("level:Q", format=".4~g")],
    )
    key = _left(table.shape[1], MANY, "levers that go farthest")
    return finish(drawn, "Best responses go round", words, key)


def _left(count: int, most: int, what: str) -> str:
    """Who is drawn where not all are, in words."""
    return f"the {most} {what}, of {count:,}" if count > most else ""


def _dots(table: pd.DataFrame, row: str, places: tuple[str, ...], title: str) -> alt.Chart:
    """A row for each lever, with a mark in its own shape and colour for each place, one below the other."""
    rows = table[[row, *places]].melt(row, var_name="plan", value_name=title)
    base = alt.Chart(embedded("dots", rows), height=alt.Step(max(26, 7 * len(places)), **{"for": "position"}))
    scale = alt.Scale(domain=list(places))
    shapes = alt.Scale(domain=list(places), range=_SHAPES[: len(places)])
    legend = alt.Legend(orient="top", title=None, columns=2)
    return base.mark_point(filled=True, size=70, opacity=0.9).encode(
        alt.X(f"{title}:Q", scale=alt.Scale(zero=False, padding=8), axis=alt.Axis(tickCount=8)),
        rows_of(row, list(table[row]), grid=True),
        alt.YOffset("plan:N", sort=list(places)),
        alt.Color("plan:N", scale=scale, legend=legend),
        alt.Shape("plan:N", scale=shapes, legend=legend),
        tooltip=[f"{row}:N", "plan:N", alt.Tooltip(f"{title}:Q", format=".4~g")],
    )


_SHAPES = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "triangle-left", "triangle-right"]


def _bars(table: pd.DataFrame, row: str, value: str, order: list[str]) -> alt.Chart:
    base = alt.Chart(embedded("bars", table[[row, value]]), height=alt.Step(26))
    return base.mark_bar(height=14).encode(
        alt.X(f"{value}:Q", axis=alt.Axis(tickCount=8)),
        rows_of(row, order),
        tooltip=[f"{row}:N", alt.Tooltip(f"{value}:Q", format=".4~g")],
    )
