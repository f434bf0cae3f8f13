"""``run.plot``: the charts of a run, each from its tables."""

from __future__ import annotations

from typing import Any

from ecosystem.core.kinds import typed
from ecosystem.plots import degree, lines, opinions, quality, samples, together, training, usage
from ecosystem.running.run import Run


class SamplePlots:
    """Charts of what the members of a run generate, where points and symbols of it were kept."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @typed
    def clouds(self, round: int | None = None) -> Any:
        """See :func:`ecosystem.plots.clouds`."""
        return samples.clouds(samples.points(self._run.samples), self._run.members, round)

    @typed
    def symbols(self, round: int | None = None) -> Any:
        """See :func:`ecosystem.plots.symbols`."""
        return samples.symbols(samples.shares(self._run.samples), self._run.members, round)


class RunPlots(SamplePlots):
    """Charts of one run: ``run.plot.alignment()``. Each is an Altair chart to restyle, layer and ``.save("x.svg")``.

    They are functions of tables: :func:`ecosystem.plots.alignment` and so on, for tables of one's own.
    """

    def alignment(self) -> Any:
        """See :func:`ecosystem.plots.alignment`."""
        return lines.alignment(self._run.rounds, self._run.members, self._run.failures)

    def change(self) -> Any:
        """See :func:`ecosystem.plots.change`."""
        return lines.change(self._run.rounds, self._run.members, self._run.failures)

    def losses(self) -> Any:
        """See :func:`ecosystem.plots.losses`."""
        return lines.losses(self._run.rounds, self._run.members, self._run.failures)

    @typed
    def measured(self, column: str) -> Any:
        """See :func:`ecosystem.plots.measured`."""
        return lines.measured(self._run.rounds, column, self._run.members, self._run.failures)

    def diets(self) -> Any:
        """See :func:`ecosystem.plots.diets`."""
        return training.diets(self._run.members, self._run.flows)

    def degrees(self) -> Any:
        """See :func:`ecosystem.plots.degrees`."""
        return degree.degrees(self._run.members, self._run.flows)

    def draws(self) -> Any:
        """See :func:`ecosystem.plots.draws`."""
        return training.draws(self._run.draws, self._run.members, self._run.failures)

    def demand(self) -> Any:
        """See :func:`ecosystem.plots.demand`."""
        return usage.demand(self._run.demand, self._run.members, self._run.failures)

    def sources(self) -> Any:
        """See :func:`ecosystem.plots.sources`."""
        return quality.sources(self._run.sources, self._run.members, self._run.failures)

    def choices(self) -> Any:
        """See :func:`ecosystem.plots.choices`."""
        return opinions.choices(self._run.choices, self._run.flows, self._run.members, self._run.failures)

    @typed
    def tastes(self, round: int | None = None) -> Any:
        """See :func:`ecosystem.plots.tastes`."""
        return opinions.tastes(self._run.tastes, self._run.members, self._run.failures, round)

    def welfare(self) -> Any:
        """See :func:`ecosystem.plots.welfare`."""
        return together.welfare(self._run.rounds, self._run.failures)
