"""Users who move look at what is new: the state of tastes after a round."""

from __future__ import annotations

from ecosystem.engine.program import Program
from ecosystem.engine.state import State


def looked(program: Program, state: State) -> State:
    """The state after all users who move have looked at what members make now."""
    return state
