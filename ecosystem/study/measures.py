"""Measures: which tables a study keeps of each of its points."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief, one_line, several
from ecosystem.running.measures import (
    Exact,
    choices,
    data_distance,
    demand,
    distances,
    draws,
    effective_number,
    entropy,
    sources,
    tastes,
    total_variance,
)
from ecosystem.running.measures.named import name_of
from ecosystem.running.recording import Record

if TYPE_CHECKING:
    from ecosystem.running.run import Run
    from ecosystem.scenario import Scenario

RUN_TABLES = (
    "rounds",
    "draws",
    "tastes",
    "sources",
    "choices",
    "demand",
    "distances",
    "changes",
    "baseline",
)  # by seed
COLUMNS = {m.__name__: m for m in (entropy, effective_number, total_variance, data_distance)}  # of `rounds`
_RECORDED = {m.__name__: m for m in (draws, tastes, sources, choices, demand, distances)}
ALONE = "baseline"  # kept beside `rounds` unasked: what verdicts on them compare with
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
    asked: bool = True  # for by name; else a folder that was begun without it goes on without it

    @property
    def own(self) -> bool:
        """Whether the function is the user's."""
        return not isinstance(self.function, _TableOfRun | _TableOfScenario)


def of_scenario(function: Callable[[Scenario], pd.DataFrame]) -> Measure:
    """A measure that looks at the scenario and not at a run of it; it is made once for each point.

    ``function(scenario)`` returns a frame whose columns are numbers and texts.

    >>> from ecosystem.influence import influence
    >>> def hops(scenario):
    ...     return influence(scenario, sources=["theta"]).hops(8)
    >>> of_scenario(hops).name
    'hops'
    """
    if not callable(function):
        raise TypeError(f"of_scenario takes a function scenario -> DataFrame or number, got {brief(function)}")
    _check_takes_one(function)
    return Measure(_name(function), function, "scenario")


def as_measures(given: Any, record: Record) -> tuple[tuple[Measure, ...], Record]:
    """Names of tables and columns, functions ``run -> DataFrame`` and measures of scenarios, as measures; checked.

    And what to record so that they find it; with ``rounds`` comes ``baseline``. Names of numbers (``"entropy"``) and
    exact measures add a column to ``rounds``, which is kept then; frames that the ``record`` measures can be kept by
    their names.
    """
    if isinstance(given, str | Measure) or callable(given):
        given = [given]
    items = list(several(given, "Study(measure) is a name, a function run -> DataFrame, or a list of them"))
    viewing = [item for item in items if isinstance(item, Exact) or (isinstance(item, str) and item in COLUMNS)]
    if viewing:
        more = [COLUMNS[item] if isinstance(item, str) else item for item in viewing]
        record = replace(record, measures=tuple(dict.fromkeys((*record.measures, *more))))
        items = [item for item in items if not any(item is one for one in viewing)]
        items = items if "rounds" in items else ["rounds", *items]
    mine = {name_of(measure) for measure in record.measures}
    measures = tuple(_as_measure(item, mine) for item in items)
    names = [measure.name for measure in measures]
    for name in names:
        if names.count(name) > 1 or name in ("points", *OWN_TABLES):
            raise ValueError(f"Study(measure): there are two tables {name!r}; give your function another __name__")
        if not name.isidentifier():
            raise ValueError(f"Study(measure): a table is named after its function, and {name!r} is no name; use def")
    if "rounds" in names and ALONE not in names:
        place = names.index("rounds") + 1  # the same, whether others come along or are added later
        alone = Measure(ALONE, _TableOfRun(ALONE), "run", asked=False)
        measures = (*measures[:place], alone, *measures[place:])
    return measures, _recording(measures, record)


def _recording(measures: Iterable[Measure], record: Record) -> Record:
    """A record with what named tables are made of."""
    names = [measure.name for measure in measures if measure.of == "run" and not measure.own]
    flags = {name: True for name in names if name in _RECORDED and hasattr(record, name)}
    more = [_RECORDED[name] for name in names if name in _RECORDED and name not in flags]
    return replace(record, **flags, measures=tuple(dict.fromkeys((*record.measures, *more))))


def _as_measure(item: Any, recorded: Set[str]) -> Measure:
    if isinstance(item, Measure):
        return item
    if isinstance(item, str):
        if item in RUN_TABLES or item in recorded:
            return Measure(item, _TableOfRun(item), "run")
        if item in SCENARIO_TABLES:
            return Measure(item, _TableOfScenario(item), "scenario")
        tables = ", ".join((*RUN_TABLES, *SCENARIO_TABLES))
        known = f"there are {tables}, columns of rounds ({', '.join(COLUMNS)}), and functions of your own"
        raise ValueError(
            f"Study(measure): there is no table {item!r}{meant_among(item, (*RUN_TABLES, *SCENARIO_TABLES), known)}"
        )
    if isinstance(item, type) or not callable(item):
        raise TypeError(f"Study(measure) takes names of tables and functions run -> DataFrame, got {brief(item)}")
    _check_takes_one(item)
    return Measure(_name(item), item, "run")


def _check_takes_one(function: Callable[..., Any]) -> None:
    """Refuse what cannot be called with a run, or a scenario, alone."""
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise TypeError(
            f"Study(measure={_name(function)}): it is called with one argument, and {one_line(error)}; give the others "
            "defaults, or use functools.partial"
        ) from None
    except ValueError:  # of functions in C nothing is known
        return


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


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
            table = table.assign(rounds=scenario.rounds, distance=point.distance, law=point.law)
            return table.assign(alone=long_run_alone(scenario).reindex(scenario.names).to_numpy())
        table, welfare = _influence(scenario)
        return table if self.name == "influence" else welfare


def long_run_alone(scenario: Scenario) -> pd.Series:
    """The alignment that members would have in the long run on their real data alone, exactly, by name.

    Those are left out of which that is not known: without real data or users with a fixed taste, played by an agent of
    one's own, or with interventions. Empty where there is no such stable point.
    """
    from ecosystem.influence import stable_point
    from ecosystem.scenario import Scenario

    alone = Scenario("alone", rounds=1)
    for name in scenario.names if not scenario.interventions else ():
        member = scenario.member(name)
        if member.real is not None and member.reward is not None and member.learn is None and member.agent is None:
            alone.add(name, replace(member, demand=None))
    try:
        point = stable_point(alone, starts=1) if alone.names else None
    except ValueError:  # the network has population dynamics, and its members alone have none: nothing to compare with
        return pd.Series(dtype=float)
    return point.alignment.astype(float) if point is not None and point.found else pd.Series(dtype=float)


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
