"""What an influence analysis found, on disk and back, alone and beside a run."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_findings as made
import synthetic_runs
from pandas.testing import assert_frame_equal

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.influence import influence
from ecosystem.influence.findings import LATER, TABLES, Findings, check_place, saved_in
from ecosystem.influence.story import story
from ecosystem.running.run import Run

COLUMNS = {
    "influence": "target source kind effect isolated amplification network backfires harms",
    "welfare": "source private externality social",
    "hops": "target source hop effect cumulative left",
    "edges": "source target traffic gains harms J[Poster] J[Hairline] J[Marker] J[Pencil] J[Brush]",
    "stability": "ordering rate settles predicted measured",
    "flows": "source target raw curated chosen_by transform delay",
}


@pytest.mark.parametrize("name", ["pair", "five", "formal", "silent", "odd"])
def test_what_is_saved_is_read_back(name: str, tmp_path: Path) -> None:
    findings = getattr(made, name)()
    assert findings.save(tmp_path / "deep" / "down") == tmp_path / "deep" / "down" / "influence"
    again = Findings.load(tmp_path / "deep" / "down")
    assert again.settings == findings.settings
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(again, table), getattr(findings, table), check_dtype=False)
    assert sorted(path.name for path in (tmp_path / "deep" / "down").iterdir()) == ["influence"]


def test_tables_and_fields_are_those_of_the_contract(tmp_path: Path) -> None:
    five = made.five()
    assert tuple(field.name for field in fields(Findings)) == (*TABLES, "settings", *LATER)
    for name, columns in COLUMNS.items():
        assert list(getattr(five, name).columns) == columns.split(), name
    assert five.members.columns[-1] == "alignment"
    loaded = Findings.load(five.save(tmp_path).parent)
    assert loaded.influence["backfires"].dtype == loaded.stability["settles"].dtype == bool


def test_numbers_of_numpy_and_attributes_of_frames_can_be_saved(tmp_path: Path) -> None:
    findings = made.pair()
    settings = {"radius": np.float32(0.5), "settles": np.bool_(True), "certificate": np.inf, "place": Path("x")}
    findings = replace(findings, settings=settings)
    findings.edges.attrs["refused"] = {("phi", "theta"): "no real data"}  # keys that JSON does not know
    findings.save(tmp_path)
    assert Findings.load(tmp_path).settings == {
        "radius": 0.5,
        "settles": True,
        "certificate": float("inf"),
        "place": "x",
    }
    assert findings.edges.attrs


def test_earlier_findings_are_replaced_only_with_leave(tmp_path: Path) -> None:
    made.five().save(tmp_path)
    with pytest.raises(FileExistsError, match="exists already"):
        made.pair().save(tmp_path)
    assert Findings.load(tmp_path).settings["scenario"] == "studios"
    made.pair().save(tmp_path, overwrite=True)
    assert Findings.load(tmp_path).settings["scenario"] == "pair"


def test_a_foreign_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "influence").mkdir()
    made.pair().save(tmp_path, overwrite=True)  # it was empty
    other = tmp_path / "other"
    (other / "influence").mkdir(parents=True)
    (other / "influence" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="no influence analysis"):
        made.pair().save(other, overwrite=True)
    assert (other / "influence" / "thesis.txt").exists()
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="cannot be written"):
        check_place(tmp_path / "file", overwrite=False)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    made.five().save(tmp_path)
    broken = replace(made.pair(), flows=pd.DataFrame({"source": [object()]}))
    with pytest.raises(Exception, match="object"):
        broken.save(tmp_path, overwrite=True)
    assert Findings.load(tmp_path).settings["scenario"] == "studios"
    made.pair().save(tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["influence"]


def test_a_folder_without_findings_is_named(tmp_path: Path) -> None:
    assert not saved_in(tmp_path)
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        Findings.load(tmp_path)


def test_a_run_keeps_its_findings_and_loses_them_with_the_run(tmp_path: Path) -> None:
    run = synthetic_runs.pair(2)
    run.save(tmp_path / "run")
    made.pair().save(tmp_path / "run")
    assert Run.load(tmp_path / "run").settings == json.loads((tmp_path / "run" / "run.json").read_text())
    assert saved_in(tmp_path / "run")
    run.save(tmp_path / "run", overwrite=True)  # another run has another influence
    assert not saved_in(tmp_path / "run")
    assert len(Run.load(tmp_path / "run").members) == 2


def test_a_short_description() -> None:
    assert repr(made.five()) == "Findings('studios': 5 targets, 5 sources)"


# -- what the graph alone promises -------------------------------------------------------------------------------------


def fragile() -> Scenario:
    """A chain of three who have real data: any flow that closes a circle of the first two takes all of them away."""
    s = Scenario("fragile", rounds=3)
    for i, name in enumerate("abc"):
        s.add(name, Member(Location([float(i)]), reward=Linear([1.0]), curator=Shift([0.1]), real=Location([float(i)])))
    s.connect("a", "b", Flow(raw=0.9, curated=0.1))
    s.connect("b", "c", Flow(raw=0.5))
    return s


def test_findings_say_which_flow_would_flip_the_network(tmp_path: Path) -> None:
    found = influence(fragile()).findings()
    flips = found.flips.set_index(["what", "source", "target"])
    assert flips.loc[("arrival", "a", "a"), ["share", "members"]].tolist() == [1.0, "a, b, c"]
    assert flips.loc[("arrival", "b", "a"), "members"] == "a, b, c" and ("arrival", "a", "c") not in flips.index
    assert found.certificates["collapses"].tolist() == [False] * 3
    told = dict(story(found))["What the graph alone promises"]
    assert told[0].startswith("Nobody collapses") and "a → a (a, b, c)" in told[-1]
    back = Findings.load(found.save(tmp_path).parent)
    assert_frame_equal(back.flips, found.flips, check_dtype=False)
    assert_frame_equal(back.certificates, found.certificates, check_dtype=False)


def test_analyses_from_before_there_were_promises_are_read(tmp_path: Path) -> None:
    found = replace(influence(fragile()).findings(), certificates=pd.DataFrame(), flips=pd.DataFrame())
    back = Findings.load(found.save(tmp_path).parent)
    assert back.flips.empty and back.certificates.empty and "certificates.parquet" not in str(list(tmp_path.rglob("*")))
