"""When theta's users curate more, who gains: theta, phi, both or neither? Nine couplings of two image models.

Reads the study of ``scenarios/tinted_digits.py``: settings A1 to A6 (the paper's) and B1 to B3 at theta's curation
levels 0.5 and 0.6 (phi's stays 0.5), every seed at both levels, so that they share all draws, and every round judged by
the same noise. A model's alignment ``J`` is its mean over the last recorded rounds, in which the models hardly move any
more; the change from 0.5 to 0.6 is taken seed by seed and comes with Student's 95 % interval. Beside it stands what the
population does in the same rounds (``tinted_digits.exact``: a diamond). The figure's lower panels show how much the
parameters still move from round to round.

What came out, six seeds: theta gains in A1, A2, A3, A5 and A6 (+.163, +.094, +.068, +.065, +.011) and nothing can be
told in A4 (+.001, from −.011 to +.014; the published figure has −.038 there, of one run). Its own curation backfires
in B1 and B3 (−.017, −.021); in B2 the interval holds zero (−.013). phi loses in A1 (−.012) and gains in B1 and B2
(+.019 both). All ten changes that are told from chance have the sign of the population, at .3 to 1.0 of its size.

`analysis/image_population.py` is the population's part alone, in half a minute. With the weights that the paper
prints, ``--set weights=[0.3,0.3]``, three seeds showed nothing that can be told from chance, as the population says.

    .venv/bin/python analysis/image_settings.py --set seeds=6   # two and a half hours of one core; goes on if stopped
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis import look
from analysis.plane import intervals, opened
from ecosystem.cli.loading import load_study, parse_settings
from ecosystem.study import Results
from scenarios import tinted_digits

NAMES = {"theta": "theta, whose users curate more (J_p)", "phi": "phi (J_q)"}
LAST = 4  # recorded rounds that an alignment is the mean of


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--study", type=Path, default=Path("runs/image_settings"), help="its folder; computed if need be"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of study(), if it is computed"
    )
    parser.add_argument("--workers", type=int, help="that compute it; 0 is this process")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table and picture")
    parser.add_argument("--name", default="image_settings", help="of both")
    asked = parser.parse_args(argv)
    given = parse_settings(asked.set)
    study = load_study(Path(tinted_digits.__file__), given)
    results = opened(asked.study, study, asked.workers)
    values = by_seed(results)
    table = settings(values).merge(stillness(results), on=["setting", "member"])
    table = table.merge(population(results, given.get("weights", tinted_digits.WEIGHTS)), on=["setting", "member"])
    print(table.to_string(index=False, float_format="%.4f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / f"{asked.name}.csv", index=False, float_format="%.6g")
    draw(table, moves(results), values.shape[1], asked.out / f"{asked.name}.png")
    return table


# -- what is measured --------------------------------------------------------------------------------------------------


def by_seed(results: Results) -> pd.DataFrame:
    """Alignments, a mean over the last recorded rounds: a row a setting, member and level, a column a seed."""
    rounds = results.with_parameters("rounds", ["seed", "round", "member", "alignment"])
    last = sorted(rounds["round"].unique())[-LAST:]
    rounds = rounds[rounds["round"].isin(last)]
    means = rounds.groupby(["setting", "member", "curation", "seed"], observed=True)["alignment"].mean()
    values = means.unstack("seed").dropna(axis=1)
    if values.shape[1] < 2 or values.index.get_level_values("curation").nunique() != 2:
        raise ValueError(
            f"{results.folder} must hold two levels of curation and two seeds at least, all finished; it does not: "
            "compute study() of scenarios/tinted_digits.py to its end"
        )
    return values


def settings(values: pd.DataFrame) -> pd.DataFrame:
    """A row a setting and member: alignment at both levels, its change and Student's 95 % interval over seeds."""
    levels = sorted(values.index.unique("curation"))
    low, high = (values.xs(level, level="curation") for level in levels)
    ends = pd.DataFrame({f"J at {level:g}": part.mean(axis=1) for level, part in zip(levels, (low, high), strict=True)})
    table = pd.concat([ends, intervals(high - low, "change")], axis=1)
    table = table.assign(seeds=values.shape[1]).reset_index().astype({"member": "str"})
    return table.sort_values(["setting", "member"], ascending=[True, False], ignore_index=True)


