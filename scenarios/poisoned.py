"""Which labels would an attacker flip, so that a reward model curates somebody else's model astray?

A platform's users no longer choose themselves: a reward model does, a Bradley–Terry table learned from 60 comparisons
of six options. A reader trains on what it chose, a critic (whose users like the middle ones) on the reader, the
platform on the critic. An attacker flips ``budget`` labels to harm the alignment of one of them, by the true taste
(Wei, Zhang 2025, arXiv 2505.09768): any labels, those that the model is surest of (``gap``), those that prefer what it
likes best (``highest``), or those with the largest ``influence``: the gradient of the target's alignment through the
network and the inverse Hessian of what was learned, worked out again where the last flips have led.

What comes out: six flips (a tenth) against the reader take its alignment from 1.34 to 1.13; by ``gap`` to 1.20, at
random to 1.29, by ``highest`` they help it (1.36). Twelve take it to 0.97 (0.99 by ``gap``). Other labels are flipped
against the critic, who stands two flows away: six take it from 0.96 to 0.71 (``highest`` 0.82, ``gap`` 0.92, random
0.97), and make the platform's and the reader's own users *happier*, 1.25 → 1.41 and 1.34 → 1.55: whoever watches the
model that is attacked sees nothing but progress.

Where the reward model is learned anew each round, from 60 comparisons of the platform's new output, the attacker flips
six labels a round (``each_round("critic")``): after twelve rounds the critic has .74 for .88 while platform and reader
gain again (1.25 → 1.33, 1.33 → 1.45); ``gap``, ``highest`` and ``random`` flips help the critic. Against the reader the
ranking matters little: it falls by .29, by ``gap`` by .27, ``highest`` .22, at random .14.

    ecosystem run scenarios/poisoned.py
    ecosystem run scenarios/poisoned.py --set target=critic --set by=gap

``ecosystem.attack(network(), said(), "platform", "critic", budget=6).flips`` has the labels, and
``each_round("critic").flips`` those of each round.

Takes ten seconds; needs nothing more.
"""

from ecosystem import (
    Categorical,
    Comparisons,
    Flow,
    Luce,
    Member,
    Relearned,
    RelearnedAttack,
    Scenario,
    Tabular,
    attack,
    attack_relearned,
    taught,
)

OPTIONS = 6
TASTE = [0.0, 0.4, 0.8, 1.2, 1.6, 2.0]  # what everybody's users like, but for the critic's, who like the middle
CRITIC = [0.0, 1.0, 2.0, 2.0, 1.0, 0.0]


def network(rounds: int = 40, samples: int | None = None) -> Scenario:
    """A platform read by a reader, who is read by a critic, who is read by the platform; everybody has real data."""
    s = Scenario("poisoned", rounds=rounds, samples=samples)
    even = Categorical([1 / OPTIONS] * OPTIONS)
    for name, taste in (("platform", TASTE), ("reader", TASTE), ("critic", CRITIC)):
        s.add(name, Member(even, reward=Tabular(taste), curator=Luce(4), real=even))
    s.connect("platform", "platform", Flow(curated=0.4))
    s.connect("platform", "reader", Flow(raw=0.1, curated=0.6))
    s.connect("reader", "critic", Flow(raw=0.3, curated=0.2))
    s.connect("critic", "platform", Flow(raw=0.2))
    return s


def said(pairs: int = 60, seed: int = 0) -> Comparisons:
    """What the platform's users said of pairs of options."""
    return Comparisons.sampled(Tabular(TASTE), Categorical([1 / OPTIONS] * OPTIONS), pairs, seed=seed)


def scenario(
    by: str = "influence",
    budget: int = 6,
    target: str = "reader",
    pairs: int = 60,
    rounds: int = 40,
    samples: int | None = None,
    seed: int = 0,
) -> Scenario:
    """The network whose platform was taught by poisoned labels; ``budget=0`` is that of the clean ones."""
    s = network(rounds, samples)
    found = attack(s, said(pairs, seed), "platform", target, budget=budget, by=by, rounds=rounds, seed=seed)
    return taught(s, "platform", found.poisoned.reward)


def each_round(target: str = "critic", by: str = "influence", budget: int = 6, rounds: int = 12) -> RelearnedAttack:
    """The same platform where the reward model is learned anew each round, from 60 comparisons of its new output."""
    learn = Relearned(Tabular(TASTE), ridge=0.01)
    return attack_relearned(network(rounds), learn, "platform", target, labels=60, budget=budget, by=by, rounds=rounds)
