"""Scenarios built for the purpose: interventions, agents, clocks, delays, kept data, crowds, models of one's own."""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ecosystem import (
    BestOf,
    Blind,
    Categorical,
    Crowd,
    Curate,
    Disconnect,
    Distance,
    Flow,
    FlowMatching,
    Freeze,
    Gaussian,
    GaussianMixture,
    GenerativeModel,
    HoldThenDecay,
    Leave,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    ModelAgent,
    Quadratic,
    Scenario,
    Shift,
    Stream,
    Tabular,
    Thaw,
    Tilt,
    TopFraction,
    Training,
    Users,
    WeightedSum,
    accumulate,
    at,
    every,
    never,
    poisson,
    sequential,
    shuffled,
    subsample,
    window,
)
from tests.golden.gallery import ALL, both, played
from tests.golden.tables import Tables, of_run, stacked
from tests.networks import FAMILIES, random_scenario

RIGHT, UP = Linear([1.0, 0.3]), Linear([-0.2, 1.0])
TURN = LinearMap([[0.8, -0.3], [0.3, 0.8]], [0.1, 0.0])
CROWD = Crowd([Luce(3), BestOf(2), Blind()], [None, UP, None], [0.5, 0.3, 0.2], [False, False, False])


def located(x: float, y: float, **settings: Any) -> Member:
    """A location member with real data about the origin."""
    return Member(Location([x, y], 0.7), **{"reward": RIGHT, "real": Location([0.0, 0.0], 0.7)} | settings)


def spread(x: float, y: float, **settings: Any) -> Member:
    """A Gaussian one."""
    start = Gaussian([x, y], [[1.0, 0.2], [0.2, 0.5]])
    return Member(start, **{"reward": UP, "real": Gaussian([0.0, 0.0], [[0.8, 0.0], [0.0, 0.8]])} | settings)


# -- what happens from outside -----------------------------------------------------------------------------------------


def eventful() -> Scenario:
    """Every intervention, schedule and retention, delays, transforms, crowds and users of a flow's own."""
    s = Scenario("eventful", rounds=9, samples=14, ordering=shuffled)
    s.add("wide", located(0.5, 0.0, curator=Luce(3), retention=window(3)))
    s.add("grown", located(-0.5, 0.2, curator=Tilt(2.0), retention=accumulate()))
    s.add("few", spread(0.1, 0.4, curator=Shift([0.2, 0.1]), retention=subsample(20)))
    s.add("clock", spread(-0.3, 0.0, curator=Luce(2, 0.5), schedule=poisson(0.8)))
    s.add("late", located(1.0, 1.0, curator=BestOf(3), reward=UP), joins=3)
    s.add("turns", located(0.0, -1.0, curator=Crowd.adversarial(Shift([0.3, 0.0]), 0.3), schedule=every(2, start=1)))
    s.add("twice", located(0.2, 0.2, schedule=at(2, 6), retention=window(2)))
    s.add("still", spread(2.0, 0.0, schedule=never))
    s.connect("wide", "grown", Flow(raw=0.2, curated=0.3))
    s.connect("grown", "wide", Flow(raw=0.1, curated=0.4, chosen_by="consumer", transform=TURN, delay=2))
    s.connect("wide", "wide", Flow(curated=0.2))
    s.connect("few", "clock", Flow(raw=0.2, curated=0.3, delay=1))
    s.connect("clock", "few", Flow(raw=0.3, curated=0.2, chosen_by="consumer"))
    s.connect("late", "twice", Flow(raw=0.2, curated=0.4))
    s.connect("late", "turns", Flow(raw=0.1, curated=0.3, chosen_by=Users(UP, Luce(2))))
    s.connect("turns", "late", Flow(raw=0.2, transform=TURN), appears=5)
    s.connect("turns", "twice", Flow(curated=0.2))
    s.connect("still", "few", Flow(raw=0.1))
    s.at(2, Freeze("wide"), Curate("grown", 0.5))
    s.at(4, Thaw("wide"), Disconnect("few", "clock"))
    s.at(6, Curate("wide", 0.2), Curate("grown", 0.1))
    s.at(7, Leave("still"))
    s.at(8, Leave("late"))
    return s


