"""What becomes of a study when processes die, disks fill up and people press Ctrl-C: nothing."""

from __future__ import annotations

import errno
import io
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecosystem.core import storage
from ecosystem.study import Local, Progress, Results, Study, StudyFolderError
from ecosystem.study.folder import running
from tests.studies import (
    ALWAYS,
    FINE,
    FLAGS,
    HERE,
    ONCE,
    PARENT,
    PATIENCE,
    Nursery,
    assert_same,
    assert_whole,
    comes,
    files,
    living,
    mortal,
    pair,
    run,
    runs,
    signed,
    slowly,
)

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed"),
    pytest.mark.xdist_group("study_survives"),  # one nursery, and what is compared with is made once
]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The study that others are compared with: in one go, in this process."""
    return run(slowly(), tmp_path_factory.mktemp("unharmed"))


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "flags"
    folder.mkdir()
    monkeypatch.setenv(FLAGS, str(folder))
    monkeypatch.setenv(PARENT, str(os.getpid()))
    return folder


def small(name: str = "small") -> Study:
    return Study(name, pair, grid={"share": [0.1, 0.2, 0.3]}, seeds=2, block=1)


def finished_blocks(folder: Path) -> int:
    return len(list((folder / "tables" / "blocks").glob("*.parquet")))


def _finished_files(folder: Path) -> dict[str, bytes]:
    finished = {path.name for path in (folder / "tables" / "blocks").glob("*.parquet")}
    return {place: data for place, data in files(folder).items() if Path(place).name in finished}


# -- the process that runs the study ---------------------------------------------------------------------------------


def test_killed_at_any_moment(nursery: Nursery, unharmed: Results, tmp_path: Path) -> None:
    """Eight times at most, at moments of its own time: how fast the machine is does not matter."""
    begin = time.monotonic()
    assert nursery.wait(nursery.start(tmp_path / "before", workers=0)) == 0
    seconds = time.monotonic() - begin
    folder, moments, kept, ends = tmp_path / "study", random.Random(4), {}, []
    # the first moments are before study.json exists
    for moment in (0.0, 0.02 * seconds, 0.1 * seconds, *(moments.uniform(0.0, 0.5 * seconds) for _ in range(5))):
        process = nursery.start(folder, workers=0)
        time.sleep(moment)
        os.kill(process, signal.SIGKILL)
        ends.append(nursery.wait(process))
        assert_whole(folder)
        if (folder / "study.json").exists():
            assert kept.items() <= (kept := _finished_files(folder)).items()  # what is finished stays as it is
        else:
            with pytest.raises(StudyFolderError, match="holds no study"):
                Study.load(folder)
        if ends[-1] == 0:
            break
    else:
        assert nursery.wait(nursery.start(folder, workers=0)) == 0
    assert ends[0] == -signal.SIGKILL and set(ends) <= {0, -signal.SIGKILL}
    assert_same(Study.load(folder), unharmed)
    assert files(folder) == files(unharmed.folder)


def test_killed_with_its_workers(nursery: Nursery, unharmed: Results, tmp_path: Path) -> None:
    """A gate holds the study's points back, so that it cannot end before it is killed, however slow the killer is."""
    folder, gate, moments = tmp_path / "study", tmp_path / "gate", random.Random(7)
    gate.mkdir()

    def stopped(early: bool, by: Callable[[int], None]) -> None:
        """Start it, and stop it: while its workers start, or after the next block."""
        before = finished_blocks(folder)
        process = nursery.start(folder, workers=2, gate=gate)
        for number in range(0 if early else 3):  # two workers with blocks of two points: one of them ends its block
            (gate / f"token {number}").touch()
        if early:
            assert comes(lambda: len(living(process)) > 1) or not Path("/proc").exists()
        else:
            assert comes(lambda: finished_blocks(folder) > before)
        time.sleep(moments.uniform(0, 0.15))
        by(process)
        assert nursery.wait(process) != 0
        if not early:
            assert running(folder) == ""  # the lock goes with its process
        assert comes(lambda: not living(process))  # at once, but for those that are still being imported
        assert_whole(folder)

    stopped(True, lambda process: os.kill(process, signal.SIGKILL))
    stopped(False, lambda process: os.kill(process, signal.SIGKILL))
    assert not Study.load(folder).finished
    (gate / "open").touch()
    assert nursery.wait(nursery.start(folder, workers=2, gate=gate)) == 0
    assert_same(Study.load(folder), unharmed)
    assert files(folder) == files(unharmed.folder)


