"""Freeze the cases that are named, or all of them: ``python -m tests.golden [CASE ...]``."""

from __future__ import annotations

import sys
import time

from tests.golden import store
from tests.golden.cases import CASES


def main(named: list[str]) -> None:
    """Overwrite what is frozen of these cases by what is computed now."""
    unknown = [name for name in named if name not in CASES]
    if unknown:
        sys.exit(f"there is no case {unknown[0]!r}; the cases are {', '.join(CASES)}")
    if named and store.frozen_fingerprint() != store.fingerprint():
        sys.exit("the others are frozen on another machine or with other versions; freeze all of them: name none")
    for name in named or CASES:
        begin = time.perf_counter()
        store.write(name, CASES[name].tables())
        print(f"{name}: {time.perf_counter() - begin:.1f} s")
    store.sign()


main(sys.argv[1:])
