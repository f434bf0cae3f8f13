"""What of an ecosystem checkpoints ask: its program and state, what was recorded, and its agents."""

from __future__ import annotations

from typing import Any, Protocol

from ecosystem.engine.diets import Change
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.running.agents import ModelAgent
from ecosystem.running.recording import Recorder
from ecosystem.scenario import Scenario


class Host(Protocol):
    """An ecosystem between two rounds."""

    scenarios: list[Scenario]
    seeds: list[tuple[int, int]]
    names: list[str]
    program: Program
    state: State
    changes: list[Change]
    recorder: Recorder
    started: float  # when it was built, on the clock of time.perf_counter
    stopped: str  # why the run ended before its last round
    agents: Any  # Mesa's
    running: Any  # Mesa's
    unmet: bool  # whether its agents are still to be made
    halted: bool  # whether running was set to False
    until: Any  # the condition that ends it
    condition: str  # what that is, by content, where checkpoints ask
    steps: Any  # rounds begun, as Mesa counts them
    random: Any  # Mesa's two generators, for agents that draw from them
    rng: Any

    @property
    def rounds(self) -> int: ...
    @property
    def completed(self) -> int: ...
    def __getitem__(self, name: str) -> ModelAgent: ...