def test_interrupted_with_its_workers(nursery: Nursery, tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to all of them; blocks under way come to their end, and no others begin.

    There are fewer tokens than points: it cannot end before it hears of it, however late that is.
    """
    folder, gate = tmp_path / "study", tmp_path / "gate"
    gate.mkdir()
    process = nursery.start(folder, workers=2, points=400, gate=gate)
    tokens = iter(range(399))

    def fed() -> bool:
        number = next(tokens, None)
        if number is not None:
            (gate / f"token {number}").touch()
        return True

    assert comes(lambda: fed() and finished_blocks(folder) > 0)
    presses = itertools.count()

    def pressed() -> bool:
        if next(presses) % 1000 == 0:  # people press again: what a destructor hears Python forgets
            os.killpg(process, signal.SIGINT)
        return not runs(process)

    assert comes(lambda: fed() and pressed())
    assert nursery.wait(process) != 0 and running(folder) == ""
    assert comes(lambda: not living(process))
    assert_whole(folder)
    assert 0 < finished_blocks(folder) < 200 and not Study.load(folder).finished


def test_one_process_at_a_time(nursery: Nursery, tmp_path: Path) -> None:
    process = nursery.start(tmp_path, workers=0, points=100)
    assert comes(lambda: finished_blocks(tmp_path) > 0)
    results = Study.load(tmp_path)  # reading needs no lock
    assert f"process {process} on " in running(results.folder)
    with pytest.raises(StudyFolderError, match=f"is being worked on by process {process} on .*choose another folder"):
        run(slowly(100), tmp_path)
    before = finished_blocks(tmp_path)
    assert comes(lambda: finished_blocks(tmp_path) > before)  # not disturbed
    os.kill(process, signal.SIGKILL)
    assert nursery.wait(process) == -signal.SIGKILL
    assert running(results.folder) == ""
    assert not run(slowly(100), tmp_path, stop=lambda: True).finished  # the folder is free at once


def test_a_study_within_itself_is_refused(tmp_path: Path) -> None:
    told: list[str] = []

    def again(_: Progress) -> None:
        told.append(running(tmp_path))
        with pytest.raises(StudyFolderError, match=f"worked on by process {os.getpid()} "):
            run(small(), tmp_path)

    results = Study("one", pair, grid={"share": [0.1]}).run(tmp_path, engine=HERE, progress=again)
    assert results.finished and running(results.folder) == "" and len(told) == 2
    assert all(f"process {os.getpid()} on " in text for text in told)


def test_an_interruption_from_the_keyboard(flags: Path, tmp_path: Path) -> None:
    study = Study("signed", signed, grid={"share": [0.02 * i for i in range(1, 17)]}, seeds=3, block=2)

    def interrupt(progress: Progress) -> None:
        if progress.finished == 1:
            raise KeyboardInterrupt

    for engine in (Local(workers=1), HERE):
        folder = tmp_path / f"workers {engine.workers}"
        with pytest.raises(KeyboardInterrupt):
            study.run(folder, engine=engine, progress=interrupt)
        workers = {int(path.name) for path in flags.iterdir()} - {os.getpid()}
        assert workers and not any(map(runs, workers))
        assert_whole(folder)
        left = Study.load(folder)
        assert finished_blocks(folder) == 1 and not left.finished and running(left.folder) == ""
        assert run(study, folder).finished
    assert files(tmp_path / "workers 1") == files(tmp_path / "workers 0")


# -- workers ---------------------------------------------------------------------------------------------------------


def test_workers_that_die(flags: Path, tmp_path: Path) -> None:
    shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]  # the first points are what the first workers get
    frame = pd.DataFrame({"share": shares, "fate": [ONCE, ALWAYS, FINE, FINE, FINE, FINE]})
    study = Study("mortal", mortal, grid=frame, seeds=2, measure=["rounds", "members"], block=1)
    with pytest.warns(RuntimeWarning, match=r"1 of 6 points failed \(1 lost\)"):
        results = study.run(tmp_path / "study", engine=Local(workers=2, retries=0))
    assert (flags / "died").exists() and results.finished
    (failure,) = results.failures.to_dict("records")
    assert (failure["point"], failure["kind"]) == (1, "lost") and "died" in failure["error"]
    (flags / "mended").touch()
    healthy = run(study, tmp_path / "healthy")
    for table in ("rounds", "members"):
        rest = healthy[table][healthy[table]["point"] != 1].reset_index(drop=True)
        assert results[table].equals(rest)
    again = run(study, tmp_path / "study")  # nothing is tried again unasked
    assert again.failed == [1] and len(again.blocks) == 6
    again = run(study, tmp_path / "study", retry=True)
    assert again.failed == [] and again.finished
    assert_same(again, healthy)
    assert_same(run(study, tmp_path / "study", retry=True), healthy)


def test_a_worker_that_dies_while_nobody_looks(flags: Path, tmp_path: Path) -> None:
    """Its death is noticed when it is given the next block, not while it is waited for."""
    frame = pd.DataFrame({"share": [0.1, 0.2, 0.3, 0.4], "fate": [FINE, ONCE, FINE, FINE]})
    study = Study("mortal", mortal, grid=frame, seeds=2, block=1)

    def busy(progress: Progress) -> None:
        if progress.finished == 1:
            assert comes((flags / "died").exists)
            time.sleep(0.5)

    results = study.run(tmp_path / "study", engine=Local(workers=1), progress=busy)
    assert results.finished and results.failures.empty
    assert_same(results, run(study, tmp_path / "here"))


# -- the disk --------------------------------------------------------------------------------------------------------


class _HalfWritten(io.FileIO):
    def write(self, data: Any) -> int:
        super().write(bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _failing(real: Callable[..., Any], at: int, instead: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose ``at``-th call does something else."""
    calls = iter(range(10**6))
    return lambda *given: (instead if next(calls) == at else real)(*given)


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("what", ["write", "fsync", "replace"])
def test_a_write_that_fails_halfway(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study("small", pair, grid={"share": [0.1, 0.2]}, seeds=2, block=1)
    whole = run(study, tmp_path / "whole")
    for at in range(100):
        folder = tmp_path / f"{at}"
        with monkeypatch.context() as patch:
            if what == "write":
                half = _failing(open, at, lambda path, mode: _HalfWritten(path, mode))
                patch.setattr(storage, "open", half, raising=False)
            else:
                patch.setattr(os, what, _failing(getattr(os, what), at, _full))
            try:
                run(study, folder)
                break
            except OSError as error:
                assert error.errno == errno.ENOSPC and str(folder) in str(error) and "make room" in str(error)
        assert_whole(folder)
        assert not [path for path in folder.rglob("*") if "partial" in path.name or ".running" in path.name]
        assert_same(run(study, folder), whole)
        assert files(folder) == files(whole.folder)
    assert at >= 2 + 2 * 2  # points and facts; rounds and at least another table of two blocks


def test_files_that_must_not_grow(tmp_path: Path) -> None:
    """A limit that the operating system sets: a part of the file is written, then no more."""
    whole, folder = run(small(), tmp_path / "whole"), tmp_path / "study"
    size_of_rounds = (whole.folder / "tables" / "rounds" / "000000.parquet").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for size in (10, 500, size_of_rounds - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
            with pytest.raises(OSError, match=f"make room and run it again.*{folder}"):
                run(small(), folder)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert_whole(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_same(run(small(), folder), whole)


FULL_DISK = """
import errno, pathlib, sys
from ecosystem.study import Study
from tests.studies import assert_same, assert_whole, files, pair, run
disk = pathlib.Path(sys.argv[1])
study = Study("disk", pair, grid={"share": [i / 10 for i in range(4)]}, seeds=2, measure=["rounds", "members"], block=2)
whole = run(study, disk.parent / "whole")
ballast = [disk / f"ballast{i}" for i in range(40)]
for path in ballast:
    try:
        path.write_bytes(bytes(4096))
    except OSError:
        path.unlink()
full = 0
while True:
    try:
        results = run(study, disk / "deep" / "study")
        break
    except OSError as error:
        assert error.errno == errno.ENOSPC and str(disk) in str(error), error
        full += "make room" in str(error)
    assert_whole(disk / "deep" / "study")
    [path for path in ballast if path.exists()][0].unlink()
assert_same(results, whole)
assert files(results.folder) == files(whole.folder)
print("full", full)
"""


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A real one, of 128 KiB; bit by bit there is more room."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=128k none {disk} && exec "$@"'
    program = [unshare, "-rm", "sh", "-c", mount, "sh", sys.executable, "-c", FULL_DISK, str(disk)]
    root, env = Path(__file__).parents[1], {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(program, cwd=root, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 10  # so many times there was no room