def crowded() -> Scenario:
    """Crowds with tastes of their own, rewards of every kind on vectors, and choices without a population law."""
    s = Scenario("crowded", rounds=4, samples=16, ordering=sequential("a", "b", "c", "d"))
    both_tastes = WeightedSum([RIGHT, Distance([1.0, 1.0], 0.5)], [0.7, 0.3])
    s.add("a", located(0.0, 0.0, curator=CROWD))
    s.add("b", located(1.0, 0.0, reward=both_tastes, curator=TopFraction(0.4)))
    s.add("c", spread(0.0, 1.0, reward=Quadratic([0.5, 0.1], 0.4), curator=Crowd.noisy(BestOf(4), 0.25)))
    s.add("d", spread(0.5, 0.5, reward=Distance([2.0, 0.0]), curator=Luce(4, 0.3), retention=window(2)))
    for u, v in zip("abcd", "bcda", strict=True):
        s.connect(u, v, Flow(raw=0.2, curated=0.3))
        s.connect(v, u, Flow(curated=0.2, chosen_by="consumer", transform=TURN))
    s.connect("a", "c", Flow(curated=0.2, chosen_by=Users(UP, CROWD), delay=1))
    return s


def symbolic() -> Scenario:
    """Laws on symbols under every curator."""
    s = Scenario("symbolic", rounds=5, samples=25)
    start, taste = [0.4, 0.3, 0.2, 0.1], Tabular([0.0, 0.5, 1.0, 1.5])
    curators = [Luce(3), BestOf(3), TopFraction(0.5), Tilt(0.7), Crowd.adversarial(Luce(2), 0.2), Blind()]
    for i, curator in enumerate(curators):
        kept = [window(2), accumulate(), subsample(30)][i % 3]
        s.add(
            f"m{i}", Member(Categorical(start), reward=taste, curator=curator, real=Categorical(start), retention=kept)
        )
    for i in range(len(curators)):
        s.connect(f"m{i}", f"m{i}", Flow(curated=0.4))
        s.connect(f"m{i - 1 if i else 5}", f"m{i}", Flow(raw=0.2, curated=0.2, delay=i % 2))
    return s


def mixed_up() -> Scenario:
    """Mixtures of Gaussians, which a flow may fill with points of any law."""
    s = Scenario("mixtures", rounds=3, samples=30)
    start = GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], [[[0.3, 0.0], [0.0, 0.3]]] * 2, floor=0.05)
    s.add("two", Member(start, reward=UP, curator=BestOf(2), real=circle().double()))
    s.add("one", located(0.0, 1.0))
    s.connect("two", "two", Flow(raw=0.1, curated=0.4))
    s.connect("one", "two", Flow(raw=0.2))
    s.connect("two", "one", Flow(raw=0.5, curated=0.2))
    return s


def circle(points: int = 24) -> Tensor:
    """Real data: points on a circle."""
    angles = torch.arange(points) * (2 * math.pi / points)
    return torch.stack([angles.cos(), angles.sin()], -1)


def networks() -> Tables:
    """Random graphs, shares, curators, transforms and delays of every family."""
    drawn = [(family, seed) for family in FAMILIES for seed in (1, 2)]
    return stacked({f"{f} {n}": both(random_scenario(n, 4, f, rounds=3), replicates=2) for f, n in drawn}, "network")


# -- what agents do ----------------------------------------------------------------------------------------------------


