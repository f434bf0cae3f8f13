"""Folders of runs, findings and checkpoints that somebody has touched, or writes to at the same time."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import stat
import xml.dom.minidom
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import synthetic_findings
import synthetic_runs
import torch
from typer.testing import CliRunner

from ecosystem import Checkpoints, Ecosystem, Flow, Linear, Location, Luce, Member, Record, Run, Scenario, plots
from ecosystem.cli import app
from ecosystem.cli.loading import load_scenario
from ecosystem.core import locks, manifest, parquet, storage
from ecosystem.core.words import shown
from ecosystem.data import read_pairs
from ecosystem.decisions import Observations
from ecosystem.influence.findings import Findings
from ecosystem.plots.network import network
from ecosystem.report import write_report
from ecosystem.running.checkpoints import CheckpointError
from ecosystem.running.checkpoints import folder as folders
from tests.damage import FAULTS, damage, flipped


def scenario(rounds: int = 2) -> Scenario:
    s = Scenario("one", rounds=rounds, samples=4)
    s.add("a", Member(Location([0.0, 1.0]), reward=Linear([1.0, 0.0]), curator=Luce(2), real=Location([0.0, 0.0])))
    s.connect("a", "a", Flow(raw=0.3, curated=0.3))
    return s


def equal(one: Any, other: Any) -> bool:
    """Whether two values that were read are the same, whatever they are made of."""
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        return True
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return one == other


def read_run(folder: Path) -> dict[str, Any]:
    run = Run.load(folder)
    tensors = {name: getattr(run, name) for name in ("samples", "inputs", "parameters")}
    return {"settings": run.settings, **{name: getattr(run, name) for name in run._tables}, **tensors}


def read_findings(folder: Path) -> dict[str, Any]:
    return dict(vars(Findings.load(folder.parent)))


def read_checkpoint(folder: Path) -> dict[str, Any]:
    state, tensors = folders.read(folder)
    return {"state": json.loads(json.dumps(state)), "tensors": tensors}


def make_run(place: Path) -> Path:
    return scenario().run(record=Record(samples=2)).save(place / "run")


def make_findings(place: Path) -> Path:
    return synthetic_findings.pair().save(place)


def make_checkpoint(place: Path) -> Path:
    scenario().run(checkpoints=Checkpoints(place))
    return place / "round-00002"


KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], dict[str, Any]]]] = {
    "run": (make_run, read_run),
    "findings": (make_findings, read_findings),
    "checkpoint": (make_checkpoint, read_checkpoint),
}
REFUSALS = (manifest.Damaged, CheckpointError, FileNotFoundError)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_done_to_a_file_is_seen(kind: str, tmp_path: Path) -> None:
    """68 of 560 flips in a run loaded other numbers, 37 in a checkpoint; most others were raw errors of a reader."""
    make, read = KINDS[kind]
    source = make(tmp_path / "whole")
    whole, names = read(source), sorted(path.name for path in source.iterdir())
    place = tmp_path / "touched" / source.name
    shutil.copytree(source, place)

    def outcome() -> str:
        try:
            assert equal(whole, read(place))
            return ""
        except REFUSALS as error:
            assert "\n" not in str(error) and str(place.parent) in str(error) and ";" in str(error)
            return str(error)

    for i, name in enumerate(names):
        for fault in FAULTS:
            shutil.rmtree(place)
            shutil.copytree(source, place)
            other = place / names[(i + 1) % len(names)]
            alike = other.read_bytes() == (place / name).read_bytes() and fault in ("swapped", "overwritten")
            damage(place / name, fault, other)
            line = outcome()
            assert alike or (line and (name in line or fault == "swapped" or name == manifest.FILE)), (name, fault)
    shutil.rmtree(place)
    shutil.copytree(source, place)
    rng = random.Random(3)
    seen = 0
    for _ in range(60):
        with flipped(place / rng.choice(names), rng):
            seen += bool(outcome())
    assert seen >= 55 and not outcome()
    for stranger in ("extra.parquet", "extra.json"):
        (place / stranger).write_bytes(b"")
        assert f"{stranger} does not belong here" in outcome()
        (place / stranger).unlink()
    (place / "notes.txt").write_text("mine")
    assert not outcome()


def test_runs_of_earlier_versions_are_read_unchecked(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    whole = read_run(folder)
    (folder / manifest.FILE).unlink()
    with pytest.raises(manifest.Damaged, match=r"manifest\.jsonl is missing; .*read it unchecked \(check=False\)"):
        Run.load(folder)
    assert equal(whole["rounds"], Run.load(folder, check=False).rounds)
    (folder / "rounds.parquet").write_bytes(b"PAR1")
    with pytest.raises(manifest.Damaged, match=r"rounds\.parquet cannot be read .*; bring it back from a copy, or run"):
        Run.load(folder, check=False)
    with pytest.raises(FileNotFoundError, match="holds no run"):
        Run.load(synthetic_findings.pair().save(tmp_path / "findings"))


def test_a_renamed_checkpoint(tmp_path: Path) -> None:
    """The folders of two rounds swapped: the run would go on from one and call it the other."""
    saved = Checkpoints(tmp_path)
    scenario().run(checkpoints=saved)
    for old, new in ((1, 9), (2, 1), (9, 2)):
        saved.path(old).rename(saved.path(new))
    with pytest.raises(CheckpointError, match="round-00002 holds round 1: it was renamed; give it its name back"):
        scenario().run(checkpoints=saved)


# -- places ------------------------------------------------------------------------------------------------------------


def test_the_home_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder named ``~`` was made: the shell leaves it in ``--out=~/runs``."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    scenario().run(checkpoints=Checkpoints("~/saved")).save("~/run")
    synthetic_findings.pair().save("~/run")
    assert Run.load("~/run").settings["scenario"] == "one" and Findings.load("~/run")
    write_report(synthetic_runs.silent(), "~/report.html")
    (tmp_path / "one.py").write_text(FILE)
    for command in (["run", "one.py", "--out=~/cli", "--no-report"], ["report", "~/cli", "--out=~/page.html"]):
        assert CliRunner().invoke(app, command).exit_code == 0
    assert sorted(os.listdir("home")) == ["cli", "page.html", "report.html", "run", "saved"]
    assert sorted(os.listdir(tmp_path)) == ["home", "one.py"]
    with pytest.raises(ValueError, match="write the folder out"):
        Run.load("~nobody-of-this-name/run")


def test_files_in_the_home_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run = synthetic_runs.pair(2)
    network(run).save("~/drawing.svg")
    plots.alignment(run.rounds).save("~/chart.html")
    (tmp_path / "seen.csv").write_text("member,round,measure,value\na,1,alignment,0.5\n")
    (tmp_path / "pairs.jsonl").write_text('{"src": "It rained.", "tgt": "Rain."}')
    (tmp_path / "one.py").write_text(FILE)
    assert len(Observations.read("~/seen.csv").table) == len(read_pairs("~/pairs.jsonl")) == 1
    assert load_scenario("~/one.py")[0].name == "one"
    assert {"drawing.svg", "chart.html"} <= set(os.listdir(tmp_path))


FILE = """
from ecosystem import Location, Member, Scenario
def scenario(rounds=2, name="a"):
    s = Scenario("one", rounds=rounds, samples=4)
    s.add(name, Member(Location([0.0]), real=Location([1.0])))
    return s
