"""One model that trains on its own curated output: does it come to please its users?

The smallest ecosystem: a law on a few symbols, each with a reward, and users who choose one of ``k`` candidates by
Luce's rule. With nothing but curated data the favourite symbol takes over (Ferbach et al. 2024, arXiv 2407.09499): the
expected ``e^r`` never falls. Real data hold it back: with a curated share ``s < 1/k``, started at the real law, no
symbol ever exceeds ``p_data (1−s)/(1−ks)``.

    ecosystem run scenarios/loop.py
    ecosystem run scenarios/loop.py --set share=0.2 --set k=4

Takes seconds; needs nothing more.
"""

from collections.abc import Sequence

from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular


def scenario(
    k: int = 4,
    share: float = 1.0,
    rewards: Sequence[float] = (0.0, 1.0, 2.0),
    data: Sequence[float] = (0.5, 0.3, 0.2),
    rounds: int = 20,
    samples: int | None = None,
) -> Scenario:
    """A curated self-loop with ``share`` of its diet curated, the rest real."""
    law = Categorical(data)
    s = Scenario("loop", rounds=rounds, samples=samples)
    s.add("model", Member(law, reward=Tabular(rewards), curator=Luce(k), real=law))
    s.connect("model", "model", Flow(curated=share))
    return s
