"""A run's tables, on disk and back."""

from __future__ import annotations

import json
import os
import pickle

import pandas as pd
import pyarrow.parquet as parquet
import pytest
import torch
from torch import nn

from ecosystem import Ecosystem, Location, Member, Record, Run, Scenario, poisson, shuffled
from tests.networks import random_scenario
from tests.test_agents import Tiny, couple

_COLUMNS = {
    "members": "member generator event parameters curation real reward curator schedule retention later",
    "flows": "source target raw curated chosen_by transform delay there later",
    "rounds": "seed replicate round member updated alignment change loss",
    "draws": "seed replicate round member component source curated count",
    "changes": "seed replicate round subject what before after source target",
    "failures": "seed replicate round member error",
    "tastes": "seed replicate round member judge reward",
    "baseline": "seed replicate member alignment of",
}


@pytest.fixture(scope="module")
def run() -> Run:
    s = random_scenario(1, 4, "location", samples=5, rounds=4)
    eco = Ecosystem(s, seeds=[(2, 0), (2, 1)], record=Record(draws=True, tastes=True, samples=3))
    eco.run()
    return eco.result(command="test")


def test_tables_have_the_columns_of_the_contract(run: Run) -> None:
    for name, columns in _COLUMNS.items():
        assert list(getattr(run, name).columns) == columns.split(), name
    assert len(run.rounds) == 2 * 5 * 4
    first = run.rounds[run.rounds["round"] == 0]
    assert first["change"].isna().all() and not first["updated"].any()
    assert run.rounds[["seed", "replicate", "round"]].drop_duplicates().values.tolist() == [
        [2, r, t] for r in range(2) for t in range(5)
    ]


def test_saved_and_loaded_it_is_the_same(run: Run, tmp_path) -> None:
    folder = run.save(tmp_path / "deep" / "run")
    again = Run.load(folder)
    for name in _COLUMNS:
        pd.testing.assert_frame_equal(getattr(run, name), getattr(again, name), check_exact=True)
    assert again.settings == json.loads(json.dumps(run.settings)) and again.settings["command"] == "test"
    assert list(again.samples) == list(run.samples) and list(again.parameters) == list(run.parameters)
    for member, rounds in run.samples.items():
        assert all(x.shape == (3, 2) for x in rounds.values())
        assert list(again.samples[member]) == list(rounds) == [0, 1, 2, 3, 4]
        assert all(torch.equal(again.samples[member][r], x) for r, x in rounds.items())
    assert all(torch.equal(again.parameters[m]["mean"], x["mean"]) for m, x in run.parameters.items())
    assert parquet.read_table(folder / "rounds.parquet").num_rows == len(run.rounds)


def test_tables_of_an_unfinished_run_are_readable(tmp_path) -> None:
    eco = Ecosystem(couple(rounds=9))
    eco.step()
    again = Run.load(eco.result().save(tmp_path / "run"))
    assert again.rounds["round"].max() == 1 and not again.settings["finished"] and again.settings["completed"] == 1


def test_folders_are_refused_with_the_mend(run: Run, tmp_path) -> None:
    folder = run.save(tmp_path / "run")
    with pytest.raises(FileExistsError, match="exists already; choose another"):
        run.save(folder)
    run.save(folder, overwrite=True)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("irreplaceable")
    with pytest.raises(FileExistsError, match="not a run's folder"):
        run.save(other, overwrite=True)
    assert (other / "chapter1.tex").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot be written"):
        run.save(tmp_path / "file" / "run")
    with pytest.raises(FileNotFoundError, match="holds no run"):
        Run.load(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(run: Run, tmp_path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written"):
        run.save(tmp_path / "run")


def test_neural_parameters_are_saved(tmp_path) -> None:
    from ecosystem import Member, Scenario

    s = Scenario("neural", rounds=1, samples=8, ordering=shuffled)
    s.add("x", Member(Tiny(), real=torch.zeros(4, 2), schedule=poisson(5.0)))
    again = Run.load(s.run(replicates=3).save(tmp_path / "run"))
    assert again.parameters["x"]["mean"].shape == (3, 2) and isinstance(Tiny().mean, nn.Parameter)


def test_digests_of_a_scenario_wait_until_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """They took longer than the tables of a short run, and hundreds of variants have one scenario each."""
    read: list[Scenario] = []
    monkeypatch.setattr("ecosystem.running.ecosystem.origin", lambda s: read.append(s) or {"digests": {}})
    s = Scenario("a", rounds=1)
    s.add("a", Member(Location([0.0]), real=Location([1.0])))
    run, other = s.run(), s.run()
    assert len(run.rounds) == 2 and not read
    assert run.settings is run.settings and run.settings["digests"] == {} and len(read) == 1
    assert pickle.loads(pickle.dumps(other)).settings["completed"] == 1
