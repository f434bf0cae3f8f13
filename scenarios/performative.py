"""What becomes of models whose use changes the world that they are fitted to?

Performative prediction (Perdomo and others 2020, arXiv 2002.06673): people adapt to a deployed model, and it is fitted
again to how they have adapted. One learner meets ``μ + εθ`` where it expected ``μ``: ``θ ← μ + εθ`` settles at
``μ/(1 − ε)`` if and only if ``|ε| < 1``. With ``others`` who are deployed to the same people, a part ``shared`` of the
effect is that of all of them together (the mean of their parameters): the network settles if and only if ``|ε| < 1`` as
before, at the same point, whatever is shared, for they are all alike; what is different among them is forgotten at the
rate ``|ε|(1 − shared)``.

    ecosystem run scenarios/performative.py
    ecosystem run scenarios/performative.py --set effect=-0.9 --set others=3 --set shared=0.5

Takes seconds; needs nothing more.
"""

from ecosystem import Flow, LinearMap, Location, Member, Quadratic, Scenario


def scenario(
    effect: float = 0.5,
    world: float = 1.0,
    others: int = 0,
    shared: float = 0.0,
    rounds: int = 60,
    samples: int | None = None,
) -> Scenario:
    """Learners that begin apart; users like the world as it was, at ``world``."""
    if not 0 <= shared <= 1:
        raise ValueError(f"shared is a part, between 0 and 1, got {shared!r}")
    answer = LinearMap([[effect]], [world])
    names = [f"learner {i}" for i in range(1 + others)]
    s = Scenario("performative", rounds=rounds, samples=samples)
    for i, name in enumerate(names):
        s.add(name, Member(Location([float(i)], 0.5), reward=Quadratic([world], 1.0)))
    for v in names:
        for u in names:
            share = shared / len(names) + (1 - shared if u == v else 0.0)
            if share:
                s.connect(u, v, Flow(raw=share, transform=answer))
    return s
