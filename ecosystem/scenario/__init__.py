"""Scenarios: members, flows, what happens to them, and what is refused."""

from ecosystem.scenario.graphs import shares_of
from ecosystem.scenario.interventions import Intervention, Verbs
from ecosystem.scenario.scenario import Scenario

__all__ = ["Intervention", "Scenario", "Verbs", "shares_of"]
