"""What lies in a folder: every file with its size and SHA-256, so that damage is seen before it is believed.

A manifest is a text of lines, each a JSON object ``{"files": {"rounds.parquet": [size, digest]}}``; later lines count
before earlier ones, and null means that a file is gone. Folders that are written at once (runs, findings, checkpoints)
have one line, which :func:`seal` writes last of all; folders that grow (studies) have a line for each step, see
:mod:`ecosystem.core.journal`.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

FILE = "manifest.jsonl"
DATA = (".parquet", ".safetensors", ".json")  # what is read from a folder; other files in it are nobody's business
T = TypeVar("T")
Entry = tuple[int, str]  # bytes, and their SHA-256

_UNSEALED = "what earlier versions wrote has none: read it unchecked (check=False), or bring it back from a copy"


class Damaged(ValueError):
    """A ``file`` that is not what was written, or ``missing``, or a ``stranger``: nobody wrote it with the others."""

    def __init__(self, file: Path, what: str, missing: bool = False, stranger: bool = False, mend: str = "") -> None:
        super().__init__(f"{file} {what}{mend and '; '}{mend}")
        self.file, self.what, self.missing, self.stranger, self.mend = file, what, missing, stranger, mend

    def mended(self, mend: str) -> Damaged:
        """The same with what to do about it, where that is not said yet."""
        return Damaged(self.file, self.what, self.missing, self.stranger, self.mend or mend)


def entry(data: bytes) -> Entry:
    """Size and digest of a file's content."""
    return len(data), hashlib.sha256(data).hexdigest()


def line(files: Mapping[str, Entry | None]) -> bytes:
    """A line of a manifest."""
    return json.dumps({"files": {name: list(one) if one else None for name, one in files.items()}}).encode() + b"\n"


def parsed(file: Path, data: bytes, grows: bool = False, found: dict[str, Entry] | None = None) -> dict[str, Entry]:
    """The entries of a manifest's lines; of one that ``grows``, a last line that was broken off does not count.

    Those of the lines before are already ``found``, which is changed.

    Raises
    ------
    Damaged
        If it is no manifest.
    """
    *lines, rest = data.split(b"\n")
    if rest and not grows:
        raise Damaged(file, "is damaged: its end is missing")
    found = {} if found is None else found
    for number, text in enumerate(lines, 1):
        try:
            for name, one in json.loads(text)["files"].items():
                if name.startswith("/") or (".." in name and ".." in name.split("/")):
                    raise ValueError("it leads out of the folder")
                found.pop(name, None)
                if one is not None:
                    size, digest = one
                    found[name] = int(size), str(digest)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(file, f"is damaged: line {number} of it cannot be read ({type(error).__name__})") from None
    return found


def regular(file: Path) -> os.stat_result:
    """What a file is, looked at before it is opened; a pipe would wait for ever, a link may lead anywhere."""
    try:
        about = file.stat()
    except OSError as error:
        if file.is_symlink():
            raise Damaged(file, "is a link that leads nowhere") from None
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise Damaged(file, "is missing" if gone else f"cannot be read ({error.strerror})", gone) from None
    if not stat.S_ISREG(about.st_mode):
        raise Damaged(file, "is no file")
    return about


def read(file: Path, wanted: Entry | None = None) -> bytes:
    """What is in a file; that is not ``wanted`` is refused, by its size before it is read."""
    size = regular(file).st_size
    if wanted is not None:
        _same_size(file, size, wanted)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Damaged(file, f"cannot be read ({error.strerror})", isinstance(error, FileNotFoundError)) from None
    if wanted is not None and entry(data) != wanted:
        raise _changed(file)
    return data


def compare(file: Path, wanted: Entry, digests: bool = True) -> None:
    """Refuse a file that is not what was written, without keeping what is in it."""
    _same_size(file, regular(file).st_size, wanted)
    if digests:
        try:
            with open(file, "rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise Damaged(file, f"cannot be read ({error.strerror})", isinstance(error, FileNotFoundError)) from None
        if digest != wanted[1]:
            raise _changed(file)


# -- folders that are written at once ----------------------------------------------------------------------------------


def seal(folder: Path) -> None:
    """Write down what is in a folder, last of all; its files get the mode that files have here."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found: dict[str, Entry] = {}
    for path in files:
        with open(path, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        found[path.relative_to(folder).as_posix()] = path.stat().st_size, digest
    (folder / FILE).write_bytes(line(found))
    mode = stat.S_IMODE((folder / FILE).stat().st_mode)
    for path in files:  # libraries write some for their owner alone
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def known(folder: Path) -> set[str]:
    """The names of what was written to a folder at once, as well as can be told where its manifest is damaged."""
    names = {path.name for path in folder.iterdir() if path.suffix in DATA} | {FILE}
    try:
        return names | {name.split("/")[0] for name in parsed(folder / FILE, read(folder / FILE))}
    except Damaged:
        return names


@contextmanager
def whole(folder: Path, check: bool = True) -> Iterator[list[str]]:
    """Read a sealed folder inside: every file is what was written, also when it is replaced meanwhile.

    Gives the names of its data files. Without ``check`` they are those that lie there, as they are.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     place = Path(home)
    ...     _ = (place / "run.json").write_text("{}")
    ...     seal(place)
    ...     with whole(place) as names:
    ...         print(names)
    ['run.json']

    Raises
    ------
    Damaged
        For a file that is missing, changed, or not among those that were written.
    """
    if not check:
        yield sorted(path.name for path in folder.iterdir() if path.suffix in DATA)
        return
    if not os.path.lexists(folder / FILE):
        raise Damaged(folder / FILE, "is missing", True, mend=_UNSEALED)
    before = read(folder / FILE)
    found = parsed(folder / FILE, before)
    if not found:
        raise Damaged(folder / FILE, "is damaged: it is empty")
    for name, wanted in found.items():
        compare(folder / name, wanted)
    for path in sorted(folder.iterdir()):
        if path.suffix in DATA and path.name not in found:
            raise Damaged(path, "does not belong here: it was not written with the others; take it away")
    yield list(found)
    if not (folder / FILE).exists() or read(folder / FILE) != before:
        raise Damaged(folder, "was replaced while it was read", mend="read it again")


def opened(file: Path, reader: Callable[[Path], T]) -> T:
    """What a reader of some library makes of a file; whatever it raises is :class:`Damaged`."""
    regular(file)
    try:
        return reader(file)
    except Exception as error:  # every format has errors of its own, and those of the values in it come on top
        why = (str(error).splitlines() or [""])[0]
        raise Damaged(file, f"cannot be read ({type(error).__name__}: {why})") from error


def facts(file: Path) -> dict[str, Any]:
    """The settings in a JSON file."""
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"it holds a {type(found).__name__}")
    return found


def tensors(file: Path) -> dict[str, Tensor]:
    """The tensors in a file by name, in order; in memory of their own: those of a file reader change with the file."""
    from safetensors.torch import load

    return dict(sorted(load(file.read_bytes()).items()))  # it has another order each time


def _same_size(file: Path, size: int, wanted: Entry) -> None:
    if size != wanted[0]:
        raise Damaged(file, f"is damaged: it has {size:,} bytes and had {wanted[0]:,} when it was written")


def stranger(file: Path) -> Damaged:
    """The refusal of a file that nobody wrote with the others."""
    what = "does not belong here: it was not written with the others"
    return Damaged(file, what, stranger=True, mend=f"take it away, or bring {FILE} back from a copy")


def _changed(file: Path) -> Damaged:
    return Damaged(file, "is damaged: what is in it is not what was written (its SHA-256 is another)")