def population(results: Results, weights: tuple[float, float]) -> pd.DataFrame:
    """The change that the population makes in as many rounds."""
    rounds = int(results.rounds["round"].max())
    rows = []
    for setting, points in results.points.groupby("setting", observed=True):
        of = {"rounds": rounds, "weights": tuple(weights)}
        of |= {name: float(points[name].iloc[0]) for name in ("temperature",) if name in points}
        levels = sorted(points["curation"].unique())
        low, high = (tinted_digits.exact(str(setting), float(level), **of) for level in levels)
        rows += [{"setting": str(setting), "member": name, "population": high[name] - low[name]} for name in high.index]
    return pd.DataFrame(rows)


def moves(results: Results) -> pd.DataFrame:
    """How much parameters moved in each recorded round, ``‖Δθ‖/‖θ‖``, a mean over levels and seeds."""
    rounds = results.with_parameters("rounds", ["round", "member", "change"])
    rounds = rounds[rounds["round"] > 0]
    return rounds.groupby(["setting", "member", "round"], observed=True)["change"].mean().reset_index()


def stillness(results: Results) -> pd.DataFrame:
    """The move of the last round."""
    table = moves(results)
    last = table[table["round"] == table["round"].max()]
    return last.rename(columns={"change": "last move"}).drop(columns="round")


# -- the figure --------------------------------------------------------------------------------------------------------


def draw(table: pd.DataFrame, moved: pd.DataFrame, seeds: int, path: Path) -> None:
    figure = look.canvas(look.WIDE, 6.6)
    upper, lower = figure.subplots(2, 2, height_ratios=[1.3, 1], sharey="row")
    colours = dict(zip(NAMES, look.COLOURS, strict=False))
    for axes, below, (name, words), letters in zip(upper, lower, NAMES.items(), ("ac", "bd"), strict=True):
        changes(axes, table[table["member"] == name], colours[name])
        look.tidy(axes, title=f"{letters[0]}   {words}")
        for _, rows in moved[moved["member"] == name].groupby("setting"):
            below.plot(rows["round"], rows["change"], color=colours[name], linewidth=1.2, alpha=0.7)
        below.set_yscale("log")
        look.tidy(below, "round", "", f"{letters[1]}   {name}: how much the parameters move")
    upper[0].set_ylabel("change of alignment, 0.5 → 0.6", color=look.INK)
    lower[0].set_ylabel("‖Δθ‖/‖θ‖ in a round", color=look.INK)
    handles = [
        Line2D(
            [],
            [],
            color=look.SOFT,
            marker="o",
            markerfacecolor="white",
            linestyle="",
            label=f"mean of {seeds} seeds, bar: 95 % interval (hollow: it holds zero)",
        ),
        Line2D([], [], color=look.INK, marker="D", linestyle="", label="the population, exactly"),
        Line2D([], [], color=look.SOFT, linewidth=1.2, label="a line a setting"),
    ]
    look.key_below(figure, handles, 3)
    path.write_bytes(look.png(figure))


def changes(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    """The change of each setting with its interval; hollow where the interval holds zero."""
    place = np.arange(len(rows))
    clear = (rows["change low"] > 0) | (rows["change high"] < 0)
    axes.axhline(0, color=look.SOFT, linewidth=0.8)
    axes.vlines(place, rows["change low"], rows["change high"], color=colour, linewidth=2)
    axes.scatter(place, rows["change"], s=45, color=np.where(clear, colour, "white"), edgecolor=colour, zorder=3)
    axes.scatter(place, rows["population"], s=30, color=look.INK, marker="D", zorder=2)
    axes.set_xticks(place, list(rows["setting"]))


if __name__ == "__main__":
    main()
