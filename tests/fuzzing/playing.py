"""What is done with a scenario that was drawn: it is recorded, its agents meddle, and it runs."""

from __future__ import annotations

from typing import Any

import torch

import ecosystem as eco
from ecosystem.running.measures import alignment
from tests.fuzzing import newer
from tests.fuzzing.scenarios import Hand, curator, optional, scenario, schedule


class Meddler(eco.ModelAgent):
    """An agent that turns its knobs to odd values."""

    hand: Hand

    def decide(self) -> None:
        h, verb = self.hand, self.hand.pick("curation", "frozen", "schedule", "curator", "flow")
        where = {} if h.chance(0.7) else {"where": h.maybe(torch.ones(1, 1, dtype=torch.bool), True)}
        if verb == "curation":
            self.set_curation(h.maybe(0.2, 0.5), **where)
        elif verb == "frozen":
            self.set_frozen(h.maybe(True, False), **where)
        elif verb == "schedule":
            self.set_schedule(schedule(h), **where)
        elif verb == "curator":
            self.set_curator(curator(h), **where)
        else:
            self.set_flow(h.maybe(self.name), raw=h.maybe(0.1, 0.2), **where)


def record(h: Hand) -> Any:
    """What to record."""
    flags = {name: h.maybe(True, False) for name in ("draws", "tastes", "sources", "choices", "start")}
    numbers = {"every": h.whole(1, 2), "samples": h.whole(0, 3), "judged": h.whole(1, 16), "last": h.whole(1, 2)}
    rounds = {"sample_rounds": h.maybe([0, 1], None), "measures": h.maybe((), [alignment])}
    return eco.Record(**optional(h, **flags, **numbers, **rounds))


def play(number: int) -> tuple[Any, Any]:
    """Build and run scenario ``number``, every third of the parts that came later: the scenario and its run."""
    h = Hand(number)
    s = newer.scenario(h) if number % 3 == 2 else scenario(h)
    given: dict[str, Any] = {"record": h.maybe(record(h))} if h.chance(0.3) else {}
    given |= {"build_samples": h.maybe(True, False)} if h.chance(0.1) else {}
    if h.chance(0.15) and s.names:
        agent = type("Meddling", (Meddler,), {"hand": h})
        s = s.with_member(s.names[0], agent=agent)
    if h.chance(0.15):
        ecosystem = eco.Ecosystem(s, seeds=h.maybe([0, 1], 2, [(0, 1), (3, 0)], [h.whole(5)]), **given)
        ecosystem.run(**optional(h, until=h.maybe(None, eco.settled())))
        return s, ecosystem.result()
    return s, s.run(h.whole(0, 3), h.whole(1, 2, 3), **given)
