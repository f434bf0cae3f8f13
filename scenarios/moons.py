"""What becomes of shapes that two neural generators hand to each other? Flow matching of points in the plane.

``moons`` began with two moons, ``ring`` with eight Gaussians on a circle; both are small neural networks, trained from
where they stand each round. The users of ``moons`` like points on the right, those of ``ring`` points further up, and
each keeps the best of a few candidates. Half of each diet is real, so the shapes bend but do not vanish.

    ecosystem run scenarios/moons.py --replicates 2 --out runs/moons

Takes half a minute; needs nothing more.
"""

import math
from functools import cache, partial

import torch
from sklearn.datasets import make_moons
from torch import Tensor

from ecosystem import BestOf, Flow, FlowMatching, Linear, Member, Scenario, Stream, Training

FAST = partial(torch.optim.Adam, lr=4e-3)


def scenario(
    rounds: int = 8, samples: int = 500, steps: int = 100, warm_up: int = 2500, candidates: int = 3
) -> Scenario:
    """``steps`` of training a round, after ``warm_up`` steps on real data before the first."""
    s = Scenario("moons", rounds=rounds, samples=samples)
    likes = {
        "moons": Linear([1.0, 0.0]).named("points on the right"),
        "ring": Linear([0.0, 1.0]).named("points high up"),
    }
    for name, real in (("moons", two_moons(2000)), ("ring", eight_gaussians(2000))):
        model = FlowMatching(2, training_plan=Training(steps, 256, FAST))
        model.load_state_dict(pretrained(name, warm_up))
        s.add(name, Member(model, reward=likes[name], curator=BestOf(candidates), real=real))
    for u, v in (("moons", "ring"), ("ring", "moons")):
        s.connect(u, v, Flow(raw=0.1))
        s.connect(v, v, Flow(curated=0.4))
    return s


@cache
def pretrained(name: str, steps: int) -> dict[str, Tensor]:
    """The weights of a model trained on real data alone."""
    model = FlowMatching(2, training_plan=Training(steps, 256, FAST))
    real = two_moons(2000) if name == "moons" else eight_gaussians(2000)
    model.fit(real, Stream.root([(0, 0)])[0].at(name))
    return model.state_dict()


def two_moons(n: int) -> Tensor:
    points, _ = make_moons(n, noise=0.06, random_state=0)
    return torch.from_numpy(points).float() - torch.tensor([0.5, 0.25])


def eight_gaussians(n: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    angle = torch.randint(8, (n,), generator=rng) * (math.pi / 4)
    return 1.2 * torch.stack([angle.cos(), angle.sin()], -1) + 0.08 * torch.randn(n, 2, generator=rng)
