"""A folder that grows: every file is announced in the manifest before it gets its name.

A step writes its files beside their places, adds a line with their sizes and digests to the manifest, and then gives
them their names. Whatever moment a process dies in, the line is there, and so are all files of the step (under one
name or the other), or it is not, and none of them count. So a file that has its name and is not announced was put
there by somebody else, and one that is announced and missing was taken away.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ecosystem.core import manifest, storage
from ecosystem.core.manifest import FILE, Damaged, Entry


class Journal:
    """The manifest of a folder that grows, and its files by their names in it (``tables/rounds/000000.parquet``).

    One process may write at a time, others may read. Without ``check`` files are read as they are, also where there is
    no manifest at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Journal(Path(home)).put({"a/b": b"one", "c": b"two"}, "make room")
    ...     sorted(Journal(Path(home)).entries), Journal(Path(home)).read("a/b")
    (['a/b', 'c'], b'one')
    """

    def __init__(self, folder: Path, check: bool = True) -> None:
        self.folder, self.check = folder, check
        self._known = _Known(folder, check)

    @property
    def file(self) -> Path:
        return self.folder / FILE

    @property
    def entries(self) -> dict[str, Entry]:
        """The files that count, by their names; where there is more by now, what is new is read."""
        return self._known.now()

    def read(self, name: str) -> bytes:
        """What is in a file.

        Raises
        ------
        Damaged
            If it is not what was written, or not announced.
        """
        if not self.check:
            return manifest.read(self.place(name))
        for last in (False, True):  # whoever writes may give it its name, or write it anew, while it is looked for
            wanted = self._wanted(name)
            try:
                return manifest.read(self.place(name), wanted)
            except Damaged:
                self._known = _Known(self.folder, self.check)
                if last and self._wanted(name) == wanted:
                    raise
        return self.read(name)

    def place(self, name: str) -> Path:
        """Where a file stands: beside its place where a process died before it had its name."""
        return self._standing(name, self.entries.get(name))

    def _standing(self, name: str, wanted: Entry | None) -> Path:
        path = self.folder / name
        beside = storage.partial(path)
        if wanted is not None and os.path.lexists(beside) and not beside.is_symlink():
            with suppress(Damaged):
                manifest.compare(beside, wanted)
                return beside
        return path

    def verify(self, names: Iterable[str], digests: bool = True) -> None:
        """Refuse files that are not what was written; without ``digests`` by their sizes alone."""
        known = self.entries
        for name in names:
            wanted = known[name] if name in known else self._wanted(name)
            manifest.compare(self._standing(name, wanted), wanted, digests)

    def refuse_strangers(self, names: Iterable[str]) -> None:
        """Refuse names that lie in the folder and were never announced."""
        lying = list(names)  # before the manifest is read, which has what was announced since
        known = self.entries
        for name in lying:
            if name not in known:
                raise manifest.stranger(self.folder / name)

    # -- writing -------------------------------------------------------------------------------------------------------

    def put(self, files: Mapping[str, bytes], mend: str) -> None:
        """Write files, all of them or none; errors of the disk say ``mend``."""
        places = {self.folder / name: data for name, data in files.items()}
        waiting: dict[Path, Path] = {}
        with storage.told(self.folder, mend):
            for above in {path.parent for path in places}:
                _refuse_links(self.folder, above)
            try:
                for path, data in places.items():
                    waiting[path] = storage.put_beside(path, data)
                storage.append(self.file, manifest.line({name: manifest.entry(data) for name, data in files.items()}))
            except BaseException:
                for beside in waiting.values():
                    beside.unlink(missing_ok=True)
                raise
            _give_names(waiting)

    def drop(self, names: Iterable[str], mend: str) -> None:
        """Remove files; what is lost on the way is missing, and can be dropped again."""
        gone = list(names)
        with storage.told(self.folder, mend):
            for name in gone:
                (self.folder / name).unlink(missing_ok=True)
            if gone:
                storage.append(self.file, manifest.line(dict.fromkeys(gone)))

    def recover(self, mend: str) -> None:
        """Bring to an end what a process that died had begun: announced files get their names, others go."""
        with storage.told(self.folder, mend):
            if os.path.lexists(self.file):
                data = manifest.read(self.file)
                manifest.parsed(self.file, data, grows=True)
                if not data.endswith(b"\n"):  # a line that was broken off
                    storage.write(self.file, data[: data.rfind(b"\n") + 1], mend)
            left = [
                path for path in _files(self.folder) if path.name.startswith(".") and path.name.endswith(".partial")
            ]
            mine = {storage.partial(self.folder / name): name for name in self.entries} if left else {}
            waiting = {self.folder / name: self.place(name) for name in map(mine.get, left) if name is not None}
            _give_names({path: beside for path, beside in waiting.items() if path != beside})
            for path in left:
                path.unlink(missing_ok=True)

    def _wanted(self, name: str) -> Entry:
        entries = self.entries
        if name not in entries:
            what = f"is not in {FILE}" if entries else f"cannot be told whole: {FILE} is missing or empty"
            raise Damaged(self.folder / name, what)
        return entries[name]


class _Known:
    """The entries of a manifest that grows: what was read once is not read again, for studies have many lines."""

    def __init__(self, folder: Path, check: bool) -> None:
        self.folder, self.file, self.check = folder, folder / FILE, check
        self._size, self._end = -1, 0  # of the file when it was read, and where its next line begins
        self._found: dict[str, Entry] = {}

    def now(self) -> dict[str, Entry]:
        size = self.file.stat().st_size if self.file.is_file() else 0
        if size != self._size and not (self.check and 0 <= self._size < size and self._went_on(size)):
            self._read_anew(size)
        return self._found

    def _went_on(self, size: int) -> bool:
        """Read the lines that have come since; False where they cannot be read, or not without those before."""
        try:
            with open(self.file, "rb") as file:
                file.seek(self._end)
                data = file.read()
            manifest.parsed(self.file, data, grows=True, found=self._found)
        except (OSError, Damaged):
            return False
        self._size, self._end = size, self._end + data.rfind(b"\n") + 1
        return True

    def _read_anew(self, size: int) -> None:
        found, end = {} if self.check else _lying(self.folder), 0
        if os.path.lexists(self.file):
            with suppress(*() if self.check else (Damaged,)):
                data = manifest.read(self.file)
                found |= manifest.parsed(self.file, data, grows=True)
                end = data.rfind(b"\n") + 1
        self._size, self._end, self._found = size, end, found


def _lying(folder: Path) -> dict[str, Entry]:
    """The files that lie in a folder, of which nothing is known."""
    found = (path.relative_to(folder) for path in _files(folder) if path.is_file())
    return {path.as_posix(): (0, "") for path in found if not any(part.startswith(".") for part in path.parts)}


def _files(folder: Path) -> Iterator[Path]:
    """What is in a folder and those below, but for folders: much faster than a pattern where there are very many."""
    for top, _, names in os.walk(folder):
        yield from map(Path(top).joinpath, names)


def _give_names(waiting: Mapping[Path, Path]) -> None:
    """Give announced files their names, by which is where each stands; tried twice, for they are announced."""
    failed: OSError | None = None
    for path, beside in waiting.items():
        try:
            os.replace(beside, path)
        except OSError as error:
            failed = error
            os.replace(beside, path)
    if failed is not None:
        raise failed


def _refuse_links(folder: Path, path: Path) -> None:
    """No folder on the way may be a link: what lies elsewhere is not written to."""
    for above in (path, *path.parents):
        if above == folder:
            return
        if above.is_symlink():
            raise OSError(errno.ELOOP, f"{above.name} is a link to {os.readlink(above)}; take it away", str(above))
