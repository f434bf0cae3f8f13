"""Who builds on whose AI assets: how far does curation travel there, and what of it hangs on what nobody publishes?

Members are organisations; each takes from those on whose models, data and applications its own are built. Such graphs
are public, and say nothing of shares: not how much of a diet is one's own data, not how much of what is taken was
chosen by somebody's users, not whether ten assets of a producer are ten times as much as one, not how alike users'
tastes are. So these are drawn from priors (``PRIORS``, uniform), and a Sobol study says what they leave uncertain:

    outcome    mean    nine of ten in    part of the variance by one alone (and with all others)
    core       .176    .008 to .596      real .30 (.51), curation .26 (.44), agreement .16 (.32)
    rim        .157    .004 to .578      agreement .26 (.48), real .22 (.43), curation .22 (.41)
    reach      2.26    .12 to 6.7        real .39 (.57), agreement .39 (.56), curation .03 (.07)
    radius     .261    .064 to .474      real .96 (.97)

``core`` is the mean alignment of who read each other in circles, ``rim`` that of all others who read, ``reach`` what
more curation at the one in the core whom most read does for all others together (ΣdJ/dλ), ``radius`` the factor by
which a round comes nearer to the stable point.

Alignment is in standard deviations of what a model makes, 0 without curation. Nearly nothing hangs on how assets are
counted, nor much on who has how much data of its own around a given mean: what ought to be asked of organisations is
their real share, before all; but of the alignment a good part is left to interactions, the difference of the two
numbers. All draw the same tastes; over 32 points four draws of them gave means of ``core`` from .19 to .26 and of
``reach`` from 2.2 to 3.0. ``analysis/supply_chain.py`` has all numbers with intervals, of 1,024 draws of the priors.

``assets`` is your copy of a table of assets, such as ``resources/all_assets.csv`` of Ecosystem Graphs (Bommasani et al.
2023, arXiv 2303.15772; ``scenarios/data/README.md`` says why it is not here). Without one it is a stand-in that is
nobody's, made at random, of about the size reported for organisations there: 140, 260 links, a cyclic core of 13. The
figures above are of the stand-in. ``like(organisations(file))`` makes one with exactly the degrees of your copy.

    ecosystem run scenarios/supply_chain.py
    ecosystem run scenarios/supply_chain.py --set assets=all_assets.csv
    ecosystem study scenarios/supply_chain.py --out runs/supply_chain          # 896 points, ten minutes
    python analysis/supply_chain.py --closed --size 1024                       # the same by linear algebra, a minute

Takes seconds; needs nothing more.
"""

import ast
import csv
from collections import Counter
from functools import cache, partial
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from scipy.stats import qmc

from ecosystem import Flow, Linear, Location, Member, Scenario, Study, Tilt, shares_of
from ecosystem.influence import influence
from ecosystem.study import of_scenario

DIMENSION = 4
PRIORS = {  # what nobody publishes: uniform between these
    "real": (0.2, 0.9),
    "spread": (0.0, 0.4),
    "curation": (0.0, 1.0),
    "counting": (0.0, 1.0),
    "agreement": (0.0, 1.0),
}


def scenario(
    assets: str = "",
    real: float = 0.5,
    spread: float = 0.0,
    curation: float = 0.3,
    counting: float = 1.0,
    agreement: float = 0.5,
    draw: int = 0,
    rounds: int = 40,
    samples: int | None = None,
) -> Scenario:
    """Organisations of the table ``assets`` (a stand-in without one) that train on what they build on.

    Who builds on others' assets has about ``real`` data of its own, ``spread`` more or less; of what it takes the part
    ``curation`` was chosen by its producer's users. ``counting``: 0 where one asset of a producer is as much as many, 1
    where twice as many are twice as much. ``agreement`` is the mean cosine of two tastes; ``draw`` numbers these.
    """
    shares, tastes = drawn(assets, real, spread, counting, agreement, draw)
    truth = Location(np.zeros(DIMENSION))

    def flow(u: str | int, v: str | int) -> Flow:
        share = shares.edges[u, v]["share"]
        return Flow(raw=share * (1 - curation), curated=share * curation)

    return Scenario.from_graph(
        shares,
        member=lambda node: Member(truth, reward=Linear(tastes[node]), curator=Tilt(), real=truth),
        flow=flow,
        name="supply chain",
        rounds=rounds,
        samples=samples,
    )


