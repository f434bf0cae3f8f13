"""The run so far, read from its checkpoints: its tables, and its report while it is under way."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from ecosystem import Ecosystem, Flow, Freeze, Member, Run, Scenario
from ecosystem.cli import app
from ecosystem.generators import Location
from ecosystem.rewards import Quadratic
from ecosystem.running.checkpoints import Checkpoints, so_far
from ecosystem.running.measures import View
from ecosystem.running.recording import Record
from tests.studies import PATIENCE


def loop(raw: float = 0.5) -> Scenario:
    s = Scenario("loop", rounds=6, samples=8)
    s.add("a", Member(Location([1.0]), reward=Quadratic([1.0], 0.1), real=Location([0.0])))
    s.add("b", Member(Location([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=raw))
    return s


def size(view: View) -> torch.Tensor:
    """A measure of one's own."""
    return torch.stack([view.law(name).mean.norm(dim=-1) for name in view.names])


def test_the_run_so_far_has_the_tables_of_the_run(tmp_path: Path) -> None:
    scenario = loop()
    scenario.at(2, Freeze("a"))
    record = Record(draws=True, sources=True, samples=3, tastes=True, measures=[size])
    looked: list[Run] = []

    def look(round: int, rows: pd.DataFrame) -> None:
        if round == 4:
            looked.append(so_far(tmp_path / "c"))

    run = scenario.run(replicates=2, record=record, checkpoints=Checkpoints(tmp_path / "c"), live=look)
    (half,), whole = looked, so_far(tmp_path / "c")
    assert half.settings["under way"] and half.settings["completed"] == 3 and not half.settings["finished"]
    assert not whole.settings["under way"] and whole.settings["finished"]
    for name in ("members", "flows", "rounds", "changes", "failures", "draws", "sources", "tastes"):
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(run, name), check_exact=True)
        if "round" in getattr(half, name):
            then = getattr(run, name).query("round <= 3").reset_index(drop=True)
            pd.testing.assert_frame_equal(getattr(half, name), then, check_exact=True)
    assert torch.equal(whole.samples["a"][6], run.samples["a"][6])
    told = {name: value for name, value in whole.settings.items() if name not in ("seconds", "under way")}
    assert told == {name: run.settings[name] for name in told}


def test_variants_are_told_apart_and_what_is_not_there_is_refused(tmp_path: Path) -> None:
    eco = Ecosystem([loop(), loop(raw=0.25)])
    eco.step()
    eco.save(tmp_path / "saved")
    for variant in range(2):
        pd.testing.assert_frame_equal(so_far(tmp_path / "saved", variant).rounds, eco.result(variant).rounds)
    with pytest.raises(ValueError, match="has 2 variants, from 0 on; there is no variant 2"):
        so_far(tmp_path / "saved", 2)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="holds no checkpoint"):
        so_far(tmp_path / "none")
    assert not list((tmp_path / "none").iterdir())  # looking leaves nothing


FILE = """
import time
from pathlib import Path
from ecosystem import Flow, Member, Scenario
from ecosystem.generators import Location

HERE = Path(__file__).parent

def waits(x):
    if not (HERE / "go").exists() and (HERE / "c" / "round-00002").exists():
        (HERE / "waiting").touch()
        while not (HERE / "go").exists():
            time.sleep(0.05)
    return x

def scenario():
    s = Scenario("slow", rounds=5, samples=8)
    s.add("a", Member(Location([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.5, transform=waits))
    return s
"""


def command(*arguments: Any) -> list[str]:
    return [sys.executable, "-m", "ecosystem.cli", *map(str, arguments)]


def test_a_run_under_way_is_reported_and_not_disturbed(tmp_path: Path) -> None:
    """``ecosystem report`` knew finished runs alone, and said of others that there is none."""
    (tmp_path / "slow.py").write_text(FILE)
    where = {"--out": tmp_path / "out", "--checkpoints": tmp_path / "c", "--live": tmp_path / "x.csv"}
    options = [part for pair in where.items() for part in pair]
    process = subprocess.Popen(command("run", tmp_path / "slow.py", *options), stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "waiting").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert pd.read_csv(tmp_path / "x.csv")["round"].tolist() == [0, 1, 2]
        done = CliRunner().invoke(app, ["report", str(tmp_path / "c")])  # another process than the run's
        assert done.exit_code == 0, done.output
        page = (tmp_path / "c" / "report.html").read_text()
        assert "This run is under way: this page was written after 2 of 5 rounds" in page
        early = CliRunner().invoke(app, ["report", str(tmp_path / "out")])
        assert early.exit_code == 2 and "a run is under way that will be saved in" in " ".join(early.output.split())
    finally:
        (tmp_path / "go").touch()
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    rounds = Run.load(tmp_path / "out").rounds
    assert pd.read_csv(tmp_path / "x.csv")["change"].equals(rounds["change"]) and len(rounds) == 6
