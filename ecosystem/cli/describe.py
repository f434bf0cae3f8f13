"""``ecosystem describe``: the members, the flows and the shape of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug, File, Settings, load
from ecosystem.cli.loading import parse_settings
from ecosystem.cli.terminal import cell, console, table

if TYPE_CHECKING:
    from ecosystem.scenario import Scenario


def describe(file: File, settings: Settings = None, debug: Debug = False) -> None:
    """Show the members, the flows and the shape of a scenario."""
    with errors(debug):
        scenario, description = load(file, parse_settings(settings or ()))
        screen = console()
        for line in (scenario.name, *description.splitlines()[:1]):
            screen.print(line, highlight=False, markup=False)
        for name, frame in scenario.describe().items():
            rows = [[cell(value) for value in row] for row in frame.itertuples(index=False)]
            screen.print(table(name, list(frame.columns), rows))
        for line in _facts(scenario):
            screen.print(line, highlight=False, markup=False)


def _facts(scenario: Scenario) -> Iterator[str]:
    """How long, in which order and over what kind of graph a scenario runs."""
    import networkx as nx

    from ecosystem.core.words import counted

    graph = scenario.graph
    samples = "the population" if scenario.samples is None else f"{scenario.samples} samples a member"
    yield f"{counted(scenario.rounds, 'round')}, {scenario.ordering}, {samples}"
    parts = [len(part) for part in nx.strongly_connected_components(graph)]
    yield f"{counted(len(graph), 'member')}, {counted(graph.size(), 'flow')}"
    yield f"{counted(len(parts), 'strongly connected component')}, the largest of size {max(parts, default=0)}"
    loops = counted(nx.number_of_selfloops(graph), "self-loop")
    yield "no cycles" if nx.is_directed_acyclic_graph(graph) else f"with cycles ({loops})"
