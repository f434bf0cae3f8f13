"""Kill studies and runs with checkpoints at random moments, go on, and compare the bits.

``python -m tests.kills [N [KIND ...]]``

N kills (SIGKILL, in turn of the process with all its workers and of the process alone, whose workers have to notice) of
each kind: a study, a study with a worker, a run with checkpoints. What was killed is started again until it ends, and
must then hold what one holds that nobody killed, the same files and no others. Exit code 1 where something differs or a
process is left over.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd

from ecosystem import Checkpoints, Run
from ecosystem.study import Local, Study
from tests.studies import GATE, PARENT, Nursery, assert_same, comes, living, pair, slowly


def studied(workers: int) -> Callable[[Path], object]:
    return lambda folder: slowly().run(folder, engine=Local(workers))


def played(folder: Path) -> None:
    """A run that saves every second round, and in the end itself."""
    scenario = pair(samples=200, rounds=120)
    run = scenario.run(seed=3, replicates=2, checkpoints=Checkpoints(folder / "saved", every=2, keep=2))
    run.save(folder / "run", overwrite=True)


DOING = {"study": studied(0), "study with a worker": studied(1), "run with checkpoints": played}


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def same(what: str, one: Path, other: Path) -> bool:
    """Whether two folders hold the same, to the last bit, and nothing half-written."""
    try:
        assert _files(one) == _files(other), set(_files(one)) ^ set(_files(other))
        if what != "run with checkpoints":
            assert_same(Study.load(one), Study.load(other))
            return True
        ours, theirs = (Run.load(folder / "run") for folder in (one, other))
        for table in ("members", "flows", "rounds", "changes", "failures"):
            pd.testing.assert_frame_equal(getattr(ours, table), getattr(theirs, table), check_exact=True)
        mine, others = (
            {n: {k: t.tolist() for k, t in p.items()} for n, p in run.parameters.items()} for run in (ours, theirs)
        )
        return mine == others
    except AssertionError as error:
        print(f"{what}: {error}", file=sys.stderr)
        return False


def killed(nursery: Nursery, what: str, folder: Path, after: float, alone: bool) -> tuple[bool, int]:
    """Start it, or start it again, and kill it after so many seconds, ``alone`` or with its workers.

    Whether it had not ended by then, and how many of its processes are still there a minute later.
    """
    child = nursery.ask(what=what, folder=str(folder))
    time.sleep(after)
    for kill in (os.kill,) if alone else (os.kill, os.killpg):
        with suppress(ProcessLookupError):
            kill(child, signal.SIGKILL)
    early = nursery.wait(child) != 0
    return early, 0 if comes(lambda: not living(child)) else len(living(child))


def main(kills: int, *kinds: str) -> int:
    """The exit code, of all kinds or of some."""
    nursery, luck, unequal = Nursery("tests.kills"), random.Random(0), 0
    with tempfile.TemporaryDirectory() as top:
        for number, what in enumerate(kinds or DOING):
            whole = Path(top, f"{number}-whole")
            begin = time.perf_counter()
            assert nursery.wait(nursery.ask(what=what, folder=str(whole))) == 0
            seconds, done, folders, differ, left = time.perf_counter() - begin, 0, 0, 0, 0
            while done < kills:
                folder, early = Path(top, f"{number}-{folders}"), True
                while done < kills and early:
                    early, orphans = killed(nursery, what, folder, luck.uniform(0, 1.2 * seconds), done % 2 == 1)
                    done, left = done + early, left + orphans
                assert nursery.wait(nursery.ask(what=what, folder=str(folder))) == 0
                differ += not same(what, folder, whole)
                folders += 1
            told = f"{differ} of them differ from one never killed, {left} processes left over"
            print(f"{what}: {done} kills, {folders} folders, {told}", flush=True)
            unequal += differ + left
    nursery.close()
    return int(unequal > 0)


def nurse() -> None:
    """What runs in the nursery: it starts children and waits for them."""
    pair().run()  # all is imported before the first child is born
    print('"ready"', flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            _child(order["what"], Path(order["folder"]))
        print(answer, flush=True)


def _child(what: str, folder: Path) -> None:
    os.setsid()
    os.environ |= {GATE: "", PARENT: str(os.getpid())}
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    code = 1
    try:
        DOING[what](folder)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 40, *sys.argv[2:]))
