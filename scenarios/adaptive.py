"""Whom do members still read who drop the sources that hurt their users? And who finds one that enters late?

Before each round every reader compares what a source offers with what it has: where its users like the source's output
less than its own by more than ``patience``, it stops reading it, and the share becomes real data. ``noise`` is a source
that nobody's users like; ``star`` enters in round ``entry`` with output that everybody likes. Decisions are taken in
each replicate by what that replicate sees, and are in the table ``changes``.

    ecosystem run scenarios/adaptive.py --replicates 8 --out runs/adaptive

Takes seconds; needs nothing more.
"""

from ecosystem import Flow, Linear, Location, Member, ModelAgent, Scenario, never

TASTE = Linear([1.0, 0.5]).named("to the right, and a little up")


class Reader(ModelAgent):
    """Stops reading what its users like less than what it makes itself."""

    patience = 0.5

    def decide(self) -> None:
        for source, (raw, curated) in self.sources.items():
            hurts = (self.taste(of=source) < self.alignment - self.patience) & (raw + curated > 0)
            if bool(hurts.any()):
                self.set_flow(source, raw=0.0, where=hurts)


def scenario(rounds: int = 20, entry: int = 8, patience: float = 0.5, samples: int = 20) -> Scenario:
    """Three readers of each other, of a bad source, and of a good one that enters in round ``entry``."""
    reader = type("Reader", (Reader,), {"patience": patience})
    s = Scenario("adaptive", rounds=rounds, samples=samples)
    readers = ["ada", "bob", "cyd"]
    for i, name in enumerate(readers):
        real = Location([0.2 * i, 0.0], 0.5)
        s.add(name, Member(Location([0.2 * i, 0.0], 0.5), reward=TASTE, real=real, agent=reader))
    s.add("noise", Member(Location([-0.4, 0.0], 0.5), reward=TASTE, schedule=never))
    s.add("star", Member(Location([2.0, 1.0], 0.5), reward=TASTE, schedule=never), joins=entry)
    for i, name in enumerate(readers):
        s.connect(readers[i - 1], name, Flow(raw=0.3))
        s.connect("noise", name, Flow(raw=0.2))
        s.connect("star", name, Flow(raw=0.2))
    return s
