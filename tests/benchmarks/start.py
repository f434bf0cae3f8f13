"""``ecosystem --help``: how long the command line takes to say what it can do, beside a bare interpreter."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.timing import Row, in_turn

HELP = [sys.executable, "-c", "from ecosystem.cli import main; main()", "--help"]
BARE = [sys.executable, "-c", "pass"]


def measure() -> list[Row]:
    """Seconds of a whole process."""
    helped, bare = in_turn(lambda: _call(HELP), lambda: _call(BARE), repetitions=8)
    return [Row("ecosystem --help / python -c pass", "under 1 s", min(helped), min(helped), min(bare), helped, " s")]


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
