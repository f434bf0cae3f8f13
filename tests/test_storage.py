"""Files and folders on disk: whole or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import synthetic_findings
import synthetic_runs

from ecosystem.core import locks, storage
from ecosystem.influence.findings import Findings, saved_in
from ecosystem.running.run import Run

NAMES = ("first", "second")
STEPS = ((os, "fsync"), (os, "replace"), (shutil, "rmtree"), (Path, "mkdir"))


def put(place: Path, text: str) -> None:
    """A folder of two files with the same text."""
    with storage.folder(place, "make room") as beside:
        for name in NAMES:
            (beside / name).write_text(text)


def read(place: Path) -> str | None:
    """The text of a folder, which is whole; None where there is none."""
    if not storage.found(place).exists():
        return None
    one, other = ((storage.found(place) / name).read_text() for name in NAMES)
    assert one == other
    return one


def fatal(number: int, fail: Callable[[], Any]) -> pytest.MonkeyPatch:
    """Fail at the ``number``-th step of writing or removing."""
    patch, steps = pytest.MonkeyPatch(), iter(range(1000))

    def deadly(function: Any) -> Any:
        def step(*given: Any, **how: Any) -> Any:
            if next(steps) == number:
                fail()
            return function(*given, **how)

        return step

    for module, name in STEPS:
        patch.setattr(module, name, deadly(getattr(module, name)))
    return patch


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")
@pytest.mark.parametrize("before", [None, "old"])
def test_a_folder_is_whole_at_every_step(before: str | None, tmp_path: Path) -> None:
    """A process dies at each step of writing one: it is the old one or the new one, and the next write leaves it alone.

    Runs and findings that were overwritten had gone before the new ones were in place, and neither was on the disk.
    """
    seen = []
    for number in range(100):
        place = tmp_path / str(number) / "place"
        if before is not None:
            put(place, before)
        process = os.fork()
        if process == 0:
            fatal(number, lambda: os._exit(3))
            put(place, "new")
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        seen.append(read(place))
        put(place, "newer")
        assert read(place) == "newer" and os.listdir(place.parent) == ["place"]
        if code == 0:
            break
    assert code == 0 and number > 8
    assert seen == sorted(seen, key=[before, "new"].index) and set(seen) == {before, "new"}


@pytest.mark.parametrize("what", ["run", "findings"])
def test_what_is_overwritten_stays_where_a_write_fails(what: str, tmp_path: Path) -> None:
    """A full disk, at each step: the earlier run or findings are still there, and the message says what to do."""
    if what == "run":
        old, new, load = synthetic_runs.pair(2), synthetic_runs.pair(3), Run.load
    else:
        old, new, load = synthetic_findings.five(), synthetic_findings.pair(), Findings.load

    def texts() -> tuple[str, int]:
        loaded: Any = load(tmp_path / "here")
        return repr(loaded), len(loaded.members)

    old.save(tmp_path / "here")
    first, seen = texts(), []
    for number in range(100):
        patch, failed = fatal(number, full), False
        try:
            new.save(tmp_path / "here", overwrite=True)
        except OSError as error:
            failed = True
            assert error.errno == errno.ENOSPC and "could not be saved; make room" in str(error)
        finally:
            patch.undo()
        seen.append(texts())
        if not failed:
            break
        if seen[-1] != first:
            old.save(tmp_path / "here", overwrite=True)
    assert seen[0] == first != seen[-1] and number > 8


def test_findings_are_seen_where_a_process_died(tmp_path: Path) -> None:
    synthetic_findings.five().save(tmp_path)
    os.replace(tmp_path / "influence", tmp_path / ".influence.old")
    assert saved_in(tmp_path) and Findings.load(tmp_path).settings["scenario"] == "studios"
    with pytest.raises(FileExistsError, match="exists already"):
        synthetic_findings.pair().save(tmp_path)
    synthetic_findings.pair().save(tmp_path, overwrite=True)
    assert os.listdir(tmp_path) == ["influence"] and Findings.load(tmp_path).settings["scenario"] == "pair"


def test_a_removed_folder_goes_in_one_step(tmp_path: Path) -> None:
    put(tmp_path / "place", "old")
    patch = fatal(2, full)
    with pytest.raises(OSError, match="No space"):
        storage.remove(tmp_path / "place")
    patch.undo()
    assert read(tmp_path / "place") is None


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "file"
    storage.write(place, b"old", "make room")
    for number in range(10):
        patch = fatal(number, full)
        try:
            storage.write(place, b"new", "make room")
            break
        except OSError as error:
            assert str(place) in str(error) and "No space left on device: make room" in str(error)
            assert place.read_bytes() == b"old" and os.listdir(place.parent) == ["file"]
        finally:
            patch.undo()
    assert place.read_bytes() == b"new" and number >= 2


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    place = tmp_path / "new"
    with locks.locked(place, lambda: RuntimeError("busy"), "choose another"):
        assert locks.held(place)
        with pytest.raises(RuntimeError, match="busy"), locks.locked(place, lambda: RuntimeError("busy"), ""):
            pass
    assert not locks.held(place)
    (tmp_path / "file").touch()
    with (
        pytest.raises(OSError, match="choose another"),
        locks.locked(tmp_path / "file" / "new", lambda: RuntimeError("busy"), "choose another"),
    ):
        pass
