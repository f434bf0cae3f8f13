"""How many users must vote against a model's interest before curation harms it?

A fraction ``attackers`` of those who choose prefers what the others dislike (Wei, Zhang 2025, arXiv 2505.09768). With
infinitely many candidates (``k=0``) the expected ``e^r`` moves in a round by ``(1−φ) Var(e^r)/E[e^r] + φ Cov(e^r,
e^{−r})/E[e^{−r}]``, so that there is a threshold ``φ*`` past which curation harms: 25/54, less than a half, on four
options with ``e^r`` = 1, 2, 3, 4, all as likely. The threshold is one of the first round: which option wins in the end
is decided by the crowd as it goes on choosing. Attackers who flip labels that a reward is learned from, with a budget,
are in ``poisoned.py``.

    ecosystem run scenarios/adversarial.py
    ecosystem run scenarios/adversarial.py --set attackers=0.6 --set k=4

Takes seconds; needs nothing more.
"""

import math

from ecosystem import Categorical, Crowd, Flow, Luce, Member, Scenario, Tabular, Tilt

THRESHOLD = 25 / 54


def scenario(
    attackers: float = 0.4, k: int = 0, share: float = 1.0, rounds: int = 20, samples: int | None = None
) -> Scenario:
    """A curated self-loop whose crowd has a fraction of ``attackers``; the rest of the diet is real, all alike."""
    even = Categorical([0.25] * 4)
    crowd = Crowd.adversarial(Luce(k) if k else Tilt(), attackers)
    s = Scenario("adversarial", rounds=rounds, samples=samples)
    s.add("model", Member(even, reward=Tabular([math.log(x) for x in (1, 2, 3, 4)]), curator=crowd, real=even))
    s.connect("model", "model", Flow(curated=share))
    return s
