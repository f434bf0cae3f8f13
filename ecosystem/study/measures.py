"""Measures: which tables a study keeps of each of its points."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecosystem.running.recording import Record

if TYPE_CHECKING:
    from ecosystem.running.run import Run
    from ecosystem.scenario import Scenario

RUN_TABLES = ("rounds", "draws", "tastes", "changes")  # those with a row for each seed
SCENARIO_TABLES = ("members", "flows", "influence", "welfare", "stable_point")
OWN_TABLES = ("failures", "blocks")  # every study has them


INFLUENCE = {"target": "str", "source": "str", "kind": "str", "effect": float, "isolated": float}
INFLUENCE |= {"amplification": float, "network": "str", "backfires": bool, "harms": bool}
WELFARE = {"source": "str", "private": float, "externality": float, "social": float}


@dataclass(frozen=True)
class Measure:
    """A table to keep: its name, and the function that makes it of a run, or of a scenario alone."""

    name: str
    function: Callable[..., pd.DataFrame]
    of: str  # "run" or "scenario"

    @property
    def own(self) -> bool:
        """Whether the function is the user's."""
        return not isinstance(self.function, _TableOfRun | _TableOfScenario)


def of_scenario(function: Callable[[Scenario], pd.DataFrame]) -> Measure:
    """A measure that looks at the scenario and not at a run of it; it is made once for each point.

    >>> from ecosystem.influence import influence
    >>> def hops(scenario):
    ...     return influence(scenario, sources=["theta"]).hops(8)
    >>> of_scenario(hops).name
    'hops'
    """
    return Measure(_name(function), function, "scenario")


def as_measures(given: Any) -> tuple[Measure, ...]:
    """Names of tables, functions ``run -> DataFrame`` and measures of scenarios, as measures; checked."""
    items = [given] if isinstance(given, str | Measure) or callable(given) else list(given)
    measures = tuple(map(_as_measure, items))
    names = [measure.name for measure in measures]
    for name in names:
        if names.count(name) > 1 or name in ("points", *OWN_TABLES):
            raise ValueError(f"Study(measure): there are two tables {name!r}; give your function another __name__")
        if not name.isidentifier():
            raise ValueError(f"Study(measure): a table is named after its function, and {name!r} is no name; use def")
    return measures


def as_record(measures: Iterable[Measure], record: Record | None) -> Record:
    """What to record so that the measures find it."""
    names = {measure.name for measure in measures if measure.of == "run"}
    record = record or Record()
    return replace(record, draws=record.draws or "draws" in names, tastes=record.tastes or "tastes" in names)


def _as_measure(item: Any) -> Measure:
    if isinstance(item, Measure):
        return item
    if isinstance(item, str):
        if item in RUN_TABLES:
            return Measure(item, _TableOfRun(item), "run")
        if item in SCENARIO_TABLES:
            return Measure(item, _TableOfScenario(item), "scenario")
        choice = ", ".join((*RUN_TABLES, *SCENARIO_TABLES))
        raise ValueError(f"Study(measure): there is no table {item!r}; there are {choice}, and functions of your own")
    if callable(item):
        return Measure(_name(item), item, "run")
    raise TypeError(f"Study(measure) takes names of tables and functions run -> DataFrame, got {item!r}")


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


@dataclass(frozen=True)
class _TableOfRun:
    name: str

    def __call__(self, run: Run) -> pd.DataFrame:
        return getattr(run, self.name)


@dataclass(frozen=True)
class _TableOfScenario:
    name: str

    def __call__(self, scenario: Scenario) -> pd.DataFrame:
        if self.name in ("members", "flows"):
            return scenario.describe()[self.name]
        if self.name == "stable_point":
            from ecosystem.influence import stable_point

            point = stable_point(scenario)
            alignment = point.alignment if point.found else pd.Series(float("nan"), index=scenario.names)
            table = alignment.rename("alignment").rename_axis("member").reset_index()
            table = table.assign(found=point.found, seen=point.seen, points=1 + len(point.others) if point.found else 0)
            return table.assign(rounds=scenario.rounds, distance=point.distance, law=point.law)
        table, welfare = _influence(scenario)
        return table if self.name == "influence" else welfare


@functools.lru_cache(maxsize=1)  # both tables of a point come from one analysis
def _influence(scenario: Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``influence`` and ``welfare``; empty where nobody curates, which is where many a grid begins."""
    from ecosystem.influence import influence

    if not any(scenario.curation(name) for name in scenario.names):
        return pd.DataFrame(columns=list(INFLUENCE)).astype(INFLUENCE), pd.DataFrame(columns=list(WELFARE)).astype(
            WELFARE
        )
    found = influence(scenario)
    return found.table, found.welfare
