"""How far does the inversion reach? Two to twenty models, and everything that can vary in a network of them.

Every model writes posts of six kinds, which lie on a circle and are equally frequent in real data. It reads its own,
its neighbours' (``coupling`` is their part of what models wrote) and real ones (``real``); of what models wrote a part
``curation`` is chosen by Luce among ``candidates`` at ``temperature``, by its own users or by those of whoever wrote it
(``chosen_by``). Users like the posts that lie in their direction, drawn by the seed ``tastes`` from an arc that is the
shorter the more they agree (``agreement``; 0: the whole circle, 1: all want the same). With ``drift`` what they want is
so far what they see, and for the rest what they wanted at first. Of what a model trains on the newest round is the part
``fresh``, the rest is what it trained on before.

Whose users choose can decide the sign. In the network of the second command two of three models like much the same. A
little more curation of what the third, ``m2``, reads lowers its own alignment (−.344 per unit) where writers' users
choose; with ``chosen_by=consumer`` it raises it (.497). `analysis/robustness.py` asks in how many networks that is so.

    ecosystem run scenarios/robustness.py
    ecosystem influence scenarios/robustness.py --set members=3 --set coupling=0.8 --set chosen_by=producer

Takes seconds; needs nothing more.
"""

from dataclasses import dataclass
from typing import Literal

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular, fade
from ecosystem.curation import Learner, Seen
from ecosystem.rewards import Reward

GRAPHS = {
    "ring": nx.cycle_graph,
    "complete": nx.complete_graph,
    "star": lambda n: nx.star_graph(n - 1),
    "path": nx.path_graph,
}
POSTS = np.arange(6) * np.pi / 3  # angles


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
    fresh: float = 1.0,
    agreement: float = 0.0,
    tastes: int = 2,
    rounds: int = 60,
    samples: int | None = None,
) -> Scenario:
    """``members`` on a graph; to users posts are worth from −.58 to .58, and ``temperature`` counts in that."""
    if topology not in GRAPHS:
        raise ValueError(f"scenario(topology) is one of {', '.join(GRAPHS)}, got {topology!r}")
    if not 0 <= agreement <= 1:
        raise ValueError(f"scenario(agreement) lies between 0 and 1, got {agreement!r}")
    s = Scenario(f"robustness: {topology}", rounds=rounds, samples=samples)
    posts = Categorical(np.full(len(POSTS), 1 / len(POSTS)))
    for i, wanted in enumerate(first_tastes(members, tastes, agreement)):
        users = {
            "curator": Luce(candidates, temperature),
            "learn": Anchored(wanted, torch.tensor(drift).double()) if drift else None,
        }
        s.add(f"m{i}", Member(posts, reward=Tabular(wanted), real=posts, retention=fade(fresh), **users))
    links = GRAPHS[topology](members)
    for i in range(members):
        parts = {i: 1 - coupling} | {j: coupling / links.degree[i] for j in links[i]}
        for j, part in parts.items():
            share = (1 - real) * part
            chosen = Flow(raw=(1 - curation) * share, curated=curation * share, chosen_by=chosen_by)
            s.connect(f"m{j}", f"m{i}", chosen)
    return s


def first_tastes(members: int, seed: int, agreement: float = 0.0) -> Tensor:
    """Rewards of the posts for each member ``[members, 6]``, of length 1: the cosine to a direction that is drawn."""
    angles = (1 - agreement) * np.random.default_rng(seed).uniform(0, 2 * np.pi, (members, 1))
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
