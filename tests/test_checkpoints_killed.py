"""Checkpoints: runs killed at any moment, or out of room on the disk, go on bit for bit."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from ecosystem import (
    Checkpoints,
    Run,
)
from ecosystem.running.checkpoints import folder as folders
from tests.checkpointed import (
    SCENARIOS,
    assert_same,
    broken_off,
    ecosystem,
    finished,
    names,
)
from tests.studies import Nursery, attend

pytestmark = pytest.mark.xdist_group("nursery")  # processes are born of one that has all imported


def nurse() -> None:
    """What runs in the nursery: orders come as lines of JSON, and answers go."""
    for name in SCENARIOS:  # all is imported and pretrained before the first child is born
        ecosystem(name)
    with tempfile.TemporaryDirectory() as folder:
        finished(ecosystem("deciding", 2), Checkpoints(Path(folder, "saved"))).save(Path(folder, "run"))
    attend(_child)


def _child(
    name: str, folder: str, rounds: int | None = None, fatal: int | None = None, limit: int | None = None
) -> None:
    """A run that may kill itself at its ``fatal``-th step of writing, or find no room beyond ``limit`` bytes a file."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    if fatal is not None:
        _mortal(fatal)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    code = 1
    try:
        finished(ecosystem(name, rounds), Checkpoints(folder)).save(Path(folder).with_name("run"))
        code = 0
    except OSError as error:
        Path(folder, "error").symlink_to(str(error))  # a name needs no room
    finally:
        os._exit(code)


def _mortal(fatal: int) -> None:
    """Die before the ``fatal``-th step of writing or removing, with half of it done."""
    steps = iter(range(1, 1000))

    def deadly(function: Any) -> Any:
        def step(*given: Any, **how: Any) -> Any:
            if next(steps) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **how)

        return step

    def half(path: Path, data: bytes) -> None:
        whole(path, data[: len(data) // 2])
        whole(path, data)

    def gnaw(folder: Path, **how: Any) -> None:
        (folder / folders.STATE).unlink(missing_ok=True)
        rest(folder, **how)

    for module, name in ((os, "fsync"), (os, "replace"), (shutil, "rmtree"), (Path, "mkdir")):
        setattr(module, name, deadly(getattr(module, name)))
    whole = deadly(Path.write_bytes)
    Path.write_bytes = half  # type: ignore[method-assign]
    rest, shutil.rmtree = shutil.rmtree, gnaw


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery("tests.test_checkpoints_killed")
    yield nursery
    nursery.close()


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")


@pytest.fixture(scope="module")
def unharmed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Run, float]]:
    """The runs of processes that nobody killed, and how many seconds they took."""
    runs = {}
    for name in SCENARIOS:
        folder, begin = tmp_path_factory.mktemp(name), time.monotonic()
        assert nursery.wait(nursery.ask(name=name, folder=str(folder / "saved"))) == 0
        runs[name] = Run.load(folder / "run"), time.monotonic() - begin
    return runs


@forks
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_moment(
    name: str, nursery: Nursery, unharmed: dict[str, tuple[Run, float]], tmp_path: Path
) -> None:
    """Five times at most, at moments of its own time: a busy machine neither waits nor computes for more of them."""
    (whole, seconds), moments, ends = unharmed[name], random.Random(name), []
    for latest in (0.0, *[0.6 * seconds] * 4):
        process = nursery.ask(name=name, folder=str(tmp_path / "saved"))
        time.sleep(moments.uniform(0.0, latest))
        os.kill(process, signal.SIGKILL)  # one that has ended is still there until it is waited for
        ends.append(nursery.wait(process))
        if ends[-1] == 0:
            break
    else:
        assert nursery.wait(nursery.ask(name=name, folder=str(tmp_path / "saved"))) == 0
    assert ends[0] == -signal.SIGKILL and set(ends) <= {0, -signal.SIGKILL}
    assert_same(Run.load(tmp_path / "run"), whole)


@forks
def test_killed_at_every_step_of_a_write(nursery: Nursery, tmp_path: Path) -> None:
    """What stands under a final name is always whole, nothing else stays, and the run goes on from it."""
    short = {"name": "deciding", "rounds": 4}
    assert nursery.wait(nursery.ask(folder=str(tmp_path / "saved"), **short)) == 0
    newest, unharmed = [], Run.load(tmp_path / "run")
    for fatal in range(1, 49):
        folder = tmp_path / str(fatal) / "saved"
        folder.parent.mkdir()
        assert nursery.wait(nursery.ask(folder=str(folder), fatal=fatal, **short)) == -signal.SIGKILL
        there = names(folder) if folder.exists() else []
        found = [name for name in there if name.startswith("round")]
        assert [folders.read(folder / name)[0]["round"] for name in found] == [int(name[-5:]) for name in found]
        assert len(found) <= 3 and len(there) <= 4
        newest.append(max(map(int, (name[-5:] for name in found)), default=0))
        if fatal % 5 == 0:  # a write has twelve steps or so: at each of them once or more
            assert nursery.wait(nursery.ask(folder=str(folder), **short)) == 0
            assert names(folder) == ["round-00003", "round-00004"]
            assert_same(Run.load(folder.with_name("run")), unharmed)
    assert newest == sorted(newest) and set(newest) == {0, 1, 2, 3}  # the third is the first to push one out


@forks
def test_a_disk_without_room(nursery: Nursery, unharmed: dict[str, tuple[Run, float]], tmp_path: Path) -> None:
    """The kept data grow until their file is too large: older checkpoints stay, and with room it goes on."""
    folder = tmp_path / "saved"
    process = nursery.ask(name="neural", folder=str(folder), limit=32_000)
    assert nursery.wait(process) == 1
    told = os.readlink(folder / "error")
    (folder / "error").unlink()
    before = names(folder)
    last = int(before[-1][-5:])
    assert before == [f"round-{r:05d}" for r in (last - 1, last)] and 2 <= last < 5
    assert "could not write this checkpoint; make room and run again, older ones are whole" in told
    assert f"round-{last + 1:05d}" in told
    assert nursery.wait(nursery.ask(name="neural", folder=str(folder))) == 0
    assert_same(Run.load(tmp_path / "run"), unharmed["neural"][0])


@pytest.mark.parametrize("step", ["fsync", "replace", "mkdir"])
def test_a_full_disk_leaves_nothing_half_done(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path / "saved")
    broken_off(ecosystem("deciding"), checkpoints, 2)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*((Path, "mkdir") if step == "mkdir" else (os, step)), full)
        if step == "mkdir":
            patch.setattr(Checkpoints, "locked", lambda _: nullcontext())
        with pytest.raises(OSError, match="No space left on device: could not write this checkpoint") as caught:
            ecosystem("deciding").run(checkpoints=checkpoints)
    assert caught.value.errno == errno.ENOSPC and str(checkpoints.path(3)) in str(caught.value)
    assert names(checkpoints.folder) == ["round-00001", "round-00002"]
    assert_same(finished(ecosystem("deciding"), checkpoints), finished(ecosystem("deciding")))
