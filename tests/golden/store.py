"""The folder of frozen tables, and the fingerprint of the machine that froze them."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tests.golden.tables import Tables

FROZEN = Path(__file__).parent / "frozen"
FINGERPRINT = FROZEN / "fingerprint.json"
# What numbers depend on: arithmetic, random graphs, data sets, first weights.
COUNT = ("torch", "numpy", "scipy", "pandas", "networkx", "scikit-learn", "diffusers", "transformers", "peft")


def write(case: str, tables: Tables) -> None:
    """Replace the tables of a case by these."""
    FROZEN.mkdir(exist_ok=True)
    for path in FROZEN.glob(f"{case}.*.parquet"):
        path.unlink()
    for name, table in tables.items():
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
        pq.write_table(arrow, FROZEN / f"{case}.{name}.parquet", compression="zstd", write_statistics=False)


def read(case: str) -> Tables:
    """The frozen tables of a case."""
    found = {path.name.split(".")[1]: pd.read_parquet(path) for path in sorted(FROZEN.glob(f"{case}.*.parquet"))}
    if not found:
        raise FileNotFoundError(f"nothing is frozen of the case {case!r}; freeze it: python -m tests.golden {case}")
    return found


def fingerprint() -> dict[str, str]:
    """What the last bits depend on: the processor, what torch makes of it, one thread, versions."""
    machine = {"processor": _processor(), "torch kernels": torch.backends.cpu.get_cpu_capability(), "threads": "1"}
    return machine | {name: version(name) for name in COUNT}


def frozen_fingerprint() -> dict[str, str]:
    """That of the frozen tables; empty where there are none."""
    return json.loads(FINGERPRINT.read_text(encoding="utf-8")) if FINGERPRINT.is_file() else {}


def sign() -> None:
    """Say that the frozen tables are of this machine."""
    FINGERPRINT.write_text(json.dumps(fingerprint(), indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    """The processor's model in words; virtual machines call many models alike, so with its numbers."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = ("model name", "cpu family", "model", "stepping")
    return ", ".join(f"{key} {facts[key]}" for key in wanted if key in facts) or platform.machine()
