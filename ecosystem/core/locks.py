"""Locks on folders: one process at a time writes, and nobody follows a link to lock what lies elsewhere."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ecosystem.core.storage import resolved, told

LOCK = ".lock"
_claimed: dict[Path, int] = {}  # places that are held with :func:`claimed`, and by which thread


@contextmanager
def locked(place: Path, busy: Callable[[], Exception], mend: str) -> Iterator[None]:
    """Hold a folder alone; it is made where there is none. The lock goes with the process, however it ends.

    Raises
    ------
    Exception
        What ``busy()`` gives, where another process (or another part of this one) holds it.
    OSError
        Where the folder cannot be made or written, with ``mend``.
    """
    with told(place, mend):
        place.mkdir(parents=True, exist_ok=True)
        lock = _acquired(place / LOCK, busy)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(place: Path, mend: str) -> Iterator[None]:
    """Hold a place that is going to be written to alone, whether something is there already or not.

    The lock lies beside it and is taken away at the end. Who holds a place may claim it once more.

    Raises
    ------
    FileExistsError
        Where another process, or another thread, writes to it.
    OSError
        Where nothing can be written there, with ``mend``.
    """
    place = resolved(place)
    if _claimed.get(place) == threading.get_ident():
        yield
        return
    lock = place.with_name(f".{place.name}.lock")
    why = f"{place} is being written by another process; wait for it, or choose another folder"
    new = [above for above in place.parents if not above.exists()]
    try:
        with told(place, mend):
            place.parent.mkdir(parents=True, exist_ok=True)
            held = _acquired(lock, lambda: RuntimeError(why))
    except RuntimeError as error:
        raise FileExistsError(str(error)) from None
    _claimed[place] = threading.get_ident()
    try:
        yield
    finally:
        del _claimed[place]
        with suppress(OSError):  # where open files cannot be removed it stays
            lock.unlink()
        held.release()
        for above in new:
            with suppress(OSError):  # something is in it
                above.rmdir()


def _acquired(lock: Path, busy: Callable[[], Exception]) -> FileLock:
    """A lock, held; never one behind a link, which would be made, or emptied, elsewhere."""
    if lock.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, so it cannot be locked; take it away", str(lock))
    file = FileLock(lock, timeout=1)  # a moment: who looks whether it is held does so for an instant
    try:
        file.acquire()
    except Timeout:
        raise busy() from None
    return file


def held(place: Path) -> bool:
    """Whether somebody holds a folder; nobody holds one that cannot be written."""
    return place.is_dir() and _busy(place / LOCK)


def awaited(place: Path) -> bool:
    """Whether somebody has claimed a place that is going to be written to."""
    lock = place.with_name(f".{place.name}.lock")
    return lock.is_file() and _busy(lock)


def _busy(lock: Path) -> bool:
    if lock.is_symlink():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False
