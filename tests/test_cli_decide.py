"""``ecosystem decide``: what is shown, saved, reported and refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from test_cli import invoke, refused

from ecosystem.decisions import telling
from ecosystem.plots import decisions
from ecosystem.plots.chart import NothingToDraw

TWO = '''"""Two who read each other and people.

The rest of the story.
"""
from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular


def scenario(share: float = 0.3) -> Scenario:
    s = Scenario("two <b>", rounds=5)
    even = Categorical([0.5, 0.5])
    for name, taste in (("a", [1.0, 0.0]), ("b", [0.8, 0.0])):
        s.add(name, Member(even, reward=Tabular(taste), curator=Luce(2), real=even))
    for u, v in ("ab", "ba"):
        s.connect(u, v, Flow(raw=0.3, curated=share, chosen_by="consumer"))
    return s
'''


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "two.py"
    file.write_text(TWO)
    return file


def test_selfish_play_is_shown_saved_and_reported(two: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("decide", two, "--costs", "a=0.3,b=0.2", "--starts", 1, "--movable", "a,b", "--out", out)
    done = invoke(*asked)
    assert done.exit_code == 0, done.output
    assert "found from one start" in done.output and "optimum" in done.output
    points = pd.read_parquet(out / "decisions" / "equilibrium_points.parquet")
    assert {"point", "nash", "residual", "gain"} <= set(points)
    said = json.loads((out / "decisions" / "decisions.json").read_text())
    assert said["scenario"] == "two <b>" and said["asked"]["costs"] == "a=0.3,b=0.2"
    page = (out / "decisions.html").read_text()
    assert 'id="chart-responses"' in page and 'id="chart-utilities"' in page
    assert "Where selfish play ends" in page and "two &lt;b&gt;" in page and "<b>: " not in page
    assert said["sentences"]["equilibrium"][0] in page
    quick = ("decide", two, "--floors", "1=0.2", "--prices", "1,3", "--out", out)
    assert "exists already" in refused(invoke(*quick))
    assert invoke(*quick, "--overwrite").exit_code == 0
    assert not (out / "decisions" / "equilibrium_points.parquet").exists()


def test_floors_are_steered_for(two: Path) -> None:
    done = invoke("decide", two, "--floors", "1=0.2", "--prices", "1,3", "--real", "0.2:0.4", "--set", "share=0.2")
    assert done.exit_code == 2 and "give those to be tried as a list" in done.output  # they read each other raw
    done = invoke("decide", two, "--floors", "1=0.2", "--prices", "1,3")
    assert done.exit_code == 0, done.output
    assert "Two floors kept whatever users choose" in done.output and "marginal" in done.output
    assert "equilibrium" not in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--prices", "1,2"), "belong to --floors"),
        (("--floors", "1=0.2"), "--prices"),
        (("--floors", "1", "--prices", "1,2"), "no NAME=NUMBER"),
        (("--floors", "1=x", "--prices", "1,2"), "'x' is no number"),
        (("--costs", "cheap"), "'cheap' is no number"),
        (("--costs", "c=1"), "there is no lever 'c'"),
        (("--movable", "c"), "there is no member 'c'"),
    ],
)
def test_what_cannot_be_asked_is_refused(two: Path, options: tuple[str, ...], words: str) -> None:
    assert words in refused(invoke("decide", two, *options))


def test_a_folder_of_somebody_else_is_left_alone(two: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    assert "holds nothing of an ecosystem" in refused(invoke("decide", two, "--out", tmp_path / "mine"))
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"


def test_a_budget_is_allocated_beside_selfish_play(two: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = invoke("decide", two, "--budget", 0.6, "--objective", "minimum", "--starts", 1, "--selfish", "--out", out)
    assert done.exit_code == 0, done.output
    assert "Welfare (minimum)" in done.output and "of 0.600 is spent" in done.output
    assert "found from one start" in done.output
    levels = pd.read_parquet(out / "decisions" / "allocation_levels.parquet")
    assert levels["after"].sum() <= 0.6 + 1e-6
    assert "no budget here" in done.output and done.output.count("saved in") == 2
    starts = pd.read_parquet(out / "decisions" / "allocation_starts.parquet")["start"]
    assert starts.str.startswith("random").sum() == 1  # --starts means the allocation, too
    page = (out / "decisions.html").read_text()
    said = json.loads((out / "decisions" / "decisions.json").read_text())["sentences"]["allocation"]
    assert said[0].startswith("Raise ") and "welfare (minimum) gains" in said[0]
    assert page.count("equilibrium 1") and "<th>1</th>" not in page
    assert "What a budget is best spent on" in page and "Where selfish play ends" in page


def test_selfish_play_is_left_out_unless_asked_for(two: Path, tmp_path: Path) -> None:
    done = invoke("decide", two, "--budget", 0.8, "--starts", 1, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "found from one start" not in done.output and done.output.count("saved in") == 1
    assert not (tmp_path / "out" / "decisions" / "equilibrium_points.parquet").exists()
    starts = pd.read_parquet(tmp_path / "out" / "decisions" / "allocation_starts.parquet")["start"]
    assert starts.is_unique and {"uniform", "uniform plan"} <= set(starts)  # the search from it, and itself
    assert "nothing to decide" in refused(invoke("decide", two, "--no-selfish"))


def test_advice_names_levers_and_says_why_plans_coincide() -> None:
    levels = pd.DataFrame({"lever": ["a", "b", "c"], "before": 0.1, "after": [0.4, 0.0, 0.3], "cost": 1.0})
    levels = levels.assign(uniform=0.3, selfish=0.3)
    welfare = pd.Series({"before": 1.0, "after": 1.5, "uniform": 1.2, "selfish": 1.2})
    found: Any = SimpleNamespace(levels=levels, welfare=welfare, objective="sum", budget=0.9)
    words = "Raise a (0.100 to 0.400) and c (0.100 to 0.300); lower b: welfare (sum) gains 0.500, from 1.000 to 1.500."
    assert telling.advice(found) == words
    assert telling.plain(found)[1].endswith("are the same: everybody spends the whole of its purse.")
    found.levels = levels.assign(selfish=[0.3, 0.3, 0.2])
    assert len(telling.plain(found)) == 1
    found.budget, found.levels = 1.2, levels
    assert telling.plain(found)[1].endswith("are the same here.")
    found.welfare = welfare.replace(1.5, 0.5)
    assert "falls by 0.500, from 1.000" in telling.advice(found)


def test_charts_hold_what_the_tables_say() -> None:
    """Every mark is a number of the table; turns are drawn where there are any, and nothing where nothing binds."""
    levels = pd.DataFrame(
        {"lever": ["a", "b"], "before": [0.1, 0.2], "after": [0.5, 0.2], "uniform": 0.3, "selfish": 0.4}
    )
    spec = decisions.plans(levels).to_dict()
    drawn = pd.DataFrame(next(iter(spec["datasets"].values()))).pivot(index="lever", columns="plan", values="level")
    pd.testing.assert_frame_equal(
        drawn[list(decisions.PLANS)], levels.set_index("lever"), check_names=False, check_dtype=False
    )
    ends = pd.DataFrame({"lever": ["a", "b"], "now": 0.1, "optimum": 0.5, "1": [0.2, 0.9], "2": [0.5, 0.5]})
    spec = decisions.responses(ends).to_dict()
    drawn = pd.DataFrame(next(iter(spec["datasets"].values())))
    assert drawn.set_index(["lever", "plan"])["level"]["b", "equilibrium 1"] == 0.9 and len(drawn) == 8
    assert "no equilibrium was found" in decisions.responses(ends[["lever", "now", "optimum"]]).description
    welfare = pd.Series({"before": 1.0, "after": float("nan"), "uniform": -2.0})
    bars = pd.DataFrame(next(iter(decisions.welfare(welfare).to_dict()["datasets"].values())))
    assert bars.values.tolist() == [["before", 1.0], ["uniform", -2.0]]
    bound = pd.DataFrame({"constraint": ["a"], "kind": ["lower"], "multiplier": [2.0]})
    assert "lower bound: a" in decisions.multipliers(bound).description
    for nothing in (lambda: decisions.multipliers(bound.iloc[:0]), lambda: decisions.turns(pd.DataFrame())):
        with pytest.raises(NothingToDraw):
            nothing()
