"""How far does the inversion reach? Two to twenty models, and everything that can vary in a network of them.

Every model writes posts of six kinds, which lie on a circle and are equally frequent in real data. It reads its own,
its neighbours' (``coupling`` is their part of what models wrote) and real ones (``real``); of what models wrote a part
``curation`` is chosen by Luce among ``candidates`` at ``temperature``, by its own users or by those of whoever wrote it
(``chosen_by``). Users like the posts that lie in their direction, drawn by the seed ``tastes``. With ``drift`` what
they want is so far what they see, and for the rest what they wanted at first. ``retention`` is what a model trains on:
the newest round's posts, those of three rounds, or all.

Whose users choose can decide the sign. In the network of the second command two of three models like much the same. A
little more curation of what the third, ``m2``, reads lowers its own alignment (−.344 per unit) where writers' users
choose, for it reads what the other two's users chose; with ``chosen_by=consumer`` it raises it (.497).

    ecosystem run scenarios/robustness.py
    ecosystem influence scenarios/robustness.py --set members=3 --set coupling=0.8 --set chosen_by=producer

Takes seconds; needs nothing more.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular, accumulate, replace, window
from ecosystem.curation import Learner, Seen
from ecosystem.rewards import Reward
from scenarios.networked import GRAPHS

POSTS = np.arange(6) * np.pi / 3  # angles
RETENTIONS = {"replace": replace(), "window": window(3), "accumulate": accumulate()}


def scenario(
    members: int = 4,
    topology: str = "ring",
    coupling: float = 0.5,
    curation: float = 0.5,
    candidates: int = 4,
    temperature: float = 0.3,
    real: float = 0.2,
    drift: float = 0.0,
    chosen_by: Literal["consumer", "producer"] = "consumer",
    retention: str = "replace",
    tastes: int = 2,
    rounds: int = 60,
    samples: int | None = None,
) -> Scenario:
    """``members`` on a graph; to users posts are worth from −.58 to .58, and ``temperature`` counts in that."""
    if topology not in GRAPHS:
        raise ValueError(f"scenario(topology) is one of {', '.join(GRAPHS)}, got {topology!r}")
    if retention not in RETENTIONS:
        raise ValueError(f"scenario(retention) is one of {', '.join(RETENTIONS)}, got {retention!r}")
    s = Scenario(f"robustness: {topology}", rounds=rounds, samples=samples)
    posts = Categorical(np.full(len(POSTS), 1 / len(POSTS)))
    for i, wanted in enumerate(first_tastes(members, tastes)):
        users = {
            "curator": Luce(candidates, temperature),
            "learn": Anchored(wanted, torch.tensor(drift).double()) if drift else None,
        }
        s.add(f"m{i}", Member(posts, reward=Tabular(wanted), real=posts, retention=RETENTIONS[retention], **users))
    links = GRAPHS[topology](members)
    for i in range(members):
        parts = {i: 1 - coupling} | {j: coupling / links.degree[i] for j in links[i]}
        for j, part in parts.items():
            share = (1 - real) * part
            chosen = Flow(raw=(1 - curation) * share, curated=curation * share, chosen_by=chosen_by)
            s.connect(f"m{j}", f"m{i}", chosen)
    return s


def first_tastes(members: int, seed: int) -> Tensor:
    """Rewards of the posts for each member ``[members, 6]``, of length 1: the cosine to a direction that is drawn."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (members, 1))
    return torch.as_tensor(np.cos(angles - POSTS) / np.sqrt(len(POSTS) / 2))


@dataclass(frozen=True, eq=False)
class Anchored(Learner):
    """``w⁺ = (1 − d) w₀ + d p``: of what users want a part ``d`` is what they see, posts of frequencies ``p``."""

    first: Tensor
    drift: Tensor
    batched = True

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        drift = self.drift.unsqueeze(-1)
        return (1 - drift) * self.first + drift * seen.mean(reward.features())
