"""``ecosystem study``, ``status`` and ``failures`` as people type them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ecosystem.cli import main
from ecosystem.study import Study
from ecosystem.study.outcomes.story import headline
from ecosystem.study.outcomes.subject import Subject
from tests.studies import PATIENCE, comes, living

FILE = '''
"""A loop."""
import time
from multiprocessing import current_process
from pathlib import Path
from ecosystem import Flow, Linear, Location, Member, Scenario, Study

def scenario(share=0.5, waits=False, samples=8):
    while waits and share > 0.5 and current_process().name != "MainProcess" and not Path(GO).exists():
        time.sleep(0.02)
    if share > 1:
        raise ValueError(f"share {share} is too much")
    s = Scenario("loop", rounds=3, samples=samples)
    s.add("a", Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=share))
    return s

def study(points=4, most=0.8, waits=False):
    shares = [round(most * (i + 1) / points, 3) for i in range(points)]
    return Study("shares", scenario, grid={"share": shares, "waits": waits}, seeds=2, block=1)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loop.py"
    path.write_text(FILE.replace("GO", repr(str(tmp_path / "go"))))
    return path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


def study(file: Path, out: Path, *more: object) -> int:
    return run("study", file, "--out", out, "--workers", 0, "--no-report", *more)


def test_a_study_is_run_and_gone_on_with(file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert study(file, out) == 0
    assert "shares: 4 of 4 points done (4 points × 2 seeds, 4 of 4 blocks)" in capsys.readouterr().out
    assert study(file, out, "--set", "points=8") == 0
    assert "shares: 8 of 8 points done" in capsys.readouterr().out  # every second is there already
    assert list(Study.load(out).points["share"]) == [0.2, 0.4, 0.6, 0.8, 0.1, 0.3, 0.5, 0.7]
    assert run("status", out) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "tables in" in said and headline(Subject(Study.load(out)), None) in said  # what its page begins with
    assert run("failures", out) == 0
    assert "no point of shares has failed" in capsys.readouterr().out


def test_failures_are_shown_and_tried_again(file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert study(file, out, "--set", "most=1.6") == 3
    said = capsys.readouterr()
    assert "2 points failed (2 build)" in said.out and "--retry" in said.out
    assert run("failures", out, "--traces") == 0
    shown = capsys.readouterr().out
    assert "share 1.6 is too much" in shown and "Traceback (most recent call last)" in shown
    file.write_text(FILE.replace("share > 1:", "share > 3:").replace("raw=share", "raw=min(share, 1.0)"))
    assert study(file, out, "--set", "most=1.6", "--retry") == 2
    assert "the code of loop.scenario, or something it uses, has changed" in capsys.readouterr().err
    assert study(file, out, "--set", "most=1.6", "--retry", "--accept-changes") == 0
    assert Study.load(out).failures.empty and Study.load(out).rounds["point"].nunique() == 4


def test_a_scenario_is_swept_without_a_study(file: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    sweep = ("--grid", "share=[0.1, 0.2]", "--grid", "samples=[None, 4]", "--set", "waits=False")
    assert study(file, out, *sweep, "--seeds", 3, "--measure", "rounds, members") == 0
    results = Study.load(out)
    assert len(results.points) == 4 and results.tables[:2] == ["rounds", "baseline"] and "members" in results.tables
    assert results.rounds.groupby("point")["seed"].nunique().tolist() == [1, 3, 1, 3]  # the population has one


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "size=3"], "study() of"),
        (["--seeds", "3"], "--seeds goes with --grid"),
        (["--grid", "share=0.5"], "is no list"),
        (["--grid", "shares=[0.5]"], "has no parameter 'shares'"),
        (["--engine", "slurm"], "there are local and ray"),
        (["--address", "here:1"], "go with --engine ray"),
        (["--workers", "-1"], "--workers"),
    ],
)
def test_wrong_words_are_refused_in_one_line(file: Path, tmp_path: Path, capsys, arguments, says: str) -> None:
    assert run("study", file, "--out", tmp_path / "out", *arguments) == 2
    said = capsys.readouterr().err
    assert says in said and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_wrong_folders_are_refused(file: Path, tmp_path: Path, capsys) -> None:
    for command in ("status", "failures"):
        assert run(command, tmp_path) == 2
        assert "holds no study" in capsys.readouterr().err
    assert study(file, tmp_path) == 2
    assert "holds no study, but loop.py" in capsys.readouterr().err
    plain = tmp_path / "plain.py"
    plain.write_text("def scenario(): ...\n")
    assert study(plain, tmp_path / "out") == 2
    assert "has no function study()" in capsys.readouterr().err


def test_ctrl_c_ends_after_the_blocks_under_way(file: Path, tmp_path: Path) -> None:
    """The signal goes to the whole group of processes, as a terminal sends it.

    The last points wait in the workers until it was sent: however slow the hand, the study has not ended before.
    """
    out = tmp_path / "out"
    command = [sys.executable, "-m", "ecosystem.cli", "study", str(file), "--out", str(out), "--workers", "2"]
    command += ["--no-report", "--set", "points=16", "--set", "waits=True"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(list((out / "tables" / "blocks").glob("*.parquet"))) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        (tmp_path / "go").touch()
        said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "not finished: the same command goes on with it" in said
    done = Study.load(out)
    assert not done.finished and done.failures.empty
    assert study(file, out, "--set", "points=16", "--set", "waits=True") == 0
    whole = Study.load(out).rounds
    assert whole["point"].nunique() == 16
    pd.testing.assert_frame_equal(done.rounds, whole[whole["point"].isin(done.rounds["point"])].reset_index(drop=True))


def test_ctrl_c_says_what_it_waits_for_and_the_second_one_ends_at_once(file: Path, tmp_path: Path) -> None:
    """It was silent for the minutes that blocks took, and pressed again spoke of semaphores that had leaked.

    The last points wait in the workers for ever: only what breaks them off ends it.
    """
    out, said = tmp_path / "out", tmp_path / "said"
    command = [sys.executable, "-m", "ecosystem", "study", str(file), "--out", str(out), "--workers", "2"]
    command += ["--no-report", "--set", "points=16", "--set", "waits=True"]
    with (
        said.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True) as process,
    ):
        assert comes(lambda: process.poll() is not None or "blocks under way" in pressed(process, said, out))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert comes(lambda: not living(process.pid))
    told = said.read_text()
    assert re.search(r"waiting for [23] blocks under way(, about .*)? \(again: at once\)\n", told)
    assert told.endswith("interrupted\n") and "resource_tracker" not in told and "Traceback" not in told
    kept = Study.load(out)
    assert len(kept.rounds["point"].unique()) == 10 and kept.failures.empty  # those that wait for nothing
    (tmp_path / "go").touch()
    assert study(file, out, "--set", "points=16", "--set", "waits=True") == 0


def pressed(process: subprocess.Popen[bytes], said: Path, out: Path) -> str:
    """Press once when all blocks but those that wait are written; what is said on stderr."""
    if len(list((out / "tables" / "blocks").glob("*.parquet"))) >= 10 and not (out.parent / "pressed").exists():
        (out.parent / "pressed").touch()
        os.killpg(process.pid, signal.SIGINT)
    return said.read_text()


SWEPT = '''
"""A loop."""
from ecosystem import Flow, Linear, Location, Member, Scenario, Study

def scenario(share=0.5, start=1.0):
    s = Scenario("loop", rounds=2)
    s.add("a", Member(Location([start]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=share))
    return s

def study():
    return Study.sobol("shares", scenario, {"share": (0.1, 0.9), "start": (-1.0, 1.0)}, points=8)
'''


def test_sensitivity_is_said_and_stands_on_the_page(tmp_path: Path, capsys) -> None:
    file, out = tmp_path / "swept.py", tmp_path / "out"
    file.write_text(SWEPT)
    when = "alignment[a] > 0 and share > 0.1"
    assert run("study", file, "--out", out, "--workers", 0, "--sensitivity", "--when", when) == 0
    said = " ".join(capsys.readouterr().out.split())
    found = Study.load(out).sensitivity("alignment")
    total = found.table.query("parameter == 'start' and index == 'total'")
    assert f"{total['value'].item():.3f}" in said and found.sentence in said
    assert f"{when} holds in " in said and "is exact at all points" in said
    page = (out / "report.html").read_text()
    assert "Which settings matter" in page and "alignment-indices" in page
    assert run("study", out, "--sensitivity", "--no-report") == 0  # of what is there
    again = " ".join(capsys.readouterr().out.split())
    assert found.sentence in again and "points done" not in again


def test_what_goes_with_sensitivity_is_said(file: Path, tmp_path: Path, capsys) -> None:
    assert run("study", file) == 2
    assert "where is the study to be kept? give --out FOLDER" in capsys.readouterr().err
    out = tmp_path / "all"
    assert run("study", file, "--out", out, "--workers", 0, "--when", "share > 1") == 0  # it implies --sensitivity
    said = " ".join(capsys.readouterr().out.split())
    assert "share > 1 holds at 0 of 4 points of which it is known: too few for a box" in said
    assert "Which settings matter" in (out / "report.html").read_text()
    assert run("study", out, "--of", "alignmen") == 2  # of a folder, too, and the page is written before
    capsys.readouterr()
    assert run("study", tmp_path, "--sensitivity", "--out", tmp_path / "other") == 2
    assert "leave out --out, --set and --grid" in capsys.readouterr().err
    assert study(file, tmp_path / "out", "--sensitivity", "--of", "alignmen") == 2
    assert "this study has no such numbers; there are alignment" in capsys.readouterr().err
