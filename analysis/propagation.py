"""How fast does the influence of curation fade with distance, and does the shape of the network matter?

Forty models of equal taste read their neighbours evenly, with a tenth of real data. One of them begins to curate what
it reads of one neighbour. How much of the effect on itself reaches those one, two, three ... links away? Exact, from
the influence matrix; every member is the source in turn, and graphs that are drawn by chance are drawn several times.

Through a ring it fades by the share of real data alone: × 0.90 a link. Where models read several others it fades
faster, for each dilutes what it hears with the rest: with four neighbours on average the first link leaves 35 to 44 %
and every further one 57 or 58 %; with eight (``--neighbours 8``) 26 to 30 % and 58 to 64 %. Erdős–Rényi, small-world
and scale-free networks hardly differ: how many links there are matters more than how they are laid. In a star it
depends on who curates: 90 % of a hub's effect reaches every leaf, while 11 % of a leaf's reaches the hub and 10 % the
other leaves.

    .venv/bin/python analysis/propagation.py             # seconds
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import torch
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis import look
from ecosystem import Flow, Linear, Location, Member, Scenario, Tilt
from ecosystem.influence import influence

TASTE = Linear([1.0]).named("more")
FAR = 12  # links that are drawn
Family = Callable[[int, int, int], nx.DiGraph]  # members, neighbours on average, seed


def both_ways(graph: nx.Graph) -> nx.DiGraph:
    """Neighbours read each other."""
    return graph.to_directed()


FAMILIES: dict[str, Family] = {
    "ring, one way": lambda n, k, seed: nx.cycle_graph(n, create_using=nx.DiGraph),
    "star": lambda n, k, seed: both_ways(nx.star_graph(n - 1)),
    "Erdős–Rényi": lambda n, k, seed: both_ways(connected(partial(nx.gnm_random_graph, n, n * k // 2), seed)),
    "small world": lambda n, k, seed: both_ways(nx.connected_watts_strogatz_graph(n, k, 0.1, seed=seed)),
    "scale free": lambda n, k, seed: both_ways(nx.barabasi_albert_graph(n, k // 2, seed=seed)),
}


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--neighbours", type=int, default=4, help="of a member, on average; an even number")
    parser.add_argument("--draws", type=int, default=10, help="graphs of each family that is drawn by chance")
    parser.add_argument("--real", type=float, default=0.1, help="share of real data in every diet")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the picture")
    asked = parser.parse_args(argv)
    found = pairs(asked.members, asked.neighbours, asked.draws, asked.real)
    table, decay = by_distance(found), fading(found)
    print(f"part of the effect on the source itself that arrives, mean over pairs; real data {asked.real:.0%}")
    print(table.pivot(index="family", columns="distance", values="mean").loc[decay["family"], :6].round(3).to_string())
    print(decay.to_string(index=False, float_format="%.3f", na_rep="–"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "propagation.csv", index=False, float_format="%.6g")
    draw(table, decay, asked.out / "propagation.png")
    return table, decay


def connected(make: Callable[..., nx.Graph], seed: int) -> nx.Graph:
    """The first connected graph of those drawn from ``seed`` on."""
    return next(graph for i in range(10_000) if nx.is_connected(graph := make(seed=1000 * seed + i)))


def network(graph: nx.DiGraph, real: float) -> Scenario:
    """Everybody reads its neighbours evenly, has a share of real data, and likes the same."""

    def member(node: int) -> Member:
        return Member(Location(torch.zeros(1)), reward=TASTE, curator=Tilt(), real=Location(torch.zeros(1)))

    def flow(u: int, v: int) -> Flow:
        return Flow(raw=(1 - real) / graph.in_degree(v), chosen_by="consumer")

    return Scenario.from_graph(graph, member=member, flow=flow, name="propagation", rounds=1)


def pairs(members: int, neighbours: int, draws: int, real: float) -> pd.DataFrame:
    """One row for each source and target of each graph: their distance, and the effect relative to that on itself."""
    parts = []
    for family, make in FAMILIES.items():
        for seed in range(1 if family in ("ring, one way", "star") else draws):
            scenario = network(make(members, neighbours, seed), real)
            graph = scenario.graph
            # nobody curates yet: says which flow would be the first, for every member as the source
            first = {name: (next(iter(graph.predecessors(name))), name) for name in scenario.names}
            matrix = influence(scenario, list(first), like=first).matrix
            for source, distances in nx.all_pairs_shortest_path_length(graph):
                own = matrix.at[source, source]
                name = family if family != "star" else starting(graph.out_degree(source))
                parts += [(name, seed, source, h, matrix.at[target, source] / own) for target, h in distances.items()]
    return pd.DataFrame(parts, columns=["family", "draw", "source", "distance", "effect"])


def starting(readers: int) -> str:
    return "star, from a leaf" if readers == 1 else "star, from its hub"


def by_distance(found: pd.DataFrame) -> pd.DataFrame:
    """Mean effect at each distance and the middle 80 % of pairs."""
    groups = found.groupby(["family", "distance"], sort=False)["effect"]
    table = groups.agg(["mean", "count"])
    return table.assign(low=groups.quantile(0.1), high=groups.quantile(0.9)).reset_index()


def fading(found: pd.DataFrame) -> pd.DataFrame:
    """By what factor influence shrinks at the first hop, at every further one, and over all: fits to the logarithm."""
    rows = []
    for family, part in found[found["distance"] > 0].groupby("family", sort=False):
        h, effect = part["distance"].to_numpy(float), np.log(part["effect"].to_numpy(float))
        later = np.polyfit(h, effect, 1)[0] if len(np.unique(h)) > 1 else np.nan
        first = effect[h == 1].mean()
        rows.append((family, *np.exp([first, later, (h @ effect) / (h @ h)]), int(h.max())))
    return pd.DataFrame(rows, columns=["family", "first hop", "further hops", "per hop", "farthest"])


def draw(table: pd.DataFrame, decay: pd.DataFrame, path: Path) -> None:
    figure = look.canvas(look.WIDE, 5)
    axes = look.tidy(figure.subplots(), "distance from the model that curates (links)")
    axes.set_ylabel("what arrives of the effect on itself ($M_{jk}/M_{kk}$)", color=look.INK)
    axes.set_yscale("log")
    marks = zip(look.COLOURS, "os^DvP", decay["family"], strict=False)
    for colour, mark, family in marks:
        first, later = decay.set_index("family").loc[family, ["first hop", "further hops"]]
        words = f"{family}: × {first:.2f}" + (f", then × {later:.2f} a hop" if np.isfinite(later) else "")
        rows = table[(table["family"] == family) & (table["distance"] <= FAR)]
        axes.fill_between(rows["distance"], rows["low"], rows["high"], color=colour, alpha=0.13, linewidth=0)
        axes.plot(rows["distance"], rows["mean"], f"{mark}-", color=colour, linewidth=1.8, markersize=5, label=words)
    percents = FuncFormatter(lambda value, _: look.percent(value))
    axes.yaxis.set_major_formatter(percents)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(0, FAR + 1, 2))
    axes.set_xlim(-0.5, FAR + 0.5)
    legend = axes.legend(
        frameon=False,
        fontsize=9,
        labelcolor=look.INK,
        loc="upper right",
        bbox_to_anchor=(1, 0.72),
        title="lines: mean of all pairs; bands: the middle 80 %",
        title_fontsize=9,
        alignment="left",
    )
    legend.get_title().set_color(look.SOFT)
    path.write_bytes(look.png(figure))


if __name__ == "__main__":
    main()
