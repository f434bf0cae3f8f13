"""Files and folders that are whole or not there, and on the disk when a function returns.

What is written stands beside its place first (``.name.partial``), is flushed to the disk and moved there in one step.
A folder that is replaced steps aside for that moment (``.name.old``): a process may die at any of these steps, and
:func:`found` has the old or the new one, whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"


# -- writing -----------------------------------------------------------------------------------------------------------


def write(path: Path, data: bytes, mend: str) -> None:
    """Write a file, whole or not at all; its folder is made where there is none.

    Its numbers are on the disk when this returns, its name soon after, never before them.

    Raises
    ------
    OSError
        Where there is no room or no permission, with ``mend`` and the path.
    """
    beside = _beside(path)
    with _told(path, mend):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(beside, "wb") as file:
                file.write(data)
            flush(beside)
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@contextmanager
def folder(place: Path, mend: str) -> Iterator[Path]:
    """A new folder to write into, which afterwards stands in its place: whole and on the disk, or not at all.

    What stood there before goes when the new one is in place, and stays where anything fails.

    Raises
    ------
    OSError
        Where there is no room or no permission, with ``mend`` and the place.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for text in ("one", "two"):
    ...         with folder(Path(home) / "saved", "make room") as beside:
    ...             _ = (beside / "text").write_text(text)
    ...     (Path(home) / "saved" / "text").read_text(), [path.name for path in Path(home).iterdir()]
    ('two', ['saved'])
    """
    beside, aside = _beside(place), _aside(place)
    with _told(place, mend):
        try:
            _settle(place)
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            yield beside
            for path in beside.rglob("*"):
                flush(path)
            flush(beside)
            if place.exists():
                os.replace(place, aside)
            os.replace(beside, place)
            flush(place.parent)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            _settle(place)
            raise
        _settle(place)


def remove(place: Path) -> None:
    """Remove a folder: its name goes in one step, for half a folder must not look like a whole one."""
    _drop(place, _beside(place))


def found(place: Path) -> Path:
    """Where a folder is read: in its place, or aside where a process died in the moment of replacing it."""
    aside = _aside(place)
    return aside if not place.exists() and aside.exists() else place


def flush(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    if os.name != "posix" and path.is_dir():
        return
    place = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _settle(place: Path) -> None:
    """End a replacement that was broken off: the old folder comes back, or goes where the new one is in place."""
    aside = _aside(place)
    if place.exists() and aside.exists():
        _drop(aside, _beside(place))
    elif aside.exists():
        os.replace(aside, place)


def _drop(place: Path, going: Path) -> None:
    shutil.rmtree(going, ignore_errors=True)
    os.replace(place, going)
    shutil.rmtree(going)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


@contextmanager
def _told(path: Path, mend: str) -> Iterator[None]:
    """Errors of the disk inside say what to do, and where."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}: {mend}", str(path)) from error


# -- guarding ----------------------------------------------------------------------------------------------------------


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
    lock = FileLock(place / LOCK, timeout=1)  # a moment: who looks whether it is held does so for an instant
    with _told(place, mend):
        place.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise busy() from None
    try:
        yield
    finally:
        lock.release()


def held(place: Path) -> bool:
    """Whether somebody holds a folder; nobody holds one that cannot be written."""
    try:
        with FileLock(place / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def refuse_foreign(
    place: Path,
    why: str,
    signs: tuple[str, ...] = (),
    ours: Callable[[str], bool] = lambda name: False,
    error: type[Exception] = FileExistsError,
) -> None:
    """Refuse a folder that is somebody else's: it has none of the files ``signs``, but others than ``ours``.

    ``why`` is what the message says of it; ``{}`` in it are names of what is there.
    """
    if place.exists() and not place.is_dir():
        raise error(f"{place} is a file; give a folder")
    if not place.is_dir() or any((place / sign).is_file() for sign in signs):
        return
    strange = sorted(entry.name for entry in os.scandir(place) if not ours(entry.name))
    if strange:
        raise error(f"{place} {why.format(', '.join(strange[:3]))}")


def refuse_taken(place: Path, sign: str, why: str, overwrite: bool) -> None:
    """Refuse a place where :func:`folder` must not write: what is there already goes only with leave.

    And only if it has the file ``sign`` or nothing in it; ``why`` is what is said of others.

    Raises
    ------
    FileExistsError
        If there is something else, or what may not be overwritten.
    PermissionError
        If the place cannot be written to.
    """
    above = place.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise PermissionError(f"{place} cannot be written: {above} is not a folder you can write to; choose another")
    refuse_foreign(found(place), why, (sign,))
    if found(place).exists() and not overwrite:
        raise FileExistsError(f"{place} exists already; choose another folder, or overwrite it")
