"""Who uses whom: how users who choose between members divide themselves, round by round."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ecosystem.core.words import percent, shortened
from ecosystem.plots.chart import ROWS, embedded, finish, needs, panels
from ecosystem.plots.lines import in_rounds
from ecosystem.plots.palette import MANY
from ecosystem.plots.spreads import evenly, in_order
from ecosystem.plots.theme import RAW
from ecosystem.plots.training import PANELS, shares, sources_colour
from ecosystem.running.verdicts import survivors

OTHERS = "all others"


def divided(demand: pd.DataFrame, failures: pd.DataFrame | None = None) -> pd.DataFrame:
    """The mean weight of each member in each group of users: group, member, round, weight.

    Groups beyond the `PANELS` whose weights have moved most are left out; of more than `MANY` members in a group those
    with the largest weights at the end stay, and the rest add up as `OTHERS`.
    """
    table = survivors(demand, failures).astype({"group": str, "member": str})
    means = table.groupby(["group", "member", "round"], sort=False)["weight"].mean().reset_index()
    rounds = sorted(set(means["round"]))
    ends = means.pivot_table(index=["group", "member"], columns="round", values="weight", observed=True)
    moved = (ends[rounds[-1]] - ends[rounds[0]]).abs().groupby("group", sort=False).sum()
    most = set(moved.nlargest(PANELS).index)
    parts = []
    for group, rows in means[means["group"].isin(most)].groupby("group", sort=False):
        last = ends.loc[group, rounds[-1]].nlargest(MANY).index
        named = rows["member"].where(rows["member"].isin(last), OTHERS)
        parts.append(rows.assign(member=named).groupby(["member", "round"], sort=False)["weight"].sum().reset_index())
        parts[-1].insert(0, "group", group)
    kept = pd.concat(parts, ignore_index=True)
    columns = len(kept) // len(rounds)
    return kept[kept["round"].isin(evenly(rounds, max(2, ROWS // max(columns, 1))))]


def demand(demand: pd.DataFrame, members: pd.DataFrame | None = None, failures: pd.DataFrame | None = None) -> Any:
    """How each group of users divides itself between members, as shares round by round, means over replicates.

    The `PANELS` groups whose weights have moved most have a panel each.

    Parameters
    ----------
    demand
        ``run.demand``: seed, replicate, round, group, member, weight; there where users choose between members.
    members
        ``run.members``: member, for the order and so the colours.
    failures
        ``run.failures``: seed, replicate, of replicates that are left out.

    Raises
    ------
    NothingToDraw
        If a column is missing, or nobody chooses between members.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"seed": 0, "replicate": 0, "round": [0, 0, 1, 1], "group": "readers"})
    >>> table = table.assign(member=["a", "b", "a", "b"], weight=[0.5, 0.5, 0.9, 0.1])
    >>> print(demand(table).description)
    Who uses whom, rounds 0 to 1: readers use a most in the end (90 %, 50 % at first).
    """
    needs("demand", "demand", demand, ("seed", "replicate", "round", "group", "member", "weight"), _MEND)
    table = needs("demand", "demand", divided(demand, failures), ("group",), "every replicate has failed")
    names = in_order(members, demand)
    order = {name: place for place, name in enumerate([*names, OTHERS])}
    table = table.sort_values("member", key=lambda c: c.map(order), kind="stable")
    table["end"] = table.groupby(["group", "round"])["weight"].cumsum()
    table["start"] = table["end"] - table["weight"]
    groups = list(dict.fromkeys(table["group"]))
    first, last = int(table["round"].min()), int(table["round"].max())
    title = "Who uses whom"
    told = "; ".join(_told(str(group), rows) for group, rows in table.groupby("group", sort=False))
    left = demand["group"].nunique() - len(groups)
    key = f"the {len(groups)} groups whose weights moved most; {left:,} others are not shown" if left else ""
    words = f"{title}, rounds {first} to {last}: {told}."
    return finish(_drawn(embedded("demand", table), names, groups), title, words, key)


_MEND = "users choose between members where a member says so: Member(..., demand=Demand(...))"


def _told(group: str, rows: pd.DataFrame) -> str:
    """Whom a group uses most in the end."""
    wide = rows.pivot_table(index="member", columns="round", values="weight", sort=False)
    best = wide[wide.columns[-1]].idxmax()
    now, before = (percent(wide.at[best, wide.columns[place]]) for place in (-1, 0))
    return f"{shortened(group, 40)} use {best} most in the end ({now}, {before} at first)"


def _drawn(table: pd.DataFrame, names: list[str], groups: list[str]) -> Any:
    y = alt.Y("start:Q", title="share of the group", axis=alt.Axis(format="%", tickCount=3))
    y = y.scale(domain=[0, 1])
    tips = [alt.Tooltip("group:N"), alt.Tooltip("member:N"), alt.Tooltip("round:Q", format=",d"), *shares("weight")]
    base = alt.Chart(data=table).transform_calculate(source="datum.member").encode(in_rounds(), y, alt.Y2("end:Q"))
    used = [name for name in names if name in set(table["member"])]
    colour = sources_colour(names).legend(title="uses", values=used, symbolOpacity=1, columns=1 + len(used) // 16)
    known = alt.datum.member != OTHERS
    areas = base.transform_filter(known).mark_area().encode(colour, tooltip=tips)
    rest = base.transform_filter(~known).mark_area(style=RAW).encode(tooltip=tips)
    size = {"width": 200 if len(groups) > 1 else 440, "height": 130 if len(groups) > 1 else 240}
    layers = alt.layer(*([areas, rest] if OTHERS in set(table["member"]) else [areas])).properties(**size)
    return panels(layers, "group", groups, 3) if len(groups) > 1 else layers
