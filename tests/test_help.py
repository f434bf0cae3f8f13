"""What ``help()`` says of the results that people hold in their hands."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from ecosystem import Ecosystem, Run, Scenario, Study, compare
from ecosystem.influence import Influence
from ecosystem.influence.findings import Findings
from ecosystem.influence.knockout import KnockOut
from ecosystem.influence.measured import Measured
from ecosystem.influence.stability import Stability
from ecosystem.study.results import Results

KINDS = [Ecosystem, Findings, Influence, KnockOut, Measured, Results, Run, Scenario, Stability, Study]


def own(kind: type) -> dict[str, Any]:
    """The public methods and properties that this package has written; fields are told of by their class."""
    told = {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    names = (name for name in dir(kind) if not name.startswith("_") and name not in told)
    homes = {name: next(base for base in kind.__mro__ if name in vars(base)) for name in names}
    return {
        name: inspect.getattr_static(kind, name)
        for name, home in homes.items()
        if home.__module__.startswith("ecosystem.")
    }


def returned(part: Any) -> str:
    """The annotation of what it returns; of a property that of its function."""
    for name in ("fget", "func", "__func__"):
        part = getattr(part, name, None) or part
    return str(getattr(part, "__annotations__", {}).get("return", ""))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_public_name_says_what_it_gives(kind: type) -> None:
    """``help(effect.edges)`` said "See traffic.edges", ``help(Run.rounds)`` "The table rounds", and no column."""
    for name, part in own(kind).items():
        words = inspect.getdoc(part if isinstance(part, property) else getattr(kind, name)) or ""
        assert len(words) > 20 and not words.startswith("See "), f"{kind.__name__}.{name}: {words!r}"
        if "DataFrame" in returned(part):
            assert any(word in words for word in ("olumn", "row", "the scenario")), f"{kind.__name__}.{name}: {words!r}"


def test_tables_of_a_run_name_all_their_columns() -> None:
    from small_runs import recorded

    run = recorded()
    for name in ("members", "flows", "rounds", "draws", "changes", "failures", "tastes", "sources", "choices", "texts"):
        words = vars(Run)[name].__doc__
        missing = [column for column in getattr(run, name).columns if column not in words]
        assert not missing, f"{name}: {missing}"
    missing = [column for column in compare({"a": run, "b": run}).columns if column not in (compare.__doc__ or "")]
    assert not missing
