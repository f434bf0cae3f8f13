"""Changed copies of a scenario: other settings, other curation levels, a flow less; the original stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import (
    BestOf,
    Disconnect,
    Flow,
    Freeze,
    Intervention,
    Leave,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    ModelAgent,
    Run,
    Scenario,
    Shift,
    Users,
    accumulate,
    every,
    never,
    sequential,
    shuffled,
    synchronous,
)
from ecosystem.orderings import Ordering
from ecosystem.scenario.shares import move_share, share_rate
from tests.labs import lab, refused, scenario, shares, trio, untouched
from tests.networks import random_scenario

_quick = settings(max_examples=40, deadline=None)


def test_copies_leave_the_original_alone() -> None:
    s = trio()
    s.at(2, Freeze("u"))
    before = untouched(s)
    copies = [s.with_curation("v", 0.7), s.without("u", "v"), s.replace(rounds=9, name="other"), s.replace()]
    copies.append(s.with_curation("w", 0.5, like=("v", "w")))
    copies += [s.with_member("w", reward=Linear([2.0, 0.0])), s.with_flow("w", "v", delay=1)]
    for other in copies:
        other.add("x", lab())
        other.connect("x", "v", Flow())
        other.at(2, Freeze("x"))
        other.at(3, Freeze("v"))
        other.graph.edges["v", "w"]["flow"] = Flow(raw=0.125)
        other.graph.nodes["u"]["member"] = lab()
        assert untouched(s) == before
    assert [other.rounds for other in copies] == [5, 5, 9, 5, 5, 5, 5] and copies[2].name == "other"
    assert all(other.member("v") is s.member("v") for other in copies)


def test_the_name_of_a_copy_says_what_was_changed() -> None:
    """All variants had the name of the original, so their tables and pages could not be told apart."""
    s = trio().replace(name="trio")
    assert s.with_flow("u", "v", raw=0.25, delay=1).name == "trio (u → v: raw 0.25, delay 1)"
    assert s.with_member("u", curator=Luce(3)).name == "trio (u: curator Luce(3, temperature=1))"
    assert s.with_curation("v", 0.5).name == "trio (v: curation 0.5)"
    both = s.without("u", "v").with_member("w", schedule=every(2))
    assert both.name == both.graph.name == "trio (without u → v; w: schedule every(2))"
    assert both.run().settings["scenario"] == both.name and both.name in repr(both)
    assert s.name == s.replace(rounds=9).name == "trio"
    assert both.replace(name="cut").graph.name == "cut"


def test_the_name_of_a_copy_is_short_and_the_same_in_every_process() -> None:
    """Checkpoints know scenarios by name too: an address in memory would be another one in each process."""

    class Mine(Linear):
        __repr__ = object.__repr__

    def bold(x: torch.Tensor) -> torch.Tensor:
        return x[..., 0]

    s = trio().replace(name="trio")
    assert s.with_member("w", reward=Mine([1.0, 0.0])).name == "trio (w: reward Mine)"
    assert s.with_member("w", reward=bold).name == "trio (w: reward bold)"
    assert s.with_member("w", real=torch.arange(200.0).reshape(100, 2)).name.endswith("…)")
    for _ in range(40):
        s = s.with_flow("w", "v", delay=1)
    assert len(s.name) < 250


def test_replace() -> None:
    s = trio()
    changed = s.replace(samples=None, ordering=shuffled)
    assert changed.samples is None and repr(changed.ordering) == "shuffled" and changed.rounds == 5
    assert changed.flow("u", "v") is s.flow("u", "v")
    with pytest.raises(
        TypeError, match=r"replace\(\) changes name, rounds, samples, ordering, interventions, not seed"
    ):
        s.replace(seed=3)
    with pytest.raises(ValueError, match=r"Scenario\(rounds\) must be a whole number"):
        s.replace(rounds=-1)


@_quick
@given(seed=st.integers(0, 10_000), level=st.floats(0, 0.99), again=st.floats(0.01, 0.99))
def test_a_change_of_the_curation_level(seed: int, level: float, again: float) -> None:
    """Curated shares ``· λ'/λ``, every other share, the real one too, ``· (1−λ')/(1−λ)``."""
    base = random_scenario(seed, 4, density=0.6)
    for v in base.names:
        old = base.curation(v)
        if not 1e-6 < old < 1 - 1e-6:
            continue
        new = base.with_curation(v, level)
        assert new.curation(v) == pytest.approx(level, abs=1e-12)
        assert new.real_share(v) == pytest.approx(base.real_share(v) * (1 - level) / (1 - old), abs=1e-9)
        for u, (raw, curated) in shares(base, v).items():
            assert shares(new, v)[u] == pytest.approx((raw * (1 - level) / (1 - old), curated * level / old), abs=1e-12)
            one, two = base.flow(u, v), new.flow(u, v)
            assert (two.chosen_by, two.transform, two.delay) == (one.chosen_by, one.transform, one.delay)
        for other in base.names:
            assert other == v or shares(new, other) == shares(base, other)
        there_and_back = base.with_curation(v, again).with_curation(v, old)
        for u, pair in shares(base, v).items():
            assert shares(there_and_back, v)[u] == pytest.approx(pair, abs=1e-9)
        assert shares(base.with_curation(v, old), v) == shares(base, v)


def test_a_change_of_the_curation_level_by_hand() -> None:
    s = trio().with_curation("v", 0.7)  # from λ = .4: curated · 7/4, raw and real · 1/2
    assert shares(s, "v") == {
        "u": (pytest.approx(0.1), pytest.approx(0.175)),
        "w": (0.0, pytest.approx(0.525)),
    }
    assert s.real_share("v") == pytest.approx(0.2)
    with pytest.raises(ValueError, match=r"shares of 'v' add up to 1\.1 "):  # a copy knows what is taken
        s.connect("v", "v", Flow(raw=0.3))
    everything = trio().with_curation("v", 1.0)
    assert shares(everything, "v") == {"u": (0.0, pytest.approx(0.25)), "w": (0.0, pytest.approx(0.75))}
    assert everything.real_share("v") == pytest.approx(0) and trio().with_curation("v", 0.0).curation("v") == 0
    assert trio(0.1, 0.0, 0.9).curation("v") == 0.9


def test_the_first_curation_says_which_flow() -> None:
    s = Scenario("first", rounds=1)
    for name in "abc":
        s.add(name, lab())
    s.connect("a", "c", Flow(raw=0.4))
    s.connect("b", "c", Flow(raw=0.2))
    new = s.with_curation("c", 0.25, like=("b", "c"))
    assert shares(new, "c") == {"a": (pytest.approx(0.3), 0.0), "b": (pytest.approx(0.15), 0.25)}
    assert new.real_share("c") == pytest.approx(0.3) and new.curation("c") == 0.25
    assert shares(s, "c") == {"a": (0.4, 0.0), "b": (0.2, 0.0)}
    for like in (None, ("a", "b"), ("c", "c"), ("zzz", "c")):
        with pytest.raises(ValueError, match=r"'c' has no curated flow.*pass like=\(u, 'c'\) with u one of a, b"):
            s.with_curation("c", 0.25, like=like)
    with pytest.raises(ValueError, match=r"with u one of its producers \(it has none\)"):
        s.with_curation("a", 0.25)


def test_levels_that_are_refused() -> None:
    for level in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"a curation level lies between 0 and 1, got {level}"):
            trio().with_curation("v", level)
    with pytest.raises(KeyError, match="with_curation: there is no member 'x'; the members are 'u', 'v', 'w'"):
        trio().with_curation("x", 0.5)
    full = trio(0.0, 0.4, 0.6)
    assert full.curation("v") == 1.0
    with pytest.raises(ValueError, match="'v' has curation level 1: its other shares are all 0 and cannot"):
        full.with_curation("v", 0.9)
    assert shares(full.with_curation("v", 1.0), "v") == shares(full, "v")
    s = Scenario("nobody", rounds=1)
    s.add("a", Member(Location([0.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.5))
    with pytest.raises(ValueError, match=r"flow 'a' → 'a' has a curated share of 0.5.*'a' has no curator; give it one"):
        s.with_curation("a", 0.5, like=("a", "a"))


def test_without_a_flow() -> None:
    s = trio()
    s.at(2, Disconnect("u", "v"), Freeze("u"))
    new = s.without("u", "v")
    assert shares(new, "v") == {"w": (0.0, 0.3)} and new.real_share("v") == pytest.approx(0.7)
    assert new.names == s.names and new.interventions == {2: [Freeze("u")]}
    with pytest.raises(ValueError, match=r"shares of 'v' add up to 1.1 \(curated 0.3 from 'w', raw 0.8 from 'u'\)"):
        new.connect("u", "v", Flow(raw=0.8))
    new.connect("u", "v", Flow(raw=0.7))  # there is room again
    with pytest.raises(KeyError, match="without in scenario 'trio': there is no flow 'u' → 'w'; connect"):
        s.without("u", "w")
    t = Scenario("t", rounds=1)
    t.add("a", Member(Location([0.0])))
    t.connect("a", "a", Flow(raw=1.0))
    with pytest.raises(ValueError, match=r"without the flow 'a' → 'a' .* 'a' has none; give it some: Member\("):
        t.without("a", "a")


@dataclass(frozen=True)
class Both(Intervention):
    """Freezes its subject and another member."""

    other: str

    def apply(self, verbs) -> None:
        verbs.set_frozen(self.subject, True)
        verbs.set_frozen(self.other, True)


def _others(run: Run, name: str) -> pd.DataFrame:
    return run.rounds.astype({"member": str}).query("member != @name").reset_index(drop=True)


@pytest.mark.filterwarnings("ignore:.*runs on the population without random orders")
@pytest.mark.parametrize("samples", [None, 8])
@pytest.mark.parametrize("ordering", [synchronous, shuffled, sequential("w", ("u", "v"))])
def test_without_a_member_is_the_scenario_built_without_it(ordering: Ordering, samples: int | None) -> None:
    """There was no way to take a member out; what it leaves is real data, and no draw of anybody else moves."""

    def built(names: str) -> Scenario:
        s = Scenario("trio", rounds=4, samples=samples, ordering=ordering if "w" in names else ordering.without("w"))
        for name in names:
            s.add(name, lab(curator=Shift([1.0, 0.0])))
        for u, v, flow in (("u", "v", Flow(raw=0.2, curated=0.1)), ("w", "v", Flow(raw=0.25)), ("v", "w", Flow(0.5))):
            if {u, v} <= {*names}:
                s.connect(u, v, flow)
        s.connect("u", "u", Flow(raw=0.25))
        s.at(2, Freeze("u"))
        return s

    whole = built("uvw")
    before = untouched(whole)
    new = whole.without("w")
    same(new, built("uv"))
    assert new.names == ["u", "v"] and new.real_share("v") == pytest.approx(0.7) and untouched(whole) == before
    apart = whole.without("w", "v").without("v", "w")
    left = built("uvw")
    left.at(1, Leave("w"))
    for other in (apart, left):
        one, two = (_others(s.run(seed=3, replicates=2), "w") for s in (new, other))
        assert one.equals(two)


def test_without_a_member_by_hand() -> None:
    """``b`` goes half way to ``a`` and to 1; without ``a`` all the way to 1, after which it stays."""
    s = Scenario("duo", rounds=2, ordering=sequential("a", "b"))
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), schedule=never))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1.0])))
    s.connect("a", "b", Flow(raw=0.5))
    assert s.run().rounds.query("member == 'b'")["alignment"].tolist() == [0.0, 0.5, 0.5]
    new = s.without("a")
    assert new.run().rounds["alignment"].tolist() == [0.0, 1.0, 1.0] and repr(new.ordering) == "sequential('b')"
    with pytest.raises(ValueError, match=r"without 'b' nobody would be left of scenario 'duo \(without a\)'"):
        new.without("b")
    with pytest.raises(KeyError, match="without in scenario 'duo': there is no member 'c'; the members are 'a', 'b'"):
        s.without("c")
    s.connect("b", "a", Flow(raw=1.0))
    with pytest.raises(ValueError, match=r"without 'b' what 'a' takes of it would be real .*, and 'a' has none; give"):
        s.without("b")


def test_what_happens_to_who_is_taken_out() -> None:
    """Interventions about nothing else go with it; those about others too are refused, as they are with a flow."""
    s = trio()
    s.at(2, Freeze("w"), Disconnect("w", "v"), Freeze("u"))
    s.at(3, Both("w", "w"), Leave("w"))
    assert s.without("w").interventions == {2: [Freeze("u")]} and len(s.interventions[3]) == 2
    s.without("w").check()
    s.at(4, Both("u", "w"))
    with pytest.raises(ValueError, match=r"without 'w', in round 4: Both\(.*\) is about u too; say .*replace\(int"):
        s.without("w")
    late = trio()
    late.add("x", lab(), joins=3)
    late.connect("x", "v", Flow(raw=0.1))
    assert not late.replace(ordering=synchronous).without("x").interventions


def test_orders_of_ones_own_without_a_member() -> None:
    class Named(type(sequential("a"))):  # a child of one that knows what to do, which does something else
        def ranks(self, names, round, rng):
            return super().ranks(names, round, rng)[::-1]

    s = trio().replace(ordering=lambda names, round, rng: list(range(len(names))))
    assert s.without("w").ordering is s.ordering and len(s.without("w").run().rounds) == 12
    with pytest.raises(ValueError, match=r"without 'w': the ordering .* names the unknown 'w'; .* replace\(ordering="):
        s.replace(ordering=Named("u", "v", "w")).without("w")


def test_orders_that_count_places_are_refused_where_they_would_turn_the_others_round() -> None:
    """Ranks of the second and third place went to the first and second, without a word."""
    placed = trio().replace(ordering=lambda names, round, rng: [2, 0, 1][: len(names)])
    with pytest.raises(ValueError, match=r"without 'u': the ordering .* would have the others in another order; give"):
        placed.without("u")
    named = trio().replace(ordering=lambda names, round, rng: [{"u": 2, "v": 0, "w": 1}[name] for name in names])
    assert named.without("u").names == ["v", "w"]
    luck = trio().replace(ordering=lambda names, round, rng: rng.uniform(len(names)).mT)
    assert luck.without("u").names == ["v", "w"]


# -- other parts of members and flows ----------------------------------------------------------------------------------


def same(s: Scenario, other: Scenario) -> None:
    """Equal tables, and runs that are equal to the bit."""
    assert untouched(s)[1:] == untouched(other)[1:]
    one, two = s.run(seed=3, replicates=2), other.run(seed=3, replicates=2)
    for name in ("rounds", "flows", "members", "changes"):
        assert getattr(one, name).equals(getattr(two, name))


class Still(ModelAgent):
    """A behaviour of its own: none."""


MEMBERS = {
    "generator": Location([1.0, 2.0], 0.3),
    "reward": Linear([0.0, 1.0]),
    "curator": BestOf(3),
    "real": torch.ones(4, 2),
    "schedule": every(2),
    "retention": accumulate(),
    "agent": Still,
}


@pytest.mark.parametrize("part", MEMBERS)
def test_another_part_of_a_member_is_the_scenario_built_with_it(part: str) -> None:
    def built(**changes) -> Scenario:
        settings = {"reward": Linear([1.0, 0.0]), "curator": Luce(2), "real": Location([0.0, 0.0])} | changes
        start = settings.pop("generator", Location([0.0, 0.0]))
        s = Scenario("one", rounds=4, samples=8)
        s.add("a", Member(start, **settings))
        s.add("b", lab())
        s.connect("a", "a", Flow(curated=0.3))
        s.connect("a", "b", Flow(raw=0.2, curated=0.2, chosen_by="consumer"))
        s.connect("b", "a", Flow(raw=0.1))
        return s

    before = built()
    copy = before.with_member("a", **{part: MEMBERS[part]})
    same(copy, built(**{part: MEMBERS[part]}))
    assert copy.member("b") is before.member("b") and copy.flow("a", "b") is before.flow("a", "b")
    assert copy.member("a").real is (MEMBERS[part] if part == "real" else before.member("a").real)


FLOWS = {
    "raw": 0.05,
    "curated": 0.3,
    "chosen_by": "producer",
    "transform": LinearMap([[0.0, 1.0], [1.0, 0.0]]),
    "delay": 0,
}


@pytest.mark.parametrize("part", FLOWS)
def test_another_part_of_a_flow_is_the_scenario_built_with_it(part: str) -> None:
    old = {"raw": 0.2, "curated": 0.1, "chosen_by": "consumer", "transform": LinearMap([[1, 0], [0, 2]]), "delay": 2}
    byhand = Scenario("trio", rounds=5, samples=8, ordering=trio().ordering)
    for name in "uvw":
        byhand.add(name, lab())
    byhand.connect("u", "v", Flow(**old | {part: FLOWS[part]}))
    byhand.connect("w", "v", Flow(curated=0.3))
    byhand.connect("v", "w", Flow(raw=0.5))
    same(trio().with_flow("u", "v", **{part: FLOWS[part]}), byhand)


def test_parts_may_be_taken_away() -> None:
    s = trio().with_flow("w", "v", curated=0.0, raw=0.3).with_flow("u", "v", curated=0.0, transform=None)
    bare = s.with_member("v", curator=None, reward=None)
    assert bare.member("v").users is None and bare.flow("u", "v").transform is None and bare.curation("v") == 0
    bare.check()
    assert s.with_member("v").member("v").reward is s.member("v").reward


REFUSED = {
    "unknown part": (
        lambda: trio().with_member("v", rewards=None),
        "TypeError: with_member('v') changes generator, reward, curator, real, schedule, retention, agent, asked, …not",
    ),
    "unknown part of a flow": (
        lambda: trio().with_flow("u", "v", share=0.3),
        "TypeError: with_flow('u', 'v') changes raw, curated, chosen_by, transform, delay, not share",
    ),
    "unknown member": (
        lambda: trio().with_member("x"),
        "KeyError: with_member: there is no member 'x'; the members are",
    ),
    "unknown flow": (
        lambda: trio().with_flow("u", "w", raw=0.1),
        "KeyError: with_flow in scenario 'trio': there is no flow 'u' → 'w'; connect it first: scenario.connect('u', ",
    ),
    "shares": (
        lambda: trio().with_flow("u", "v", raw=0.7),
        "shares of 'v' add up to 1.1 (raw 0.7 from 'u', curated 0.1 from 'u', curated 0.3 from 'w'); they must leave",
    ),
    "a share": (lambda: trio().with_flow("u", "v", raw=-0.1), "with_flow('u', 'v'): Flow(raw) is a share between 0"),
    "transform": (
        lambda: trio().with_flow("u", "v", transform=LinearMap([[1.0, 1.0]])),
        "flow 'u' → 'v' with the transform … gives samples of shape (1,), and 'v' trains on (2,)",
    ),
    "no users": (
        lambda: trio().with_member("w", curator=None),
        "flow 'w' → 'v' has a curated share of 0.3, chosen by the producer's users, but 'w' has no curator",
    ),
    "users of the consumer": (lambda: trio().with_member("v", curator=None), "chosen by the consumer's users, but 'v'"),
    "no taste": (
        lambda: trio().with_member("v", reward=None),
        "with_member('v'): a member whose users curate by Luce(2, temperature=1) needs a reward",
    ),
    "no generator": (
        lambda: trio().with_member("v", generator=3),
        "TypeError: with_member('v'): Member(generator) must",
    ),
    "other shape": (
        lambda: trio().with_member("u", generator=Location([0.0]), reward=None, curator=None, real=None),
        "flow 'u' → 'v': the transform … takes vectors of 2 numbers, and 'u' generates (1,)",
    ),
    "real data": (
        lambda: trio().with_member("u", real=torch.ones(3, 5)),
        "the real data of 'u' have samples of shape (5,), its generator makes (2,)",
    ),
    "reward": (lambda: trio().with_member("u", reward=Linear([1.0])), "the reward of 'u' fails on samples of shape"),
    "shift": (
        lambda: trio().with_flow("w", "v", chosen_by=Users(None, Shift([1.0, 2.0, 3.0]))),
        "flow 'w' → 'v': its users shift by a vector of shape (3,), but samples have (2,)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_copies_are_checked_like_what_is_built(case: str) -> None:
    make, message = REFUSED[case]
    refused(make, message)


def test_late_flows_have_no_room_to_find_in_a_copy() -> None:
    s = scenario(a=lab(), b=lab())
    s.connect("a", "b", Flow(raw=0.6))
    s.connect("b", "b", Flow(raw=0.3), appears=3)
    more = s.with_flow("b", "b", raw=0.5)
    assert more.real_share("b") == pytest.approx(0.4)
    refused(more.check, "shares of 'b' add up to 1.1 from round 3 on")


# -- algebra -----------------------------------------------------------------------------------------------------------


@_quick
@given(seed=st.integers(0, 10_000), scale=st.floats(0, 1), level=st.floats(0.05, 0.95))
def test_shares_of_a_copy_add_up(seed: int, scale: float, level: float) -> None:
    """What a flow loses is real data; levels are sums of curated shares."""
    base = random_scenario(seed, 4, density=0.6)
    for u, v, flow in base.graph.edges(data="flow"):
        smaller = base.with_flow(u, v, raw=flow.raw * scale, curated=flow.curated * scale)
        lost = (flow.raw + flow.curated) * (1 - scale)
        assert smaller.real_share(v) == pytest.approx(base.real_share(v) + lost, abs=1e-12)
        assert smaller.curation(v) == pytest.approx(base.curation(v) - flow.curated * (1 - scale), abs=1e-12)
        assert base.with_flow(u, v, raw=0.0, curated=0.0).real_share(v) == pytest.approx(
            base.without(u, v).real_share(v)
        )
        if 1e-6 < smaller.curation(v) < 1 - 1e-6:
            moved = smaller.with_curation(v, level)
            total = sum(raw + curated for raw, curated in shares(moved, v).values())
            assert total + moved.real_share(v) == pytest.approx(1, abs=1e-9)
            assert moved.curation(v) == pytest.approx(level, abs=1e-12)


@_quick
@given(level=st.floats(0.05, 0.95), target=st.floats(0.05, 0.95), seed=st.integers(0, 1000))
def test_shares_move_at_their_rate(level: float, target: float, seed: int) -> None:
    """Numbers as tensors; the rate is the derivative; from level 0 as from a level that goes to 0 with its profile."""
    drawn = np.random.default_rng(seed).dirichlet(np.ones(4))
    curated, others = level * drawn, (1 - level) * drawn[::-1]
    for share, chosen in [(x, True) for x in curated] + [(x, False) for x in others]:
        at = torch.tensor(level, dtype=torch.float64, requires_grad=True)
        end = move_share(torch.tensor(share), chosen, level, at)
        assert end.item() == pytest.approx(share, abs=1e-12)
        (rate,) = torch.autograd.grad(end, at)
        assert share_rate(share, chosen, level) == pytest.approx(rate.item(), abs=1e-12)
        line = share + share_rate(share, chosen, level) * (target - level)
        assert move_share(share, chosen, level, target) == pytest.approx(line, abs=1e-12)
    for part in drawn:
        assert move_share(0.0, True, 0, target, first=part) == pytest.approx(
            move_share(part * 1e-9, True, 1e-9, target), abs=1e-12
        )
        assert share_rate(0.0, True, 0, first=part) == part
