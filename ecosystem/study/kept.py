"""A run made again of the tables that a study has kept of it, for measures that come later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import pandas as pd

from ecosystem.running.run import Run
from ecosystem.running.variants import randomly_timed, versions
from ecosystem.scenario import Scenario
from ecosystem.study.plan import Block, Seed
from ecosystem.study.sizing import replicates

_TABLES = ("rounds", "draws", "changes", "tastes", "sources", "choices", "demand", "texts", "baseline")
_FAILURES = ["seed", "replicate", "round", "member", "error"]


class NotKept(LookupError):
    """A measure asks for something that a study's folder does not hold."""


def kept_run(
    scenario: Scenario, point: int, parameters: Mapping[str, Any], part: Block, tables: Mapping[str, pd.DataFrame]
) -> Run | None:
    """The run of a point in a part of a block, of the kept ``tables`` of the block; None where it did not end.

    Whatever else is asked of it is refused by name (:class:`NotKept`).
    """
    failures = tables["failures"][tables["failures"]["point"] == point]
    mine = failures["traceback"].astype("str").str.startswith(f"tracebacks/{part.number:06d}-")  # it says which part
    if "lost" in set(failures["kind"]) or "run" in set(failures["kind"][mine]) or not part.seeds:
        return None
    seeds = part.seeds[: replicates(scenario, len(part.seeds))]
    settings = {
        "scenario": scenario.name,
        "rounds": scenario.rounds,
        "samples": scenario.samples,
        "ordering": repr(scenario.ordering),
        "random": randomly_timed(scenario),
        "seeds": [list(pair) for pair in seeds],
        "completed": scenario.rounds,
        "finished": True,
        "versions": dict(versions()),
        "point": point,
        "parameters": dict(parameters),
    }
    found = {name: _of_point(table, point, seeds, scenario) for name, table in tables.items() if name != "failures"}
    diverged = _of_seeds(failures[failures["kind"] == "diverged"], seeds)[_FAILURES].reset_index(drop=True)
    own = {"members": partial(_described, scenario, "members"), "flows": partial(_described, scenario, "flows")}
    run = Run(settings, **{**{name: partial(_refuse, name) for name in _TABLES}, **own, "failures": diverged, **found})
    for name in ("samples", "inputs", "parameters"):
        setattr(run, name, _Absent(name))
    return run


def _of_seeds(table: pd.DataFrame, seeds: Sequence[Seed]) -> pd.DataFrame:
    """Its rows about some seeds; a table that does not say which has those of all."""
    if not {"seed", "replicate"} <= set(table):
        return table
    pairs, wanted = zip(table["seed"].tolist(), table["replicate"].tolist(), strict=True), set(seeds)
    return table[pd.Series([pair in wanted for pair in pairs], index=table.index, dtype=bool)]


def _of_point(table: pd.DataFrame, point: int, seeds: Sequence[Seed], scenario: Scenario) -> pd.DataFrame:
    own = _of_seeds(table[table["point"] == point], seeds).drop(columns="point").reset_index(drop=True)
    if "member" in own and isinstance(own["member"].dtype, pd.CategoricalDtype):  # others of the block have others
        own["member"] = own["member"].cat.set_categories(scenario.names)
    return own


def _described(scenario: Scenario, name: str) -> pd.DataFrame:
    return scenario.describe()[name]


def _refuse(what: str, *_: Any) -> NoReturn:
    raise NotKept(f"it reads run.{what}, which this folder does not hold")


class _Absent:
    """Tensors of a run that nobody has kept."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        _refuse(self._what)

    def __getitem__(self, key: Any) -> NoReturn:
        _refuse(self._what)

    def __iter__(self) -> NoReturn:
        _refuse(self._what)

    def __len__(self) -> NoReturn:
        _refuse(self._what)
