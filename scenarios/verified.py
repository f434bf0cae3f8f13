"""Who wins when a verifier throws away what looks wrong: the truth, or the verifier?

A model trains on its own output that passed a verifier, and on ``real`` data about the truth at 0. The verifier keeps
what lies within ``radius`` of where it believes the truth to be, its ``centre``. After arXiv 2510.16657. On its own
verified output alone the model ends at the verifier's centre, whatever the radius: one of half a deviation comes within
1 % of it in two rounds, one of three in 157. A biased verifier wins over the truth, unless real data go on coming in;
then the model settles between the two, the nearer to the truth the more forgiving the verifier.

    ecosystem run scenarios/verified.py
    ecosystem run scenarios/verified.py --set real=0.3 --set radius=3

Takes seconds; needs nothing more.
"""

from ecosystem import Flow, Location, Member, Quadratic, Scenario, Within


def scenario(
    centre: float = 1.0, radius: float = 1.0, real: float = 0.0, rounds: int = 60, samples: int | None = None
) -> Scenario:
    """A verified self-loop with a share of ``real`` data; users like the truth."""
    truth = Location([0.0])
    s = Scenario("verified", rounds=rounds, samples=samples)
    s.add("model", Member(truth, reward=Quadratic([0.0], 1.0), curator=Within([centre], radius), real=truth))
    s.connect("model", "model", Flow(curated=1 - real))
    return s