"""


@pytest.mark.parametrize("place", ["link/q", "q/../q"])
def test_an_overwritten_run_dies_at_every_step(place: str, tmp_path: Path) -> None:
    """28 of 34 moments lost the old run before the new one was there; with ``q/../q`` all of them."""
    old, new = synthetic_runs.pair(2), synthetic_runs.pair(3)

    class Dead(BaseException):
        pass

    for fatal in range(80):
        home = tmp_path / str(fatal)
        (home / "q").parent.mkdir()
        (home / "link").symlink_to(home)
        old.save(home / "q")
        steps = iter(range(1000))
        with pytest.MonkeyPatch.context() as patch:

            def deadly(function: Callable, steps: Any = steps, fatal: int = fatal) -> Callable:
                def step(*given: Any, **how: Any) -> Any:
                    if next(steps) == fatal:
                        raise Dead
                    return function(*given, **how)

                return step

            for module, name in ((os, "fsync"), (os, "replace"), (Path, "mkdir"), (manifest, "seal")):
                patch.setattr(module, name, deadly(getattr(module, name)))
            patch.setattr(storage, "_settle", lambda _: None)  # who is killed tidies up nothing
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
            try:
                new.save(home / place, overwrite=True)
                ended = True
            except Dead:
                ended = False
        assert len(Run.load(home / place).settings["seeds"]) in (2, 3)
        new.save(home / place, overwrite=True)
        assert len(Run.load(home / "q").settings["seeds"]) == 3
        assert sorted(os.listdir(home)) == ["link", "q"]
        if ended:
            break
    assert ended and fatal > 10


def test_nothing_of_anybody_else_is_overwritten(tmp_path: Path) -> None:
    run = synthetic_runs.pair(2)
    folder = run.save(tmp_path / "run")
    (folder / "report.html").write_text("<!doctype html>")
    run.save(folder, overwrite=True)
    (folder / "thesis.tex").write_text("irreplaceable")
    with pytest.raises(FileExistsError, match=r"holds thesis\.tex as well, which would be lost; move it away first"):
        run.save(folder, overwrite=True)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError, match="it is a link to"):
        run.save(tmp_path / "link", overwrite=True)
    assert (folder / "thesis.tex").exists() and Run.load(tmp_path / "link")
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><p>mine")
    result = CliRunner().invoke(app, ["report", str(folder), "--out", str(page)])
    assert result.exit_code == 2 and "is no report, so it is not overwritten" in result.stderr
    assert "mine" in page.read_text()
    page.unlink()
    for _ in range(2):  # a report may be written again
        assert CliRunner().invoke(app, ["report", str(folder), "--out", str(page)]).exit_code == 0


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A link planted in a folder was written through: the page landed in any file."""
    secret = tmp_path / "secret"
    secret.write_text("for nobody")
    run = synthetic_runs.pair(2)
    folder = run.save(tmp_path / "run")
    for name in ("report.html", ".report.html.partial"):
        (folder / name).symlink_to(secret)
        write_report(synthetic_runs.silent(), folder / "report.html")
        assert secret.read_text() == "for nobody" and not (folder / "report.html").is_symlink()
        (folder / "report.html").unlink()
    (tmp_path / ".other.lock").symlink_to(secret)
    with pytest.raises(OSError, match="it is a link"):
        run.save(tmp_path / "other")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").touch()
    (tmp_path / ".new.partial").symlink_to(tmp_path / "mine")
    run.save(tmp_path / "new")
    assert os.listdir(tmp_path / "mine") == ["kept"] and secret.read_text() == "for nobody"
    (folder / "influence").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="it is a link"):
        synthetic_findings.pair().save(folder, overwrite=True)


