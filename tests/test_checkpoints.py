"""Checkpoints: what is broken off goes on bit for bit, from Python and from the command line."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecosystem import (
    Checkpoints,
    Ecosystem,
    Run,
)
from ecosystem.cli import app
from ecosystem.running.checkpoints import CheckpointError
from tests.checkpointed import (
    assert_same,
    broken_off,
    ecosystem,
    everything,
    finished,
    names,
    neural,
    same,
)

pytestmark = pytest.mark.xdist_group("checkpoints")  # what is compared with is made once


@pytest.fixture(scope="module")
def whole() -> dict[str, Run]:
    """The runs that others are compared with: in one go."""
    return {name: finished(ecosystem(name)) for name in ("neural", "closed", "deciding")}


def test_the_scenarios_do_what_they_are_for(whole: dict[str, Run]) -> None:
    """Replicates diverge in some rounds but not all do; agents change everything; kept data reach back."""
    failures = whole["closed"].failures
    assert 0 < failures["replicate"].nunique() < 6 and failures["round"].nunique() > 1
    assert {"raw", "curator", "schedule", "frozen", "curation"} <= set(whole["deciding"].changes["what"])
    sources = whole["neural"].sources
    assert (sources["born"] < sources["round"] - 1).any() and whole["neural"].inputs["p"][0].shape == (3, 3)
    assert len(whole["neural"].parameters["r"]["data"][0]) == 5 * 20


@pytest.mark.parametrize(
    ("name", "after"),
    [
        *(("neural", after) for after in (1, 2, 3, 5)),
        *(("closed", after) for after in (1, 4, 7, 8)),
        *(("deciding", after) for after in (1, 2, 3, 4, 5, 6, 8)),
    ],
)
def test_a_run_goes_on_where_it_was(name: str, after: int, whole: dict[str, Run], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "saved")
    lost = ecosystem(name)
    broken_off(lost, checkpoints, after)
    found = ecosystem(name)
    found.restore(checkpoints.path(after))
    assert same(everything(found), everything(lost)) and found.completed == found.steps == after
    assert_same(finished(ecosystem(name), checkpoints), whole[name])
    assert names(checkpoints.folder) == [f"round-{r:05d}" for r in (lost.rounds - 1, lost.rounds)][-after - 1 :]


def test_scenario_run_goes_on_too(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "saved", every=2, keep=1)
    eco = Ecosystem(neural(), seeds=[(0, 0), (0, 1)])
    broken_off(eco, checkpoints, 3)
    assert names(checkpoints.folder) == ["round-00002"]
    assert_same(neural().run(replicates=2, checkpoints=checkpoints), neural().run(replicates=2))
    assert names(checkpoints.folder) == ["round-00005"]


def test_a_finished_run_comes_back_at_once(
    whole: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path)
    first = finished(ecosystem("closed"), checkpoints)
    monkeypatch.setattr(Ecosystem, "step", None)
    again = finished(ecosystem("closed"), checkpoints)
    assert_same(again, first)
    assert_same(again, whole["closed"])
    assert again.settings["seconds"] > 0.5 * first.settings["seconds"] > 0  # the time it has really taken


def test_a_longer_run_goes_on_after_the_end(tmp_path: Path) -> None:
    """What was recorded only because it was the end is dropped; the samples kept are those of the same rounds."""
    how: dict[str, Any] = {"every": 4, "sample_rounds": [0, 4, 12]}
    finished(ecosystem("closed", **how), Checkpoints(tmp_path))
    longer = finished(ecosystem("closed", rounds=14, **how), Checkpoints(tmp_path))
    assert_same(longer, finished(ecosystem("closed", rounds=14, **how)))
    assert longer.rounds["round"].unique().tolist() == [0, 4, 8, 12, 14]


def test_saved_and_restored_by_hand(whole: dict[str, Run], tmp_path: Path) -> None:
    eco = ecosystem("neural")
    eco.save(tmp_path / "start")
    eco.step()
    eco.save(tmp_path / "one")
    for place in ("start", "one"):
        other = ecosystem("neural")
        other.restore(tmp_path / place)
        assert_same(finished(other), whole["neural"])
    with pytest.raises(FileExistsError, match="exists already; choose another folder"):
        eco.save(tmp_path / "one")
    with pytest.raises(CheckpointError, match="into a new ecosystem only, this one has played 1"):
        eco.restore(tmp_path / "start")


def test_every_and_keep_bound_the_folder(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    eco = ecosystem("deciding")
    eco.run(lambda *_: seen.append(names(tmp_path)), Checkpoints(tmp_path, every=3, keep=1))
    third, sixth, last = ["round-00003"], ["round-00006"], ["round-00008"]
    assert seen == [[], [], third, third, third, sixth, sixth, last]
    for keep in (2, 5):
        folder = tmp_path / "inner" / str(keep)
        ecosystem("deciding").run(checkpoints=Checkpoints(folder, keep=keep))
        assert names(folder) == [f"round-{r:05d}" for r in range(9 - keep, 9)]
    assert {path.name for path in (tmp_path / "inner/2/round-00008").iterdir()} == {
        *("state.json", "tensors.safetensors", "manifest.jsonl")
    }


def test_what_is_unchanged_is_written_once(tmp_path: Path) -> None:
    """``s`` retrains every other round: what is read with a delay is often what is there now."""
    eco = ecosystem("neural")
    eco.run(lambda done, _: eco.save(tmp_path / str(done)))
    state = json.loads((tmp_path / "4" / "state.json").read_text())
    models, now = (state["state"]["generators"][what] for what in ("models", "stacks"))
    assert len(models) == 3 * 3 + 2 and len(now) == 3  # now, one and two rounds ago; s last retrained in round 3
    (pair,) = [c for c, cohort in enumerate(eco.program.cohorts) if cohort.names == ["r", "s"]]
    newest, before, _ = (then[pair][1] for then in now)
    assert newest == before


FILE = """
from ecosystem import Flow, Linear, Location, Luce, Member, Scenario

