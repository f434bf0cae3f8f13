"""Observations: tables, runs and files become one checked table, and what is wrong is refused by its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecosystem import Flow, Location, Member, Record, Scenario, at
from ecosystem.decisions import Observations, as_observations


def table(**columns: Any) -> pd.DataFrame:
    base = {"member": ["a", "b"], "round": [0, 3], "measure": "alignment", "value": [0.5, np.nan]}
    return pd.DataFrame(base | columns)


def loop(rounds: int = 3) -> Scenario:
    s = Scenario("loop", rounds=rounds, samples=5)
    s.add("a", Member(Location([1.0, 0.0]), real=Location([0.0, 0.0]), reward=lambda x: x[..., 0]))
    s.connect("a", "a", Flow(raw=0.5))
    return s


def test_a_table_keeps_its_rows_and_says_what_is_missing() -> None:
    seen = Observations(table(sd=[0.1, np.nan], other=1))
    assert list(seen.table) == ["seed", "replicate", "member", "round", "measure", "value", "sd"]
    assert len(seen) == 1 and len(seen.table) == 2 and seen.seen["member"].tolist() == ["a"]
    assert repr(seen) == "Observations(1 value of 'alignment' of 'a', round 0; 1 missing)"


def test_files_hold_the_same_table(tmp_path: Path) -> None:
    seen = Observations(table(sd=[0.1, np.nan]))
    seen.table.to_csv(tmp_path / "x.csv", index=False)
    seen.table.to_parquet(tmp_path / "x.parquet", index=False)
    for name in ("x.csv", "x.parquet"):
        pd.testing.assert_frame_equal(as_observations(tmp_path / name).table, seen.table)


def test_members_that_are_numbers_in_a_file_are_names(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("member,round,measure,value\n01,0,alignment,1\n")
    assert Observations.read(tmp_path / "x.csv").table["member"].tolist() == ["01"]


def test_a_run_is_a_table_of_its_rounds_and_of_what_it_kept() -> None:
    run = loop().run(replicates=2, record=Record(parameters=at(1, 3)))
    seen = Observations.of(run, ["alignment", "mean[1]"])
    wide = run.rounds.set_index(["replicate", "round"])["alignment"]
    long = seen.table[seen.table["measure"] == "alignment"].set_index(["replicate", "round"])["value"]
    assert (long.sort_index() == wide.sort_index()).all()
    kept = seen.table[seen.table["measure"] == "mean[1]"]
    assert set(kept["round"]) == {1, 3}
    assert kept[kept["round"] == 3]["value"].tolist() == run.history["a"][3]["mean"][:, 1].tolist()
    seen.refuse_unknown(loop(), ["alignment", "mean[1]"])
    assert len(as_observations(run)) == len(long)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"member": ["a", 3]}, r"member is a name, got 3 in row 1; .*str\(node\).*table\['member'\]\.map\(str\)"),
        ({"round": [0, 1.5]}, "round is a whole number from 0 on, got 1.5 in row 1"),
        ({"round": [0, -1]}, "round is a whole number from 0 on"),
        ({"value": ["high", 1]}, "value is a finite number, .* got 'high' in row 0"),
        ({"value": [1, np.inf]}, "value is a finite number, .*inf.* in row 1"),
        ({"value": [np.nan, np.nan]}, "no value"),
        ({"sd": [0.1, 0.0]}, "sd is a number above 0, or empty, got 0.0 in row 1"),
        ({"member": ["a", "a"], "round": [1, 1]}, "row 1 has 'alignment' of 'a' after round 1 a second time"),
        ({"replicate": [0, -2]}, "replicate is a whole number"),
    ],
)
def test_what_is_wrong_is_refused_by_its_row(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Observations(table(**given))


def test_columns_files_and_kinds_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no column 'value'; did you mean 'values'\?"):
        Observations(table().rename(columns={"value": "values"}))
    with pytest.raises(TypeError, match="DataFrame"):
        Observations([1, 2])  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="no file"):
        Observations.read(tmp_path / "none.csv")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(ValueError, match="csv"):
        Observations.read(tmp_path / "x.txt")
    (tmp_path / "x.parquet").write_text("no table")
    with pytest.raises(ValueError, match="cannot be read"):
        Observations.read(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="does not know 'alignement'; did you mean 'alignment'"):
        Observations.of(loop().run(), ["alignement"])


def test_what_a_scenario_does_not_have_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="row 1 is of an unknown member 'b'; there are 'a'"):
        Observations(table()).refuse_unknown(loop())
    with pytest.raises(ValueError, match="row 1 is of round 9, and the scenario has 3"):
        Observations(table(member="a", round=[0, 9])).refuse_unknown(loop())
    with pytest.raises(ValueError, match="unknown measure 'aligment'; did you mean 'alignment'"):
        Observations(table(member="a", measure="aligment")).refuse_unknown(loop(), ["alignment"])


def test_times_are_told_apart_by_replicate_or_seed() -> None:
    again = table(member="a", round=1, value=[1.0, 2.0])
    assert len(Observations(again.assign(replicate=[0, 1]))) == len(Observations(again.assign(seed=[0, 1]))) == 2
