"""What a study is: the code, the measures and the versions that all of its numbers must come from."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecosystem.core.differences import differing
from ecosystem.core.identity import digest, label
from ecosystem.core.parameters import SCENARIO_FILE
from ecosystem.core.words import without_addresses
from ecosystem.running.measures.named import name_of
from ecosystem.running.variants import versions
from ecosystem.scenario import Scenario
from ecosystem.study.work import Job, built_point

FACES = (
    "plots/",
    "report/",
    "explore/",
    "cli/",
    "study/outcomes/",
)  # what shows and tells numbers: no number depends on them


def identity(job: Job) -> dict[str, Any]:
    """What must stay the same while a study grows, as JSON would be."""
    return _as_json(
        {
            "build": {"name": told(job.build), "code": digest(job.build)},
            "measures": {measure.name: digest((measure.function, measure.of)) for measure in job.measures},
            "record": {name: list(v) if isinstance(v, tuple | range) else v for name, v in vars(job.record).items()}
            | {"measures": {name_of(measure): digest(measure) for measure in job.record.measures}},
            "versions": made_with(),
            "torch default": str(job.dtype),
            **({"where": job.where} if job.where else {}),
        }
    )


def made_with() -> dict[str, str]:
    """The versions that numbers depend on, with the digest of this package's code."""
    return {**versions(), "code of the package": engine_code()}


def portrait(job: Job, key: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One point's scenario as JSON would be: also data that the code reads from elsewhere can change.

    Refused where ``build`` makes another scenario each time.
    """
    first, again = (_portrait(built_point(job, parameters)) for _ in range(2))
    if first != again:
        raise ValueError(
            f"{told(job.build)}() makes another scenario each time, so nothing could be repeated or resumed: "
            f"{'; '.join(_changes(first, again))}; draw from a seed: make it a parameter, or fix it"
        )
    return {"key": key, **first}


def _portrait(scenario: Scenario) -> dict[str, Any]:
    tables = {name: table.to_dict("records") for name, table in scenario.describe().items()}
    members = [[name, scenario.member(name)] for name in scenario.names]
    numbers = digest([members, list(scenario.graph.edges.data()), scenario.interventions])
    how = {"rounds": scenario.rounds, "samples": scenario.samples, "ordering": label(scenario.ordering)}
    return _as_json(tables | how | {"numbers": numbers})


def _as_json(value: Any) -> Any:
    """A value as it comes back from a file; NaN, which differs from itself, as None."""
    return json.loads(without_addresses(json.dumps(value, default=str)), parse_constant=lambda _: None)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Sentences that say what differs, place by place."""
    found: list[str] = []
    if before["build"]["code"] != after["build"]["code"]:  # names may differ: a file may be run or imported
        names = dict.fromkeys((before["build"]["name"], after["build"]["name"]))
        found.append(f"the code of {' / '.join(names)}, or something it uses, has changed")
    for name in dict.fromkeys((*before["measures"], *after["measures"])):
        old, new = before["measures"].get(name), after["measures"].get(name)
        if old != new:
            how = "is new" if old is None else "is gone" if new is None else "has changed"
            found.append(f"the measure {name!r} {how}")
    for what in ("record", "versions", "torch default", "where"):
        found += [f"{what}: {change}" for change in _changes(before.get(what), after.get(what))]
    seen = _changes(*({**identity["point"], "numbers": 0} for identity in (before, after)))
    seen = [f"the scenario: {change}" for change in seen]
    if not seen and before["point"] != after["point"]:
        seen = ["the scenario: numbers inside members or flows have changed"]
    return found + seen


def told(function: Any) -> str:
    """A function by its module, which may be a scenario file, and its name."""
    while isinstance(function, functools.partial):
        function = function.func
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__.removeprefix(SCENARIO_FILE)}.{kind.__qualname__}"


@functools.cache
def engine_code() -> str:
    """A digest of the package's files that numbers depend on: a changed engine may give others."""
    root = Path(__file__).parents[1]
    h = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if not path.relative_to(root).as_posix().startswith(FACES):
            h.update(path.read_bytes())
    return h.hexdigest()[:16]


def _changes(before: Any, after: Any) -> list[str]:
    return [" ".join((*place, change)) for place, change in differing(before, after)]
