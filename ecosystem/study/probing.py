"""A first look at measures of the user's own: what no table can hold is refused before a study begins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from ecosystem.running.ecosystem import Ecosystem
from ecosystem.running.run import Run
from ecosystem.scenario import Scenario
from ecosystem.study.answers import WrongTable, as_table
from ecosystem.study.measures import Measure
from ecosystem.study.plan import Seed
from ecosystem.study.work import Job

MANY = 16  # points from which a measure of scenarios, which may take long, is tried before they are computed


def check_answers(
    job: Job, measures: Sequence[Measure], probes: Mapping[int, Scenario], parameters: Sequence[Any], seed: Seed | None
) -> float:
    """Refuse measures of the user's whose answer at none of the ``probes`` is a table, before anything is computed.

    Functions of runs see the start of one; what they raise there may come of that, and says nothing. The seconds that
    they all take at a point.

    Raises
    ------
    WrongTable
        One line that names the function, what it returned and the mend.
    """
    left = [m for m in measures if m.own and (len(parameters) >= MANY if m.of == "scenario" else seed is not None)]
    said: dict[str, WrongTable] = {}
    took = dict.fromkeys((measure.name for measure in left), 0.0)
    for number, scenario in probes.items():
        if not left:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = _begun(job, scenario, number, parameters[number], seed) if seed is not None else None
            found = {}
            for measure in left:
                begin = perf_counter()
                found[measure.name] = _wrong(measure, scenario if measure.of == "scenario" else run)
                took[measure.name] = max(took[measure.name], perf_counter() - begin)
        left = [measure for measure in left if found[measure.name] is not None]
        said |= {name: error for name, error in found.items() if error is not None and name not in said}
    if left:
        raise WrongTable(f"Study(measure={left[0].name}): {said[left[0].name]}")
    return sum(took.values())


def _begun(job: Job, scenario: Scenario, number: int, parameters: Mapping[str, Any], seed: Seed) -> Run | None:
    """A run before its first round; None where it cannot even begin, which is a fact about the point."""
    try:
        eco = Ecosystem([scenario], seeds=[seed], record=job.record)
        return eco.result(point=number, parameters=dict(parameters))
    except Exception:
        return None


def _wrong(measure: Measure, subject: Run | Scenario | None) -> WrongTable | None:
    """Why the answer of a function is no table, None where it is one or where nothing can be said."""
    if subject is None:
        return None
    try:
        as_table(measure.name, measure.function(subject))
    except WrongTable as error:
        return error
    except AttributeError as error:
        if isinstance(subject, Run) and "has no attribute or table" in str(error):
            return WrongTable(
                f"{measure.name}() takes a Run, and there is none with that: {error}; a function of a View goes into "
                f"Study(record=Record(measures=[{measure.name}]))"
            )
    except Exception:
        return None
    return None
