"""What an influence analysis means, in sentences: right for every verdict, with their signs, sizes and percentages."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic_findings as made
from synthetic_findings import found

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift, Users
from ecosystem.influence import influence
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import others, own, readers_only, verdicts
from ecosystem.influence.story import headline, story, unit
from ecosystem.report import render_findings


def chapter(findings: Findings, start: str) -> list[str]:
    """The sentences below the heading that starts so; none if there is no such heading."""
    return next((sentences for title, sentences in story(findings) if title.startswith(start)), [])


def alone(effect: float, isolated: float, count: int = 3, formal: str = "") -> str:
    """The sentence on a member with this effect and this isolated effect, in a network of so many."""
    names = ["theta", "phi", "chi"][:count]
    pushes, gradients = np.array([effect] + [1.0] * (count - 1)), np.ones(count)
    kept = dict.fromkeys(names[1:], "it has no curated flow")
    findings = made.solve(
        names, np.zeros((count, count)), pushes, gradients, isolated={"theta": isolated}, skipped=kept, formal=formal
    )
    (sentence,) = own(findings)
    return sentence


# Sentences


@pytest.mark.parametrize(
    ("effect", "isolated", "words"),
    [
        (
            1.48,
            2.3871,
            "theta pays for theta: one percentage point more curation raises its long-run alignment by 0.0148",
        ),
        (1.48, 2.3871, "the network weakens this (38 % less than if all others stood still)."),
        (1.5, 1.0, "the network strengthens this (50 % more than if all others stood still)."),
        (5.0, 1.0, "the network strengthens this (5.0 times as much as if all others stood still)."),
        (1.0, 1.0, "the network leaves that as it is (it would be the same if all others stood still)."),
        (1.003, 1.0, "strengthens this (0.3 % more than"),
        (0.004, 1.0, "raises its long-run alignment by 0.0000400; the network cancels what it would do if"),
        (1.0, -0.5, "the network rescues it: if all others stood still, it would backfire and lower it by 0.00500."),
        (1.0, 0.0, "if all others stood still, it would do nothing: all of this comes from the network."),
        (-1.48, -2.3871, "theta backfires: one percentage point more curation lowers its long-run alignment by 0.0148"),
        (-1.48, -2.3871, "the network softens this (38 % less than if all others stood still)."),
        (-1.5, -1.0, "the network makes it worse (50 % more than if all others stood still)."),
        (-1.0, -1.0, "the network leaves that as it is"),
        (
            -1.0,
            0.5,
            "alone it would help, in this network it hurts (if all others stood still, it would raise it by 0.005",
        ),
        (-1.0, 0.0, "it would do nothing: all of this comes from the network."),
    ],
)
def test_every_verdict_on_oneself_is_a_sentence(effect: float, isolated: float, words: str) -> None:
    assert words in alone(effect, isolated)


def test_two_members_name_the_other_and_one_alone_has_no_network() -> None:
    assert alone(1.0, 2.0, count=2).endswith("the network weakens this (50 % less than if phi stood still).")
    assert alone(1.0, 1.0, count=1).endswith("raises its long-run alignment by 0.0100.")


def test_no_effect_is_no_verdict() -> None:
    blocks = np.array([[0.0, 0.5], [0.0, 0.0]])
    findings = made.solve(["a", "b"], blocks, np.array([1e-14, -1.0]), np.array([1.0, 1.0]))
    assert list(verdicts(findings)) == ["none", "none", "harms", "backfires"]
    findings = made.solve(["a", "b"], blocks, np.array([0.0, 1.0]), np.array([1.0, 1.0]), isolated={"a": 0.0})
    assert own(findings)[0] == "Curating a makes no difference to a; if b stood still, it would do nothing either."
    assert others(findings)[0] == "Curating a changes nothing for b."
    findings = made.solve(["a", "b"], blocks, np.array([0.0, 1.0]), np.array([1.0, 1.0]), isolated={"a": 0.5})
    assert "the network cancels what it would do if b stood still (raise it by 0.00500)" in own(findings)[0]


def test_formal_numbers_claim_no_long_run() -> None:
    findings = found("formal")
    assert story(findings)[0] == (
        "How far these numbers go",
        [f"These numbers are formal: {findings.settings['formal']}."],
    )
    told = " ".join(own(findings) + others(findings))
    assert "would raise its alignment at the stable point by 0.00419" in told
    assert "would lower its alignment at the stable point by 0.00112" in told
    assert "would raise b’s alignment at the stable point by 0.00363" in told
    assert "long-run" not in told


def test_verdicts_agree_with_the_flags_of_the_table() -> None:
    for name in ("five", "sixty", "odd"):
        table = found(name).influence.assign(verdict=verdicts(found(name)))
        small = table["verdict"] == "none"
        assert (table["harms"] == table["verdict"].isin(["harms", "backfires"]))[~small].all()
        assert (table["backfires"] == (table["verdict"] == "backfires"))[~small].all()
        assert table.loc[small, "effect"].abs().max() < 1e-9 if small.any() else True


def test_others_are_harmed_and_helped_with_numbers_and_signs() -> None:
    assert others(found("pair")) == [
        "Curating theta harms phi: one percentage point more lowers phi’s long-run alignment by 0.00158."
    ]
    told = others(found("five"))
    assert told[0] == (
        "Curating Poster harms Hairline (−0.00934) and Marker (−0.00439); "
        "it helps Pencil (+0.00154) and Brush (+0.000577)."
    )
    assert (
        told[3]
        == "Curating Pencil helps Brush: one percentage point more raises Brush’s long-run alignment by 0.00225."
    )
    assert told[4] == "Curating Brush changes nothing for the others."
    assert len(told) == 5


def test_headlines() -> None:
    assert headline(found("pair")) == "Curation pays for theta. Curating theta harms phi."
    assert headline(found("formal")) == "Curation pays for a; it backfires for b."
    assert headline(found("five")) == (
        "Curation pays for Poster, Hairline and Pencil; it backfires for Marker and Brush. "
        "Curating Poster and Marker harms others."
    )
    table = found("sixty").influence
    pays = int(((table["kind"] == "self") & (table["effect"] > 0)).sum())
    assert headline(found("sixty")).startswith(
        f"Curation pays for {pays} of 60 members; it backfires for {60 - pays}. "
    )
    assert headline(found("silent")).startswith("There is no influence to speak of")
    both = made.solve(["a", "b"], np.zeros((2, 2)), np.ones(2), np.ones(2))
    assert headline(both) == "Curation pays for both members."


def test_help_alone_makes_a_headline() -> None:
    """It was said to make no difference."""
    s = Scenario("teacher", rounds=5)
    s.add("w", Member(Location([0.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.add("r", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("w", "w", Flow(curated=0.3))
    s.connect("w", "r", Flow(raw=0.5))
    assert headline(influence(s).findings()) == "Curating w helps r."


@pytest.mark.parametrize(
    ("private", "outside", "words"),
    [
        (2.0, -1.0, "+0.0200 for itself, −0.0100 for b, +0.0100 in all; it gains more than b loses."),
        (1.0, -2.0, "−0.0100 in all; b loses more than it gains."),
        (-1.0, 2.0, "b gains more than it loses."),
        (-2.0, 1.0, "it loses more than b gains."),
        (1.0, 1.0, "b gains too."),
        (-1.0, -1.0, "b loses too."),
        (1.0, 0.0, "nothing for b, +0.0100 in all; b neither gains nor loses."),
        (0.0, -1.0, "only b loses."),
        (1.0, -1.0, "it gains as much as b loses."),
        (1.0, float("nan"), "its effect on some of them is not defined, and so are the sums."),
    ],
)
def test_who_gains_and_who_pays(private: float, outside: float, words: str) -> None:
    findings = made.solve(["a", "b"], np.zeros((2, 2)), np.ones(2), np.ones(2), skipped={"b": "no"})
    findings = replace(
        findings,
        welfare=pd.DataFrame(
            {"source": ["a"], "private": [private], "externality": [outside], "social": [private + outside]}
        ),
    )
    (sentence,) = chapter(findings, "Who gains")
    assert sentence.startswith("a’s curation: ") and sentence.endswith(words)


def test_tastes_of_different_scales_are_warned_of() -> None:
    findings = found("pair")
    assert len(chapter(findings, "Who gains")) == 1
    members = findings.members.assign(reward=["Linear([2])", "Quadratic(0.2)"])
    assert "scale of its own" in chapter(replace(findings, members=members), "Who gains")[-1]


def test_settling_is_told_by_order_rate_and_rounds() -> None:
    rows = [("synchronous", 0.5, True, 20.0, 19.0), ("sequential('a', 'b')", 1.25, False, np.nan, np.nan)]
    rows += [("shuffled", np.nan, True, np.nan, np.nan)]
    findings = made.solve(["a", "b"], np.full((2, 2), 0.6), np.ones(2), np.ones(2), stability=rows)
    assert chapter(findings, "Does the network") == [
        "In its own order of updates, synchronous, the network settles; each round leaves 50 % of a small distance to "
        "the stable point (rounds until 1e-06 of it is left: 20 predicted, 19 measured).",
        "With sequential('a', 'b') updates the network does not settle; each round multiplies a small distance to the "
        "stable point by 1.25.",
        "With shuffled updates the network settles.",
        "Other orders may fail: the certificate ρ(‖B‖) is 1.20, and only below 1 would it vouch for all of them.",
        "Played from its start, the network settles.",
    ]
    assert "It would settle in any order, with any bounded delays" in " ".join(
        chapter(found("pair"), "Does the network")
    )
    slow = findings.stability.head(1).assign(rate=np.nan, exponent=0.5, predicted=np.nan, measured=np.nan)
    assert (
        "after t rounds about t^−0.50 of a small" in chapter(replace(findings, stability=slow), "Does the network")[0]
    )


def test_who_has_no_column_and_why() -> None:
    assert chapter(found("pair"), "Whose curation") == ["phi: it has no curated flow."]
    assert chapter(found("five"), "Whose curation") == []
    skipped = {"1": "it has no curated flow; say which: like={'1': u}", "b": "it never retrains."}
    skipped |= {f"m{i}": f"it has no curated flow; say which: like={{'m{i}': u}}" for i in range(5)}
    findings = replace(found("pair"), settings=found("pair").settings | {"skipped": skipped})
    assert chapter(findings, "Whose curation") == [
        "Member 1, m0, m1, m2 and two more, each for this reason: it has no curated flow.",
        "b: it never retrains.",
    ]


def test_many_members_are_counted() -> None:
    findings = found("sixty")
    table = findings.influence
    self_rows, cross = table[table["kind"] == "self"], table[table["kind"] == "cross"]
    told = " ".join(own(findings) + others(findings) + chapter(findings, "Who gains"))
    best = self_rows.loc[self_rows["effect"].idxmax()]
    worst = cross.loc[cross["effect"].idxmin()]
    assert f"Curation pays for {(self_rows['effect'] > 0).sum()} of 60 members, most for {best['source']} (" in told
    assert f"most harm goes from {worst['source']} to {worst['target']} (" in told
    counts = self_rows["network"].value_counts()
    assert f"the network strengthens {counts['amplified']} and weakens {counts['dampened']} of these effects" in told
    losing = (findings.welfare["externality"] < 0).sum()
    assert f"For {losing} of 60 members, the others, taken together, lose when that member is curated more" in told
    turned = replace(findings, influence=table.assign(network=table["network"].replace("dampened", "inverted")))
    assert "turns round" in " ".join(own(turned)) and len(own(turned)) > len(own(findings))


def test_who_is_not_looked_at_is_named_with_the_reason() -> None:
    findings = made.solve(["theta", "phi"], np.zeros((2, 2)), np.ones(2), np.ones(2))
    assert chapter(findings, "Whose alignment is not looked at") == []
    reasons = {"phi": "it has no reward; give it one: Member(..., reward=...)"}
    silent = replace(findings, settings=findings.settings | {"unjudged": reasons})
    assert chapter(silent, "Whose alignment is not looked at") == ["phi: it has no reward."]


@pytest.mark.parametrize(
    ("chosen_by", "whose"),
    [("producer", "a’s users"), (Users(Linear([1.0, 0.0]), Shift([1.0, 0.0])), "others")],
    ids=["producer", "own"],
)
def test_nothing_backfires_on_members_whose_users_never_choose(chosen_by: Any, whose: str) -> None:
    """A member that reads what others choose was told that its curation backfires."""
    s = Scenario("led", rounds=60)
    still = Location([0.0, 0.0])
    s.add("a", Member(still, reward=Linear([1.0, 0.0]), curator=Shift([1.0, 0.0]), real=still))
    s.add("b", Member(still, reward=Linear([-1.0, 0.1]), curator=Shift([1.0, 0.0]), real=still))
    s.connect("a", "b", Flow(raw=0.2, curated=0.3, chosen_by=chosen_by))
    s.connect("b", "a", Flow(raw=0.3))
    findings = influence(s).findings()
    assert dict(zip(findings.influence["target"], verdicts(findings), strict=True)) == {"a": "helps", "b": "lowers"}
    assert not findings.influence["backfires"].any() and findings.influence["harms"].tolist() == [False, True]
    (told,) = own(findings)
    assert told.startswith(f"Reading more of what {whose} choose does not pay for b: one percentage point more lowers")
    assert headline(findings).startswith("Reading more of what others choose lowers the alignment of b.")
    page = render_findings(findings)
    assert "backfires" not in page.split('<dl class="words">')[0].split("<main>")[1] and "lowers it" in page
    (glad,) = own(influence(s.with_member("b", reward=Linear([1.0, 0.1]))).findings())  # it was said to choose itself
    assert glad.startswith(f"Reading more of what {whose} choose pays for b: one percentage point more raises")
    by_its_own = influence(s.with_flow("a", "b", chosen_by="consumer")).findings()
    assert by_its_own.influence["backfires"].tolist() == [False, True]
    assert list(verdicts(by_its_own)) == ["helps", "backfires"]
    both = s.with_flow("a", "b", raw=0.1, curated=0.2)
    both.connect("b", "b", Flow(curated=0.2))  # its own users choose some of it
    assert list(verdicts(influence(both).findings()))[1::2] in (["backfires"], ["pays"])


def test_who_chooses_where_nobody_does_yet() -> None:
    flows = pd.DataFrame(
        [("a", "b", 0.0, "producer"), ("b", "b", 0.0, "producer"), ("a", "c", 0.0, "own"), ("c", "a", 0.1, "producer")],
        columns=["source", "target", "curated", "chosen_by"],
    )
    assert readers_only(flows) == {"c", "a"}
    assert readers_only(flows.assign(curated=[0.1, 0.0, 0.0, 0.1])) == {"b", "c", "a"}


def test_of_other_numbers_the_strongest_effects_are_told_and_curation_is_not_spoken_of() -> None:
    """They had no headline and no chapters: a page of them was refused."""
    s = Scenario("other", rounds=60)
    for name, taste in (("a", 1.0), ("b", -2.0)):
        s.add(name, Member(Location([0.0]), reward=Linear([taste]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.3))
    s.connect("a", "b", Flow(raw=0.5))
    findings = influence(s, of="real").findings()
    told = [sentence for title, sentences in story(findings) if title == "What it does" for sentence in sentences]
    order = findings.influence["effect"].abs().sort_values(ascending=False, kind="stable").index
    assert told == list(findings.verdicts["sentence"].loc[order])
    largest = f"The largest: {told[0][0].lower()}{told[0][1:]}"
    counts = "Of four effects of more real data, two raise the alignment and one lower it."
    assert headline(findings) == f"{counts} {largest}"
    assert unit(findings).startswith("Tables and charts hold derivatives, for a whole unit of real data;")
    words = " ".join([headline(findings), unit(findings), *told])
    assert "urat" not in words and "backfire" not in words
    one = replace(findings, influence=findings.influence.head(1))
    assert headline(one) == findings.verdicts["sentence"].iloc[0]
    still = replace(findings, influence=findings.influence.assign(effect=0.0))
    assert headline(still) == "Nobody’s alignment answers to more real data."
