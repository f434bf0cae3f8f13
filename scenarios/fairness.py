"""What becomes of a group for whom nobody curates, does a quota mend it, and what does it cost the others?

Six options, two made for each of three groups that are .6, .3 and .1 of the population; real data have the options in
these proportions. Four models read real data to a tenth, what their own users keep to half of the rest, and what those
of the model before them keep to the other half. The users are a community in which each has a taste, and ``few`` make a
part ``voice`` of the choices: none at first. A ``quota`` keeps that part of what is curated for options made for
``few``, whoever likes them, in the first ``adopters`` models; within it, and within the rest, users choose as they do.
This is no paper's model; all numbers are exact, those of the stable point (``outcomes``):

    setting                     made for few    alignment of most / some / few    of all
    nobody curates for them             .016             1.168 / .494 / .051        .854
    voice .1                            .022             1.145 / .506 / .064        .845
    quota .1                            .100             1.032 / .460 / .197        .777
    quota .2                            .190              .891 / .420 / .353        .696
    no quota, real data to half         .063             1.015 / .575 / .139        .796

A tenth of the population is served to a sixtieth, and its own voice hardly helps: it is one choice in ten, among
candidates that are seldom made for it. A quota of its share brings it exactly that share (``real · .1 + (1 − real) ·
quota`` everywhere, whatever the tastes), and is paid for by both other groups, by ``some`` too (.034), who are no more
than a third of the rest. As much real data as curated costs ``most`` more than the quota does and gives ``few`` less;
``some`` gain by it. If one model of four adopts the quota of .1, the next one, which reads what its users keep, makes
more for ``few`` than the adopter itself: .058, .068, .028, .018 along the ring.

    ecosystem run scenarios/fairness.py
    ecosystem run scenarios/fairness.py --set quota=0.1 --set adopters=1

Takes seconds; needs nothing more.
"""

import pandas as pd
import torch

from ecosystem import Categorical, Community, Flow, Luce, Member, Quota, Scenario, Tabular, WeightedSum
from ecosystem.influence import stable_point

POPULATION = {"most": 0.6, "some": 0.3, "few": 0.1}
BY = [0, 0, 1, 1, 2, 2]  # for which of these groups each option is made
TRUTH = [0.32, 0.28, 0.17, 0.13, 0.06, 0.04]  # real data have them in the proportions of the population
TASTES = {  # what each user of a group thinks of the six options
    "most": [[2.0, 1.5, 0.2, 0.0, -0.5, -0.5], [1.5, 2.0, 0.0, 0.2, -0.5, -0.5], [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]],
    "some": [[0.2, 0.0, 2.0, 1.5, 0.0, 0.0], [0.0, 0.2, 1.5, 2.0, 0.0, 0.0]],
    "few": [[0.0, 0.0, 0.2, 0.0, 2.0, 1.5], [0.0, 0.0, 0.0, 0.2, 1.5, 2.0]],
}


def community(voice: float = 0.0) -> Community:
    """The users: ``few`` make a part ``voice`` of all choices, the others the rest, two to one."""
    tastes = [Tabular(taste) for group in TASTES.values() for taste in group]
    groups = [name for name, group in TASTES.items() for _ in group]
    return Community(Luce(4), tastes, groups, {"most": (1 - voice) * 2 / 3, "some": (1 - voice) / 3, "few": voice})


def scenario(
    quota: float | None = None,
    adopters: int = 4,
    members: int = 4,
    voice: float = 0.0,
    real: float = 0.1,
    rounds: int = 100,
    samples: int | None = None,
) -> Scenario:
    """Members in a ring: half of the rest of each diet is curated by its own users, half comes curated from before.

    With ``quota`` the users of the first ``adopters`` members keep that part for options that are made for ``few``.
    """
    users, truth = community(voice), Categorical(TRUTH)
    mean = WeightedSum([users.taste(group) for group in POPULATION], list(POPULATION.values())).named("all users")
    s = Scenario("fairness", rounds=rounds, samples=samples)
    for i in range(members):
        quotas = [] if quota is None or i >= adopters else [1 - quota, quota]
        curator = Quota([0, 0, 0, 0, 1, 1], quotas, users) if quotas else users
        s.add(f"m{i}", Member(truth, reward=mean, curator=curator, real=truth))
    for i in range(members):
        s.connect(f"m{i}", f"m{i}", Flow(curated=(1 - real) / 2))
        s.connect(f"m{(i - 1) % members}", f"m{i}", Flow(curated=(1 - real) / 2))
    return s


def outcomes(s: Scenario) -> pd.DataFrame:
    """At the stable point: the part of each member's output made for each group, and what it thinks of all of it.

    One row for a member and group; columns ``member``, ``group`` (``all`` has the population's mean), ``part`` and
    ``alignment``.
    """
    users, found = community(), []
    for name, p in stable_point(s).parameters.items():
        parts = torch.zeros(3, dtype=p.dtype).index_add_(0, torch.tensor(BY), p).tolist()
        think = [float((users.taste(group)(torch.arange(6)) * p).sum()) for group in POPULATION]
        found += [(name, *row) for row in zip(POPULATION, parts, think, strict=True)]
        found.append((name, "all", 1.0, sum(a * b for a, b in zip(POPULATION.values(), think, strict=True))))
    return pd.DataFrame(found, columns=["member", "group", "part", "alignment"])
