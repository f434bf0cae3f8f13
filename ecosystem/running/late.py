"""Agents that are made when somebody asks for them: a Mesa model whose agents come late."""

from __future__ import annotations

from typing import Any

import mesa


class LateAgents(mesa.Model):
    """A Mesa model that has its agents made, by ``meet``, before anybody sees one or adds one of their own."""

    unmet: bool = False  # whether they are still to be made

    def meet(self) -> None:
        """Make the agents, if that is still to be done."""

    def register_agent(self, agent: Any) -> None:
        self.meet()
        super().register_agent(agent)

    def deregister_agent(self, agent: Any) -> None:
        self.meet()
        super().deregister_agent(agent)

    def remove_all_agents(self) -> None:
        self.meet()
        super().remove_all_agents()

    @property
    def agent_types(self) -> list[type]:
        self.meet()
        return super().agent_types

    @property
    def agents_by_type(self) -> Any:
        self.meet()
        return super().agents_by_type

    @property
    def agents(self) -> Any:
        self.meet()
        return super().agents

    @agents.setter
    def agents(self, agents: Any) -> None:
        mesa.Model.agents.fset(self, agents)  # type: ignore[misc]