def drawn(
    assets: str, real: float, spread: float, counting: float, agreement: float, draw: int
) -> tuple[nx.DiGraph, dict[str | int, np.ndarray]]:
    """Who takes what share of whom, and a taste, a unit vector, for each."""
    graph, rng = organisations(assets) if assets else stand_in(), np.random.default_rng(draw)
    common, apart = rng.normal(size=DIMENSION), dict(zip(graph, rng.uniform(-1, 1, len(graph)), strict=True))
    own = rng.normal(size=(len(graph), DIMENSION))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    tastes = np.sqrt(agreement) * common / np.linalg.norm(common) + np.sqrt(1 - agreement) * own
    tastes /= np.linalg.norm(tastes, axis=1, keepdims=True)
    shares = shares_of(
        graph,
        real=lambda node: float(np.clip(real + spread * apart[node], 0.02, 0.98)),
        merge=lambda parallel: len(parallel) ** counting,
    )
    return shares, dict(zip(graph, tastes, strict=True))


def organisations(assets: str) -> nx.MultiDiGraph:
    """Who builds on whom: an edge from producer to consumer for every asset that one of the consumer's is built on.

    ``assets`` is a file of commas with the columns ``name``, ``organization`` and ``dependencies``. What several
    organisations made belongs to each; spellings that differ in blanks and capitals are one name. The graph's
    ``unknown`` counts dependencies that are no asset of the table.
    """
    with open(assets, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"name", "organization", "dependencies"} <= set(rows[0]):
        raise ValueError(f"{assets} is no table with the columns name, organization and dependencies")
    needs = [_listed(row["dependencies"], f"row {number} of {assets}") for number, row in enumerate(rows, 1)]
    spelled: dict[str, str] = {}  # each organisation as it is written first
    makers: dict[str, dict[str, None]] = {}  # of each asset, all who made one of that name
    whose = []
    for row in rows:
        names = [name.strip() for name in (row["organization"] or "").split(",") if name.strip()]
        whose.append([spelled.setdefault(_plain(name), name) for name in names])
        makers.setdefault(_plain(row["name"] or ""), {}).update(dict.fromkeys(whose[-1]))
    graph = nx.MultiDiGraph(unknown=0)
    for needed_here, consumers in zip(needs, whose, strict=True):
        for needed in needed_here:
            producers = makers.get(_plain(needed), {})
            graph.graph["unknown"] += not producers
            graph.add_edges_from((u, v, {"asset": needed}) for u in producers for v in consumers)
    if not graph:
        raise ValueError(f"no asset of {assets} is built on another of its assets; dependencies are names of the table")
    return graph


def _listed(text: str | None, where: str) -> list[str]:
    """The names in a cell such as ``['one', 'another']``; none where it is empty."""
    try:
        found = ast.literal_eval(text or "[]")
    except (SyntaxError, ValueError):
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{where}: dependencies are a list of names such as ['one', 'another'], got {text!r}")
    return found


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


@cache
def stand_in(organisations: int = 140, links: int = 260, core: int = 13, seed: int = 0) -> nx.MultiDiGraph:
    """A graph of the same size that is nobody's: ``links`` between different nodes, of which ``core`` read in circles.

    A fifth of the others supply, the rest build on what there is; producers are chosen the more, the more they are
    read. Parallel edges are assets; some build on their own.
    """
    rng = np.random.default_rng(seed)
    suppliers = (organisations - core) // 5
    read = Counter({node: 1 for node in range(organisations)})
    ends: dict[tuple[int, int], None] = {}

    def add(u: int, v: int) -> None:
        if u != v and (u, v) not in ends:
            ends[u, v] = None
            read[u] += 1

    def producer(before: int) -> int:
        """Of the core, the suppliers and who comes before: in proportion to who reads them."""
        weights = np.array([read[node] for node in range(before)], dtype=float)
        return int(rng.choice(before, p=weights / weights.sum()))

    for i in range(core):
        add(i, (i + 1) % core)
    while len(ends) < 3 * core:
        add(*map(int, rng.integers(core, size=2)))
    for supplier in range(core, core + suppliers):
        add(supplier, int(rng.integers(core)))
    for node in range(core + suppliers, organisations):
        add(producer(node), node)
    while len(ends) < links:
        node = int(rng.integers(core + suppliers, organisations))
        add(producer(node), node)
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(organisations))
    graph.add_edges_from(end for end in ends for _ in range(int(rng.geometric(0.6))))
    graph.add_edges_from((node, node) for node in range(core) for _ in range(int(rng.integers(4))))
    return graph


