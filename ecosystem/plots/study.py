"""``results.plot``: the charts of a study, each from its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ecosystem.core.arguments import meant_among
from ecosystem.core.kinds import typed
from ecosystem.core.words import listed
from ecosystem.plots import study_curves, study_maps
from ecosystem.plots.study_sensitivity import of_result
from ecosystem.study import Results
from ecosystem.study.outcomes import tables
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers, explained, numbers
from ecosystem.study.outcomes.sweep import Sweep
from ecosystem.study.sensitivity.indices import analysed


class StudyPlots:
    """Charts of a study: ``results.plot.map("alignment", "reads", "curation")``, to restyle, layer and save.

    A measure is ``"alignment"``, ``"gain"`` (what a member has more than it would alone), ``"influence"`` (of each
    pair), a column of a kept table or ``"table.column"``, read at the end of each run; or such numbers themselves
    (:func:`ecosystem.study.outcomes.measuring.numbers`). Parameters that are not
    named are those that explain most; over all others the mean is taken. Functions of tables of one's own:
    :func:`ecosystem.plots.curves` and so on.

    Raises
    ------
    NoMeasure
        If the study has no such measure, parameter or member; the message says which there are.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    @cached_property
    def _sweep(self) -> Sweep:
        return Sweep.of(self._results)

    @typed
    def curves(
        self,
        measure: str | Numbers = "alignment",
        x: str | None = None,
        members: Sequence[str] | None = None,
        by: str | None = None,
    ) -> Any:
        """See :func:`ecosystem.plots.curves`: the measure of some members against one parameter.

        ``by`` another one, a curve for each of a few of its values, and a panel a member
        (:func:`ecosystem.plots.slices`).
        """
        found = self._numbers(measure, members)
        parameter = tables.parameter_of(self._sweep, self._first(found, 1)[0] if x is None else x)
        if by is not None:
            found, x = found.strongest(study_curves.PANELS), parameter.name
            _check_apart(x, by)
            table, count = tables.slices(found, self._sweep, x, by, self._failed(found))
            note = self._note(found, [x, by], self._sweep.levels(parameter, 8).grouped)
            return study_curves.slices(table, x, by, found.label, found.basis, parameter.logarithmic, count, note)
        return study_curves.curves(
            tables.along(found, parameter, self._failed(found)),
            parameter.name,
            found.label,
            found.basis,
            parameter.logarithmic,
            self._note(found, [parameter.name], parameter.grouped),
        )

    @typed
    def map(
        self,
        measure: str | Numbers = "alignment",
        x: str | None = None,
        y: str | None = None,
        members: Sequence[str] | None = None,
        at: Mapping[str, Any] | None = None,
    ) -> Any:
        """See :func:`ecosystem.plots.heat_map`: the measure of some members over the plane of two parameters.

        ``at`` are other parameters with the value that they shall have: ``{"taste": "same"}``.
        """
        found = self._numbers(measure, members).strongest(study_maps.PANELS)
        x, y = self._plane(found, x, y)
        chosen = self._chosen(at or {})
        table, grid = tables.cells(found, self._sweep, x, y, self._failed(found), chosen)
        shown = [x, y, *(at or {})] if grid else [p.name for p in self._sweep.swept]
        note = "; ".join(
            filter(None, [*(f"{name} {value}" for name, value in (at or {}).items()), self._note(found, shown, False)])
        )
        return study_maps.heat_map(table, x, y, found.label, found.signed, grid, note)

    @typed
    def sensitivity(self, measure: str | Numbers = "alignment", members: Sequence[str] | None = None) -> Any:
        """See :func:`ecosystem.plots.sensitivity`: how much each parameter explains, by the method of its design."""
        return of_result(analysed(self._results, self._numbers(measure, members)))

    @typed
    def boxes(self, condition: Any, x: str | None = None, y: str | None = None) -> Any:
        """See :func:`ecosystem.plots.boxes`: where a condition holds, and the boxes that tell."""
        return self._results.discover(condition).plot(x, y)

    @typed
    def stable(self, x: str | None = None, y: str | None = None) -> Any:
        """See :func:`ecosystem.plots.stable`: what dynamics do, over one parameter or two."""
        table = tables.settling(self._results)
        names = [name for name in (x, y) if name is not None] or [p.name for p in self._sweep.swept[:2]]
        if not names:
            raise NoMeasure("the study varies no parameter; results.stable_point has its one point")
        table = table[["point", "found", "seen"]]
        parameters = [tables.parameter_of(self._sweep, name) for name in names]
        for side, parameter in zip("xy", parameters, strict=False):
            level = parameter.level[table["point"]]
            table = table.assign(**{side: np.array(parameter.labels, dtype=object)[level], f"{side}_place": level})
        table = table.sort_values([f"{side}_place" for side, _ in zip("xy", parameters, strict=False)], kind="stable")
        return study_maps.stable(table, *names)

    def _failed(self, found: Numbers) -> np.ndarray:
        """The points that failed and lack these numbers, or some of their runs."""
        points, failures = self._results.points["point"], self._results.failures
        gone = failures.loc[failures["kind"] == "diverged", "point"]
        missing = np.isnan(found.sample.mean).all(0)
        return np.isin(points, gone) | (np.isin(points, self._results.failed) & missing)

    def _chosen(self, at: Mapping[str, Any]) -> np.ndarray | None:
        """The points at which some parameters have these values; None where all do."""
        points, found = self._results.points, np.ones(len(self._results.points), dtype=bool)
        for name, value in at.items():
            if name not in self._results.parameters:
                known = self._results.parameters
                near = meant_among(name, known, f"there are {listed(known)}")
                raise NoMeasure(f"at: {name!r} is no parameter of the study{near}")
            found &= (points[name].isna() if value is None else points[name] == value).to_numpy()
            if not found.any():
                raise NoMeasure(f"at: no point has {name}={value!r}; it has {listed(points[name].unique())}")
        return found if at else None

    def _numbers(self, measure: str | Numbers, members: Sequence[str] | None) -> Numbers:
        found = numbers(self._results, measure) if isinstance(measure, str) else measure
        return found if members is None else found.only(members)

    def _first(self, found: Numbers, count: int) -> list[str]:
        """The parameters that explain most, as many as are asked for."""
        ranked = list(explained(found, self._sweep)) or [p.name for p in self._sweep.swept]
        if len(ranked) < count:
            known = listed(ranked) or "none"
            raise NoMeasure(f"this takes {count} parameters that vary, and the study has {len(ranked)}: {known}")
        return ranked[:count]

    def _plane(self, found: Numbers, x: str | None, y: str | None) -> tuple[str, str]:
        """The two parameters of a map; those that were not named are the strongest of the others."""
        if x is None or y is None:
            ranked = [name for name in self._first(found, 2) if name not in (x, y)]
            ranked += [p.name for p in self._sweep.swept if p.name not in (x, y, *ranked)]
            x = ranked.pop(0) if x is None else x
            y = ranked[0] if y is None else y
        _check_apart(x, y)
        return x, y

    def _note(self, found: Numbers, shown: Sequence[str], grouped: bool) -> str:
        """With what is compared, over what means are taken, and whether neighbouring values are one."""
        others = [p.name for p in self._sweep.swept if p.name not in shown]
        words = [f"means over {listed(others, 4)}"] if others else []
        return "; ".join([*filter(None, [found.note]), *words, *(["neighbouring values together"] if grouped else [])])


def _check_apart(x: str, y: str) -> None:
    if x == y:
        raise NoMeasure(f"this takes two parameters, and both are {x!r}")
