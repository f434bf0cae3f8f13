"""Interventions: what they say of themselves, what is refused when they are given, and those of one's own."""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ecosystem import (
    Connect,
    Curate,
    Disconnect,
    Ecosystem,
    Flow,
    Freeze,
    Intervention,
    Join,
    Leave,
    Linear,
    Location,
    Member,
    ModelAgent,
    Scenario,
    Shift,
    Thaw,
    never,
)
from ecosystem.scenario import Verbs
from tests.labs import refused, untouched


def hub(rounds: int = 20, **settings) -> Scenario:
    """``north`` takes half of its data from ``hub``, half of that curated."""
    s = Scenario("hub", rounds=rounds)
    s.add("hub", Member(Location([4.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([4.0])))
    s.add("north", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0]), **settings))
    s.connect("hub", "north", Flow(raw=0.25, curated=0.25))
    return s


def at(round: int, *interventions: Intervention) -> None:
    hub().at(round, *interventions)


def checked(*given: tuple[int, Intervention], **settings) -> Scenario:
    s = hub(**settings)
    for round, intervention in given:
        s.at(round, intervention)
    s.check()
    return s


# -- refused when they are given ---------------------------------------------------------------------------------------

GIVEN: dict[str, tuple[Callable[[], object], str]] = {
    "member for a flow": (
        lambda: at(3, Disconnect("hub")),
        "TypeError: Disconnect('hub'): Disconnect takes a flow by two members, Disconnect(u, v), got 'hub'",
    ),
    "numbers for a flow": (lambda: Connect(1, 2), "TypeError: Connect(1, 2): Connect takes a flow by two members"),  # type: ignore[arg-type]
    "tuple for a flow": (
        lambda: at(3, Connect(("hub", "north"))),  # type: ignore[arg-type]
        "TypeError: Connect(('hub', 'north')): give both members as arguments of their own: Connect('hub', 'north')",
    ),
    "flow for a member": (
        lambda: at(3, Freeze(("hub", "north"))),  # type: ignore[arg-type]
        "TypeError: Freeze(('hub', 'north')): Freeze takes one member, Freeze('a'), got the flow or list ('hub', 'nor",
    ),
    "flow for a level": (
        lambda: at(3, Curate(("hub", "north"), 0.8)),  # type: ignore[arg-type]
        "TypeError: Curate(('hub', 'north'), 0.8): Curate takes one member",
    ),
    "node for a name": (
        lambda: Leave(3),  # type: ignore[arg-type]
        "TypeError: Leave(3): Leave takes the name of a member, a string, got 3; use",
    ),
    "level above": (lambda: at(3, Curate("hub", 1.5)), "Curate('hub', 1.5): a curation level lies between 0 and 1"),
    "level below": (lambda: Curate("hub", -0.1), "Curate('hub', -0.1): a curation level lies between 0 and 1"),
    "no level": (lambda: at(3, Curate("hub", float("nan"))), "Curate('hub', nan): a curation level lies…got nan"),
    "text for a level": (lambda: Curate("hub", "0.5"), "Curate('hub', '0.5'): a curation level lies"),  # type: ignore[arg-type]
    "unknown member": (lambda: at(3, Thaw("south")), "KeyError: Thaw('south') in round 3: there is no member 'south'"),
    "unknown producer": (lambda: at(3, Connect("south", "hub")), "KeyError: Connect('south', 'hub') in round 3: there"),
    "unknown flow": (
        lambda: at(3, Disconnect("north", "hub")),
        "KeyError: Disconnect('north', 'hub') in round 3: there",
    ),
    "round too late": (
        lambda: at(1000, Freeze("hub")),
        "Scenario.at(round) for Freeze('hub') is 1000, but the scenario has 20 rounds and never gets there; choose at "
        "most 20, or build the scenario with more rounds",
    ),
    "half a round": (lambda: at(2.5, Freeze("hub")), "Scenario.at(round)…must be a whole number"),  # type: ignore[arg-type]
    "joins too late": (
        lambda: hub().add("late", Member(Location([0.0])), joins=21),
        "add('late', joins=) is 21, but the scenario has 20 rounds and never gets there",
    ),
    "appears too late": (
        lambda: hub().connect("north", "hub", Flow(raw=0.1), appears=30),
        "connect('north', 'hub', appears=) is 30, but the scenario has 20 rounds",
    ),
    "cut off": (
        lambda: checked((9, Freeze("hub")), (12, Thaw("hub"))).replace(rounds=5),
        "replace(rounds=5) would cut off Freeze('hub') in round 9; keep at least 12 rounds, or say what is to happen "
        "in the shorter run: replace(rounds=5, interventions={})",
    ),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_cannot_be_is_refused_when_it_is_given(case: str) -> None:
    """These went through, and failed in the middle of a run or were never played."""
    make, message = GIVEN[case]
    refused(make, message)


# -- refused when the scenario is checked ------------------------------------------------------------------------------

CHECKED: dict[str, tuple[Callable[[], object], str]] = {
    "join twice": (
        lambda: checked((3, Join("hub")), (5, Join("hub"))),
        "Join('hub') in round 5: 'hub' is there already; leave this out, or see that it goes first",
    ),
    "leave twice": (
        lambda: checked((3, Leave("hub")), (5, Leave("hub"))),
        "Leave('hub') in round 5: 'hub' is away already; leave this out, or see that it comes back first",
    ),
    "connect twice": (
        lambda: checked((2, Connect("hub", "north")), (5, Connect("hub", "north"))),
        "Connect('hub', 'north') in round 5: ('hub', 'north') is there already",
    ),
    "thaw": (
        lambda: checked((3, Thaw("hub"))),
        "Thaw('hub') in round 3: 'hub' is not frozen then; leave this out, or freeze it first",
    ),
    "freeze twice": (
        lambda: checked((3, Freeze("hub")), (4, Freeze("hub"))),
        "Freeze('hub') in round 4: 'hub' is frozen already; leave this out, or thaw it first",
    ),
    "no way back": (
        lambda: checked((3, Curate("north", 1.0)), (4, Curate("north", 0.5))),
        "Curate('north', 0.5) in round 4: a level…strictly between, and 'north' has 1; give one of its flows",
    ),
    "nothing to raise": (
        lambda: checked((3, Disconnect("hub", "north")), (4, Curate("north", 0.5))),
        "Curate('north', 0.5) in round 4: a level…strictly between, and 'north' has 0",
    ),
    "too much later": (
        lambda: _curated_then_more(),
        "shares of 'north' add up to 1.1 from round 4 on (raw 0.05 from 'hub', curated 0.85 from 'hub', raw 0.2 from ",
    ),
    "there and away at once": (
        lambda: checked((3, Join("hub")), (3, Leave("hub"))),
        "Leave('hub') in round 3: Join('hub') says already whether 'hub' is there, and what happens in one round "
        "happens at once; keep one of the two, or let one happen in another round",
    ),
    "a flow away and there at once": (
        lambda: checked((3, Disconnect("hub", "north")), (3, Connect("hub", "north"))),
        "Connect('hub', 'north') in round 3: Disconnect('hub', 'north') says already whether ('hub', 'north'",
    ),
    "frozen and thawed at once": (
        lambda: checked((3, Freeze("hub")), (3, Thaw("hub"))),
        "Thaw('hub') in round 3: Freeze('hub') says already whether 'hub' retrains, and",
    ),
    "two levels at once": (
        lambda: checked((3, Curate("north", 0.5)), (3, Curate("north", 0.6))),
        "Curate('north', 0.6) in round 3: Curate('north', 0.5) says already the curation level of 'north', and",
    ),
    "a level of what goes": (
        lambda: checked((3, Curate("north", 0.5)), (3, Disconnect("hub", "north"))),
        "Curate('north', 0.5) in round 3: a level…strictly between, and 'north' has 0",
    ),
}


def _curated_then_more() -> None:
    s = hub()
    s.connect("north", "north", Flow(raw=0.2), appears=4)
    s.at(3, Curate("north", 0.85))
    s.check()


@pytest.mark.parametrize("case", CHECKED)
def test_what_cannot_be_at_that_time_is_refused_by_check(case: str) -> None:
    """Doubled ones did nothing without a word; levels out of reach stopped the run."""
    make, message = CHECKED[case]
    refused(make, message)


def test_an_agent_of_its_own_may_freeze_itself() -> None:
    """What it will have done by then nobody knows before the run, so it is not refused."""

    class Sleepy(ModelAgent):
        def decide(self) -> None:
            if self.model.steps == 2:
                self.set_frozen(True)

    s = checked((4, Thaw("north")), rounds=5, agent=Sleepy)
    run = s.run()
    assert run.rounds.query("member == 'north'")["updated"].tolist() == [False, True, False, False, True, True]


def test_what_can_be_passes() -> None:
    s = checked(
        (1, Freeze("hub")),
        (2, Thaw("hub")),
        (3, Disconnect("hub", "north")),
        (4, Connect("hub", "north")),
        (5, Curate("north", 0.75)),
        (6, Curate("north", 0.0)),
        (20, Leave("hub")),
    )
    before = untouched(s)
    assert s.run().failures.empty and untouched(s) == before
    shorter = s.replace(rounds=5, interventions={round: s.interventions[round] for round in range(1, 6)})
    assert list(shorter.interventions) == [1, 2, 3, 4, 5] and s.replace().interventions == s.interventions
    assert s.replace(rounds=0, interventions={}).interventions == {} and shorter.run().failures.empty
    s.at(2)
    assert s.interventions[2] == [Thaw("hub")]


def test_one_source_is_swapped_for_another_in_one_round() -> None:
    """``check`` let it pass and the run stopped: between the two its shares were 2."""
    s = Scenario("swap", rounds=4)
    for i, name in enumerate("ac"):
        s.add(name, Member(Location([1.0 + i]), schedule=never))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0])))
    s.connect("a", "b", Flow(raw=1.0))
    s.connect("c", "b", Flow(raw=1.0), appears=3)
    s.at(3, Disconnect("a", "b"))
    run = s.run()
    assert run.rounds.query("member == 'b'")["alignment"].tolist() == [0.0, 1.0, 1.0, 2.0, 2.0]
    assert run.changes["subject"].tolist() == ["c→b", "a→b"]


