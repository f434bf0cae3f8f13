"""Names that nobody has: the one that was meant is said, and objects are called by words that are the same tomorrow."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecosystem import Flow, Leave, Linear, Location, Luce, Member, Scenario, Study, sequential
from ecosystem.core.check import brief
from ecosystem.decisions import Parameters
from ecosystem.influence import influence, measure_influence


def duo(coupling: float = 0.4, rounds: int = 4) -> Scenario:
    s = Scenario("duo", rounds=rounds, samples=8)
    for name in ("alpha", "beta"):
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(4), real=Location([0.0])))
    s.connect("alpha", "beta", Flow(raw=0.2, curated=coupling))
    s.connect("beta", "beta", Flow(curated=0.1))
    return s


def free(*texts: str) -> Callable[[], object]:
    return lambda: Parameters(duo(), list(texts))


def sobol(**bounds: Any) -> Callable[[], object]:
    return lambda: Study.sobol("s", duo, bounds=bounds, points=2)


def grid(given: Any) -> Callable[[], object]:
    return lambda: Study("s", duo, grid=given)


ALPHA = "there is no member 'alfa'; did you mean 'alpha'? The members are 'alpha', 'beta'"
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "levl": (
        free("levl(beta)"),
        "the curator Luce(4, temperature=1) says of no number 'levl'",
    ),
    "level": (free("levl(beta)"), "did you mean 'level'? It has temperature"),
    "temprature": (free("temprature(beta)"), "did you mean 'temperature'? It has temperature"),
    "of a flow": (free("curatd(alpha -> beta)"), "the users of its producer choose; did you mean 'curated'?"),
    "raw": (free("raw(beta)"), "'raw(beta)': raw is of a flow, raw(a -> b)"),
    "reversed": (
        free("level(beta):0.9:0.1"),
        "level(beta) are reversed: got 0.9 and 0.1; write 0.1 and 0.9",
    ),
    "one bound": (free("level(beta):0.9:0.9"), "got the bounds 0.9 and 0.9"),
    "sobol": (
        sobol(couplin=(0.1, 0.2)),
        "duo() has no parameter 'couplin'; did you mean 'coupling'? Its parameters are: coupling, rounds",
    ),
    "grid": (grid({"couplin": [0.1]}), "has no parameter 'couplin'; did you mean 'coupling'?"),
    "nan": (
        grid({"coupling": [0.1, math.nan]}),
        "Study(grid): point 1 has coupling=nan, which is no value; ",
    ),
    "NumPy's nan": (grid({"coupling": np.array([0.1, np.nan])}), "point 1 has coupling=nan"),
    "NA": (grid({"coupling": [pd.NA]}), "point 0 has coupling=<NA>"),
    "held nan": (sobol(coupling=math.nan, rounds=(1, 5)), "Study.sobol(bounds): point 0 has coupling=nan"),
    "member": (lambda: duo().member("alfa"), ALPHA),
    "case": (lambda: duo().member("ALPHA"), "did you mean 'alpha'?"),
    "none like it": (lambda: duo().member("x"), "there is no member 'x'; the members are 'alpha', 'beta'"),
    "at": (lambda: duo().at(2, Leave("alfa")), ALPHA),
    "connect": (lambda: duo().connect("alfa", "beta", Flow()), ALPHA),
    "measured": (lambda: measure_influence(duo(), sources=["alfa"]), ALPHA),
    "influence": (
        lambda: influence(duo().replace(samples=None), targets=["alfa"]),
        "targets: there is no member 'alfa'; did you mean 'alpha'? The members are alpha, beta",
    ),
    "sequential": (
        lambda: duo().replace(ordering=sequential("alpha", "beta", "alfa")).check(),
        "names the unknown 'alfa'; did you mean 'alpha'?",
    ),
    "run": (
        lambda: duo().run().generator("alfa"),
        "there is no member 'alfa' in the run; did you mean 'alpha'? There are alpha, beta",
    ),
    "no base class": (
        lambda: Member(Location([0.0]), curator=SimpleNamespace(curate=len)),  # type: ignore[arg-type]
        "Member(curator) must be a curator such as Luce(4), got namespace(curate=<built-in function len>); derive a",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_was_meant_is_said(case: str) -> None:
    wrong, said = WRONG[case]
    with pytest.raises((TypeError, ValueError, KeyError)) as caught:
        wrong()
    assert said in str(caught.value.args[0])


def test_no_address_in_what_is_said_of_an_object() -> None:
    """It said nothing, and was another in every process."""

    class Own:
        pass

    assert "0x" not in brief([Own(), lambda x: x, Own]) and "Own object>" in brief(Own())


def test_a_misspelt_bound_is_one_of_the_design_that_was_asked_for() -> None:
    with pytest.raises(ValueError, match=r"^Study\.sobol\(bounds\): .*duo\(\) has no parameter 'couplin'"):
        sobol(couplin=(0.1, 0.2))()
