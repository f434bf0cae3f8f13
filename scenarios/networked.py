"""How different do models stay that read each other, and what has the graph to do with it? Nobody curates.

Every member has real data of its own, and reads its neighbours to a weight ``λ`` against them: a part ``λ/(1 + λ)`` of
its diet is theirs. After Wei, Zhang, Zhang 2026 (arXiv 2610.09409). The network settles at ``F = (I + Λ(I − W))⁻¹ m``
with the means ``m`` of the real data, and on symmetric graphs members stand closer together than their real data by
the factor ``(1 + λμ₂)²`` at least, ``μ₂`` the algebraic connectivity: at most a quarter of the diversity is left on a
ring of four with ``λ = 1``, .184 where all read all. On other graphs diversity can rise: of three members at −1, 0 and
1 only the middle one reads, and only the first (``graph=one``): 13/12. ``ecosystem.influence.certificates(scenario())``
has the numbers, the dominant cycle among them.

    ecosystem run scenarios/networked.py
    ecosystem run scenarios/networked.py --set graph=star --set weight=3

Takes seconds; needs nothing more.
"""

import networkx as nx
import numpy as np

from ecosystem import Flow, Location, Member, Quadratic, Scenario

GRAPHS = {
    "ring": nx.cycle_graph,
    "complete": nx.complete_graph,
    "star": lambda n: nx.star_graph(n - 1),
    "path": nx.path_graph,
}


def scenario(
    members: int = 4, weight: float = 1.0, graph: str = "ring", rounds: int = 60, samples: int | None = None
) -> Scenario:
    """Members on a line from −1 to 1 who read their neighbours alike; their users like what their real data are.

    ``graph="one"`` has three members, whatever ``members`` says.
    """
    if graph not in (*GRAPHS, "one"):
        raise ValueError(f"graph is one of {', '.join([*GRAPHS, 'one'])}, got {graph!r}")
    s = Scenario(f"networked: {graph}", rounds=rounds, samples=samples)
    means = np.linspace(-1, 1, members if graph != "one" else 3)
    for i, mean in enumerate(means):
        s.add(f"m{i}", Member(Location([mean], 0.5), reward=Quadratic([mean], 1.0), real=Location([mean], 0.5)))
    if graph == "one":
        s.connect("m0", "m1", Flow(raw=weight / (1 + weight)))
        return s
    links = GRAPHS[graph](members)
    for i in links:
        for j in links[i]:
            s.connect(f"m{j}", f"m{i}", Flow(raw=weight / (1 + weight) / links.degree[i]))
    return s
