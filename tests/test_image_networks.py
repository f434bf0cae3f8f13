"""Networks of light image models: what is measured by hop, and what the population says of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from analysis import image_networks
from scenarios import tinted_networks
from tests.test_analysis import drawn


@pytest.mark.parametrize("graph", image_networks.GRAPHS)
def test_who_is_read_is_as_the_graph_says_and_diets_are_alike(graph: str) -> None:
    links, s = tinted_networks.network(graph), tinted_networks.symbols(graph, 0.4)
    assert nx.is_strongly_connected(links) and len(links) == 8
    read = {(u, v) for u, v in s.graph.edges if u != v}
    assert read == {(f"m{u}", f"m{v}") for u, v in links.edges}
    for name in s.graph:
        assert s.real_share(name) == pytest.approx(0.1)
        assert s.curation(name) == pytest.approx(0.4 if name == "m0" else 0.2)


def test_on_the_ring_every_other_member_loses_and_nobody_hears_of_it_too_early() -> None:
    rounds = image_networks.population("ring", 9).set_index(["round", "member", "curation"])["alignment"]
    low, high = (rounds.xs(level, level="curation") for level in image_networks.LEVELS)
    change = (high - low).unstack("member")
    for hop in range(8):
        assert (change[f"m{hop}"].loc[:hop] == 0).all()  # m0 changes in round 1, m1 in round 2
        assert np.sign(change[f"m{hop}"].loc[9]) == (-1) ** hop
    assert (change.loc[9].abs().iloc[::2].diff().dropna() < 0).all()  # those who like warm gain less and less


def test_the_analysis_goes_on_where_it_stopped_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light = partial(tinted_networks.scenario, steps=2, warm_up=2, candidates=2)
    monkeypatch.setattr(tinted_networks, "scenario", light)
    monkeypatch.setattr(image_networks, "GRAPHS", ("star",))
    given = ["--seeds", "2", "--rounds", "2", "--samples", "12"]
    ask = partial(image_networks.main, [*given, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    table = ask()
    assert len(table) == 8 and drawn(tmp_path / "image_networks.png")
    assert table["seeds"].eq(2).all() and (table["change low"] <= table["change high"]).all()
    assert table.groupby("graph")["hop"].max().to_dict() == {"star": 2}
    assert len(list((tmp_path / "runs").glob("*.csv"))) == 2
    monkeypatch.setattr(image_networks, "played", lambda *_: pytest.fail("it was played already"))
    pd.testing.assert_frame_equal(ask(), table)