def like(graph: nx.MultiDiGraph, seed: int = 0) -> nx.MultiDiGraph:
    """Nobody's graph with exactly the degrees of one: its links are drawn anew, some from a node to itself."""
    taken, given = ([degree for _, degree in many] for many in (graph.in_degree(), graph.out_degree()))
    return nx.directed_configuration_model(taken, given, seed=seed)


def cyclic_core(graph: nx.DiGraph) -> set[Any]:
    """The most that read each other in circles; ValueError where nobody does."""
    core = set(max(nx.strongly_connected_components(graph), key=len))
    if len(core) == 1 and not graph.has_edge(*core, *core):
        raise ValueError("nobody in this graph reads in circles, so it has no core whose outcomes could be told")
    return core


def outcomes(s: Scenario) -> pd.DataFrame:
    """What a setting comes to in the long run, one row: ``core``, ``rim``, ``reach`` and ``radius``.

    Mean alignment of those who read in circles and of all others who read; the change of all others' alignment
    together by the curation of that one in the core whom most read; and the factor by which a round shrinks what is
    away from the stable point.
    """
    core = cyclic_core(s.graph)
    hub = max(sorted(core), key=lambda name: len(set(s.graph.successors(name))))
    effect = influence(s, sources=[hub])
    aligned = effect.alignment
    rim = [name for name in s.names if name not in core and s.graph.in_degree(name)]
    reach = effect.matrix[hub].drop(hub).sum()
    row = [aligned[sorted(core)].mean(), aligned[rim].mean(), reach, effect.stability.radius]
    return pd.DataFrame([row], columns=["core", "rim", "reach", "radius"])


def closed_form(curation: float = 0.3, assets: str = "", draw: int = 0, **shares_and_tastes: float) -> dict[str, float]:
    """The same ``outcomes`` by linear algebra, for very many points.

    What users choose lies their taste further along, so ``θ = S (θ + c G)``, ``c`` the part ``curation``, ``S`` the
    shares ``[consumer, producer]``, ``G`` the tastes. One whose curation grows moves towards the mean of what is
    curated, away from that of the rest.
    """
    settings = {"real": 0.5, "spread": 0.0, "counting": 1.0, "agreement": 0.5} | shares_and_tastes
    graph, tastes = drawn(assets, draw=draw, **settings)
    names, core = list(graph), cyclic_core(graph)
    S = nx.to_numpy_array(graph, names, weight="share").T
    G = np.array([tastes[name] for name in names])
    resolvent = np.linalg.inv(np.eye(len(S)) - S)
    theta = resolvent @ S @ (curation * G)
    aligned = dict(zip(names, (G * theta).sum(1), strict=True))
    hub = max(sorted(core, key=str), key=lambda name: len(set(graph.successors(name))))
    at, whole = names.index(hub), S[names.index(hub)].sum()
    rest = S[at] @ theta * (1 - curation) / (1 - curation * whole)
    gain = G @ (S[at] @ (theta + G) / whole - rest) * resolvent[:, at]
    rim = [aligned[name] for name in names if name not in core and graph.in_degree(name)]
    return {
        "core": float(np.mean([aligned[name] for name in core])),
        "rim": float(np.mean(rim)),
        "reach": float(gain.sum() - gain[at]),
        "radius": float(np.abs(np.linalg.eigvals(S)).max()),
    }


def points(size: int = 128, seed: int = 0) -> pd.DataFrame:
    """The points of a Sobol study of the priors, ``size`` (a power of 2) times ``2 + parameters`` rows.

    To each of ``size`` draws belong one point ``A``, another ``B``, and ``A`` with one parameter after the other taken
    from ``B``, in this order (Saltelli et al. 2010); who draws more goes on where who draws less ends.
    """
    low, high = np.array(list(PRIORS.values())).T
    drawn = qmc.Sobol(2 * len(low), seed=np.random.default_rng(seed)).random(size).reshape(size, 2, len(low))
    rows = np.concatenate([drawn, np.repeat(drawn[:, :1], len(low), axis=1)], axis=1)
    for i in range(len(low)):
        rows[:, 2 + i, i] = drawn[:, 1, i]
    return pd.DataFrame((low + (high - low) * rows).reshape(-1, len(low)), columns=list(PRIORS))


def study(assets: str = "", size: int = 128, seed: int = 0) -> Study:
    """What the priors leave uncertain of the ``outcomes``; ``analysis/supply_chain.py`` says which of them does."""
    build = partial(scenario, assets=assets)
    return Study("supply chain", build, grid=points(size, seed), measure=of_scenario(outcomes))