def played(order: list[int], branched: bool = False) -> list[float]:
    """``b`` reads ``a`` and ``c``; one flow goes, another comes, its level changes and ``c`` rests, all in round 3."""
    s = Scenario("order", rounds=6)
    for name, mean in (("a", 1.0), ("c", 4.0)):
        s.add(name, Member(Location([mean]), reward=Linear([1.0]), curator=Shift([0.5]), real=Location([2 * mean])))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([-1.0]), real=Location([-3.0])))
    s.connect("a", "b", Flow(raw=0.2, curated=0.1))
    s.connect("c", "b", Flow(raw=0.1, curated=0.3, delay=1), appears=3)
    s.connect("b", "b", Flow(raw=0.1, curated=0.15, chosen_by="consumer"))
    s.connect("b", "c", Flow(raw=0.5))
    more = [Disconnect("a", "b"), Curate("b", 0.6), Freeze("c")]
    s.at(3, *[more[i] for i in order])
    eco = Ecosystem(s)
    for _ in range(2):
        eco.step()
    eco = eco.branch() if branched else eco
    eco.run()
    return eco.result().rounds.query("member == 'b'")["alignment"].tolist()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_happens_in_one_round_happens_at_once(order: tuple[int, ...]) -> None:
    """A level was reached before what was given after it came or went, so that it was another one at the end.

    By hand: until round 2 ``b`` takes .3 of ``a`` and .25 of itself; from round 3 on .45 of ``c`` and itself is chosen
    and becomes .6, .2 is raw and becomes .2 · .4/.55.
    """
    a, b, c, expected, cs = 1.0, 0.0, 4.0, [0.0], [4.0]
    for round in range(1, 7):
        raw, grown = 0.1 * 0.4 / 0.55, 0.6 / 0.45
        if round < 3:
            new = 0.3 * a + 0.1 * 0.5 + 0.25 * b - 0.15 + 0.45 * -3
            a, c = 2.0, 0.5 * b + 0.5 * 8
        else:
            own = 0.3 * grown * (cs[-2] + 0.5) + raw * cs[-2] + 0.15 * grown * (b - 1) + raw * b
            new = own + (1 - 0.6 - 2 * raw) * -3
        b = new
        expected.append(b)
        cs.append(c)
    assert played(list(order)) == pytest.approx(expected, abs=1e-14)
    assert played(list(order), branched=True) == played(list(order))