def scenario(rounds=4, fails=0):
    def taste(x):
        if fails and len(x) == 7:
            raise ValueError("no taste today")
        return x[..., 0]

    s = Scenario("pair", rounds=rounds, samples=5)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    return s
"""


def test_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, saved = tmp_path / "pair.py", tmp_path / "saved"
    file.write_text(FILE)

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(app, ["run", *map(str, (file, "--no-report", *arguments))])

    step, options = Ecosystem.step, ("--checkpoints", saved, "--checkpoint-every", 2, "--keep", 1)

    def interrupted(eco: Ecosystem) -> None:
        step(eco)
        if eco.steps == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Ecosystem, "step", interrupted)
    result = invoke(*options, "--out", tmp_path / "first")
    assert result.exit_code == 130 and "interrupted after 3 of 4 rounds" in result.stderr
    assert names(saved) == ["round-00003"]  # Ctrl-C between two rounds loses nothing
    monkeypatch.setattr(Ecosystem, "step", step)
    assert invoke(*options, "--out", tmp_path / "again").exit_code == 0
    assert invoke("--out", tmp_path / "whole").exit_code == 0 and names(saved) == ["round-00004"]
    one, other = Run.load(tmp_path / "again"), Run.load(tmp_path / "whole")
    other.settings["command"] = one.settings["command"]
    assert_same(one, other)
    monkeypatch.setattr(Ecosystem, "step", None)
    assert invoke(*options, "--out", tmp_path / "at once").exit_code == 0
    for arguments, words in (
        (("--keep", 2), "add --checkpoints FOLDER"),
        (("--checkpoints", tmp_path / "x/y", "--out", tmp_path / "x"), "lies in the folder that the run is saved to"),
        ((*options, "--seed", 1, "--out", tmp_path / "other"), "is a checkpoint of another run, what differs is seeds"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2 and words in " ".join(result.stderr.split()), result.stderr
        assert "pair.py" not in result.stderr  # it is not the scenario that is wrong
