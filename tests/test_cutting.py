"""Which cut helps whom: against the changes that knock-outs found, and in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ecosystem import Flow, Linear, Location, Luce, Member, Scenario
from ecosystem.influence import influence, stable_point
from ecosystem.influence.cutting import changes, cuts, told
from ecosystem.influence.story import story


def outlets() -> Scenario:
    """A hub whose users like what those of one of its readers hate."""
    s = Scenario("outlets", rounds=5)
    for name, taste in (("hub", [1.0, 0.0]), ("left", [-1.0, 0.2]), ("small", [0.0, 1.0])):
        s.add(name, Member(Location([0.0, 0.0]), reward=Linear(taste), curator=Luce(4), real=Location([0.0, 0.0])))
    s.connect("hub", "hub", Flow(curated=0.4))
    s.connect("hub", "left", Flow(raw=0.3))
    s.connect("left", "left", Flow(curated=0.2))
    return s


def test_the_best_cut_of_a_member_is_that_of_the_scenario_without_it() -> None:
    s = outlets()
    findings = influence(s).findings(knock_out=True)
    found = cuts(findings.edges).set_index("member")
    now = stable_point(s).alignment
    for member in s.names:
        flows = [(u, v) for u, v in s.graph.edges]
        after = [stable_point(s.without(u, v)).alignment[member] - now[member] for u, v in flows]
        row = found.loc[member]
        for side, best in (("gain", int(np.argmax(after))), ("loss", int(np.argmin(after)))):
            np.testing.assert_allclose(row[side], after[best], atol=1e-9)
            flow = (row[f"{side}_source"], row[f"{side}_target"])  # two cuts may do the same
            change = after[flows.index(flow)] if flow in flows else 0.0
            np.testing.assert_allclose(row[side], change, atol=1e-9)
    assert (found.loc["small", ["gain", "loss"]] == 0).all()
    assert found.loc["left", "gain_source"] == "hub" and found.loc["left", "gain"] > 0
    chapter = dict(story(findings))["What a cut would do"]
    assert (
        chapter[0].startswith("left gains most without hub → ") and chapter[-1] == "Two members would gain by no cut."
    )


def test_what_was_not_taken_out_says_nothing() -> None:
    findings = influence(outlets()).findings()
    assert told(findings) == [] and cuts(findings.edges).empty
    edges = pd.DataFrame({"source": ["a"], "target": ["b"], "traffic": [0.0], "J[a]": [-1e-17], "J[b]": [-0.5]})
    assert changes(edges).to_numpy().tolist() == [[0.0, -0.5]]
    assert told(replace(findings, edges=edges)) == [
        "No member gains by taking out a single flow, its share given back to real data."
    ]
