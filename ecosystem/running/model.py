"""What Mesa's own tools find in an ecosystem: whether it runs on, who is in it, and a space that they can draw."""

from __future__ import annotations

import sys
from typing import Any

import mesa
import mesa.discrete_space
import networkx as nx

from ecosystem.engine.state import State
from ecosystem.running.late import LateAgents


class RoundsModel(LateAgents):
    """A Mesa model that plays a number of rounds on a network whose nodes are members.

    ``running`` is true while rounds are left and nobody has set it to False. Agents of one's own (``mesa.Agent(eco)``)
    may be beside those of the members; all have numbers of their own as ``unique_id``. ``random`` and ``rng`` are there
    for agents: no draw of an ecosystem comes from them.

    Raises
    ------
    TypeError
        When it is made by ``mesa.batch_run``.
    """

    graph: nx.DiGraph
    rounds: int
    state: State
    names: list[str]

    def __init__(self) -> None:
        _refuse_batches(self)
        self.halted = False  # whether somebody has set running to False
        self._enrolled = 0
        self._space: tuple[Any, Any] | None = None
        super().__init__(rng=0)  # Mesa's own generator; every draw of ours has an address instead

    @property
    def completed(self) -> int:
        """Rounds played to the end (Mesa counts a step when it begins)."""
        return self.state.round

    @property
    def running(self) -> bool:
        """Whether there are rounds left to be played, and nobody has said that they are not to be."""
        return not self.halted and self.completed < self.rounds

    @running.setter
    def running(self, value: bool) -> None:
        self.halted = not value

    def run_model(self) -> None:
        """Mesa's word for ``run``."""
        while self.running:
            self.step()

    def register_agent(self, agent: Any) -> None:
        """Let an agent be one of ``agents``; a new one gets the next number."""
        new = getattr(mesa.Agent, "_ids", {}).pop(self, None) is not None  # else Mesa 3.3 keeps models alive for ever
        self.meet()  # the members' come first
        if new:
            self._enrolled += 1
            agent.unique_id = self._enrolled
        super().register_agent(agent)

    @property
    def grid(self) -> Any:
        """The network as Mesa's spaces are: a cell for each member, by its place in ``names``, with its agent if it is
        there; cells are neighbours where there is a flow, in whichever direction. ``graph`` says more.
        """
        if self._space is None or self._space[0] is not self.state.absent:
            self._space = self.state.absent, _space(self)
        return self._space[1]

    @grid.setter
    def grid(self, value: Any) -> None:
        self._space = self.state.absent, value


def _space(model: RoundsModel) -> mesa.discrete_space.Network:
    places = {name: i for i, name in enumerate(model.names)}
    graph = nx.Graph()  # Mesa reads the places of what it draws out of whole numbers, and no directed edges
    graph.add_nodes_from(places.values())
    graph.add_edges_from((places[u], places[v]) for u, v in model.graph.edges)
    space = mesa.discrete_space.Network(graph, random=model.random)
    for agent in model.agents:
        if (place := places.get(getattr(agent, "name", ""))) is not None:
            space[place].add_agent(agent)
    return space


def _refuse_batches(model: RoundsModel) -> None:
    """Refuse to be made by Mesa's batch runner, whose tables would be wrong without a word."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") != "mesa.batchrunner":
        frame = frame.f_back
    made = None if frame is None else frame.f_locals.get("model_cls")
    if made is None or (isinstance(made, type) and not isinstance(model, made)):
        return  # a model of another kind that holds an ecosystem knows what it does
    raise TypeError(
        f"mesa.batch_run cannot run {type(model).__name__}: all its iterations would have the same seed, it takes "
        "lists and graphs apart as values to be tried, and leaves out the last round; use ecosystem.Study(name, build, "
        "grid={...}, seeds=range(5)), whose tables have all of it"
    )