def test_all_files_have_one_mode(tmp_path: Path) -> None:
    """Files of 0600 stood beside files of 0644: others of the group could read half of a run."""
    before = os.umask(0o027)
    try:
        places = [make(tmp_path / kind) for kind, (make, _) in KINDS.items()]
    finally:
        os.umask(before)
    for place in places:
        assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o640}
        assert stat.S_IMODE(place.stat().st_mode) == 0o750


def test_two_that_write_to_one_folder(tmp_path: Path) -> None:
    """Two ``run --out`` on one folder at once: a mixed run, exit code 0."""
    (tmp_path / "one.py").write_text(FILE)
    out = tmp_path / "deep" / "run"
    with locks.claimed(out, ""):
        import threading

        results: list[Any] = []

        def second() -> None:
            try:
                synthetic_runs.pair(2).save(out)
            except FileExistsError as error:
                results.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert len(results) == 1 and "is being written by another process; wait for it, or choose" in results[0]
        synthetic_runs.pair(2).save(out)  # who holds it may
    assert os.listdir(tmp_path / "deep") == ["run"]
    program = "import sys; from ecosystem.core import locks; from pathlib import Path\n"
    program += "with locks.claimed(Path(sys.argv[1]), ''): print('held', flush=True); input()"
    import subprocess
    import sys

    pipe = subprocess.PIPE
    other = tmp_path / "other"
    with subprocess.Popen([sys.executable, "-c", program, str(other)], stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        result = CliRunner().invoke(app, ["run", str(tmp_path / "one.py"), "--out", str(other)])
        assert result.exit_code == 2 and "is being written by another process" in result.stderr
        holder.communicate("\n")
    assert not other.exists()


def test_a_full_disk_does_not_lose_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run was lost and a ``.partial`` stayed."""
    (tmp_path / "one.py").write_text(FILE)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    real, full = manifest.seal, [tmp_path / "disk"]

    def seal(folder: Path) -> None:
        if any(folder.is_relative_to(place) for place in full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(folder)

    monkeypatch.setattr(manifest, "seal", seal)
    command = ["run", str(tmp_path / "one.py"), "--out", str(tmp_path / "disk" / "run")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2 and "No space left on device" in result.stderr
    (kept,) = (tmp_path / "tmp").glob("*/run")
    assert f"the run is kept in {kept}" in " ".join(result.stderr.split()) and len(Run.load(kept).rounds) == 3
    assert not list((tmp_path / "disk").glob(".*"))
    full.append(tmp_path / "tmp")
    assert "the run is lost: with --checkpoints" in CliRunner().invoke(app, command).stderr
    result = CliRunner().invoke(app, [*command, "--checkpoints", str(tmp_path / "saved")])
    assert "could not" in result.stderr or "goes on from its checkpoints" in result.stderr


# -- what is in it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [{"x": np.zeros(2**18)}, {"text": ["x" * 3000] * 2**13}], ids=["numbers", "texts"])
def test_a_table_is_looked_at_before_it_is_opened(table: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a megabyte opened to four gigabytes."""
    folder = make_run(tmp_path)
    monkeypatch.setattr(parquet, "ROOM", 2**20)
    pq.write_table(pa.table(table), folder / "rounds.parquet", compression="zstd")
    (folder / manifest.FILE).unlink()
    manifest.seal(folder)
    assert (folder / "rounds.parquet").stat().st_size < 2**14
    with pytest.raises(manifest.Damaged, match=r"rounds\.parquet cannot be read \(TooLarge: .*rows would take .* GiB"):
        Run.load(folder)
    with pytest.raises(parquet.TooLarge):
        parquet.table((folder / "rounds.parquet").read_bytes())
    monkeypatch.setattr(parquet, "ROOM", 100)  # what cannot be packed is read at any size
    honest = pa.table({"x": pa.array(np.random.default_rng(0).random(2**16))})
    pq.write_table(honest, tmp_path / "honest.parquet")
    assert parquet.table(tmp_path / "honest.parquet").equals(honest)


NASTY = "a\x1b[2J\x07\x9b\u202e\n\ud800\ufffeb"


def test_names_do_nothing(tmp_path: Path) -> None:
    """Escape sequences in names reached the terminal; control characters made an SVG malformed."""
    assert shown(NASTY) == "a␛[2J␇��\n��b" and "\n" not in shown(NASTY, one_line=True)
    (tmp_path / "one.py").write_text(FILE + "\nNASTY = 'a\\x1b[2J\\x07b'\n")
    for more in (["run"], ["describe"]):
        command = [*more, str(tmp_path / "one.py"), "--set", "name=a\x1b[2J\x07b"]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0 and "\x1b[2J" not in result.stdout and "a␛[2J␇b" in result.stdout
    result = CliRunner().invoke(app, ["report", str(tmp_path / "no\x1b[2Jwhere")])
    assert "\x1b[2J" not in result.stderr and "no␛[2Jwhere" in result.stderr
    members = pd.DataFrame({"member": ["a\x1b[2J\x07b"]})
    flows = pd.DataFrame({"source": [], "target": [], "raw": [], "curated": []})
    xml.dom.minidom.parseString(network((members, flows)).svg)
    assert Ecosystem(scenario()).steps == 0
