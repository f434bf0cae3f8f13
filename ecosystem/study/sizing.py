"""How much is computed at once: how many points share a tensor program, how many points and seeds a block."""

from __future__ import annotations

import math

from ecosystem.generators import ClosedForm
from ecosystem.running.costs import seconds
from ecosystem.running.recording import Record
from ecosystem.running.variants import randomly_timed
from ecosystem.scenario import Scenario

WIDEST = 256  # points side by side: more gains nothing, and a block should take seconds
FEWEST, MANY = 8, 16  # points in a block at least, and blocks that a study should have: there may be many workers
HEAVY = 256  # members in a block whose scenarios are analysed, each for itself
NUMBERS = 2**24  # sampled at once, in one stack
ROWS = 2**21  # of the table `rounds`, in one block
LONGEST = 10.0  # seconds that points computed together should take by the estimate; else they are fewer


def closed(scenario: Scenario) -> bool:
    """Whether all its families are fitted in closed form: neural models are looped over, and take memory."""
    return all(isinstance(scenario.member(name).generator, ClosedForm) for name in scenario.names)


def replicates(scenario: Scenario, seeds: int) -> int:
    """How many of the seeds make a difference."""
    return seeds if scenario.samples is not None or randomly_timed(scenario) else 1


def stack_width(scenario: Scenario, seeds: int, record: Record) -> int:
    """How many points like this one are computed as one tensor program."""
    if not closed(scenario):
        return 1
    members = [scenario.member(name).generator for name in scenario.names]
    runs = max(1, replicates(scenario, seeds))
    event = sum(math.prod(generator.event_shape) for generator in members)
    numbers = runs * event * (scenario.samples or 1)
    return max(1, min(WIDEST, NUMBERS // max(numbers, 1), ROWS // max(_rows(scenario, runs, record), 1)))


def block_width(scenario: Scenario, points: int, seeds: int, record: Record, heavy: bool) -> int:
    """How many of so many points make a block; ``heavy`` if measures take long that are made point by point."""
    most = max(FEWEST, -(-points // MANY))
    if heavy:
        most = min(most, max(1, HEAVY // len(scenario.names)), WIDEST // 8)
    return min(stack_width(scenario, seeds, record), most, _patient(scenario, seeds))


def most_parts(scenario: Scenario, width: int, depth: int, record: Record) -> int:
    """How many blocks of so many points and seeds may become one that is written at once."""
    return max(1, ROWS // max(1, width * _rows(scenario, replicates(scenario, depth), record)))


def block_depth(scenario: Scenario, seeds: int, record: Record) -> int:
    """How many seeds of one point make a block: all, unless they are so heavy that little should be lost at once."""
    if not closed(scenario):
        return 1
    return max(1, min(seeds, ROWS // max(_rows(scenario, 1, record), 1)))


def _patient(scenario: Scenario, seeds: int) -> int:
    """How many points like this one side by side take no longer than they should, by the estimate."""
    alone = seconds(scenario, 0)
    each = seconds(scenario, replicates(scenario, seeds)) - alone
    return max(1, int((LONGEST - alone) / each)) if each > 0 else 1 if alone > LONGEST else WIDEST


def _rows(scenario: Scenario, runs: int, record: Record) -> int:
    rounds = sum(record.wants(r, scenario.rounds) for r in range(scenario.rounds + 1))
    return rounds * len(scenario.names) * runs * (len(scenario.names) if record.tastes else 1)
