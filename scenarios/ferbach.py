"""One model that trains on its own curated output: does it come to please its users?

The smallest ecosystem: a law on a few symbols, each with a reward, and users who choose one of ``k`` candidates by
Luce's rule (``k=0``: infinitely many). With nothing but curated data the favourite symbol takes over (Ferbach et al.
2024, arXiv 2407.09499): the expected ``e^r`` never falls, and with infinitely many candidates ``p_t ∝ p_0 e^{t r}``.
Real data hold it back: with a curated share ``s < 1/k``, started at the real law, no symbol ever exceeds ``p_data
(1−s)/(1−ks)``. With ``mixture=true`` the symbols are the components of a mixture of Gaussians in the plane, of whose
samples each is worth what the nearest centre is worth; centres are far apart, so the weights go the way of the symbols:
of .5, .3, .2 to .091, .273, .636 in two rounds of four candidates, .088, .256 and .656 among 4,000 samples.

    ecosystem run scenarios/ferbach.py
    ecosystem run scenarios/ferbach.py --set share=0.2 --set k=4
    ecosystem run scenarios/ferbach.py --set mixture=true --set rounds=5

Takes seconds; needs nothing more.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ecosystem import Categorical, Flow, GaussianMixture, Luce, Member, Scenario, Tabular, Tilt

RADIUS, SCALE = 4.0, 0.3  # of the circle of centres, and of each component: neighbours are 13 deviations of it apart


def scenario(
    k: int = 4,
    share: float = 1.0,
    rewards: Sequence[float] = (0.0, 1.0, 2.0),
    data: Sequence[float] = (0.5, 0.3, 0.2),
    mixture: bool = False,
    rounds: int = 20,
    samples: int | None = None,
) -> Scenario:
    """A curated self-loop with ``share`` of its diet curated, the rest real; mixtures make 4,000 samples by default."""
    s = Scenario("single loop", rounds=rounds, samples=samples or (4000 if mixture else None))
    law = blobs(data) if mixture else Categorical(data)
    reward = of_nearest(rewards) if mixture else Tabular(rewards)
    s.add("model", Member(law, reward=reward, curator=Luce(k) if k else Tilt(), real=law))
    s.connect("model", "model", Flow(curated=share))
    return s


def centres(count: int) -> Tensor:
    """Points on a circle, ``[count, 2]``."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return RADIUS * torch.stack([angle.cos(), angle.sin()], -1)


def blobs(weights: Sequence[float]) -> GaussianMixture:
    """A component of each weight round each centre."""
    count = len(weights)
    return GaussianMixture(weights, centres(count), SCALE**2 * torch.eye(2).expand(count, 2, 2))


def of_nearest(rewards: Sequence[float]):
    """The reward ``[..., 2] -> [...]`` of points: that of the nearest centre."""
    values, where = torch.tensor(rewards, dtype=torch.float64), centres(len(rewards))

    def what_the_nearest_centre_is_worth(x: Tensor) -> Tensor:
        return values[(x.unsqueeze(-2) - where).square().sum(-1).argmin(-1)]

    return what_the_nearest_centre_is_worth
