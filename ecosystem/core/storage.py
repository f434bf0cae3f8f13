"""Files and folders that are whole or not there, and on the disk when a function returns.

What is written stands beside its place first (``.name.partial``), is flushed to the disk and moved there in one step.
A folder that is replaced steps aside for that moment (``.name.old``): a process may die at any of these steps, and
:func:`found` has the old or the new one, whole.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ecosystem.core import manifest
from ecosystem.core.words import shown

# -- places ------------------------------------------------------------------------------------------------------------


def named(place: str | os.PathLike[str]) -> Path:
    """A place that somebody names, with ``~`` as the home of the user: the shell leaves it in ``--out=~/runs``.

    >>> named("~/runs") == Path.home() / "runs", named("runs")
    (True, PosixPath('runs'))

    Raises
    ------
    ValueError
        If there is no such user, or the name has control characters: it is written to terminals and reports.
    TypeError
        If it is no place at all.
    """
    if not isinstance(place, str | os.PathLike):
        raise TypeError(f"a file or a folder is named by a string or a path, got a {type(place).__name__}")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in str(place)):
        name = shown(place, one_line=True)
        raise ValueError(f"a name of a file or a folder is one line without control characters, got '{name}'")
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{place}: {error}; write the folder out") from None


def resolved(place: Path) -> Path:
    """The same place without ``..`` and links on the way to it: its neighbours are written beside it.

    Raises
    ------
    OSError
        If it is a link itself: what lies elsewhere is not written through it.
    """
    if place.is_symlink():
        raise OSError(errno.ELOOP, f"it is a link to {os.readlink(place)}; give the folder or file itself", str(place))
    return place.resolve()


# -- writing -----------------------------------------------------------------------------------------------------------


def write(path: Path, data: bytes, mend: str) -> None:
    """Write a file, whole or not at all; its folder is made where there is none. A link in its place is replaced.

    Its numbers are on the disk when this returns, its name soon after, never before them.

    Raises
    ------
    OSError
        Where there is no room or no permission, with ``mend`` and the path.
    """
    with told(path, mend):
        beside = put_beside(path, data)
        try:
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def put_beside(path: Path, data: bytes) -> Path:
    """Write what is to stand at a path beside it, and flush it; the place. Nothing stays where that fails."""
    beside = partial(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)  # what was left there, or a link that somebody has put there
    try:
        # not there a moment ago, so it must be new: no link is followed
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), "wb") as f:
            f.write(data)
        flush(beside)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def append(path: Path, data: bytes, lasting: bool = True) -> None:
    """Add to a file, and have it on the disk (if ``lasting``); where that fails it is what it was before."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o666), "ab") as file:
        before = os.fstat(file.fileno()).st_size
        try:
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                os.truncate(path, before)
            raise


@contextmanager
def folder(place: Path, mend: str) -> Iterator[Path]:
    """A new folder to write into, which afterwards stands in its place: whole, sealed with its manifest, on the disk.

    What stood there before goes when the new one is in place, and stays where anything fails.

    Raises
    ------
    OSError
        Where there is no room or no permission, with ``mend`` and the place; where the place is a link.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     for text in ("one", "two"):
    ...         with folder(Path(home) / "saved", "make room") as beside:
    ...             _ = (beside / "text").write_text(text)
    ...     (Path(home) / "saved" / "text").read_text(), [path.name for path in Path(home).iterdir()]
    ('two', ['saved'])
    """
    place = resolved(place)
    beside, aside = partial(place), _aside(place)
    with told(place, mend):
        try:
            _settle(place)
            clear(beside)
            beside.mkdir(parents=True)
            yield beside
            manifest.seal(beside)
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
    _drop(place, partial(place))


def found(place: Path) -> Path:
    """Where a folder is read: in its place, or aside where a process died in the moment of replacing it."""
    aside = _aside(place.resolve())  # as `q/..` leads nowhere in that moment
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
        _drop(aside, partial(place))
    elif aside.exists():
        os.replace(aside, place)


def _drop(place: Path, going: Path) -> None:
    if place.is_symlink():
        place.unlink()  # what it leads to is somebody else's
        return
    clear(going)
    os.replace(place, going)
    shutil.rmtree(going)


def clear(going: Path) -> None:
    """Whatever was left under the name of a part; of a link that somebody has put there only the link."""
    if going.is_symlink() or going.is_file():
        going.unlink()
    shutil.rmtree(going, ignore_errors=True)


def partial(path: Path) -> Path:
    """Where stands what is written for a path, until it is whole."""
    return path.with_name(f".{path.name}.partial")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


@contextmanager
def told(path: Path, mend: str) -> Iterator[None]:
    """Errors of the disk inside say what to do, and where."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link, which has a mend of its own
            raise
        raise OSError(error.errno, f"{error.strerror or error}: {mend}", str(path)) from error


# -- refusals ----------------------------------------------------------------------------------------------------------


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


def refuse_taken(place: Path, sign: str, why: str, overwrite: bool, beside: tuple[str, ...] = ()) -> None:
    """Refuse a place where :func:`folder` must not write: what is there already goes only with leave.

    And only if it has the file ``sign`` or nothing in it (``why`` is what is said of others), and nothing that nobody
    wrote with it: ``beside`` are names that may go as well.

    Raises
    ------
    FileExistsError
        If there is something else, or what may not be overwritten.
    PermissionError
        If the place cannot be written to.
    """
    above = resolved(place).parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise PermissionError(f"{place} cannot be written: {above} is not a folder you can write to; choose another")
    there = found(place)
    refuse_foreign(there, why, (sign,))
    if not there.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{place} exists already; choose another folder, or overwrite it")
    known = {*manifest.known(there), *beside}
    if more := sorted(path.name for path in there.iterdir() if path.name not in known and path.name[0] != "."):
        raise FileExistsError(f"{place} holds {', '.join(more[:3])} as well, which would be lost; move it away first")
