"""What notebooks show: the facts, few rows, names that are shown and not obeyed, and no chart library for that."""

from __future__ import annotations

import re

import synthetic_findings as influence_findings
import synthetic_runs as made
from small_runs import recorded

from ecosystem import Categorical, Ecosystem, Flow, Gaussian, Linear, Location, Member, Scenario, Shift
from ecosystem.core.words import number
from ecosystem.influence import influence, measure_influence


def pair() -> Scenario:
    s = Scenario("two", rounds=4)
    s.add("a<b", Member(Location([1.0, 2.0], scale=0.2), reward=Linear([1.0, 0.0]), real=Location([0.5, 0.0])))
    s.add("c", Member(Location([0.0, 0.0])))
    s.connect("a<b", "a<b", Flow(raw=0.25))
    s.connect("a<b", "c", Flow(raw=1.0))
    return s


def test_a_run_shows_its_headline_and_a_row_for_each_verdict() -> None:
    run = recorded()
    page = run._repr_html_()
    assert "Run of recorded" in page and "6 of 6 rounds, four replicates, 40 samples a member" in page
    assert page.count("<tr>") == 4 and all(words in page for words in run.verdicts["words"])
    many = made.web(200)._repr_html_()
    assert many.count("<tr>") == 13 and "and 188 more" in many and len(many) < 10_000


def test_names_are_shown_and_not_obeyed() -> None:
    for page in (made.odd()._repr_html_(), pair()._repr_html_()):
        assert "<script" not in page and "a<b" not in page and "&lt;" in page


def test_scenarios_ecosystems_agents_and_models_show_their_numbers() -> None:
    page = pair()._repr_html_()
    assert "Scenario two" in page and "a&lt;b → c" in page and page.count("<table>") == 2
    eco = Ecosystem(pair(), seeds=[0])
    eco.step()
    shown = re.sub("<[^>]*>", " ", eco._repr_html_())
    assert "1 of 4 rounds" in shown and "0.625" in shown  # 0.25 · 1 + 0.75 · 0.5
    assert "25 %" in eco["a<b"]._repr_html_() and "alignment 0.625" in eco["a<b"]._repr_html_()
    assert "alignment –" in eco["c"]._repr_html_()
    assert "1.00 2.00" in Location([1.0, 2.0], scale=0.2)._repr_html_()
    assert "1.00 0.00; 0.00 2.00" in Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 2.0]])._repr_html_()
    assert "0.250 0.750" in Categorical([0.25, 0.75])._repr_html_()
    assert "100 numbers from 0.00 to 0.00" in Location([0.0] * 100)._repr_html_()


def test_influence_shows_its_headline_and_its_largest_effects() -> None:
    s = pair()
    s.connect("c", "c", Flow(raw=0.0))
    s = s.with_member("a<b", curator=Shift([1.0, 0.0])).with_flow("a<b", "a<b", raw=0.1, curated=0.2)
    effect = influence(s)
    page = effect._repr_html_()
    assert "Influence of curation on alignment in two" in page and "Curation pays for a&lt;b." in page
    assert "<script" not in page and "a<b" not in page and page.count("<tr>") == 1 + len(effect.table)
    assert f"<td style='text-align:left' title='{number(effect.table['effect'].iloc[0], sign=True)}'>" in page
    saved = effect.findings()._repr_html_()
    assert effect.verdicts["sentence"].iloc[0].replace("<", "&lt;") in saved and "pays" in saved
    many = influence_findings.many(40)._repr_html_()
    assert many.count("<tr>") == 13 and "and 1,588 more" in many
    assert "Influence of real data on alignment" in influence(s, of="real")._repr_html_()


def test_measured_influence_shows_intervals_and_what_is_clear() -> None:
    s = Scenario("one", rounds=4, samples=20)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.5))
    page = measure_influence(s, seeds=4, burn_in=1)._repr_html_()
    assert "Measured influence of curation on alignment" in page and "Of one effect one is clear." in page
    assert "(95 %)" in page and "pays" in page


def test_a_scenario_shows_its_network_and_says_what_is_left_out() -> None:
    """It was two tables, the flows cut off after twelve, and no drawing."""
    s = Scenario("ring", rounds=1)
    for i in range(20):
        s.add(f"m{i}", Member(Location([0.0]), real=Location([0.0])))
    for i in range(20):
        s.connect(f"m{i}", f"m{(i + 1) % 20}", Flow(raw=0.5))
    page = s._repr_html_()
    assert page.count("<svg") == 1 and 'data-source="m19"' in page and page.count("… and eight more rows") == 2
    for i in range(20, 61):
        s.add(f"m{i}", Member(Location([0.0]), real=Location([0.0])))
    many = s._repr_html_()
    assert "<svg" not in many and "… and 49 more rows" in many
    assert "<svg" not in Scenario("nobody", rounds=1)._repr_html_()
