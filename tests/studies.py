"""Small studies, and what their tests share: folders compared, and processes that can be killed."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ecosystem import Flow, Linear, Location, Luce, Member, Scenario
from ecosystem.core import storage
from ecosystem.study import Local, Results, Study

HERE = Local(workers=0)
GATE = "STUDY_GATE"  # environment: a folder of tokens, of which a worker needs one for every point
PATIENCE = 600.0  # seconds that a test waits for what must come: only what never comes takes them, on any machine
FLAGS, PARENT = "STUDY_FLAGS", "STUDY_PARENT"  # environment: a folder for notes, the process that is no worker


# -- what is built ---------------------------------------------------------------------------------------------------


def pair(share: float = 0.4, level: float = 0.3, samples: int | None = 4, rounds: int = 3) -> Scenario:
    """Two members that read each other; the first one's users choose."""
    s = Scenario("pair", rounds=rounds, samples=samples)
    s.add("a", Member(Location([0.0, 1.0]), reward=Linear([1.0, 0.0]), curator=Luce(2), real=Location([0.0, 0.0])))
    s.add("b", Member(Location([1.0, 0.0]), reward=Linear([0.0, 1.0]), real=Location([0.5, 0.0])))
    s.connect("a", "b", Flow(raw=share, curated=level))
    s.connect("b", "a", Flow(raw=share))
    return s


def slow(share: float) -> Scenario:
    """A pair that takes its time to be built."""
    gate = os.environ.get(GATE)
    while gate and os.getpid() != int(os.environ[PARENT]) and not _admitted(Path(gate)):
        time.sleep(0.01)
    time.sleep(0.05)
    return pair(share)


def _admitted(gate: Path) -> bool:
    """Whether a point may begin: all may where the gate is open, else one for each token."""
    if (gate / "open").exists():
        return True
    for token in gate.glob("token*"):
        with suppress(FileNotFoundError):  # another was quicker
            token.unlink()
            return True
    return False


FINE, ONCE, ALWAYS = 0.0, 1.0, 2.0


