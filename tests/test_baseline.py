"""Nobody reads anybody: what members would be on their own real data alone, and verdicts that compare with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from ecosystem import (
    Connect,
    Curate,
    Drift,
    Ecosystem,
    Flow,
    FlowMatching,
    Freeze,
    Gaussian,
    Leave,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Quadratic,
    Run,
    Scenario,
    Shift,
    Thaw,
    accumulate,
    every,
    never,
    poisson,
    subsample,
)
from ecosystem.report import render
from ecosystem.running import verdicts


def alone(run: Run) -> dict[str, float]:
    """The mean over replicates, by member."""
    return run.baseline.groupby("member", sort=False)["alignment"].mean().to_dict()


def half(**settings: Any) -> Scenario:
    """``a`` would be worth .5 by its real data, begins at 0 and ends at .25; ``b`` reads ``a`` and has no data."""
    s = Scenario("half", rounds=40, **settings)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.5])))
    s.add("b", Member(Location([-1.0]), reward=Linear([1.0])))
    s.add("z", Member(Location([0.0]), real=Location([0.0])))
    s.connect("z", "a", Flow(raw=0.5))
    s.connect("a", "b", Flow(raw=1.0))
    return s


def test_a_member_that_its_real_data_alone_would_serve_better_has_lost() -> None:
    """From its arbitrary start, 0, to .25 it "gained", though reading nobody it would have .5."""
    run = half().run()
    table = verdicts.outcomes(run).set_index("member")
    assert alone(run) == {"a": 0.5, "b": -1.0}  # nobody judges z
    assert table.loc["a", ["start", "alone", "end", "change"]].tolist() == [0.0, 0.5, 0.25, -0.25]
    assert table["kind"].to_dict() == {"a": "lost", "b": "gained", "z": "none"}
    assert table["against"].to_dict() | {"z": ""} == {"a": "refitted", "b": "start", "z": ""}
    words = verdicts.headline(run, table.reset_index())
    assert words == (
        "b gained its users’ taste; a lost its users’ taste (compared with real data alone; without real data, with "
        "the start)."
    )
    page = render(run)
    assert "as it began" in page and "Members without real data would stay as they began." in page
    assert "each member trains on its own real data in the same rounds" in page


def test_who_left_has_no_verdict_at_the_end() -> None:
    """What it was before it left was said to be its end, and it to have lost its users' taste."""
    s = half().with_member("b", real=Location([-1.0]))
    s.at(3, Leave("a"))
    run = s.run()
    table = verdicts.outcomes(run)
    assert table.set_index("member")["kind"].to_dict() == {"a": "gone", "b": "still", "z": "none"}
    assert "a left before the end" in verdicts.headline(run, table)
    assert "left before the end" in render(run)


def without_flows(s: Scenario) -> Scenario:
    """The same scenario as one would write it where nobody reads anybody."""
    same = Scenario(s.name, rounds=s.rounds, samples=s.samples, ordering=s.ordering)
    for name in s.names:
        member = s.member(name)
        parts = {key: getattr(member, key) for key in ("reward", "curator", "real", "retention")}
        same.add(
            name, Member(member.generator, schedule=member.schedule if member.real is not None else never, **parts)
        )
    return same


def mixed(**settings: Any) -> Scenario:
    """Families, tastes, retentions, clocks, delays, transforms and choices of every kind."""
    s = Scenario("mixed", rounds=12, **settings)
    data = torch.linspace(-1, 2, 40, dtype=torch.float64).reshape(-1, 1) ** 3
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(3), real=Location([0.5])))
    s.add("b", Member(Gaussian([1.0], [[1.0]]), reward=Quadratic([1.0], 0.3), real=data, retention=accumulate()))
    s.add("c", Member(Gaussian([2.0], [[2.0]]), reward=Linear([-1.0]), real=data, schedule=poisson(0.6)))
    s.add("d", Member(Location([3.0]), reward=Linear([1.0]), curator=Shift([1.0]), schedule=every(3, start=2)))
    s.add("e", Member(Location([3.0]), reward=Linear([1.0]), real=Location([1.0]), retention=subsample(30)))
    s.connect("a", "a", Flow(curated=0.5))
    s.connect("a", "b", Flow(raw=0.2, curated=0.3, delay=1))
    s.connect("b", "c", Flow(raw=0.4, transform=torch.sin if settings.get("samples") else None))
    s.connect("c", "d", Flow(curated=1.0, chosen_by="consumer"))
    s.connect("d", "e", Flow(raw=0.5))
    return s


@pytest.mark.parametrize("samples", [20, 7])
def test_it_is_to_the_bit_what_the_scenario_without_flows_would_be(samples: int) -> None:
    """Same draws, schedules and retentions: the difference to it is what reading has done, and nothing else."""
    s = mixed(samples=samples)
    own = without_flows(s).run(seed=3, replicates=5, build_samples=True)
    end = own.rounds[own.rounds["round"] == 12].set_index(["replicate", "member"])["alignment"]
    found = s.run(seed=3, replicates=5, build_samples=True).baseline.set_index(["replicate", "member"])
    assert found["alignment"].tolist() == [end[key] for key in found.index]
    assert found["of"].unstack().nunique().eq(1).all()
    assert found.loc[0, "of"].to_dict() == {n: "start" if n == "d" else "refitted" for n in "abcde"}
    own_table = verdicts.outcomes(own)  # who reads nobody neither gains nor loses, however many samples there are
    assert set(own_table["kind"]) == {"still"}