class Restless(ModelAgent):
    """Uses every verb, in each replicate by what it sees there, and remembers how often it was pleased."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.pleased: Tensor | float = 0.0

    def decide(self) -> None:
        above = self.alignment > 0.2
        self.pleased = self.pleased + above.double()
        round = int(self.model.steps)
        if round == 2:
            self.set_curation(0.6, where=above)
        elif round == 3:
            self.set_curator(BestOf(3), reward=UP, where=above)
        elif round == 4:
            self.set_schedule(every(2), where=~above)
        elif round in (5, 7):
            self.set_frozen(round == 5, where=self.pleased > 2)
        elif round == 6:
            for source, (raw, curated) in self.sources.items():
                self.set_flow(source, raw=0.5 * raw, where=self.taste(of=source) < self.alignment)
                if bool((curated > 0).any()):
                    self.set_flow(source, curated=0.8 * curated)

    def state(self) -> dict[str, Any]:
        return {"pleased": self.pleased}

    def load_state(self, state: dict[str, Any]) -> None:
        self.pleased = state["pleased"]


class Stubborn(ModelAgent):
    """Gathers itself, and believes half of it."""

    def gather(self) -> Any:
        gathered: Any = super().gather()
        return 0.5 * gathered


def busy() -> Scenario:
    """Agents with behaviour and memory among others that have none."""
    s = Scenario("busy", rounds=8, samples=10, ordering=sequential("ann", "ben", "eve"))
    s.add("ann", located(0.1, 0.0, curator=Luce(3), agent=Restless, retention=window(2)))
    s.add("ben", located(0.4, 0.3, curator=Luce(2), agent=Restless, reward=UP))
    s.add("eve", located(-0.2, 0.1, agent=Stubborn))
    s.connect("ann", "ben", Flow(raw=0.3, curated=0.3))
    s.connect("ben", "ann", Flow(raw=0.2, curated=0.3, delay=1))
    s.connect("eve", "ann", Flow(raw=0.2))
    s.connect("ann", "eve", Flow(raw=0.4, curated=0.2))
    return s


def diverging() -> Tables:
    """Replicates that explode are stopped and told of; those that a clock spares go on."""
    s = Scenario("diverging", rounds=5, samples=6)
    s.add("loud", located(1.0, 0.0, schedule=poisson(0.5)))
    s.connect("loud", "loud", Flow(raw=1.0, transform=LinearMap([[2e4, 0.0], [0.0, 2e4]])))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*replicates diverged")
        return played(s, replicates=6)


# -- models of one's own -----------------------------------------------------------------------------------------------


class Affine(GenerativeModel):
    """Noise, scaled and shifted, trained by gradient descent with momenta that stay."""

    event_shape = (2,)

    def __init__(self, x: float = 0.0) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.full((2,), x))
        self.log_scale = nn.Parameter(torch.zeros(2))
        optimizer = partial(torch.optim.AdamW, lr=0.02)
        self.training_plan = Training(6, 8, optimizer, decay=HoldThenDecay(2), keep_optimizer=True)

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.mean + self.log_scale.exp() * rng.normal(n, 2, dtype=torch.float32)

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        z = (batch - self.mean) / self.log_scale.exp()
        return (0.5 * z**2 + self.log_scale).sum(-1).mean()


def radius(x: Tensor) -> Tensor:
    """A taste that is a function: near the circle of radius one."""
    return -((x.square().sum(-1).sqrt() - 1) ** 2)


def trained() -> Scenario:
    """Neural models beside a closed form: every retention, a delay, clocks, a function as reward."""
    s = Scenario("trained", rounds=5, samples=16, ordering=sequential("p", "q", "r", "n"))
    real = circle()
    s.add("p", Member(Affine(), reward=radius, curator=BestOf(3), real=real, retention=window(2)))
    s.add(
        "q", Member(Affine(0.5), reward=RIGHT, curator=Luce(2), real=real, retention=subsample(24), schedule=every(2))
    )
    s.add("r", Member(FlowMatching(2, training_plan=Training(3, 8)), reward=UP, real=real, retention=accumulate()))
    s.add("n", located(0.0, 0.0, curator=Luce(2), schedule=poisson(0.7)))
    for u, v in ("pq", "qp", "rp", "pr", "nq", "rn"):
        s.connect(u, v, Flow(raw=0.1, curated=0.0 if u == "r" else 0.2, delay=1 if u == "n" else 0))
    s.at(3, Freeze("r"))
    s.at(5, Thaw("r"))
    return s


CLOSED = {
    "eventful": lambda: stacked(
        {"sampled": played(eventful(), 3), "population": of_run(eventful().replace(samples=None).run(replicates=3))},
        "run",
    ),
    "crowded": lambda: played(crowded(), 3),
    "symbolic": lambda: both(symbolic()),
    "mixtures": lambda: played(mixed_up(), 2),
    "networks": networks,
    "agents": lambda: both(busy(), samples=10, replicates=4),
    "diverging": diverging,
}
NEURAL = {"trained": lambda: played(trained(), 3, ALL)}
