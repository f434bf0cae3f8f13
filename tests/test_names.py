"""Names that look like what tables and labels are made of: two things are never one because of what they are called."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ecosystem import (
    Connect,
    Disconnect,
    Ecosystem,
    Flow,
    Freeze,
    Linear,
    Location,
    Member,
    ModelAgent,
    Record,
    Run,
    Scenario,
    Shift,
)


def member(**parts: object) -> Member:
    return Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0]), **parts)  # type: ignore[arg-type]


def test_draws_keep_apart_a_member_that_is_called_as_anothers_curated_output(tmp_path: Path) -> None:
    """Samples of ``a`` that were chosen and raw ones of ``a (curated)`` were one row with the sum of both counts."""
    s = Scenario("alike", rounds=2, samples=40)
    for name in ("a", "a (curated)", "b"):
        s.add(name, member())
    s.connect("a", "b", Flow(curated=0.5))
    s.connect("a (curated)", "b", Flow(raw=0.25))
    s.run(record=Record(draws=True)).save(tmp_path / "run")
    draws = Run.load(tmp_path / "run").draws
    rows = draws[(draws["member"] == "b") & (draws["round"] == 1)]
    found = {(source, bool(curated)) for source, curated in zip(rows["source"], rows["curated"], strict=True)}
    assert found == {("a", True), ("a (curated)", False), ("real", False)}
    assert rows["count"].sum() == 40 and not rows.duplicated(["source", "curated"]).any()


class Mover(ModelAgent):
    def decide(self) -> None:
        if self.model.steps == 3:
            self.set_flow("a", raw=0.125)


def test_changes_keep_apart_a_flow_and_a_member_that_is_called_so(tmp_path: Path) -> None:
    """``a→b`` was the flow and the member, ``a→b→c`` two flows; a checkpoint brings both ends back."""
    s = Scenario("arrows", rounds=4)
    for name in ("a", "a→b", "b→c", "c"):
        s.add(name, member())
    s.add("b", member(agent=Mover))
    for u, v in (("a", "b"), ("a", "b→c"), ("a→b", "c")):
        s.connect(u, v, Flow(raw=0.25))
    s.at(2, Freeze("a→b"), Disconnect("a", "b→c"), Disconnect("a→b", "c"))
    s.at(3, Connect("a", "b→c"))
    eco = Ecosystem(s)
    for _ in range(3):
        eco.step()
    eco.save(tmp_path / "then")
    again = Ecosystem(s)
    again.restore(tmp_path / "then")
    again.run()
    eco.run()
    changes = eco.result().changes
    assert changes[["subject", "source", "target", "what"]].values.tolist() == [
        ["a→b", "", "a→b", "frozen"],
        ["a→b→c", "a", "b→c", "present"],
        ["a→b→c", "a→b", "c", "present"],
        ["a→b→c", "a", "b→c", "present"],
        ["a→b", "a", "b", "raw"],
    ]
    pd.testing.assert_frame_equal(again.result().changes, changes)