def test_what_happens_to_members_happens_to_them_alone_too_and_what_happens_to_diets_does_not() -> None:
    s = half()
    s.at(2, Freeze("b"))
    s.at(3, Freeze("z"), Thaw("b"))
    s.at(30, Leave("z"))
    assert alone(s.run()) == {"a": 0.5, "b": -1.0}
    frozen = Scenario("frozen", rounds=9)
    member = Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.5]))
    for name in "ab":
        frozen.add(name, member)
    frozen.connect("b", "a", Flow(raw=0.2, curated=0.2))
    frozen.connect("a", "b", Flow(raw=0.2), appears=3)
    frozen.at(1, Freeze("b"))
    frozen.at(2, Curate("a", 0.6))
    run = frozen.run()
    table = verdicts.outcomes(run).set_index("member")
    assert alone(run) == {"a": 0.5, "b": 0.0} and table["against"].to_dict() == {"a": "refitted", "b": "start"}
    assert table["kind"].to_dict() == {"a": "gained", "b": "still"}
    assert Connect("a", "b") in frozen.interventions[3]


class Tired(ModelAgent):
    """Stops retraining in half of the replicates before it ever did."""

    def decide(self) -> None:
        if self.model.steps == 1:
            self.set_frozen(True, where=torch.tensor([True, True, False, False]))


def test_decisions_of_agents_are_repeated_where_they_were_made() -> None:
    s = Scenario("tired", rounds=5, samples=50)
    s.add("a", Member(Location([9.0], 0.1), reward=Linear([1.0]), real=Location([0.0], 0.1), agent=Tired))
    s.connect("a", "a", Flow(raw=0.5))
    run = s.run(replicates=4)
    assert run.baseline["of"].tolist() == ["start", "start", "refitted", "refitted"]
    assert run.baseline["alignment"][:2].tolist() == [9.0, 9.0] and (run.baseline["alignment"][2:].abs() < 0.1).all()


def test_users_at_the_end_judge_both() -> None:
    """Users who move would think otherwise of the start; both sides are judged by the same taste."""
    s = Scenario("moving", rounds=20)
    s.add("a", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), learn=Drift(0.5), real=Location([0.5, 0.1])))
    s.add("b", Member(Location([4.0, 4.0]), schedule=never))
    s.connect("b", "a", Flow(raw=0.5))
    run = s.run()
    table = verdicts.outcomes(run).iloc[0]
    assert table["end"] > table["alone"] and table["kind"] == "gained"
    eco = Ecosystem(s)
    eco.run()
    users = eco["a"].users()
    assert users is not None and table["alone"] == pytest.approx(float(Location([0.5, 0.1]).expect(users.reward)))
    assert table["alone"] != pytest.approx(0.5)


def ink(x: Tensor) -> Tensor:
    return x.sum(-1)


def test_models_that_are_trained_are_compared_with_their_data() -> None:
    """To train them once more would take as long as the run."""
    s = Scenario("trained", rounds=1, samples=20)
    data = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    s.add("a", Member(FlowMatching(2, hidden=4, depth=1), reward=ink, real=data))
    s.add(
        "b",
        Member(FlowMatching(2, hidden=4, depth=1), reward=Linear([1.0, 0.0]), real=Gaussian([7.0, 0.0], torch.eye(2))),
    )
    s.add("c", Member(FlowMatching(2, hidden=4, depth=1), reward=ink))
    s.connect("a", "c", Flow(raw=1.0))
    s.connect("a", "b", Flow(raw=0.5))
    run = s.run(replicates=2)
    found = run.baseline.set_index(["member", "replicate"])
    assert found["of"].unstack()[0].to_dict() == {"a": "data", "b": "data", "c": "start"}
    worth = found["alignment"].unstack()
    assert worth.loc["a"].tolist() == pytest.approx([3.0, 3.0], abs=0.5)  # 256 samples, each 1 or 5
    assert worth.loc["b"].tolist() == [7.0, 7.0]  # exactly: the law is known
    assert "what their users think of the real data themselves" in render(run)


def test_it_travels_with_the_run_and_runs_without_it_say_so(tmp_path: Path) -> None:
    run = half().run()
    run.save(tmp_path / "run")
    again = Run.load(tmp_path / "run")
    pd.testing.assert_frame_equal(again.baseline, run.baseline)
    assert render(again) == render(run)
    old = half().run()
    old._tables["baseline"] = run.baseline.head(0)
    table = verdicts.outcomes(old).set_index("member")
    assert table.loc["a", "change"] == 0.25 and table.loc["a", "against"] == "start"
    assert "What members would be alone was not recorded, so the change is that from the start." in render(old)
    assert verdicts.headline(old, table.reset_index()).endswith("(compared with the start).")


def test_a_run_in_the_middle_is_compared_with_the_same_round() -> None:
    s = half()
    s = s.with_member("a", retention=accumulate())
    eco = Ecosystem(s)
    for _ in range(3):
        eco.step()
    before = eco.result()
    eco.step()
    assert alone(before) == {"a": 0.5, "b": -1.0} and eco.completed == 4
    assert before.rounds["round"].max() == 3


def test_whose_schedule_was_set_is_compared_with_its_start() -> None:
    """A member that an agent let never retrain was compared with one that did."""

    class Resting(ModelAgent):
        def decide(self) -> None:
            self.set_schedule(never)

    s = half().with_member("a", agent=Resting)
    run = s.run()
    assert run.baseline.set_index("member").loc["a", ["alignment", "of"]].tolist() == [0.0, "start"]
