"""Changed copies of a scenario: other settings, other curation levels, a flow less; the original stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Disconnect, Flow, Freeze, Location, Member, Scenario, shuffled
from tests.labs import lab, shares, trio, untouched
from tests.networks import random_scenario

_quick = settings(max_examples=40, deadline=None)


def test_copies_leave_the_original_alone() -> None:
    s = trio()
    s.at(2, Freeze("u"))
    before = untouched(s)
    copies = [s.with_curation("v", 0.7), s.without("u", "v"), s.replace(rounds=9, name="other"), s.replace()]
    copies.append(s.with_curation("w", 0.5, like=("v", "w")))
    for other in copies:
        other.add("x", lab())
        other.connect("x", "v", Flow())
        other.at(2, Freeze("x"))
        other.at(3, Freeze("v"))
        other.graph.edges["v", "w"]["flow"] = Flow(raw=0.125)
        other.graph.nodes["u"]["member"] = lab()
        assert untouched(s) == before
    assert [other.rounds for other in copies] == [5, 5, 9, 5, 5] and copies[2].name == "other"
    assert all(other.member("v") is s.member("v") for other in copies)


def test_replace() -> None:
    s = trio()
    changed = s.replace(samples=None, ordering=shuffled)
    assert changed.samples is None and repr(changed.ordering) == "shuffled" and changed.rounds == 5
    assert changed.flow("u", "v") is s.flow("u", "v")
    with pytest.raises(TypeError, match=r"replace\(\) changes name, rounds, samples, ordering, not seed"):
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
    s.at(2, Disconnect(("u", "v")), Freeze("u"))
    new = s.without("u", "v")
    assert shares(new, "v") == {"w": (0.0, 0.3)} and new.real_share("v") == pytest.approx(0.7)
    assert new.names == s.names and new.interventions == {2: [Freeze("u")]}
    with pytest.raises(ValueError, match=r"shares of 'v' add up to 1.1 \(curated 0.3 from 'w', raw 0.8 from 'u'\)"):
        new.connect("u", "v", Flow(raw=0.8))
    new.connect("u", "v", Flow(raw=0.7))  # there is room again
    with pytest.raises(KeyError, match="there is no flow 'u' → 'w' in scenario 'trio'"):
        s.without("u", "w")
    t = Scenario("t", rounds=1)
    t.add("a", Member(Location([0.0])))
    t.connect("a", "a", Flow(raw=1.0))
    with pytest.raises(ValueError, match=r"without the flow 'a' → 'a' .* 'a' has none; give it some: Member\("):
        t.without("a", "a")
