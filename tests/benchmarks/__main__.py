"""Run all benchmarks, or those that are named, and print one table."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

from rich.console import Console
from rich.table import Table

from tests import benchmarks
from tests.benchmarks.timing import Row

_NOT_BENCHMARKS = {"__main__", "timing"}


def main(wanted: list[str]) -> None:
    """Run and print; only a benchmark that raises ends with an exit code other than 0."""
    known = [m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in _NOT_BENCHMARKS]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]!r}; the benchmarks are {', '.join(known)}")
    console = Console(stderr=True)
    rows: list[Row] = []
    for name in wanted or known:
        start = time.perf_counter()
        rows += importlib.import_module(f"tests.benchmarks.{name}").measure()
        console.print(f"{name}: {time.perf_counter() - start:.0f} s", style="dim")
    Console(width=max(console.width, 130)).print(table(rows))


def table(rows: list[Row]) -> Table:
    """Ratios of minima; noise is what single repetitions gave."""
    out = Table("what", "bound")
    for heading in ("measured", "ours", "yardstick", "noise (min–median–max)"):
        out.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        measured = f"{row.ratio:.3g}{row.unit}" if row.ratio == row.ratio else "not measured here"
        out.add_row(row.what, row.bound, measured, _duration(row.ours), _duration(row.yardstick), row.noise)
    return out


def _duration(seconds: float) -> str:
    if seconds != seconds:
        return ""
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


main(sys.argv[1:])
