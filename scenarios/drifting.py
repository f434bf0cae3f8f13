"""Do users who come to like what they are shown make a model settle, or lock it in?

A model of ten classes trains on a part ``curated`` of its own output, which users chose by their taste ``w``, and on
real data that are all alike. After each round the users move towards what they then see, ``w⁺ = (1−β) w + β p`` within
the unit ball (``drift`` is β; after Wei, Xie, Zhu, Zhang 2026, arXiv 2610.09415, whose ``τ`` multiplies the reward). Of
frozen users (``drift=0``) who like the first class alone it holds .547 of the output in the end. Users who drift forget
why: what is left of the first class is what they were used to. There are two thresholds. Above 1/(1+τ/10) = 2/3 the
even state loses its stability, and the smallest ``lead`` decides; from .427 on a large lead already locks in, while a
small one is forgotten: at .5 a lead of .99 ends at .502 and one of .01 at .1; at .4 both end at .1, at .7 both at .722.

    ecosystem run scenarios/drifting.py
    ecosystem run scenarios/drifting.py --set lead=0.01
    ecosystem run scenarios/drifting.py --set curated=0.7 --set lead=0.01 --set rounds=1000

Takes seconds; needs nothing more.
"""

import torch

from ecosystem import Categorical, Drift, Flow, Member, Scenario, Tabular, Tilt

CLASSES = 10


def scenario(
    curated: float = 0.5,
    drift: float = 0.5,
    tau: float = 5.0,
    lead: float = 0.99,
    rounds: int = 200,
    samples: int | None = None,
) -> Scenario:
    """A self-loop whose users' taste, and whose model, begin ``lead`` of the way from the even state to one class."""
    even = torch.full((CLASSES,), 1 / CLASSES, dtype=torch.float64)
    ahead = even.clone().lerp_(torch.eye(CLASSES, dtype=torch.float64)[0], lead)
    learn = Drift(drift) if drift else None
    s = Scenario("drifting", rounds=rounds, samples=samples)
    model = Member(
        Categorical(ahead), reward=Tabular(ahead), curator=Tilt(1 / tau), real=Categorical(even), learn=learn
    )
    s.add("model", model)
    s.connect("model", "model", Flow(curated=curated))
    return s
