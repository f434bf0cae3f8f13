"""Starting: how long ``ecosystem --help`` takes, and a first import beside what it imports."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.timing import Row, in_turn, times_as_long

HELP = [sys.executable, "-c", "from ecosystem.cli import main; main()", "--help"]
BARE = [sys.executable, "-c", "pass"]
IMPORT = [sys.executable, "-c", "from ecosystem import Scenario"]
BELOW = [sys.executable, "-c", "import torch, pandas, networkx, mesa"]


def measure() -> list[Row]:
    """Seconds of a whole process."""
    helped, bare = in_turn(lambda: _call(HELP), lambda: _call(BARE), repetitions=8)
    imported, below = in_turn(lambda: _call(IMPORT), lambda: _call(BELOW), repetitions=5)
    return [
        Row("ecosystem --help / python -c pass", "under 1 s", min(helped), min(helped), min(bare), helped, " s"),
        times_as_long("from ecosystem import Scenario / import torch, pandas, networkx, mesa", 2.0, imported, below),
    ]


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
