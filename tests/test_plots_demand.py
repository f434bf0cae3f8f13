"""Charts of who uses whom: shares that add up, whom a group uses most, many groups and many members."""

from __future__ import annotations

import pandas as pd
import pytest
from test_plots import data
from test_plots_runs import spec

from ecosystem import plots
from scenarios import market


def said(groups: int, members: int, rounds: int = 3) -> pd.DataFrame:
    """Group ``g`` moves from equal weights to a weight of ``g`` parts more on the first member."""
    rows = []
    for g in range(groups):
        for t in range(rounds):
            lead = g / groups * t / (rounds - 1)
            rest = (1 - lead) / members
            rows += [(0, 0, t, f"group {g}", f"m{m}", rest + lead * (m == 0)) for m in range(members)]
    return pd.DataFrame(rows, columns=["seed", "replicate", "round", "group", "member", "weight"])


def test_shares_of_a_group_lie_on_each_other() -> None:
    run = market.scenario(rounds=4, samples=20).run(replicates=3)
    table = data(run.plot.demand())
    ends = table.groupby(["group", "round"])["end"].max()
    assert ends.to_numpy() == pytest.approx(1.0) and (table["end"] - table["start"]).to_list() == pytest.approx(
        table["weight"].to_list()
    )
    means = run.demand.astype({"group": str, "member": str}).groupby(["group", "member", "round"])["weight"].mean()
    drawn = table.set_index(["group", "member", "round"])["weight"]
    assert drawn.to_dict() == pytest.approx(means.to_dict())
    assert "few use model 1 most in the end" in run.plot.demand().description


def test_replicates_that_failed_are_left_out() -> None:
    table = said(2, 2)
    wrong = table.assign(replicate=1, weight=0.5)
    failures = pd.DataFrame({"seed": [0], "replicate": [1], "round": [1], "member": ["m0"], "error": ["x"]})
    both = pd.concat([table, wrong], ignore_index=True)
    assert data(plots.demand(both, failures=failures)).equals(data(plots.demand(table)))


def test_of_many_groups_those_that_moved_most_and_of_many_members_those_that_are_used() -> None:
    chart = plots.demand(said(20, 40))
    table = data(chart)
    assert set(table["group"]) == {f"group {g}" for g in range(8, 20)}
    assert table["member"].nunique() == 31 and "all others" in spec(chart)
    assert table.groupby(["group", "round"])["weight"].sum().to_numpy() == pytest.approx(1.0)
    assert "8 others are not shown" in spec(chart)


def test_runs_without_demand_have_none() -> None:
    with pytest.raises(plots.NothingToDraw, match=r"plots.demand: the table demand is empty; users choose between"):
        plots.demand(said(1, 2).iloc[:0])
