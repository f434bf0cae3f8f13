"""What does a model end up making for users who disagree?

Each comparison is judged by a user drawn from a population: a part ``first`` likes the first of two groups of options
better by ``gap``, the rest the second. After Zhao, Fu, Pham 2025 (arXiv 2511.09002): with infinitely many candidates a
round is a step of expectation maximisation, and the objective ``(1−η) E_ref log p + η E_w log E_p e^{r_w}`` never falls
(``η`` is the part of the diet that is curated; the function ``objective`` below). Without real data the first group
ends with ``clip((q−κ)/(1−2κ), 0, 1)`` of all output, ``κ = 1/(1+e^gap)``: a small minority is not served at all, a
large one less than its number. With ``first`` = .3 and a gap of 2 it is .237.

    ecosystem run scenarios/heterogeneous.py
    ecosystem run scenarios/heterogeneous.py --set first=0.1

Takes seconds; needs nothing more.
"""

import math

import torch
from torch import Tensor

from ecosystem import Categorical, Crowd, Flow, Member, Scenario, Tabular, Tilt


def scenario(
    first: float = 0.3, gap: float = 2.0, share: float = 1.0, rounds: int = 200, samples: int | None = None
) -> Scenario:
    """Two options in each group, all as likely at the start and in the real data; ``share`` of the diet is curated."""
    even = Categorical([0.25] * 4)
    s = Scenario("heterogeneous", rounds=rounds, samples=samples)
    mean = Tabular((first * tastes(gap)[0] + (1 - first) * tastes(gap)[1]).tolist()).named("the users' mean")
    crowd = Crowd((Tilt(), Tilt()), [Tabular(taste.tolist()) for taste in tastes(gap)], [first, 1 - first])
    s.add("model", Member(even, reward=mean, curator=crowd, real=even))
    s.connect("model", "model", Flow(curated=share))
    return s


def tastes(gap: float) -> Tensor:
    """What each of the two kinds of users thinks of the four options, ``[2, 4]``."""
    return torch.tensor([[gap, gap, 0.0, 0.0], [0.0, 0.0, gap, gap]], dtype=torch.float64)


def served(first: float, gap: float) -> float:
    """The closed form: what the first group of options ends with without real data."""
    kappa = 1 / (1 + math.exp(gap))
    return min(1.0, max(0.0, (first - kappa) / (1 - 2 * kappa)))


def objective(p: Tensor, first: float, gap: float, share: float = 1.0) -> float:
    """What never falls, of probabilities ``[4]``."""
    weights = torch.tensor([first, 1 - first], dtype=p.dtype)
    users = (weights * (p * tastes(gap).exp()).sum(-1).log()).sum()
    return float(share * users + (1 - share) * p.log().mean())
