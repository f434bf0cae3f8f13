"""Random categorical networks that are attacked, and where they end."""

from __future__ import annotations

import numpy as np

from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular

SYMBOLS = 4


def network(seed: int, members: int = 3, rounds: int = 25) -> Scenario:
    """A ring with chords, drawn from ``seed``: users who agree roughly, real data for everybody."""
    rng = np.random.default_rng(seed)
    names, common = [f"m{i}" for i in range(members)], rng.normal(size=SYMBOLS)
    s = Scenario(f"network {seed}", rounds=rounds)
    for name in names:
        p, real = rng.dirichlet(np.ones(SYMBOLS), 2)
        taste = Tabular(common + 0.5 * rng.normal(size=SYMBOLS))
        curator = Luce(int(rng.integers(2, 5)))
        s.add(name, Member(Categorical(p), reward=taste, curator=curator, real=Categorical(real)))
    for i, v in enumerate(names):
        sources = [u for u in names if u == names[i - 1] or rng.random() < 0.4]
        shares = rng.dirichlet(np.ones(2 * len(sources) + 1))
        for k, u in enumerate(sources):
            s.connect(u, v, Flow(raw=shares[2 * k], curated=shares[2 * k + 1]))
    return s


def ends(*scenarios: Scenario) -> list[dict[str, float]]:
    """Everybody's alignment, by the true taste, in the last round that each network plays."""
    out = []
    for s in scenarios:
        last = s.run().rounds.query("round == @s.rounds")
        out.append(dict(zip(last["member"], last["alignment"], strict=True)))
    return out
