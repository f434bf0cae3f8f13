"""What users think: of what they are shown and keep, and of every member."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots.chart import embedded, finish, needs, panels
from ecosystem.plots.lines import numbers
from ecosystem.plots.palette import MANY
from ecosystem.plots.spreads import CALLED, QUANTILES, among, evenly, in_order
from ecosystem.plots.theme import CURATED, HALO, SHOWN
from ecosystem.running.verdicts import survivors

FLOWS, ROUNDS = 8, 3  # shown at most; of rounds the first, the middle and the last that were recorded
FLOW = ["source", "target"]
BOX = list(QUANTILES.values())  # whisker, box, line, box, whisker
SIDES = {"before": "shown to users", "after": "kept by them"}


def boxes(choices: pd.DataFrame, flows: pd.DataFrame, failures: pd.DataFrame | None = None) -> pd.DataFrame:
    """Quantiles of rewards before and after users chose, on the `FLOWS` most curated flows, means over replicates.

    Columns: source, target, round, side (before, after), low, lower, middle, upper, high (the quantiles `BOX`), chooser
    (the member whose users choose; empty where they are the flow's own), in the order of ``flows``.
    """
    flows = flows.astype(dict.fromkeys(FLOW, str)).merge(choices[FLOW].drop_duplicates().astype(str), on=FLOW)
    flows = flows.sort_values("curated", ascending=False, kind="stable").head(FLOWS)
    table = survivors(choices[choices["source"].isin(flows["source"])], failures).merge(flows, on=FLOW)
    table = table[np.isfinite(table[["before", "after"]].astype(float)).all(axis=1)]
    means = table.groupby([*FLOW, "round", "quantile"])[["before", "after"]].mean()
    rows = []
    for flow in flows.to_dict("records"):
        place = (str(flow["source"]), str(flow["target"]))
        if place not in means.index:
            continue
        here = means.loc[place]
        chooser = {"producer": place[0], "consumer": place[1]}.get(str(flow["chosen_by"]), "")
        for at in evenly(sorted(set(here.index.get_level_values("round"))), ROUNDS):
            for side in SIDES:
                found = np.interp(BOX, here.loc[at].index, here.loc[at][side])
                rows.append((*place, at, side, *found.tolist(), chooser))
    return pd.DataFrame(rows, columns=[*FLOW, "round", "side", *QUANTILES, "chooser"])


def choices(
    choices: pd.DataFrame,
    flows: pd.DataFrame,
    members: pd.DataFrame | None = None,
    failures: pd.DataFrame | None = None,
) -> Any:
    """What choosing does to rewards: for each curated flow, boxes of what users were shown and of what they kept.

    A box holds the middle half, its line is the median, the whiskers hold 90 %. The `FLOWS` most curated flows have a
    panel each, with up to three rounds.

    Parameters
    ----------
    choices
        ``run.choices``, of ``Record(choices=True)``: seed, replicate, round, source, target, quantile, before, after.
    flows
        ``run.flows``: source, target, curated, chosen_by.
    members
        ``run.members``: member, for colours.
    failures
        ``run.failures``: seed, replicate, of replicates that are left out.

    Raises
    ------
    NothingToDraw
        If a column is missing, or no choices were recorded.
    """
    columns = ("seed", "replicate", "round", *FLOW, "quantile", "before", "after")
    needs("choices", "choices", choices, columns, "record it: Record(choices=True)")
    needs("choices", "flows", flows, (*FLOW, "curated", "chosen_by"))
    table = needs("choices", "choices", boxes(choices, flows, failures), FLOW, "no reward in it is a number")
    readers = in_order(None, flows.rename(columns={"source": "member"}))
    names = in_order(members, pd.DataFrame({"member": [*readers, *flows["target"].astype(str)]}))
    table = table.assign(flow=table["source"] + " → " + table["target"], words=table["side"].map(SIDES))
    order = list(dict.fromkeys(table.sort_values("target", key=lambda c: c.map(names.index), kind="stable")["flow"]))
    last = table.groupby("flow")["round"].transform("max") == table["round"]
    lifts = table[last].pivot(index="flow", columns="side", values="middle")
    told = _lifted((lifts["after"] - lifts["before"]).loc[order])
    table["lift"] = table.groupby(["flow", "round"])["middle"].diff()  # of what was kept: it comes second
    table["top"] = table.groupby(["flow", "round"])["high"].transform("max")
    title = "Rewards of what users were shown and of what they kept"
    drawn = _boxes(embedded("choices", table), names, order)
    subtitle = "grey: shown; in colour: kept by the users of that member; box: middle half, whiskers: 90 %; "
    subtitle += "number: how far choosing moves the median"
    return finish(drawn, title, f"{title}: choosing {told}.", subtitle)


def _lifted(lifts: pd.Series) -> str:
    """On which flows choosing lifts the median, and on which it lowers it."""
    said = []
    for verb, rows in (("lifts", lifts[lifts > 0]), ("lowers", lifts[lifts < 0])):
        named = [f"{flow} by {number(abs(lift))}" for flow, lift in rows.items()]
        said += [f"{verb} the median on {'; '.join(named)}"] if named else []
    still = [str(flow) for flow in lifts.index[lifts == 0]]
    return "; it ".join([*said, f"leaves the median as it is on {'; '.join(still)}"] if still else said)


def _boxes(table: pd.DataFrame, names: list[str], order: list[str]) -> Any:
    tips = [alt.Tooltip("flow:N"), alt.Tooltip("words:N", title="what"), alt.Tooltip("round:O")]
    tips += numbers(*CALLED.items())
    side = alt.XOffset("side:N", sort=list(SIDES), scale=alt.Scale(domain=list(SIDES), paddingInner=0.15))
    x = alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0))
    y = {"title": "users’ reward", "scale": alt.Scale(zero=False)}
    base = alt.Chart().encode(x, side, tooltip=tips)
    legend = alt.Legend(title="kept by users of", symbolType="square")
    colour = alt.Color("chooser:N", scale=alt.Scale(domain=names), legend=legend)
    groups: list[tuple[Any, dict[str, Any], Any]] = [(alt.datum.side == "before", {"style": SHOWN}, None)]
    after = alt.datum.side == "after"
    if (table["chooser"] == "").any():
        groups.append((after & (alt.datum.chooser == ""), {"style": CURATED}, None))
    if (table["chooser"] != "").any():
        groups.append((after & (alt.datum.chooser != ""), {}, colour))
    layers = []
    for which, style, colours in groups:
        one = base.transform_filter(which)
        one = one if colours is None else one.encode(colours)
        line: dict[str, Any] = {"style": f"{style['style']}-line"} if style else {}
        layers.append(one.mark_rule(**line).encode(alt.Y("low:Q", **y), alt.Y2("high:Q")))
        layers.append(one.mark_bar(**style).encode(alt.Y("lower:Q", **y), alt.Y2("upper:Q")))
    median = base.mark_tick(thickness=2, orient="horizontal", style=HALO)
    layers.append(median.encode(alt.Y("middle:Q", **y)))
    lifts = base.transform_filter(after).mark_text(dy=-8, fontSize=9)
    layers.append(lifts.encode(alt.Y("top:Q", **y), alt.Text("lift:Q", format="+.2~r")))
    drawn = alt.layer(*layers, data=table).properties(width=150, height=150)
    return panels(drawn, "flow", order, 3)


def tastes(
    tastes: pd.DataFrame,
    members: pd.DataFrame | None = None,
    failures: pd.DataFrame | None = None,
    round: int | None = None,
) -> Any:
    """Every member's output under every judge's reward, mean over replicates, in the last round or another.

    Judges have units of their own, so the colour of a cell grows from what that judge likes least to what it likes
    most. Of more than `MANY` members, bars show how far the judges' rewards of all of them reach, for `MANY` judges.

    Parameters
    ----------
    tastes
        ``run.tastes``, of ``Record(tastes=True)``: seed, replicate, round, member, judge, reward.
    members
        ``run.members``: member, for the order.
    failures
        ``run.failures``: seed, replicate, of replicates that are left out.
    round
        The round; the last that was recorded, if None.

    Raises
    ------
    NothingToDraw
        If a column is missing, nothing was recorded, or not in this round.
    """
    columns = ("seed", "replicate", "round", "member", "judge", "reward")
    needs("tastes", "tastes", tastes, columns, "record it: Record(tastes=True)")
    table = survivors(tastes, failures).astype({"member": str, "judge": str, "reward": float})
    at = int(table["round"].max() if round is None else round)
    there = sorted(set(table["round"]))
    table = table[(table["round"] == at) & np.isfinite(table["reward"])]
    mend = f"it has nothing of round {at}, but of rounds {there[0]} to {there[-1]}"
    needs("tastes", "tastes", table, ("reward",), mend)
    means = table.groupby(["member", "judge"])["reward"].agg(["mean", "sem", "size"]).reset_index()
    means = means.rename(columns={"mean": "reward", "sem": "error"})
    names = in_order(members, tastes)
    judges = among(names, means["judge"])
    title = f"Every member in the eyes of every member’s users, round {at}"
    best = means.loc[means.groupby("judge")["reward"].idxmax()].set_index("judge")
    told = [f"{j}’s users like {best.at[j, 'member']} most ({number(best.at[j, 'reward'])})" for j in judges[:12]]
    words = f"{title}. {'; '.join(told)}."
    if max(len(judges), means["member"].nunique()) > MANY:
        return finish(_reach(means, judges), title, words, _few(len(judges), means["member"].nunique()))
    ranges = means.groupby("judge")["reward"]
    width = (ranges.transform("max") - ranges.transform("min")).where(lambda w: w > 0, 1.0)
    means["place"] = (means["reward"] - ranges.transform("min")) / width
    drawn = _matrix(embedded("tastes", means), names, judges)
    return finish(
        drawn,
        title,
        words,
        "the number is the mean reward; the fuller the colour, the more this judge likes it among all",
    )


def _matrix(table: pd.DataFrame, names: list[str], judges: list[str]) -> Any:
    many = len(judges) > 12
    x = alt.X("judge:N", sort=judges, title="judge: the users of", axis=alt.Axis(labelAngle=-40 if many else 0))
    y = alt.Y("member:N", sort=names, title="output of")
    full = alt.Opacity("place:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 0.6]), legend=None)
    tips = [
        alt.Tooltip("judge:N"),
        alt.Tooltip("member:N"),
        *numbers(("reward", "mean reward"), ("error", "standard error")),
    ]
    base = alt.Chart(table).encode(x, y, tooltip=tips)
    size = {"width": alt.Step(24 if many else 58), "height": alt.Step(24 if many else 26)}
    cells = base.mark_rect().encode(full).properties(**size)
    if many:
        return cells
    words = base.encode(alt.Text("reward:Q", format=".3~r"))
    return alt.layer(cells, words.mark_text(fontSize=11))


def _few(judges: int, members: int) -> str:
    some = f"{MANY} of {judges:,} judges, evenly picked" if judges > MANY else counted(judges, "judge")
    return f"{some}; {members:,} members: box: middle half, whiskers: 90 %, dot: the judge’s own member"


def _reach(means: pd.DataFrame, judges: list[str]) -> Any:
    """How far a judge's rewards of all members reach, and where its own member stands."""
    middle = means.groupby("judge")["reward"].median().sort_values(kind="stable")
    kept = evenly(list(middle.index), MANY)
    groups = means[means["judge"].isin(kept)].groupby("judge")["reward"]
    table = pd.DataFrame({name: groups.quantile(q) for name, q in QUANTILES.items()}).reset_index()
    own = means[means["judge"] == means["member"]].set_index("judge")["reward"]
    table["own"] = table["judge"].map(own)
    tips = [
        alt.Tooltip("judge:N"),
        *numbers(("low", "5 %"), ("middle", "median"), ("high", "95 %"), ("own", "its own")),
    ]
    y = alt.Y("judge:N", sort=kept, title="judge: the users of")
    base = alt.Chart(embedded("tastes", table)).encode(y, tooltip=tips)
    x = {"title": "mean reward", "scale": alt.Scale(zero=False)}
    whiskers = base.mark_rule().encode(alt.X("low:Q", **x), alt.X2("high:Q"))
    box = base.mark_bar(height=9, opacity=0.5).encode(alt.X("lower:Q", **x), alt.X2("upper:Q"))
    return alt.layer(whiskers, box, base.mark_circle(size=50, opacity=1).encode(alt.X("own:Q", **x)))
