"""``effect.plot``, ``findings.plot`` and ``measured.plot``: the charts of influence, each from its tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.check import whole_number
from ecosystem.core.kinds import typed
from ecosystem.influence import Findings, Influence, Measured, judgement
from ecosystem.plots import influence_matrix, influence_walks

PLAYED = 12  # rounds up to which an exact response is played, evenly spaced


class InfluencePlots:
    """Charts of an exact influence: ``effect.plot.matrix()``. Each is an Altair chart to restyle, layer and save.

    They are functions of tables: :func:`ecosystem.plots.matrix` and so on, for tables of one's own.
    """

    def __init__(self, effect: Influence) -> None:
        self._effect = effect

    def matrix(self) -> Any:
        """See :func:`ecosystem.plots.matrix`."""
        verdicts = self._effect.verdicts
        return influence_matrix.matrix(verdicts, [*self._effect.targets, *self._effect.sources])

    @typed
    def hops(self, most: int = 8, pairs: int = influence_walks.PANELS) -> Any:
        """See :func:`ecosystem.plots.hops`; up to ``most`` hops."""
        return influence_walks.hops(self._effect.hops(most), pairs)

    @typed
    def within(self, hop: int, most: int = influence_walks.REACHED) -> Any:
        """See :func:`ecosystem.plots.within`; of walks of up to ``hop`` hops."""
        members = [*self._effect.targets, *self._effect.sources]
        said = {"of": self._effect.of, "measure": self._effect.measure}
        return influence_walks.within(self._effect.hops(max(hop, 8)).assign(**said), hop, members, most)

    @typed
    def traffic(self, source: str | None = None, target: str | None = None, most: int = 20) -> Any:
        """See :func:`ecosystem.plots.traffic`; of one source or to one target, if asked."""
        return influence_matrix.traffic(self._effect.edges(source, target), most)

    @typed
    def response(self, rounds: int | None = None, pairs: int = influence_walks.PANELS) -> Any:
        """See :func:`ecosystem.plots.response`: exactly, from the scenario's own start, after up to its own rounds."""
        last = self._effect.scenario.rounds if rounds is None else whole_number(rounds, "response(rounds)", 0)
        when = sorted({round(number) for number in np.linspace(0, last, min(last, PLAYED) + 1)})
        played = [self._effect.after(number).stack(future_stack=True).rename("effect") for number in when]
        table = pd.concat(dict(zip(when, played, strict=True)), names=["round"]).reset_index()
        return influence_walks.response(table, self._effect.table, pairs)


class FindingsPlots:
    """Charts of an influence analysis that was saved: ``findings.plot.matrix()``."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def matrix(self) -> Any:
        """See :func:`ecosystem.plots.matrix`."""
        return influence_matrix.matrix(self._findings.verdicts, list(self._findings.members["member"].astype(str)))

    @typed
    def hops(self, pairs: int = influence_walks.PANELS) -> Any:
        """See :func:`ecosystem.plots.hops`."""
        return influence_walks.hops(self._findings.hops, pairs)

    @typed
    def within(self, hop: int, most: int = influence_walks.REACHED) -> Any:
        """See :func:`ecosystem.plots.within`."""
        members = list(self._findings.members["member"].astype(str))
        of, measure = judgement.subject(self._findings)
        return influence_walks.within(self._findings.hops.assign(of=of, measure=measure), hop, members, most)

    @typed
    def traffic(self, most: int = 20) -> Any:
        """See :func:`ecosystem.plots.traffic`."""
        return influence_matrix.traffic(self._findings.edges, most)

    @typed
    def knock_out(self, source: str, target: str, most: int = 20) -> Any:
        """See :func:`ecosystem.plots.knock_out`."""
        return influence_matrix.knock_out(self._findings.edges, source, target, most)


class MeasuredPlots:
    """Charts of a measured influence: ``check.plot.measured(effect.table)``."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def matrix(self) -> Any:
        """See :func:`ecosystem.plots.matrix`."""
        said = {"measure": self._measured.measure} if self._measured.measure != "alignment" else {}
        return influence_matrix.matrix(self._measured.verdicts.assign(**said))

    @typed
    def measured(self, exact: pd.DataFrame | None = None, most: int = influence_walks.ROWS) -> Any:
        """See :func:`ecosystem.plots.intervals`."""
        return influence_walks.intervals(self._measured.verdicts, exact, most)

    @typed
    def response(self, exact: pd.DataFrame | None = None, pairs: int = influence_walks.PANELS) -> Any:
        """See :func:`ecosystem.plots.response`."""
        return influence_walks.response(self._measured.response, exact, pairs)