# -- what they say of themselves ---------------------------------------------------------------------------------------

BUILT_IN = [Join("a"), Leave("a"), Freeze("a"), Thaw("a"), Connect("a", "b"), Disconnect("a", "b"), Curate("a", 0.5)]


@pytest.mark.parametrize("one", BUILT_IN, ids=repr)
def test_they_are_values_that_read_as_they_are_typed(one: Intervention) -> None:
    assert eval(repr(one)) == one and copy.deepcopy(one) == one and hash(copy.copy(one)) == hash(one)
    assert [other for other in BUILT_IN if other == one] == [one]
    assert one.label == ("a" if isinstance(one.subject, str) else "a→b")


# -- of one's own ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blackout(Intervention):
    """Two members stop at once, and a flow goes with them."""

    other: str

    def apply(self, verbs: Verbs) -> None:
        assert isinstance(self.subject, str)
        verbs.set_frozen(self.subject, True)
        verbs.set_frozen(self.other, True)
        verbs.set_present((self.subject, self.other), False)


def test_one_of_your_own_is_played_and_recorded() -> None:
    """``Scenario.check`` refused every intervention that is not built in."""
    s, byhand = hub(rounds=5), hub(rounds=5)
    s.at(3, Blackout("hub", "north"))
    byhand.at(3, Freeze("hub"), Freeze("north"), Disconnect("hub", "north"))
    run, same = s.run(), byhand.run()
    assert run.changes.equals(same.changes) and run.rounds.equals(same.rounds)
    assert run.changes[["round", "subject", "what", "after"]].values.tolist() == [
        [3, "hub", "frozen", "True"],
        [3, "north", "frozen", "True"],
        [3, "hub→north", "present", "False"],
    ]


