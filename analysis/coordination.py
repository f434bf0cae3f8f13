"""What is it worth that models decide together how much to curate?

Three location models read each other: a share ``coupling`` of each diet comes from the two others, half from each, the
rest is real data at 0. Curation shifts what a model reads along its own users' taste ``g``; their reward is
⟨g, x⟩ − ¼‖x‖², so they would like to be two units out, and curating costs .1 a unit of level. Welfare is everybody's
alignment less what they pay. ``optimum``: all levels chosen together; ``uniform``: one level for all, the best one;
``selfish``: the worst Nash point found, each level chosen for its own good. Two crowds: tastes ``alike`` (30 degrees
from one to the next) and ``at odds`` (90 degrees, so that the first and the third are opposed).

Little where tastes are alike, more and more with coupling where they are at odds. Alike, selfish play falls short by
.03 % of the optimum at a coupling of .1 and by 1 % at .9. At odds it falls short by 6 %, 26 % and 59 % at .1, .5 and
.7, and at .9 nothing is left of 1.17 (−.02): each curates against the others. One level for all is nearly as good as
the optimum up to .5, and loses a third at .9, where the optimum lets the two who are opposed curate as much as they can
and the third hardly. (At .1 and .3 there are several equilibria; the worst one found counts.)

These settings are an example of what can happen, not of what is typical: they were chosen among six because they show
an effect.

    .venv/bin/python analysis/coordination.py            # a minute
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.optimize import minimize_scalar

from analysis import look
from ecosystem import Flow, Location, Member, Quadratic, Scenario, Shift, equilibrium
from ecosystem.decisions import Equilibrium

CROWDS = {"alike": 30.0, "at odds": 90.0}  # degrees from the first taste to the second, and on to the third
PLANS = {"optimum": look.COLOURS[0], "uniform": look.COLOURS[2], "selfish": look.COLOURS[1]}
COST, BOUNDS = 0.1, (0.0, 0.9)
NAMES = "abc"


def scenario(coupling: float = 0.6, apart: float = 30.0) -> Scenario:
    """Three models whose users' tastes point so many degrees apart."""
    s = Scenario("three", rounds=200)
    for i, name in enumerate(NAMES):
        angle = np.radians(apart * i)
        taste = np.array([np.cos(angle), np.sin(angle)])
        users = {"reward": Quadratic(taste, 0.5), "curator": Shift(taste)}
        s.add(name, Member(Location([0.0, 0.0], 0.1), real=Location([0.0, 0.0], 0.1), **users))
    for u in NAMES:
        for v in NAMES:
            if u != v:
                half = coupling / 4
                s.connect(u, v, Flow(raw=half, curated=half, chosen_by="consumer"))
    return s


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=5, help="couplings from .1 to .9")
    parser.add_argument("--starts", type=int, default=2, help="of the search for equilibria")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table and picture")
    asked = parser.parse_args(argv)
    rows = []
    for crowd, apart in CROWDS.items():
        for coupling in np.linspace(0.1, 0.9, asked.steps):
            found = equilibrium(
                scenario(float(coupling), apart), costs=COST, bounds=dict.fromkeys(NAMES, BOUNDS), starts=asked.starts
            )
            rows += plans(found, crowd, float(coupling))
    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format="%.4g"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "coordination.csv", index=False, float_format="%.9g")
    draw(table, asked.out / "coordination.png")
    return table


def plans(found: Equilibrium, crowd: str, coupling: float) -> list[dict[str, object]]:
    """A row a plan: welfare, levels, and what it falls short of the optimum."""
    game = found.game

    def lost(level: float) -> float:
        play = game.at(np.full(len(NAMES), level))
        return -play.welfare if play.ok else 1e6

    # the grid first: welfare need not have one summit
    grid = np.linspace(*BOUNDS, 10)
    near = float(grid[int(np.argmin([lost(x) for x in grid]))])
    ends = max(near - 0.1, BOUNDS[0]), min(near + 0.1, BOUNDS[1])
    level = float(minimize_scalar(lost, bounds=ends, method="bounded", options={"xatol": 1e-7}).x)
    worst = None if found.worst is None else found.nash[found.worst - 1].play
    plays = {"optimum": found.best, "uniform": game.at(np.full(len(NAMES), level)), "selfish": worst}
    rows: list[dict[str, object]] = []
    for plan, play in plays.items():
        welfare = np.nan if play is None else play.welfare
        levels = dict(zip((f"level_{n}" for n in NAMES), np.full(3, np.nan) if play is None else play.x, strict=True))
        rows.append(
            {"tastes": crowd, "coupling": coupling, "plan": plan, "welfare": welfare}
            | levels
            | {"lost": found.best.welfare - welfare, "equilibria": len(found.nash)}
        )
    return rows


def draw(table: pd.DataFrame, path: Path) -> None:
    """Welfare and mean level of each plan over the coupling, a column a crowd."""
    figure = look.canvas(look.WIDE, 5.6)
    axes = figure.subplots(2, len(CROWDS), sharex=True, sharey="row")
    level = table.filter(like="level_").mean(axis=1)
    for column, (crowd, apart) in enumerate(CROWDS.items()):
        for plan, colour in PLANS.items():
            rows = table[(table["tastes"] == crowd) & (table["plan"] == plan)]
            style = {"color": colour, "label": plan, "linewidth": 1.8, "linestyle": "--" if plan == "uniform" else "-"}
            axes[0, column].plot(rows["coupling"], rows["welfare"], **style)
            axes[1, column].plot(rows["coupling"], level[rows.index], **style)
        title = f"Tastes {crowd} ({apart:.0f}° apart)"
        tidied(axes[0, column], "", "Welfare, everybody's" if not column else "", title)
        tidied(axes[1, column], "Share that is read from the others", "Mean level of curation" if not column else "")
    look.key_below(figure, axes[0, 0].get_lines(), len(PLANS))
    path.write_bytes(look.png(figure))


def tidied(axes: Axes, xlabel: str, ylabel: str, title: str = "") -> None:
    look.tidy(axes, xlabel, ylabel, title)


if __name__ == "__main__":
    main()