def mortal(share: float, fate: float) -> Scenario:
    """A pair over which workers die: ONCE, or ALWAYS until it is said to be mended."""
    flags = Path(os.environ[FLAGS])
    if os.getpid() != int(os.environ[PARENT]):
        if fate == ONCE and not (flags / "died").exists():
            (flags / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if fate == ALWAYS and not (flags / "mended").exists():
            os.kill(os.getpid(), signal.SIGKILL)
    return pair(share)


def signed(share: float) -> Scenario:
    """A pair whose maker leaves its process number behind."""
    (Path(os.environ[FLAGS]) / str(os.getpid())).touch()
    return slow(share)


def slowly(points: int = 16) -> Study:
    """A study of two points a block that takes a few seconds."""
    shares = [0.5 * (i + 1) / points for i in range(points)]
    return Study("slowly", slow, grid={"share": shares}, seeds=3, measure=["rounds", "members"], block=2)


# -- folders ---------------------------------------------------------------------------------------------------------


def run(study: Study, folder: Path, **how: Any) -> Results:
    """Run in this process, and return all that the folder has then; that points fail is no warning here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*points failed")
        study.run(folder, engine=HERE, **how)
    return Study.load(folder)


def assert_same(one: Results, other: Results) -> None:
    """Equal tables, to the last bit; but for ``blocks``, which says how long it took."""
    assert one.tables == other.tables and one.finished == other.finished
    for table in ("points", *one.tables):
        if table != "blocks":
            pd.testing.assert_frame_equal(one[table], other[table], check_exact=True, obj=table)


def assert_same_values(one: Results, other: Results) -> None:
    """Equal rows for equal parameters, in any order of points, to the last bit."""
    for table in one.tables:
        if table != "blocks":
            pd.testing.assert_frame_equal(by_values(one, table), by_values(other, table), check_exact=True, obj=table)


def by_values(results: Results, table: str) -> pd.DataFrame:
    """A table with parameters instead of numbers of points, its rows sorted."""
    frame = results.with_parameters(table).drop(columns="point")
    texts = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    frame = frame.astype(dict.fromkeys(texts, "str"))
    keys = [n for n in (*results.parameters, "seed", "replicate", "round", "member", "target", "source") if n in frame]
    return frame.sort_values(keys, ignore_index=True)[sorted(frame.columns)]


def files(folder: Path) -> dict[str, bytes]:
    """Every table's files but those of ``blocks``, by their place in the folder."""
    paths = (path for path in (folder / "tables").rglob("*.parquet") if path.parent.name != "blocks")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def touched(folder: Path) -> dict[str, int]:
    """When each file was written last; the lock does not count."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths}


def assert_whole(folder: Path) -> None:
    """Whatever stands under a final name can be read."""
    for path in folder.rglob("*.parquet"):
        pq.read_table(path)
    if (folder / "study.json").exists():
        results = Study.load(folder)
        assert {name: len(results[name]) for name in ("points", *results.tables)}
        assert 0 <= results.progress().done <= len(results.points)


def by_duckdb(query: str) -> pd.DataFrame:
    """What somebody gets who reads the files with another tool."""
    return duckdb.execute(query).df()


class Killed(BaseException):
    """Ends a study at an unlucky moment, as if the process had gone."""


def killed_after(write: int | str, study: Study, folder: Path, **how: Any) -> bool:
    """Run until so many files are written, or a file or table of that name; whether it came so far.

    ``"line 1"``: until half of that line of the manifest is written.
    """
    written, lines, real, append = itertools.count(), itertools.count(), os.replace, storage.append

    def half(path: Path, data: bytes) -> None:
        if write == f"line {next(lines)}":
            append(path, data[: len(data) // 2])
            raise Killed
        append(path, data)

    def replace(source: Path, target: Path) -> None:
        real(source, target)
        if next(written) == write or write in target.relative_to(folder).parts:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        patch.setattr(storage, "append", half)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # who is killed tidies up nothing
        try:
            run(study, folder, **how)
        except Killed:
            return True
    return False


# -- processes -------------------------------------------------------------------------------------------------------


class Nursery:
    """A process that forks others at once, each in a session of its own: to import takes longer than to run.

    It runs the function ``nurse()`` of a module; with that of this one, its children run :func:`slowly` in a folder.
    """

    def __init__(self, module: str = "tests.studies") -> None:
        program = [sys.executable, "-c", f"import os; os.fsync = os.fstat; from {module} import nurse; nurse()"]
        root, env = Path(__file__).parents[1], {**os.environ, "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True, cwd=root, env=env)
        assert self._answer() == "ready"

    def start(self, folder: Path, workers: int, points: int = 16, gate: Path | None = None) -> int:
        """Start a study, behind a gate if one is given; the number of its process and session."""
        return self.ask(folder=str(folder), workers=workers, points=points, gate=str(gate or ""))

    def wait(self, process: int) -> int:
        """How a process ended: 0, or minus the signal that killed it."""
        return self.ask(wait=process)

    def ask(self, **order: Any) -> Any:
        assert self._process.stdin is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        with self._process:
            self._process.kill()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def nurse() -> None:
    """What runs in the nursery: orders come as lines of JSON, and answers go."""
    with tempfile.TemporaryDirectory() as folder:
        slowly(2).run(folder, engine=HERE)  # all is imported before the first child is born
    attend(_child)


def attend(child: Callable[..., None]) -> None:
    """Say that all is ready, and answer orders: to wait for a process, or for one more ``child``, with its number."""
    print('"ready"', flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            child(**order)
        print(answer, flush=True)


def _child(folder: str, workers: int, points: int, gate: str) -> None:
    os.environ |= {GATE: gate, PARENT: str(os.getpid())}
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    code = 1
    try:
        slowly(points).run(folder, engine=Local(workers))
        code = 0
    finally:
        os._exit(code)


def living(session: int) -> set[int]:
    """The processes of a session that have not ended, where the system shows them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(its_session) == session and state != "Z":
            found.add(int(path.parent.name))
    return found


def runs(process: int) -> bool:
    """Whether a process has not ended."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return Path("/proc/self").exists() is False  # no such file: it has just ended; without /proc, it runs


def comes(what: Callable[[], Any]) -> bool:
    """Wait until something is so; False where it never is."""
    end = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
