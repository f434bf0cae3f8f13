"""Does the shape of a network decide whether curation by some helps the others?

Twenty to two hundred models in a ring, a star, a random network (Erdős–Rényi), a small world (Watts–Strogatz) or a
scale-free one (Barabási–Albert). Neighbours read each other: a member takes what its neighbours publish in equal parts,
and a tenth of its diet is real. Every member has a taste of its own, which agrees with another's in part: by a cosine
of 0.3 on average. The users of a fifth of the members curate: they choose the part ``curation`` of what their model
trains on, and the rest of its diet, the real part too, shrinks in proportion. What they choose lies one standard
deviation further along their taste, as if each had picked one of very many by Luce's rule. These are members drawn by
lot (``who="anybody"``) or those that most others read (``who="most read"``).

Alignment is in standard deviations of what a model makes, along the taste of its users; without curation it is 0 for
everybody. So a member below 0 has been harmed by what others chose. Tastes and lots are the same in every family.

    ecosystem run scenarios/families.py --set family=star --set members=20
    ecosystem study scenarios/families.py --out runs/families                   # 480 points
    python analysis/families.py --study runs/families                           # the answer

Takes seconds, the study twenty minutes; needs nothing more.
"""

from collections.abc import Callable, Sequence
from functools import partial

import networkx as nx
import numpy as np
import pandas as pd

from ecosystem import Flow, Linear, Location, Member, Record, Run, Scenario, Shift, Study
from ecosystem.influence import influence, stable_point
from ecosystem.study import of_scenario

DIMENSION = 8
AGREEMENT = 0.3  # the mean cosine of two tastes
NEIGHBOURS = 4  # on average, where the family leaves it open
WHO = ("anybody", "most read")
Family = Callable[[int, int], nx.Graph]  # members, draw

