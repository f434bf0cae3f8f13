"""Scenarios: members, flows, what happens to them, and what is refused."""

from ecosystem.scenario.scenario import Scenario

__all__ = ["Scenario"]
