"""Who loses itself in a network where only some have real data, and which single flow flips it?

``ada`` and ``bob`` read nothing but each other: a closed component. ``cyd`` reads ``bob`` and has real data, ``dan``
reads ``cyd`` alone, ``eve`` has real data alone. Finite samples add noise in every round; in the closed pair nothing
ever takes it away, so ada's and bob's means wander off without end, and cyd's and dan's, who read them, with them;
eve's does not. Real data for ada, however little (``rescue``), heal all four. And one flow is enough to undo it: with
``loyal`` eve reads dan and nothing else. *Collapse* on networks after arXiv 2605.20151; what the shares alone say is
``ecosystem.influence.certificates(scenario())``: its tables name who collapses after whom, which flow would make it
worse, which cut or how much real data would cure it.

    ecosystem run scenarios/collapse.py --replicates 40
    ecosystem run scenarios/collapse.py --replicates 40 --set rescue=0.1

Takes seconds; needs nothing more.
"""

from ecosystem import Flow, Location, Member, Quadratic, Scenario


def scenario(rescue: float = 0.0, loyal: bool = False, rounds: int = 200, samples: int | None = 20) -> Scenario:
    """Users of all like what the real data are, about 0, so that alignment falls as the square of the distance."""
    s = Scenario("collapse", rounds=rounds, samples=samples)
    for name in ("ada", "bob", "cyd", "dan", "eve"):
        s.add(name, Member(Location([0.0]), reward=Quadratic([0.0], 1.0), real=Location([0.0])))
    s.connect("bob", "ada", Flow(raw=1 - rescue))
    s.connect("ada", "bob", Flow(raw=1.0))
    s.connect("bob", "cyd", Flow(raw=0.5))
    s.connect("cyd", "dan", Flow(raw=1.0))
    if loyal:
        s.connect("dan", "eve", Flow(raw=1.0))
    return s