FAMILIES: dict[str, Family] = {
    "ring": lambda n, draw: nx.cycle_graph(n),
    "star": lambda n, draw: nx.star_graph(n - 1),
    "random": lambda n, draw: connected(partial(nx.gnm_random_graph, n, n * NEIGHBOURS // 2), draw),
    "small world": lambda n, draw: nx.connected_watts_strogatz_graph(n, NEIGHBOURS, 0.1, seed=draw),
    "scale free": lambda n, draw: nx.barabasi_albert_graph(n, NEIGHBOURS // 2, seed=draw),
}


def scenario(
    family: str = "ring",
    members: int = 50,
    curators: float = 0.2,
    curation: float = 0.3,
    who: str = "anybody",
    draw: int = 0,
    real: float = 0.1,
    rounds: int = 80,
    samples: int | None = 32,
) -> Scenario:
    """``draw`` numbers the networks of a family, with other links, tastes and lots each."""
    graph = network(family, members, draw)
    rng = np.random.default_rng(draw)
    tastes = drawn_tastes(members, rng)
    chosen = choosing(graph, round(curators * members), who, rng)
    truth = Location(np.zeros(DIMENSION))

    def member(node: int) -> Member:
        start = Location(np.zeros(DIMENSION))
        return Member(start, reward=Linear(tastes[node]), curator=Shift(tastes[node]), real=truth)

    def flow(u: int, v: int) -> Flow:
        level = curation if v in chosen else 0.0
        raw, curated = (1 - level) * (1 - real), level
        return Flow(raw=raw / graph.in_degree(v), curated=curated / graph.in_degree(v), chosen_by="consumer")

    return Scenario.from_graph(graph, member=member, flow=flow, name=family, rounds=rounds, samples=samples)


def network(family: str, members: int, draw: int = 0) -> nx.DiGraph:
    """A connected network of a family; neighbours read each other."""
    if family not in FAMILIES:
        raise ValueError(f"there is no family {family!r}; there are {', '.join(FAMILIES)}")
    if members <= NEIGHBOURS:
        raise ValueError(f"members must be more than {NEIGHBOURS}, the neighbours that many have; got {members!r}")
    return FAMILIES[family](members, draw).to_directed()


def connected(make: Callable[..., nx.Graph], draw: int) -> nx.Graph:
    """The first connected graph of those that ``draw`` stands for."""
    return next(graph for i in range(10_000) if nx.is_connected(graph := make(seed=10_000 * draw + i)))


def drawn_tastes(members: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors ``[members, DIMENSION]``: a common part and one of one's own."""
    common, *own = (x / np.linalg.norm(x) for x in rng.normal(size=(members + 1, DIMENSION)))
    tastes = np.sqrt(AGREEMENT) * common + np.sqrt(1 - AGREEMENT) * np.array(own)
    return tastes / np.linalg.norm(tastes, axis=1, keepdims=True)


def choosing(graph: nx.DiGraph, count: int, who: str, rng: np.random.Generator) -> set[int]:
    """The members whose users curate, at least one; of members that are read equally much the lot decides."""
    if who not in WHO:
        raise ValueError(f"who must be {' or '.join(map(repr, WHO))}, got {who!r}")
    order = rng.permutation(len(graph)).tolist()
    if who == "most read":
        order.sort(key=lambda node: -graph.out_degree(node))
    return set(order[: max(count, 1)])


# -- the study ---------------------------------------------------------------------------------------------------------


def study(
    members: Sequence[int] = (20, 50, 200),
    draws: int = 8,
    seeds: int = 4,
    curators: float = 0.2,
    rounds: int = 80,
    samples: int | None = 32,
) -> Study:
    """Families × members × curation × who curates × ``draws`` of the network; the ends of the runs, and what is exact.

    Tables: ``rounds`` (the last one), ``groups``, ``standing`` and ``reach``, each explained below.
    """
    grid = {
        "family": list(FAMILIES),
        "members": list(members),
        "curation": [0.1, 0.3],
        "who": list(WHO),
        "draw": range(draws),
        "curators": curators,
        "rounds": rounds,
        "samples": samples,
    }
    measures = ["rounds", groups, of_scenario(standing), of_scenario(reach)]
    return Study("families", scenario, grid=grid, seeds=seeds, measure=measures, record=Record(last=1))


def groups(run: Run) -> pd.DataFrame:
    """Of those who curate and of the others, in each replicate: how many, and their mean alignment at the end."""
    end = run.rounds[run.rounds["round"] == run.rounds["round"].max()]
    curates = run.members.set_index("member")["curation"] > 0
    group = end["member"].astype(str).map(curates).map({True: "curators", False: "others"}).rename("group")
    table = end.groupby(["seed", "replicate", group])["alignment"].agg(["size", "mean"])
    return table.rename(columns={"mean": "alignment"}).reset_index()


def standing(scenario: Scenario) -> pd.DataFrame:
    """Of each member: whether it curates, how many read it, and its alignment at the stable point."""
    point = stable_point(scenario, starts=1)  # the scenario is affine: there is one
    graph = scenario.graph
    rows = [(name, scenario.curation(name) > 0, graph.out_degree(name), point.alignment[name]) for name in graph]
    return pd.DataFrame(rows, columns=["member", "curates", "readers", "alignment"])


def reach(scenario: Scenario) -> pd.DataFrame:
    """What more curation at each source does at each distance, in links: a row a source and distance.

    ``effect`` is the sum of ``dJ/dλ`` over all who are ``reached`` there, ``harmed`` how many of these are negative.
    Distance 0 is the source itself (its private value), the rest adds up to its externality.
    """
    matrix, graph = influence(scenario).matrix, scenario.graph
    distances = pd.DataFrame({k: nx.single_source_shortest_path_length(graph, k) for k in matrix.columns})
    table = pd.DataFrame({"distance": distances.unstack(), "effect": matrix.unstack()}).rename_axis(
        ["source", "target"]
    )
    table = table.assign(reached=1, harmed=table["effect"] < 0).groupby(["source", "distance"]).sum().reset_index()
    return table.assign(readers=table["source"].map(dict(graph.out_degree())))
