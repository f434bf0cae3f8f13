"""Whole scenarios that are refused: shares, orderings, interventions, missing laws."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from ecosystem import (
    Categorical,
    Curate,
    Disconnect,
    Ecosystem,
    Flow,
    FlowMatching,
    Freeze,
    GaussianMixture,
    Intervention,
    Leave,
    LinearMap,
    Member,
    Quadratic,
    Scenario,
    Shift,
    TopFraction,
    never,
    sequential,
)
from ecosystem.core.check import users_code
from tests.labs import plain, real, refused, scenario

CASES: dict[str, tuple[Callable[[], object], str]] = {
    # -- shares
    "shares": (
        lambda: scenario(
            ("b", "a", Flow(raw=0.8)), ("a", "a", Flow(curated=0.4)), a=plain(curator=Shift([1.0, 1.0])), b=plain()
        ),
        "shares of 'a' add up to 1.2 (raw 0.8 from 'b', curated 0.4 from 'a'); they must leave room … at most 1",
    ),
    "no real data": (
        lambda: scenario(("a", "a", Flow(raw=0.7)), a=plain()).check(),
        "shares of 'a' add up to 0.7 (raw 0.7 from 'a'), and it has no real data for the remaining 0.3; give it some",
    ),
    "no flows": (lambda: scenario(a=plain()).check(), "add up to 0 (no flows)…remaining 1; …schedule=nev"),
    "no members": (lambda: scenario().check(), "scenario 'lab' has no members; add some: scenario.add("),
    # -- orderings
    "forgets": (
        lambda: _ordered(sequential("a")).check(),
        "the ordering sequential('a') forgets 'b'; name every member",
    ),
    "repeats": (lambda: _ordered(sequential("a", "b", "a")).run(), "repeats 'a'; name each member once"),
    "unknown in order": (lambda: Ecosystem(_ordered(sequential("a", "b", "c"))), "names the unknown 'c'; the"),
    # -- interventions
    "at": (lambda: scenario(a=real()).at(0, Freeze("a")), "Scenario.at(round) … at least 1, got 0"),
    "at what": (
        lambda: scenario(a=real()).at(2, "freeze"),
        "TypeError: Scenario.at takes interventions such as Freeze('a'), got 'freeze'",
    ),
    "at a list": (
        lambda: scenario(a=real()).at(2, [Freeze("a")]),
        "TypeError: Scenario.at takes interventions such as Freeze('a'), got [Freeze('a')]; write them one by one",
    ),
    "float for a count": (lambda: scenario(a=real()).replace(rounds=20.0), "got 20.0; write 20"),
    "at whom": (
        lambda: scenario(a=real()).at(2, Freeze("x")),
        "KeyError: Freeze('x') in round 2: there is no member 'x'; the members are 'a'",
    ),
    "at which flow": (
        lambda: scenario(a=real(), b=real()).at(3, Disconnect("a", "b")),
        "KeyError: Disconnect('a', 'b') in round 3: there is no flow 'a' → 'b'; connect it first: ",
    ),
    "unknown intervention": (
        lambda: _intervened(Intervention("a")),
        "TypeError: unknown intervention Intervention('a') in round 2: it does nothing; give Intervention a method",
    ),
    "level out of reach": (
        lambda: _intervened(Curate("a", 0.5)),
        "Curate('a', 0.5) in round 2: a level … strictly between, and 'a' has 0; give one of its flows a",
    ),
    "level": (
        lambda: _intervened(Curate("b", 1.5)),
        "Curate('b', 1.5): a curation level lies between 0 and 1, got 1.5",
    ),
    "source leaves": (
        lambda: _intervened(Leave("a")),
        "shares of 'c' add up to 0 from round 2 on (no flows), and it has no real data for the remaining 1; give it",
    ),
    "flow goes": (lambda: _intervened(Disconnect("a", "c")), "shares of 'c' add up to 0 from round 2 on"),
    "crowded later": (
        lambda: _crowded(),
        "shares of 'a' add up to 1.5 from round 4 on (raw 0.8 from 'b', raw 0.7 from 'a'); they must leave room",
    ),
    # -- population laws
    "neural population": (
        lambda: scenario(a=Member(FlowMatching(2), real=torch.zeros(3, 2))).check(),
        "FlowMatching, the generator of 'a', has no population law; run it with … Scenario(..., samples=n)",
    ),
    "mixture population": (
        lambda: scenario(a=Member(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), real=torch.zeros(2, 1))).check(),
        "the real data of 'a': the fit of GaussianMixture has no population law; run it with …samples=n",
    ),
    "curator population": (
        lambda: scenario(
            ("a", "b", Flow(curated=0.5, chosen_by="consumer")),
            a=real(),
            b=real(reward=Quadratic([1.0, 1.0], 0.1), curator=TopFraction(0.1)),
        ).check(),
        "flow 'a' → 'b': TopFraction(0.1) with the reward Quadratic(…) on a Normal law has no population law…s=n",
    ),
    "vectors and symbols": (
        lambda: scenario(("a", "a", Flow(curated=1.0)), a=Member(Categorical([0.5, 0.5]), curator=Shift(1.0))).check(),
        "TypeError: flow 'a' → 'a': Shift moves vectors, this flow carries symbols; use Luce, BestOf or Tilt",
    ),
}


def _ordered(ordering) -> Scenario:
    return scenario(a=real(), b=real()).replace(ordering=ordering)


def _intervened(intervention: Intervention) -> None:
    s = scenario(a=real(), b=real(curator=Shift([1.0, 1.0])), c=plain())
    s.connect("a", "b", Flow(raw=0.2, curated=0.2, chosen_by="consumer"))
    s.connect("a", "c", Flow(raw=1.0))
    s.at(2, intervention)
    s.check()


def _crowded() -> None:
    s = scenario(a=real())
    s.add("b", real(), joins=4)
    s.connect("b", "a", Flow(raw=0.8))
    s.connect("a", "a", Flow(raw=0.7))
    s.check()


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    make, message = CASES[case]
    refused(make, message)


def test_what_is_allowed() -> None:
    """Near misses of the refusals: frozen members need no data, late flows no room, other shapes a transform."""
    s = scenario(a=plain(schedule=never), b=real(), c=plain(3, curator=Shift([1.0] * 3)))
    s.add("late", real(), joins=2)
    s.connect("b", "c", Flow(raw=0.5, curated=0.5, chosen_by="consumer", transform=LinearMap(torch.ones(3, 2))))
    s.connect("a", "b", Flow(raw=0.9), appears=2)
    s.connect("late", "b", Flow(raw=0.1))
    s.connect("a", "a", Flow(curated=0.0, raw=0.5))  # a share that nobody will need
    s.at(1, Freeze("b"))
    s.check()
    assert s.run().failures.empty


def test_a_refused_step_leaves_the_scenario_as_it_was() -> None:
    s = scenario(("a", "b", Flow(raw=0.6)), a=real(), b=real())
    for step in (
        lambda: s.connect("b", "b", Flow(raw=0.5)),
        lambda: s.connect("b", "x", Flow(raw=0.5)),
        lambda: s.add("c", plain(reward=lambda x: x)),
        lambda: s.at(2, Freeze("a"), Freeze("x")),
    ):
        with pytest.raises((ValueError, KeyError)):
            step()
    assert s.names == ["a", "b"] and list(s.graph.edges) == [("a", "b")] and s.interventions == {}
    s.connect("b", "b", Flow(raw=0.4))
    s.check()


def test_a_refused_late_step_leaves_the_scenario_as_it_was() -> None:
    s = scenario(a=real())
    with pytest.raises(ValueError, match="at least 1, got 0"):
        s.add("b", real(), joins=0)
    with pytest.raises(ValueError, match="at least 1, got -1"):
        s.connect("a", "a", Flow(), appears=-1)
    assert s.names == ["a"] and not s.graph.edges


def test_an_error_that_speaks_of_memory_is_somebodys_all_the_same() -> None:
    """It was taken for one of a machine that has none left, and came out raw; those do, as they are."""
    said = r"the reward bold fails: ValueError: no memory of item 3; let it return \[n\]"
    with pytest.raises(ValueError, match=said), users_code("the reward bold", "let it return [n]"):
        raise ValueError("no memory of item 3")
    for short in (MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("can't allocate memory: you tried 8 bytes")):
        with pytest.raises(type(short)) as caught, users_code("the reward bold"):
            raise short
        assert caught.value is short