def test_one_of_your_own_is_refused_as_early_as_the_built_in_ones() -> None:
    refused(lambda: at(3, Blackout("hub", "south")), "KeyError: Blackout(…) in round 3: there is no member 'south'")
    refused(lambda: at(3, Blackout("north", "hub")), "KeyError: Blackout(…) in round 3: there is no flow 'north' →")
    refused(
        lambda: checked((2, Freeze("north")), (3, Blackout("hub", "north"))), "in round 3: 'north' is frozen already"
    )
    starved = hub().with_member("north", real=None).with_flow("hub", "north", raw=0.75)
    starved.at(4, Blackout("hub", "north"))
    refused(starved.check, "shares of 'north' add up to 0 from round 4 on (no flows), and it has no real data")


def test_one_of_your_own_may_bring_members_in() -> None:
    """Its subjects are away until then, as with ``Join``."""

    class Arrive(Intervention):
        def apply(self, verbs: Verbs) -> None:
            for name in self.subject:
                verbs.set_present(name, True)

    s = hub(rounds=4)
    s.add("x", Member(Location([2.0]), schedule=never, reward=Linear([1.0])))
    s.connect("x", "hub", Flow(raw=1.0))
    s.at(3, Arrive(("x", "north")))
    assert s.late() == {"x", "north"} and s.real_share("hub") == 1.0
    table = s.run().rounds.pivot(index="round", columns="member", values="alignment")
    assert (
        table["hub"].tolist() == [4.0, 4.0, 4.0, 2.0, 2.0]
        and table["north"].notna().tolist() == [False] * 3 + [True] * 2
    )


