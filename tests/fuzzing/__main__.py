"""Play many scenarios and tell how they ended: ``python -m tests.fuzzing [N] [FIRST]``; exit code 1 for faults."""

from __future__ import annotations

import collections
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.fuzzing.outcome import GOOD, Outcome, outcome

CHUNK = 250  # scenarios of one process: a crash loses no others
MEMORY = 12 << 30  # bytes of address space that a process may take


def work(first: int, last: int) -> None:
    """In a process of its own: one line before and one after each scenario."""
    import torch

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(first, last):
        print(json.dumps({"number": number}), flush=True)
        print(json.dumps(vars(outcome(number))), flush=True)


def chunk(first: int, last: int) -> list[Outcome]:
    """The outcomes of some scenarios; one that kills its process is named, and the rest goes on in another."""
    found: list[Outcome] = []
    while first < last:
        told = subprocess.run(
            [sys.executable, "-m", "tests.fuzzing", "--work", str(first), str(last)],
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
        lines = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
        found += [Outcome(**line) for line in lines if "kind" in line]
        if told.returncode == 0:
            break
        begun = [line["number"] for line in lines if "kind" not in line]
        if not begun:
            raise SystemExit(told.stderr)
        found.append(Outcome(begun[-1], "killed", f"exit code {told.returncode}: {told.stderr[-300:]!r}"))
        first = begun[-1] + 1
    return found


def main(count: int, start: int) -> int:
    """Tell how ``count`` scenarios ended."""
    parts = [(i, min(i + CHUNK, start + count)) for i in range(start, start + count, CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ended = [one for many in pool.map(lambda part: chunk(*part), parts) for one in many]
    faults = [one for one in ended if one.kind not in GOOD]
    kinds: dict[str, list[Outcome]] = {}
    for one in faults:
        kinds.setdefault(f"{one.kind}: {one.text}", []).append(one)
    for text, many in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"{len(many):5d}  {text}  (scenarios {', '.join(str(one.number) for one in many[:4])})")
    tally = collections.Counter(one.kind for one in ended)
    print(f"{len(ended)} scenarios: {', '.join(f'{n} {kind}' for kind, n in tally.most_common())}")
    print(f"{sum(one.seconds for one in ended):.0f} s, the slowest {max(one.seconds for one in ended):.1f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(int(sys.argv[2]), int(sys.argv[3]))
    else:
        given = [int(word) for word in sys.argv[1:]]
        sys.exit(main(*(given + [10_000, 0][len(given) :])))
