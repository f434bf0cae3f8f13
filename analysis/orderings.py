"""Does it matter in which order models retrain?

Four networks of location models, each in the same four orders: all at once, one after the other in both directions, and
shuffled anew every round. ``rate`` is the factor by which a small change shrinks in a round, from the engine's own
round; ``formula`` the spectral radius of B (all at once) or of M_σ = E_σ(N) ··· E_σ(1) (one after the other), written
down by hand; ``predicted`` and ``measured`` are rounds until a change has shrunk to a millionth, by the rate and by
playing (fewer where the change happens to hold little of what fades last).

To how fast, always; to whether at all, too. The pair settles at × 0.92 a round all at once and at × 0.84 one after the
other, in 162 and 81 rounds. In a ring the direction counts: forwards, with the flow of data, one round carries news
all the way round (× 0.62, 30 rounds); backwards it carries it one step (× 0.87, 103), hardly better than all at once
(× 0.90, 132). Where models over-react to each other, two diverge all at once (× 1.15) and settle one by one (× 0.50),
and three settle all at once (× 0.80) and diverge one by one (× 1.20 and × 1.78). The stable point is the same in every
order. Shuffled orders lie between the others, but not always: the two settle at × 0.65, slower than in either order
(× 0.66 over 200,000 rounds; ``error`` is the standard error of a rate that is measured). The other rates equal the
formula to 1e-8.

    .venv/bin/python analysis/orderings.py               # seconds
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes

from analysis import look
from ecosystem import Ecosystem, Flow, LinearMap, Location, Member, Scenario, sequential, shuffled, synchronous
from ecosystem.influence import stability, stable_point
from scenarios import pair

STYLES = {
    "all at once": (look.COLOURS[0], "-"),
    "one by one, forwards": (look.COLOURS[1], "-"),
    "one by one, backwards": (look.COLOURS[2], "--"),
    "shuffled every round": (look.COLOURS[3], "-."),
}
FLOOR = 1e-8  # distances below it are not drawn


@dataclass(frozen=True)
class Case:
    """A network, the Jacobian B of its round as written down by hand, and its size in numbers a member."""

    title: str
    scenario: Scenario
    jacobian: np.ndarray
    rounds: int

    @property
    def orders(self) -> dict[str, object]:
        names = self.scenario.names
        orders = (synchronous, sequential(*names), sequential(*reversed(names)), shuffled)
        return dict(zip(STYLES, orders, strict=True))


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--replicates", type=int, default=20, help="of the shuffled order, in the figure")
    parser.add_argument("--coupling", type=float, default=0.9, help="of the pair")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the picture")
    asked = parser.parse_args(argv)
    found = cases(asked.coupling)
    table = pd.concat([speeds(case) for case in found], ignore_index=True)
    print(table.to_string(index=False, float_format="%.4g", na_rep="–"))
    paths = pd.concat([distances(case, asked.replicates) for case in found], ignore_index=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "orderings.csv", index=False, float_format="%.9g")
    draw(found, table, paths, asked.out / "orderings.png")
    return table, paths


# -- the networks ------------------------------------------------------------------------------------------------------


def cases(coupling: float) -> list[Case]:
    matrix = pair.coupling_matrix(coupling).numpy()
    zero, one = np.zeros_like(matrix), np.eye(len(matrix))
    ring = 0.6 * np.roll(np.eye(6), 1, axis=0) + 0.3 * np.roll(np.eye(6), 2, axis=0)
    cross = np.array([[0.5, -1.2], [0.9, 0.5]])
    three = np.array([[0.0, 0.8, 1.2], [0.8, 0.0, -1.0], [-1.5, -1.5, 0.0]])
    two = pair.scenario(coupling, samples=None)
    return [
        Case("the pair of scenarios/pair.py", two, np.block([[zero, one], [matrix, zero]]), 80),
        Case("six in a ring, each reads the two before it", network("ring", ring, 0.45), ring, 40),
        Case("two that over-react to each other", network("cross", cross, 0.45), cross, 30),
        Case("three that over-react to each other", network("three", three, 0.45), three, 30),
    ]


def network(name: str, jacobian: np.ndarray, share: float) -> Scenario:
    """Members of one number each, with some real data: ``v`` reads ``u`` so that a change of ``u`` moves it by B_vu."""
    s = Scenario(name, rounds=1)
    for i in range(len(jacobian)):
        s.add(f"m{i + 1}", Member(Location(torch.zeros(1)), real=Location(torch.ones(1))))
    for v, u in zip(*np.nonzero(jacobian), strict=True):
        strength = float(jacobian[v, u])
        s.connect(f"m{u + 1}", f"m{v + 1}", Flow(raw=share, transform=LinearMap([[strength / share]])))
    return s


# -- the answers -------------------------------------------------------------------------------------------------------


def speeds(case: Case) -> pd.DataFrame:
    """The table of :func:`ecosystem.influence.stability`, with the formula beside it."""
    first, *others = case.orders.values()
    found = stability(case.scenario.replace(ordering=first), others)
    table = found.table.drop(columns="exponent").assign(ordering=list(STYLES))
    table.insert(0, "network", case.title)
    table.insert(3, "formula", [*formula(case), np.nan])
    return table


def formula(case: Case) -> list[float]:
    """ρ(B), and ρ(M_σ) forwards and backwards."""
    members = len(case.scenario.names)
    width = len(case.jacobian) // members
    rounds = [case.jacobian]
    for order in (range(members), reversed(range(members))):
        product = np.eye(len(case.jacobian))
        for i in order:
            rows = slice(i * width, (i + 1) * width)
            step = np.eye(len(case.jacobian))
            step[rows] = case.jacobian[rows]
            product = step @ product
        rounds.append(product)
    return [float(np.abs(np.linalg.eigvals(matrix)).max()) for matrix in rounds]


def distances(case: Case, replicates: int) -> pd.DataFrame:
    """How far from the stable point every order is after each round, relative to the start."""
    goal = stable_point(case.scenario, starts=1).parameters
    parts = []
    for label, ordering in case.orders.items():
        scenario = case.scenario.replace(ordering=ordering, rounds=case.rounds)
        eco = Ecosystem(scenario, seeds=range(replicates) if ordering is shuffled else [0])
        gaps = [gap(eco, goal)]
        for _ in range(case.rounds):
            eco.step()
            gaps.append(gap(eco, goal))
        values = np.array(gaps) / gaps[0]
        frame = pd.DataFrame({"middle": np.median(values, 1), "low": values.min(1), "high": values.max(1)})
        parts.append(frame.rename_axis("round").reset_index().assign(network=case.title, ordering=label))
    return pd.concat(parts, ignore_index=True)


def gap(eco: Ecosystem, goal: dict[str, torch.Tensor]) -> np.ndarray:
    """``‖Θ − Θ*‖`` of every replicate."""
    squares = sum(((eco[name].generator.mean - point) ** 2).sum(-1) for name, point in goal.items())
    return torch.as_tensor(squares).sqrt().reshape(-1).numpy()


# -- the figure --------------------------------------------------------------------------------------------------------


def draw(found: list[Case], table: pd.DataFrame, paths: pd.DataFrame, path: Path) -> None:
    figure = look.canvas(look.WIDE, 7.2)
    places = figure.subplots(2, 2)
    for axes, case, letter in zip(places.flat, found, "abcd", strict=True):
        lines(axes, paths[paths["network"] == case.title])
        look.tidy(axes, "round", "", f"{letter}   {case.title}")
        look.whole_rounds(axes)
    for axes in places[:, 0]:
        axes.set_ylabel("distance from the stable point (start = 1)", color=look.INK)
    handles, labels = places.flat[0].get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9, labelcolor=look.INK
    )
    legend.set_title("beside each line: the factor by which the distance changes in a round")
    legend.get_title().set_fontsize(9)
    legend.get_title().set_color(look.SOFT)
    look.settle(figure)
    for axes, case in zip(places.flat, found, strict=True):
        rates(axes, paths[paths["network"] == case.title], table[table["network"] == case.title])
    path.write_bytes(look.png(figure))


def lines(axes: Axes, paths: pd.DataFrame) -> None:
    """A line for each order; for the shuffled one the median and all replicates."""
    axes.set_yscale("log")
    for label, (colour, dashes) in STYLES.items():
        rows = paths[paths["ordering"] == label]
        axes.plot(rows["round"], rows["middle"], color=colour, linestyle=dashes, linewidth=1.8, label=label)
        axes.fill_between(rows["round"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], FLOOR))
    axes.minorticks_off()


def rates(axes: Axes, paths: pd.DataFrame, table: pd.DataFrame) -> None:
    """Beside the end of every line the factor by which it shrinks in a round."""
    ends = paths.groupby("ordering").tail(1).set_index("ordering").loc[list(STYLES)]
    place = axes.transAxes.inverted().transform(axes.transData.transform(ends[["round", "middle"]].to_numpy(float)))
    rate, formula = (table.set_index("ordering")[column] for column in ("rate", "formula"))
    for label, y in zip(STYLES, look.spaced(list(place[:, 1].clip(0, 1)), 0.065), strict=True):
        colour = look.mix(STYLES[label][0], "#000000", 0.3)
        about = "≈" if np.isnan(formula[label]) else "×"  # measured for the shuffled one
        axes.annotate(
            f"{about} {rate[label]:.2f}", (1.0, y), xycoords="axes fraction", va="center", color=colour, fontsize=9
        )


if __name__ == "__main__":
    main()
