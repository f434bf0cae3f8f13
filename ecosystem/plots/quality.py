"""How good training data are in the eyes of their member's users, part by part."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import number
from ecosystem.plots.chart import ROWS, embedded, finish, needs, panels
from ecosystem.plots.lines import in_rounds, numbers
from ecosystem.plots.spreads import among, evenly, in_order
from ecosystem.plots.theme import REAL
from ecosystem.plots.training import kinds, sources_colour
from ecosystem.running.verdicts import survivors

JUDGED, PARTS = 6, 4  # members, and parts of each that others generated, shown at most


def judged(
    sources: pd.DataFrame, members: pd.DataFrame, failures: pd.DataFrame | None = None, panels: int = JUDGED
) -> pd.DataFrame:
    """Mean reward of each part of members' training sets, as member, kind (a key of `KINDS`), source, round, reward.

    Means are over samples and replicates. Members that train on one part alone, or have no users with a taste, are left
    out. Of the others the most curated stay, each with real data and the `PARTS` largest of its other parts.
    """
    keys = ["member", "kind", "source"]
    if sources.empty:
        return pd.DataFrame(columns=[*keys, "round", "reward"])
    table = survivors(sources, failures).astype({"member": str, "source": str, "reward": float})
    table = table[np.isfinite(table["reward"])]
    table = table.assign(kind=kinds(table), reward=table["reward"] * table["count"])
    sizes = table.groupby(keys)["count"].sum().reset_index()
    sizes["rank"] = sizes[sizes["kind"] != "real"].groupby("member")["count"].rank(ascending=False, method="first")
    sizes = sizes[~(sizes["rank"] > PARTS)]
    levels = members.set_index(members["member"].astype(str))["curation"].astype(float)
    mixed = levels.index.isin(sizes["member"][sizes["member"].duplicated()])
    kept = levels[mixed].sort_values(ascending=False, kind="stable").index[:panels]
    table = table.merge(sizes.loc[sizes["member"].isin(kept), keys])
    sums = table.groupby([*keys, "round"])[["reward", "count"]].sum()
    return (sums["reward"] / sums["count"]).rename("reward").reset_index()


def sources(sources: pd.DataFrame, members: pd.DataFrame, failures: pd.DataFrame | None = None) -> Any:
    """How much members' users like each part of what their member trains on, round by round.

    The `JUDGED` most curated members have a panel each, with real data and their `PARTS` largest other parts.

    Parameters
    ----------
    sources
        ``run.sources``, of ``Record(sources=True)``: seed, replicate, round, member, source, curated, count, reward.
    members
        ``run.members``: member, curation.
    failures
        ``run.failures``: seed, replicate, of replicates that are left out.

    Raises
    ------
    NothingToDraw
        If a column is missing, or no member's training set was judged part by part.
    """
    columns = ("seed", "replicate", "round", "member", "source", "curated", "count", "reward")
    mend = "record it: Record(sources=True), for members that train on data themselves"
    needs("sources", "sources", sources, columns, mend)
    needs("sources", "members", members, ("member", "curation"))
    table = needs(
        "sources", "sources", judged(sources, members, failures), ("reward",), "no part has a reward of its own"
    )
    names = in_order(members, members)
    present = among(names, table["member"])
    kept = evenly(sorted(set(table["round"])), max(2, ROWS // (len(present) * (PARTS + 1))))
    table = embedded("sources", table[table["round"].isin(kept)])
    is_real = alt.datum.kind == "real"
    tips = [alt.Tooltip(f"{name}:N") for name in ("member", "kind", "source")]
    tips += [alt.Tooltip("round:Q", format=",d"), *numbers(("reward", "mean reward"))]
    y = alt.Y("reward:Q", title="mean reward", scale=alt.Scale(zero=False))
    base = alt.Chart().encode(in_rounds(), y, tooltip=tips)
    few = len(kept) <= 12
    real, read = base.transform_filter(is_real), base.transform_filter(~is_real).encode(sources_colour(names))
    grey: dict[str, Any] = {"style": f"{REAL}-line"}
    opaque: dict[str, Any] = {"opacity": 1.0 if few else 0.0}
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400)
    dashes = alt.StrokeDash("kind:N", scale=alt.Scale(domain=["curated", "raw"], range=[[1, 0], [2, 2]]), legend=legend)
    lines = [real.mark_line(**grey), read.mark_line().encode(dashes)]
    dots = [real.mark_circle(**grey, **opaque), read.mark_circle(**opaque).encode(alt.Detail("kind:N"))]
    drawn = alt.layer(*lines, *dots, data=table).properties(width=200, height=150)
    drawn = panels(drawn, "member", present, 3)
    ends = table[table["round"] == table["round"].max()]
    told = "; ".join(
        f"{row['member']}’s users give {number(row['reward'])} to its {row['kind']} data"
        + (f" from {row['source']}" if row["kind"] != "real" else "")
        for row in ends.to_dict("records")
    )
    title = "How good training data are in their users’ eyes"
    subtitle = "grey: real data; the colour says whose output it is, dotted: raw"
    return finish(drawn, title, f"{title}: in round {kept[-1]}, {told}.", subtitle)