def test_one_that_does_nothing_or_too_much_is_refused() -> None:
    class Silent(Intervention):
        pass

    class Bold(Intervention):
        def apply(self, verbs: Verbs) -> None:
            verbs.set_flow("hub", self.subject, raw=0.0)  # type: ignore[attr-defined]

    class Greedy(Intervention):
        def apply(self, verbs: Verbs) -> None:
            verbs.set_curation("north", 2.0)

    class Mixed(Intervention):
        def apply(self, verbs: Verbs) -> None:
            verbs.set_frozen(("hub", "north"), True)  # type: ignore[arg-type]

    refused(
        lambda: at(3, Silent("hub")), "TypeError: unknown intervention Silent('hub') in round 3: it does nothing; give"
    )
    refused(
        lambda: at(3, Bold("north")),
        "TypeError: Bold('north'): an intervention calls set_frozen, set_curation or set_present, not set_flow",
    )
    refused(
        lambda: at(3, Greedy("north")), "Greedy('north') in round 3: a curation level lies between 0 and 1, got 2.0"
    )
    refused(
        lambda: at(3, Mixed("hub")), "TypeError: Mixed('hub') in round 3: set_frozen takes the name of a member, got ("
    )


def test_one_of_your_own_may_refuse_more() -> None:
    class Pause(Freeze):
        def check(self, scenario, round: int) -> None:
            if scenario.member(self.subject).real is None or round > scenario.rounds // 2:
                raise ValueError(f"{self} in round {round}: not with me")

    checked((10, Pause("hub")))
    refused(lambda: at(11, Pause("hub")), "Pause('hub') in round 11: not with me")
    s = hub()
    s.at(3, Pause("north"))
    other = s.with_member("north", real=None).with_flow("hub", "north", raw=0.75)
    refused(other.check, "Pause('north') in round 3: not with me")


def test_variants_with_other_interventions_of_your_own_are_not_mixed() -> None:
    """Those that are no dataclass were told apart by their subject alone."""

    class Level(Intervention):
        def __init__(self, name: str, level: float) -> None:
            super().__init__(name)
            object.__setattr__(self, "level", level)

        def apply(self, verbs: Verbs) -> None:
            verbs.set_curation(str(self.subject), vars(self)["level"])

    one, other = hub(), hub()
    one.at(3, Level("north", 0.5))
    other.at(3, Level("north", 0.6))
    refused(lambda: Ecosystem([one, other]), "variants must have one shape, but interventions differ")


# -- costs -------------------------------------------------------------------------------------------------------------


def joining(members: int) -> Ecosystem:
    """One member more in each round, who reads the one before."""
    s = Scenario("joining", rounds=members)
    s.add("0", Member(Location([0.0]), real=Location([1.0])))
    for i in range(1, members):
        s.add(str(i), Member(Location([0.0]), real=Location([1.0])), joins=i)
        s.connect(str(i - 1), str(i), Flow(raw=0.5))
    return Ecosystem(s)


def calls(function: Callable[[], object]) -> int:
    """How many functions of Python a function calls."""
    seen: list[None] = []
    sys.setprofile(lambda _, event, __: seen.append(None) if event == "call" else None)
    try:
        function()
    finally:
        sys.setprofile(None)
    return len(seen)


def test_who_joins_does_not_make_python_look_at_everybody() -> None:
    """Every join asked all members whether they are fed, there and enrolled: 8,000 took minutes."""
    small, large = joining(20), joining(160)
    for eco in (small, large):
        for _ in range(5):
            eco.step()
    assert abs(calls(large.step) - calls(small.step)) < 100
    for _ in range(6, 160):
        large.step()
    assert [agent.name for agent in large.agents] == large.names


def test_a_thousand_who_join_at_once_are_there_at_once() -> None:
    s = Scenario("at once", rounds=2)
    s.add("hub", Member(Location([0.0]), real=Location([1.0])))
    for i in range(1000):
        s.add(str(i), Member(Location([0.0]), real=Location([1.0])), joins=2)
        s.connect("hub", str(i), Flow(raw=0.5))
    eco = Ecosystem(s)
    eco.step()
    assert [agent.name for agent in eco.agents] == ["hub"]
    eco.step()
    assert [agent.name for agent in eco.agents] == eco.names
    assert eco.result().changes["subject"].tolist() == eco.names[1:]
    assert float(eco["0"].generator.mean) == 1.0
